"""The response timeout: `GET`, `PUT` and `POST /organization/{organizationID}/timeout`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

UNKNOWN = 2**63 - 1
setters = pytest.mark.parametrize("method", ["put", "post"])


def path(organization: Organization | str | int) -> str:
    return f"/api/v1/organization/{organization.pk if isinstance(organization, Organization) else organization}/timeout"


def send(client: APIClient, method: str, organization: Organization | str | int, content: object) -> Any:
    return getattr(client, method)(path(organization), content, format="json")


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def chief(as_user: AsUser, brigade: Organization) -> APIClient:
    return as_user(admin(brigade))


@pytest.fixture
def in_force(as_organization: AsOrganization, brigade: Organization) -> Callable[[], int]:
    """Reads the timeout of the organization."""
    reader = as_organization(brigade)
    return lambda: reader.get(path(brigade)).json()["timeout"]


def test_an_organization_that_has_set_none_has_900_seconds(chief: APIClient, brigade: Organization) -> None:
    response = chief.get(path(brigade))
    assert (response.status_code, response.json()) == (200, {"timeout": 900})


def test_the_default_is_a_setting(chief: APIClient, brigade: Organization, settings: Any) -> None:
    settings.DEFAULT_RESPONSE_TIMEOUT = 1234
    assert chief.get(path(brigade)).json() == {"timeout": 1234}


@setters
@pytest.mark.parametrize("seconds", [10, 11, 900, 86399, 86400])
def test_what_is_set_is_answered_and_in_force(
    chief: APIClient, brigade: Organization, method: str, seconds: int
) -> None:
    response = send(chief, method, brigade, {"timeout": seconds})
    assert (response.status_code, response.json()) == (200, {"timeout": seconds})
    assert chief.get(path(brigade)).json() == {"timeout": seconds}


@setters
def test_it_can_be_set_again(chief: APIClient, brigade: Organization, in_force: Callable[[], int], method: str) -> None:
    for seconds in (60, 120, 120):
        assert send(chief, method, brigade, {"timeout": seconds}).status_code == 200
        assert in_force() == seconds


def test_the_timeout_of_one_organization_is_not_that_of_another(
    chief: APIClient, brigade: Organization, as_organization: AsOrganization
) -> None:
    other = OrganizationFactory()
    send(chief, "put", brigade, {"timeout": 60})
    assert as_organization(other).get(path(other)).json() == {"timeout": 900}


REFUSED = [
    *({"timeout": value} for value in (9, 0, -1, -900, 86401, 2**31, 2**63, 10**30)),
    *({"timeout": value} for value in ("900", "", 900.0, 900.5, True, False, None, [], [900], {}, {"timeout": 900})),
    {},
    {"Timeout": 900},
]


@setters
@pytest.mark.parametrize("content", REFUSED, ids=str)
def test_a_malformed_body_is_refused_naming_the_field_and_changes_nothing(
    chief: APIClient, brigade: Organization, in_force: Callable[[], int], method: str, content: object
) -> None:
    send(chief, "put", brigade, {"timeout": 60})
    assert refused(send(chief, method, brigade, content), 400, "timeout")
    assert in_force() == 60


@setters
def test_unknown_fields_are_ignored(chief: APIClient, brigade: Organization, method: str) -> None:
    response = send(chief, method, brigade, {"timeout": 60, "organizationID": "x", "seconds": [5]})
    assert (response.status_code, response.json()) == (200, {"timeout": 60})


@pytest.mark.parametrize("text", ["abc", "-1", "+1", "1.0", "1e3", "true", "²", "%00", "1%0A", str(2**63), "9" * 400])
def test_a_malformed_id_in_the_path_is_400(chief: APIClient, text: str) -> None:
    assert refused(chief.get(path(text)), 400, "organizationID")
    assert refused(send(chief, "put", text, {"timeout": 60}), 400, "organizationID")
    assert refused(send(chief, "post", text, {"timeout": 60}), 400, "organizationID")


def test_an_unknown_organization_is_404(chief: APIClient) -> None:
    assert refused(chief.get(path(UNKNOWN)), 404, "organizationID")
    assert refused(send(chief, "put", UNKNOWN, {"timeout": 60}), 404, "organizationID")
    assert refused(send(chief, "post", UNKNOWN, {"timeout": 60}), 404, "organizationID")


# The status of reading and of changing, by role.
ROLES = {
    "nobody": (401, 401),
    "stranger": (404, 404),
    "member": (200, 403),
    "member who is an admin elsewhere": (200, 403),
    "admin": (200, 200),
    "API token": (200, 200),
    "foreign API token": (404, 404),
}


@pytest.fixture
def client_of(as_user: AsUser, as_organization: AsOrganization, brigade: Organization) -> Callable[[str], APIClient]:
    def visitor() -> User:
        return MembershipFactory(organization=brigade, user=admin(OrganizationFactory())).user

    clients: dict[str, Callable[[], APIClient]] = {
        "nobody": APIClient,
        "stranger": lambda: as_user(admin(OrganizationFactory())),
        "member": lambda: as_user(member(brigade)),
        "member who is an admin elsewhere": lambda: as_user(visitor()),
        "admin": lambda: as_user(admin(brigade)),
        "API token": lambda: as_organization(brigade),
        "foreign API token": lambda: as_organization(OrganizationFactory()),
    }
    return lambda role: clients[role]()


@pytest.mark.parametrize(("role", "status"), [(role, reading) for role, (reading, _changing) in ROLES.items()])
def test_reading_by_role(client_of: Callable[[str], APIClient], brigade: Organization, role: str, status: int) -> None:
    response = client_of(role).get(path(brigade))
    assert response.status_code == 200 if status == 200 else refused(response, status)


@setters
@pytest.mark.parametrize(("role", "status"), [(role, changing) for role, (_reading, changing) in ROLES.items()])
def test_changing_by_role(
    client_of: Callable[[str], APIClient],
    brigade: Organization,
    in_force: Callable[[], int],
    method: str,
    role: str,
    status: int,
) -> None:
    response = send(client_of(role), method, brigade, {"timeout": 60})
    assert response.status_code == 200 if status == 200 else refused(response, status)
    assert in_force() == (60 if status == 200 else 900)


def test_a_member_reads_it_with_few_queries(
    as_user: AsUser, brigade: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    reader = as_user(member(brigade))
    with django_assert_max_num_queries(5):  # the token, the membership, the timeout
        assert reader.get(path(brigade)).status_code == 200
