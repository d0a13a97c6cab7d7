"""SetOrganizationEscalation, GetOrganizationEscalation and RemoveOrganizationEscalation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, admin, escalation, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

PATH = "/api/v1/escalation/organization"
BEFORE = [("pager", 0), ("sms", 30), ("call", 30)]
UNKNOWN = 2**63 - 1


def configuration(*entries: tuple[str, int], **ids: Any) -> dict[str, Any]:
    return {"escalations": [{"wayofalarm": way, "delay": delay} for way, delay in entries], **ids}


def set_escalation(client: APIClient, content: object) -> Any:
    return client.post(PATH, content, format="json")


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def chief(as_user: AsUser, brigade: Organization) -> APIClient:
    return as_user(admin(brigade))


@pytest.fixture
def unchanged(brigade: Organization, as_organization: AsOrganization) -> Callable[[], bool]:
    """Give the organization the list BEFORE; says whether it is still the one in force."""
    escalation(brigade, *BEFORE)
    reader = as_organization(brigade)
    expected = configuration(*BEFORE, organizationID=brigade.pk, userID=0)
    return lambda: reader.get(f"{PATH}/{brigade.pk}").json() == expected


def test_setting_answers_that_it_is_saved_and_getting_shows_it_in_order(
    chief: APIClient, brigade: Organization
) -> None:
    entries = [("sms", 60), ("app", 0), ("sms", 5), ("email", 0), ("call", 86400), ("pager", 1)]
    response = set_escalation(chief, configuration(*entries, organizationID=brigade.pk))
    assert (response.status_code, response.json()) == (200, {"message": "escalation saved"})
    assert chief.get(f"{PATH}/{brigade.pk}").json() == configuration(*entries, organizationID=brigade.pk, userID=0)


def test_a_user_id_does_not_apply_and_is_answered_as_0(chief: APIClient, brigade: Organization) -> None:
    somebody = member(brigade)
    content = configuration(("sms", 1), organizationID=brigade.pk, userID=somebody.pk)
    assert set_escalation(chief, content).status_code == 200
    assert chief.get(f"{PATH}/{brigade.pk}").json()["userID"] == 0
    own_list = chief.get(f"/api/v1/escalation/{somebody.pk}?organization_id={brigade.pk}").json()["escalations"]
    assert own_list[0] == {"wayofalarm": "app", "delay": 0}


def test_setting_replaces_the_whole_list(chief: APIClient, brigade: Organization) -> None:
    escalation(brigade, *BEFORE)
    set_escalation(chief, configuration(("email", 3), organizationID=brigade.pk))
    assert chief.get(f"{PATH}/{brigade.pk}").json()["escalations"] == [{"wayofalarm": "email", "delay": 3}]


def test_the_list_of_one_organization_is_not_that_of_another(
    chief: APIClient, brigade: Organization, as_organization: AsOrganization
) -> None:
    other = OrganizationFactory()
    escalation(other, *BEFORE)
    set_escalation(chief, configuration(("email", 3), organizationID=brigade.pk))
    assert chief.delete(f"{PATH}/{brigade.pk}").status_code == 200
    assert as_organization(other).get(f"{PATH}/{other.pk}").json() == configuration(
        *BEFORE, organizationID=other.pk, userID=0
    )


def test_a_replacement_that_fails_halfway_changes_nothing(
    chief: APIClient, brigade: Organization, unchanged: Callable[[], bool]
) -> None:
    def fail_on_insert(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('INSERT INTO "escalations_escalation"'):
            raise RuntimeError("the machine is on fire")
        return execute(sql, params, many, context)

    chief.raise_request_exception = False
    with connection.execute_wrapper(fail_on_insert):
        assert refused(set_escalation(chief, configuration(("email", 3), organizationID=brigade.pk)), 500)
    assert unchanged()


def test_without_a_configuration_getting_and_removing_are_404(chief: APIClient, brigade: Organization) -> None:
    assert refused(chief.get(f"{PATH}/{brigade.pk}"), 404, "organizationID")
    assert refused(chief.delete(f"{PATH}/{brigade.pk}"), 404, "organizationID")


def test_removing_answers_with_what_it_removed(chief: APIClient, brigade: Organization) -> None:
    escalation(brigade, *BEFORE)
    response = chief.delete(f"{PATH}/{brigade.pk}")
    assert response.status_code == 200
    assert response.json() == configuration(*BEFORE, organizationID=brigade.pk, userID=0)
    assert refused(chief.get(f"{PATH}/{brigade.pk}"), 404)
    assert refused(chief.delete(f"{PATH}/{brigade.pk}"), 404)


def test_an_empty_list_is_refused_and_changes_nothing(
    chief: APIClient, brigade: Organization, unchanged: Callable[[], bool]
) -> None:
    answer = set_escalation(chief, configuration(organizationID=brigade.pk))
    assert refused(answer, 400, "escalations")
    assert "DELETE" in answer.json()["error"]
    assert unchanged()


@pytest.mark.parametrize("ids", [{}, {"organizationID": 0}], ids=["absent", "zero"])
def test_the_organization_is_required(chief: APIClient, as_organization: AsOrganization, ids: dict[str, int]) -> None:
    assert refused(set_escalation(chief, configuration(("sms", 1), **ids)), 400, "organizationID")
    token = as_organization(OrganizationFactory())
    assert refused(set_escalation(token, configuration(("sms", 1), **ids)), 400, "organizationID")


ENTRY = {"wayofalarm": "sms", "delay": 1}
MALFORMED_IDS = ["1", "", 1.0, 1.5, True, False, -1, 2**63, 10**30, [], {}, [1]]
REFUSED = [
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
    *(({"organizationID": value}, "organizationID") for value in MALFORMED_IDS),
    *(({"userID": value}, "userID") for value in MALFORMED_IDS),
]


@pytest.mark.parametrize(("change", "field"), REFUSED, ids=lambda value: str(value)[:80].replace("\x00", "NUL"))
def test_a_malformed_body_is_refused_naming_the_field_and_changes_nothing(
    chief: APIClient, brigade: Organization, unchanged: Callable[[], bool], change: dict[str, Any], field: str
) -> None:
    content = configuration(("email", 3), organizationID=brigade.pk) | change
    assert refused(set_escalation(chief, content), 400, field)
    assert unchanged()


def test_the_list_itself_is_required(chief: APIClient, brigade: Organization, unchanged: Callable[[], bool]) -> None:
    assert refused(set_escalation(chief, {"organizationID": brigade.pk}), 400, "escalations")
    assert unchanged()


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
def test_what_is_within_the_bounds_is_taken(
    chief: APIClient, brigade: Organization, entries: list[tuple[str, int]]
) -> None:
    assert set_escalation(chief, configuration(*entries, organizationID=brigade.pk)).status_code == 200
    assert chief.get(f"{PATH}/{brigade.pk}").json() == configuration(*entries, organizationID=brigade.pk, userID=0)


def test_unknown_fields_are_ignored(chief: APIClient, brigade: Organization) -> None:
    content = {"escalations": [{**ENTRY, "position": 7}], "organizationID": brigade.pk, "organization": [None]}
    assert set_escalation(chief, content).status_code == 200
    assert chief.get(f"{PATH}/{brigade.pk}").json()["escalations"] == [ENTRY]


@pytest.mark.parametrize("text", ["abc", "-1", "+1", "1.0", "1e3", "true", "²", "%00", "1%0A", str(2**63), "9" * 400])
def test_a_malformed_id_in_the_path_is_400(chief: APIClient, text: str) -> None:
    assert refused(chief.get(f"{PATH}/{text}"), 400, "organizationID")
    assert refused(chief.delete(f"{PATH}/{text}"), 400, "organizationID")


def test_an_unknown_organization_is_404(chief: APIClient) -> None:
    assert refused(chief.get(f"{PATH}/{UNKNOWN}"), 404, "organizationID")
    assert refused(chief.delete(f"{PATH}/{UNKNOWN}"), 404, "organizationID")
    assert refused(set_escalation(chief, configuration(("sms", 1), organizationID=UNKNOWN)), 404, "organizationID")


# The status of reading, and of setting and removing, by role.
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
def test_reading_by_role(
    client_of: Any, brigade: Organization, unchanged: Callable[[], bool], role: str, status: int
) -> None:
    response = client_of(role).get(f"{PATH}/{brigade.pk}")
    assert response.status_code == 200 if status == 200 else refused(response, status)


@pytest.mark.parametrize(("role", "status"), [(role, changing) for role, (_reading, changing) in ROLES.items()])
def test_setting_by_role(
    client_of: Any, brigade: Organization, unchanged: Callable[[], bool], role: str, status: int
) -> None:
    response = set_escalation(client_of(role), configuration(("email", 3), organizationID=brigade.pk))
    assert response.status_code == 200 if status == 200 else refused(response, status)
    assert unchanged() == (status != 200)


@pytest.mark.parametrize(("role", "status"), [(role, changing) for role, (_reading, changing) in ROLES.items()])
def test_removing_by_role(
    client_of: Any, brigade: Organization, unchanged: Callable[[], bool], role: str, status: int
) -> None:
    response = client_of(role).delete(f"{PATH}/{brigade.pk}")
    assert response.status_code == 200 if status == 200 else refused(response, status)
    assert unchanged() == (status != 200)


def test_a_member_reads_it_with_few_queries(
    as_user: AsUser, brigade: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    escalation(brigade, *BEFORE)
    reader = as_user(member(brigade))
    with django_assert_max_num_queries(5):  # the token, the membership, the entries
        assert reader.get(f"{PATH}/{brigade.pk}").status_code == 200
