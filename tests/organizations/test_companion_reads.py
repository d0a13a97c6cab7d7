"""The reads that clients rely on: `/user`, `/organizations`, `/users?organization=` and `/units?organization=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests.dialect import refused
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

SCOPED = ["/users", "/units"]


def get(client: APIClient, path: str) -> Any:
    return client.get(f"/api/v1{path}")


def queries_of(client: APIClient, path: str) -> tuple[int, int]:
    """Return how many rows a list has and how many queries it takes."""
    with CaptureQueriesContext(connection) as queries:
        response = get(client, path)
    assert response.status_code == 200
    return len(response.json()), len(queries)


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory(name="Brigade of Example")


@pytest.fixture
def client_of(as_user: AsUser, as_organization: AsOrganization, brigade: Organization) -> Callable[[str], APIClient]:
    clients: dict[str, Callable[[], APIClient]] = {
        "nobody": APIClient,
        "stranger": lambda: as_user(admin(OrganizationFactory())),
        "user without an organization": lambda: as_user(UserFactory()),
        "member": lambda: as_user(member(brigade)),
        "admin": lambda: as_user(admin(brigade)),
        "API token": lambda: as_organization(brigade),
        "foreign API token": lambda: as_organization(OrganizationFactory()),
    }
    return lambda role: clients[role]()


# GET /user


def test_a_user_reads_who_they_are(as_user: AsUser, brigade: Organization) -> None:
    user = member(brigade, first_name="Änne", last_name="O'Neill", email="aenne@example.org", language="de-AT")
    response = get(as_user(user), "/user")
    assert response.status_code == 200
    assert response.json() == {
        "id": user.pk,
        "email": "aenne@example.org",
        "name": "Änne",
        "surname": "O'Neill",
        "inboxToEmail": False,
        "language": "de-AT",
    }


def test_names_and_email_may_be_empty_but_are_there(as_user: AsUser) -> None:
    user = UserFactory(first_name="", last_name="", email="")
    answer = get(as_user(user), "/user").json()
    assert answer.items() >= {"id": user.pk, "email": "", "name": "", "surname": ""}.items()


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("nobody", 401),
        ("user without an organization", 200),
        ("member", 200),
        ("admin", 200),
        ("API token", 403),
        ("foreign API token", 403),
    ],
)
def test_who_reads_who_they_are(client_of: Callable[[str], APIClient], role: str, status: int) -> None:
    response = get(client_of(role), "/user")
    assert response.status_code == 200 if status == 200 else refused(response, status)


def test_who_one_is_takes_one_query(as_user: AsUser, brigade: Organization) -> None:
    client = as_user(member(brigade))
    with CaptureQueriesContext(connection) as queries:  # the token with its user
        get(client, "/user")
    assert len(queries) == 1


# GET /organizations


def test_a_user_reads_their_organizations(as_user: AsUser, brigade: Organization) -> None:
    user = member(brigade)
    second = MembershipFactory(user=user, role="admin").organization
    OrganizationFactory()
    response = get(as_user(user), "/organizations")
    assert response.status_code == 200
    assert sorted(response.json(), key=lambda row: row["id"]) == [
        {"id": brigade.pk, "name": "Brigade of Example"},
        {"id": second.pk, "name": second.name},
    ]


def test_an_api_token_reads_its_own_organization(as_organization: AsOrganization, brigade: Organization) -> None:
    admin(brigade)
    OrganizationFactory()
    response = get(as_organization(brigade), "/organizations")
    assert (response.status_code, response.json()) == (200, [{"id": brigade.pk, "name": "Brigade of Example"}])


def test_a_user_without_an_organization_reads_an_empty_list(client_of: Callable[[str], APIClient]) -> None:
    assert get(client_of("user without an organization"), "/organizations").json() == []


def test_nobody_reads_no_organizations(client_of: Callable[[str], APIClient]) -> None:
    assert refused(get(client_of("nobody"), "/organizations"), 401)


def test_fifty_organizations_take_as_many_queries_as_one(as_user: AsUser, brigade: Organization) -> None:
    user = member(brigade)
    one = queries_of(as_user(user), "/organizations")
    MembershipFactory.create_batch(49, user=user)
    fifty = queries_of(as_user(user), "/organizations")
    assert (one, fifty) == ((1, 2), (50, 2))  # the token with its user, the organizations


# GET /users?organization= and GET /units?organization=


def test_the_users_are_the_members_of_the_organization(as_organization: AsOrganization, brigade: Organization) -> None:
    first = member(brigade, first_name="Kim", last_name="Lee", email="kim@example.org")
    visitor = MembershipFactory(organization=brigade, user=admin(OrganizationFactory())).user
    UserFactory()
    rows = get(as_organization(brigade), f"/users?organization={brigade.pk}").json()
    assert {row["id"] for row in rows} == {first.pk, visitor.pk}
    [kim] = [row for row in rows if row["id"] == first.pk]
    assert kim == {"id": first.pk, "email": "kim@example.org", "name": "Kim", "surname": "Lee"}


def test_a_user_of_two_organizations_is_listed_once_in_each(as_user: AsUser, brigade: Organization) -> None:
    user = member(brigade)
    second = MembershipFactory(user=user).organization
    client = as_user(user)
    for organization in (brigade, second):
        assert [row["id"] for row in get(client, f"/users?organization={organization.pk}").json()] == [user.pk]


def test_the_units_are_the_groups_of_the_organization(as_organization: AsOrganization, brigade: Organization) -> None:
    first = GroupFactory(organization=brigade, name="Divers", description="Bring fins")
    second = GroupFactory(organization=brigade, name="Drivers")
    GroupFactory(name="Divers")
    rows = get(as_organization(brigade), f"/units?organization={brigade.pk}").json()
    assert {row["id"]: row["name"] for row in rows} == {first.pk: "Divers", second.pk: "Drivers"}
    assert len(rows) == 2


@pytest.mark.parametrize("path", SCOPED)
def test_rows_hold_an_id_and_a_name_and_no_secrets(client_of: Any, brigade: Organization, path: str) -> None:
    GroupFactory(organization=brigade)
    rows = get(client_of("member"), f"{path}?organization={brigade.pk}").json()
    assert len(rows) == 1
    for row in rows:
        assert type(row["id"]) is int
        assert type(row["name"]) is str
        assert not {"password", "login", "is_staff", "is_superuser", "tokens"} & set(row)


@pytest.mark.parametrize("path", SCOPED)
@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("nobody", 401),
        ("stranger", 404),
        ("user without an organization", 404),
        ("member", 200),
        ("admin", 200),
        ("API token", 200),
        ("foreign API token", 404),
    ],
)
def test_who_reads_users_and_units(
    client_of: Callable[[str], APIClient], brigade: Organization, path: str, role: str, status: int
) -> None:
    response = get(client_of(role), f"{path}?organization={brigade.pk}")
    assert response.status_code == 200 if status == 200 else refused(response, status)


@pytest.mark.parametrize("path", SCOPED)
def test_an_organization_that_is_not_there_answers_as_one_that_is_foreign(
    as_user: AsUser, brigade: Organization, path: str
) -> None:
    foreign, client = OrganizationFactory().pk, as_user(admin(brigade))
    texts = []
    for organization_id in (foreign, 2**63 - 1):
        response = get(client, f"{path}?organization={organization_id}")
        assert refused(response, 404, "organization")
        texts.append(response.content.decode().replace(str(organization_id), "..."))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("role", ["member", "API token"])
@pytest.mark.parametrize("path", SCOPED)
@pytest.mark.parametrize("query", ["", "?organization=", "?organization=0", "?organizationID=1"])
def test_the_organization_is_required(client_of: Any, role: str, path: str, query: str) -> None:
    assert refused(get(client_of(role), f"{path}{query}"), 400, "organization")


@pytest.mark.parametrize("path", SCOPED)
@pytest.mark.parametrize("text", ["abc", "-1", "%2B1", "1.0", "true", "²", "%00", "%ff", str(2**63), "9" * 400])
def test_a_malformed_organization_is_400(client_of: Any, path: str, text: str) -> None:
    assert refused(get(client_of("member"), f"{path}?organization={text}"), 400, "organization")


def test_fifty_users_take_as_many_queries_as_one(
    as_user: AsUser, as_organization: AsOrganization, brigade: Organization
) -> None:
    asking = {"user": as_user(member(brigade)), "API token": as_organization(brigade)}
    path = f"/users?organization={brigade.pk}"
    one = {who: queries_of(client, path) for who, client in asking.items()}
    for _more in range(49):
        member(brigade)
    fifty = {who: queries_of(client, path) for who, client in asking.items()}
    # The token with its owner, the membership with its organization (of a user), the users.
    assert one == {"user": (1, 3), "API token": (1, 2)}
    assert fifty == {"user": (50, 3), "API token": (50, 2)}


def test_fifty_units_take_as_many_queries_as_one(
    as_user: AsUser, as_organization: AsOrganization, brigade: Organization
) -> None:
    asking = {"user": as_user(member(brigade)), "API token": as_organization(brigade)}
    path = f"/units?organization={brigade.pk}"
    GroupFactory(organization=brigade)
    one = {who: queries_of(client, path) for who, client in asking.items()}
    GroupFactory.create_batch(49, organization=brigade)
    fifty = {who: queries_of(client, path) for who, client in asking.items()}
    # The token with its owner, the membership with its organization (of a user), the groups.
    assert one == {"user": (1, 3), "API token": (1, 2)}
    assert fifty == {"user": (50, 3), "API token": (50, 2)}
