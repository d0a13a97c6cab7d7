"""SetUserEscalation and GetUserEscalation: `POST /escalation`, `GET /escalation/{userID}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from organizations.models import Membership, Organization, User
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory, admin, escalation, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

PATH = "/api/v1/escalation"
DEFAULT = [("app", 0), ("pager", 0), ("email", 0), ("sms", 60), ("call", 60)]
BEFORE = [("pager", 0), ("sms", 30), ("call", 30)]


def body(*entries: tuple[str, int], **ids: Any) -> dict[str, Any]:
    return {"escalations": [{"wayofalarm": way, "delay": delay} for way, delay in entries], **ids}


def set_escalation(client: APIClient, content: object) -> Any:
    return client.post(PATH, content, format="json")


def in_force(client: APIClient, user: User) -> list[tuple[str, int]]:
    response = client.get(f"{PATH}/{user.pk}")
    assert response.status_code == 200
    return [(entry["wayofalarm"], entry["delay"]) for entry in response.json()["escalations"]]


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def user(brigade: Organization) -> User:
    """Whose escalation it is: a member whom `brigade` manages."""
    return member(brigade)


@pytest.fixture
def own(as_user: AsUser, user: User) -> APIClient:
    return as_user(user)


def test_setting_answers_that_it_is_saved_and_getting_shows_it_in_order(own: APIClient, user: User) -> None:
    entries = [("sms", 60), ("app", 0), ("sms", 5), ("email", 0), ("call", 86400), ("pager", 1)]
    response = set_escalation(own, body(*entries))
    assert (response.status_code, response.json()) == (200, {"message": "escalation saved"})
    assert own.get(f"{PATH}/{user.pk}").json() == body(*entries, organizationID=0, userID=user.pk)


def test_a_user_without_a_configuration_has_the_default(own: APIClient, user: User) -> None:
    assert own.get(f"{PATH}/{user.pk}").json() == body(*DEFAULT, organizationID=0, userID=user.pk)


def test_the_default_is_a_setting(own: APIClient, user: User, settings: Any) -> None:
    settings.DEFAULT_ESCALATION = [("call", 7)]
    assert in_force(own, user) == [("call", 7)]


def test_an_empty_list_brings_the_default_back(own: APIClient, user: User) -> None:
    escalation(user, *BEFORE)
    assert set_escalation(own, body()).status_code == 200
    assert in_force(own, user) == DEFAULT
    assert set_escalation(own, body()).status_code == 200


def test_setting_replaces_the_whole_list(own: APIClient, user: User) -> None:
    escalation(user, *BEFORE)
    set_escalation(own, body(("email", 3)))
    assert in_force(own, user) == [("email", 3)]


def test_the_list_of_one_user_is_not_that_of_another(own: APIClient, user: User, as_user: AsUser) -> None:
    other = member(user.managing_organization)
    escalation(other, *BEFORE)
    set_escalation(own, body(("email", 3)))
    assert in_force(as_user(other), other) == BEFORE


def test_a_replacement_that_fails_halfway_changes_nothing(own: APIClient, user: User) -> None:
    escalation(user, *BEFORE)

    def fail_on_insert(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('INSERT INTO "escalations_escalation"'):
            raise RuntimeError("the machine is on fire")
        return execute(sql, params, many, context)

    own.raise_request_exception = False
    with connection.execute_wrapper(fail_on_insert):
        assert set_escalation(own, body(("email", 3))).status_code == 500
    assert in_force(own, user) == BEFORE


@pytest.mark.parametrize("ids", [{}, {"userID": 0}, {"organizationID": 0}, {"userID": 0, "organizationID": 0}])
def test_ids_that_are_absent_or_zero_are_not_given_and_mean_the_caller(
    own: APIClient, user: User, ids: dict[str, int]
) -> None:
    assert set_escalation(own, body(("email", 3), **ids)).status_code == 200
    assert in_force(own, user) == [("email", 3)]


@pytest.mark.parametrize("query", ["", "?organization_id=0", "?organization_id="])
def test_a_user_reads_their_own_without_an_organization(own: APIClient, user: User, query: str) -> None:
    assert own.get(f"{PATH}/{user.pk}{query}").status_code == 200


def test_a_user_names_themselves_and_their_organization(own: APIClient, user: User, brigade: Organization) -> None:
    assert set_escalation(own, body(("sms", 1), userID=user.pk, organizationID=brigade.pk)).status_code == 200
    response = own.get(f"{PATH}/{user.pk}?organization_id={brigade.pk}")
    assert response.json() == body(("sms", 1), organizationID=0, userID=user.pk)


def test_a_user_changes_their_own_whoever_manages_them(as_user: AsUser) -> None:
    loner = UserFactory()
    assert set_escalation(as_user(loner), body(("sms", 1))).status_code == 200
    assert in_force(as_user(loner), loner) == [("sms", 1)]


ENTRY = {"wayofalarm": "sms", "delay": 1}
MALFORMED_IDS = ["1", "", 1.0, 1.5, True, False, -1, 2**63, 10**30, [], {}, [1]]
REFUSED = [
    ({}, "escalations"),
    *(({"escalations": value}, "escalations") for value in (None, "sms", 5, True, {}, ENTRY, {"0": ENTRY})),
    *(({"escalations": [ENTRY, value]}, "escalations") for value in (None, "sms", 5, [], [ENTRY])),
    ({"escalations": [ENTRY] * 21}, "escalations"),
    ({"escalations": [{"delay": 1}]}, "wayofalarm"),
    *(
        ({"escalations": [ENTRY, {"wayofalarm": value, "delay": 1}]}, "wayofalarm")
        for value in ("fax", "SMS", " sms", "", "s" * 10_000, "\x00", None, 5, True, ["sms"], {"sms": 1})
    ),
    ({"escalations": [{"wayofalarm": "sms"}]}, "delay"),
    *(
        ({"escalations": [ENTRY, {"wayofalarm": "sms", "delay": value}]}, "delay")
        for value in (-1, 86401, 10**30, "60", "", 60.0, 1.5, True, False, None, [], [60])
    ),
    *((body(("sms", 1), userID=value), "userID") for value in MALFORMED_IDS),
    *((body(("sms", 1), organizationID=value), "organizationID") for value in MALFORMED_IDS),
]


@pytest.mark.parametrize(("content", "field"), REFUSED, ids=lambda value: str(value)[:80].replace("\x00", "NUL"))
def test_a_malformed_body_is_refused_naming_the_field_and_changes_nothing(
    own: APIClient, user: User, content: object, field: str
) -> None:
    escalation(user, *BEFORE)
    assert refused(set_escalation(own, content), 400, field)
    assert in_force(own, user) == BEFORE


@pytest.mark.parametrize(
    "entries",
    [
        [("sms", 0)],
        [("sms", 86400)],
        [("sms", 1)] * 20,
        [("app", 9), ("pager", 9), ("sms", 9), ("call", 9), ("email", 9)],
    ],
    ids=["no delay", "a day", "twenty entries", "every way"],
)
def test_what_is_within_the_bounds_is_taken(own: APIClient, user: User, entries: list[tuple[str, int]]) -> None:
    assert set_escalation(own, body(*entries)).status_code == 200
    assert in_force(own, user) == entries


def test_unknown_fields_are_ignored(own: APIClient, user: User) -> None:
    content = {"escalations": [{**ENTRY, "position": 7, "id": "x"}], "success": [None], "user": {"id": 5}}
    assert set_escalation(own, content).status_code == 200
    assert own.get(f"{PATH}/{user.pk}").json() == {"escalations": [ENTRY], "organizationID": 0, "userID": user.pk}


@pytest.mark.parametrize("text", ["abc", "-1", "+1", "1.0", "1e3", "true", "²", "%00", "1%0A", str(2**63), "9" * 400])
def test_a_malformed_id_in_path_or_query_is_400(own: APIClient, user: User, text: str) -> None:
    assert refused(own.get(f"{PATH}/{text}"), 400, "userID")
    assert refused(own.get(f"{PATH}/{user.pk}?organization_id={text.replace('+', '%2B')}"), 400, "organization_id")


def test_an_admin_changes_and_reads_the_list_of_a_member_whom_their_organization_manages(
    as_user: AsUser, brigade: Organization, user: User, own: APIClient
) -> None:
    chief = as_user(admin(brigade))
    ids = {"organizationID": brigade.pk, "userID": user.pk}
    assert set_escalation(chief, body(("call", 5), **ids)).json() == {"message": "escalation saved"}
    assert in_force(own, user) == [("call", 5)]
    assert chief.get(f"{PATH}/{user.pk}?organization_id={brigade.pk}").json() == body(
        ("call", 5), organizationID=0, userID=user.pk
    )


# Who asks for another user's list (in the name of which organization), and the status of reading and changing it.
ROLES = {
    "nobody": (401, 401),
    "stranger": (404, 404),
    "stranger naming their own organization": (404, 404),
    "member": (403, 403),
    "member naming no organization": (403, 403),
    "admin": (200, 200),
    "admin naming no organization": (403, 403),
    "admin of another organization of the user": (200, 403),
    "admin of another organization naming the managing one": (404, 404),
    "API token": (403, 403),
    "foreign API token": (403, 403),
}


@pytest.fixture
def ask(as_user: AsUser, as_organization: AsOrganization, brigade: Organization, user: User) -> Any:
    """Return the client of a role and the id of the organization that it names."""

    def client_of(role: str) -> tuple[APIClient, int]:
        other = OrganizationFactory()
        if role.startswith("admin of another"):
            MembershipFactory(user=user, organization=other)
        clients: dict[str, tuple[Callable[[], APIClient], int]] = {
            "nobody": (APIClient, brigade.pk),
            "stranger": (lambda: as_user(admin(other)), brigade.pk),
            "stranger naming their own organization": (lambda: as_user(admin(other)), other.pk),
            "member": (lambda: as_user(member(brigade)), brigade.pk),
            "member naming no organization": (lambda: as_user(member(brigade)), 0),
            "admin": (lambda: as_user(admin(brigade)), brigade.pk),
            "admin naming no organization": (lambda: as_user(admin(brigade)), 0),
            "admin of another organization of the user": (lambda: as_user(admin(other)), other.pk),
            "admin of another organization naming the managing one": (lambda: as_user(admin(other)), brigade.pk),
            "API token": (lambda: as_organization(brigade), brigade.pk),
            "foreign API token": (lambda: as_organization(other), brigade.pk),
        }
        make, organization_id = clients[role]
        return make(), organization_id

    return client_of


@pytest.mark.parametrize(("role", "status"), [(role, reading) for role, (reading, _changing) in ROLES.items()])
def test_reading_another_users_list_by_role(ask: Any, user: User, role: str, status: int) -> None:
    client, organization_id = ask(role)
    response = client.get(f"{PATH}/{user.pk}?organization_id={organization_id}")
    assert response.status_code == 200 if status == 200 else refused(response, status)


@pytest.mark.parametrize(("role", "status"), [(role, changing) for role, (_reading, changing) in ROLES.items()])
def test_changing_another_users_list_by_role(ask: Any, own: APIClient, user: User, role: str, status: int) -> None:
    escalation(user, *BEFORE)
    client, organization_id = ask(role)
    response = set_escalation(client, body(("email", 3), organizationID=organization_id, userID=user.pk))
    assert response.status_code == 200 if status == 200 else refused(response, status)
    assert in_force(own, user) == ([("email", 3)] if status == 200 else BEFORE)


def test_an_admin_may_not_change_a_member_whom_no_organization_manages(as_user: AsUser, brigade: Organization) -> None:
    loner = MembershipFactory(organization=brigade, user=UserFactory()).user
    response = set_escalation(as_user(admin(brigade)), body(organizationID=brigade.pk, userID=loner.pk))
    assert refused(response, 403, "userID")


def test_who_has_left_the_organization_is_unknown_to_its_admin(
    as_user: AsUser, brigade: Organization, user: User
) -> None:
    Membership.objects.filter(user=user).delete()
    chief = as_user(admin(brigade))
    assert refused(chief.get(f"{PATH}/{user.pk}?organization_id={brigade.pk}"), 404, "userID")
    assert refused(set_escalation(chief, body(organizationID=brigade.pk, userID=user.pk)), 404, "userID")


@pytest.mark.parametrize("unknown", [2**31, 2**63 - 1])
def test_an_unknown_user_or_organization_is_404(as_user: AsUser, brigade: Organization, unknown: int) -> None:
    chief = as_user(admin(brigade))
    assert refused(set_escalation(chief, body(organizationID=brigade.pk, userID=unknown)), 404, "userID")
    assert refused(set_escalation(chief, body(organizationID=unknown, userID=5_000)), 404, "organizationID")


def test_an_admin_reads_a_members_list_with_few_queries(
    as_user: AsUser, brigade: Organization, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    escalation(user, *BEFORE)
    chief = as_user(admin(brigade))
    with django_assert_max_num_queries(5):  # the token, the membership, the member, the entries
        assert chief.get(f"{PATH}/{user.pk}?organization_id={brigade.pk}").status_code == 200
