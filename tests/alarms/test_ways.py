"""Which ways an organization uses: `GET` and `PUT /organization/{organizationID}/ways`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from alarms import planning
from alarms.gateways import owned
from alarms.models import DeviceMessage, OrganizationGateway
from messaging_project import database
from organizations.models import Organization, User
from tests.alarms.test_races import while_waiting
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, admin, escalation, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

WAYS = ["app", "pager", "sms", "call", "email"]
UNKNOWN = 2**63 - 1


def path(organization: Organization | str | int) -> str:
    return f"/api/v1/organization/{organization.pk if isinstance(organization, Organization) else organization}/ways"


def put(client: APIClient, organization: Organization | str | int, content: object) -> Any:
    return client.put(path(organization), content, format="json")


def disable(*ways: str) -> list[dict[str, object]]:
    return [{"way": way, "enabled": False} for way in ways]


def listed(disabled: tuple[str, ...] = (), unavailable: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """Return the answer where these ways are disabled and those have no gateway."""
    return [{"way": way, "enabled": way not in disabled, "available": way not in unavailable} for way in WAYS]


def of(client: APIClient, organization: Organization) -> Any:
    answer = client.get(path(organization))
    assert answer.status_code == 200, answer.content
    return answer.json()


# Reading


def test_all_ways_are_enabled_at_first_and_stand_in_their_order(brigade: Organization, boss: APIClient) -> None:
    assert of(boss, brigade) == listed()
    assert boss.get(f"{path(brigade)}/").json() == listed()


def test_a_way_without_a_gateway_is_not_available(brigade: Organization, boss: APIClient, settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"app": [], "call": []}
    assert of(boss, brigade) == listed(unavailable=("app", "call"))
    assert put(boss, brigade, disable("call", "sms")).json() == listed(("sms", "call"), ("app", "call"))


def test_a_gateway_of_the_organizations_own_makes_a_way_available_for_it_alone(
    brigade: Organization, boss: APIClient, as_organization: AsOrganization, settings: Any
) -> None:
    settings.GATEWAYS = {way: [] for way in WAYS}
    other = OrganizationFactory()
    owned.bring(organization=brigade, way="app", urls="https://gateway.example/secret")
    assert of(boss, brigade) == listed(unavailable=("pager", "sms", "call", "email"))
    assert of(as_organization(other), other) == listed(unavailable=tuple(WAYS))
    OrganizationGateway.objects.all().delete()
    assert of(boss, brigade) == listed(unavailable=tuple(WAYS))


def test_nothing_is_told_of_a_gateway_but_that_it_is_there(brigade: Organization, boss: APIClient) -> None:
    owned.bring(organization=brigade, way="sms", urls="https://user:password@gateway.example/secret")
    answers = boss.get(path(brigade)), put(boss, brigade, disable("sms"))
    for trace in (b"password", b"secret", b"gateway.example"):
        assert [trace in answer.content for answer in answers] == [False, False]


# Setting


def test_ways_are_disabled_and_enabled_again_and_those_not_named_stay(
    brigade: Organization, boss: APIClient, as_organization: AsOrganization
) -> None:
    other = OrganizationFactory()
    assert put(boss, brigade, disable("sms", "app")).json() == listed(("app", "sms"))
    assert put(boss, brigade, disable("sms", "call")).json() == listed(("app", "sms", "call"))
    changes = [{"way": "sms", "enabled": True}, {"way": "pager", "enabled": True}, {"way": "email", "enabled": False}]
    assert put(boss, brigade, changes).json() == listed(("app", "call", "email"))
    assert put(boss, brigade, []).json() == of(boss, brigade) == listed(("app", "call", "email"))
    assert put(boss, brigade, disable(*WAYS)).json() == listed(tuple(WAYS))
    assert of(as_organization(other), other) == listed()


def test_what_was_read_can_be_set_again(brigade: Organization, boss: APIClient, settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"app": []}
    put(boss, brigade, disable("call"))
    assert put(boss, brigade, of(boss, brigade)).json() == listed(("call",), ("app",))


def test_available_and_unknown_fields_are_ignored(brigade: Organization, boss: APIClient) -> None:
    entry = {"way": "sms", "enabled": False, "available": "no", "name": ["x"], "organizationID": -1}
    assert put(boss, brigade, [entry]).json() == listed(("sms",))


GOOD = {"way": "app", "enabled": False}
REFUSED: list[tuple[object, str]] = [
    ({}, "body"),
    (GOOD, "body"),
    ({"ways": [GOOD]}, "body"),
    ("sms", "body"),
    (7, "body"),
    (True, "body"),
    *(([GOOD, entry], "[1]") for entry in ("sms", 7, None, True, ["sms", False], [GOOD])),
    *(([GOOD, {"way": way, "enabled": False}], "[1].way") for way in ("fax", "SMS", " sms", "", None, 7, ["sms"], {})),
    ([GOOD, {"enabled": False}], "[1].way"),
    *(([GOOD, {"way": "sms", "enabled": value}], "[1].enabled") for value in ("false", 0, 1, None, "", [], {})),
    ([GOOD, {"way": "sms"}], "[1].enabled"),
    ([{"way": "fax", "enabled": False}, GOOD], "[0].way"),
    ([GOOD, GOOD], "way: app"),
    ([{"way": "sms", "enabled": True}, GOOD, {"way": "sms", "enabled": False}], "way: sms"),
]


@pytest.mark.parametrize(("content", "naming"), REFUSED, ids=str)
def test_anything_else_is_refused_naming_field_and_place_and_changes_nothing(
    brigade: Organization, boss: APIClient, content: object, naming: str
) -> None:
    put(boss, brigade, disable("call"))
    assert refused(put(boss, brigade, content), 400, naming)
    assert of(boss, brigade) == listed(("call",))


def test_more_entries_than_there_are_ways_are_refused_without_a_look_at_each(
    brigade: Organization, boss: APIClient
) -> None:
    answer = put(boss, brigade, [{}] * 6)
    assert refused(answer, 400)
    assert "[0]" not in answer.json()["error"]


def test_a_body_that_is_none_is_refused(brigade: Organization, boss: APIClient) -> None:
    for data, content_type, status in (
        ("", "application/json", 400),
        ("[", "application/json", 400),
        ("[NaN]", "application/json", 400),
        ("null", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("[]", "text/plain", 415),
        ("way=sms", "application/x-www-form-urlencoded", 415),
        ('["' + "x" * 1024 * 1024 + '"]', "application/json", 413),
    ):
        assert refused(boss.put(path(brigade), data, content_type=content_type), status)
    for method in (boss.post, boss.patch, boss.delete):
        assert refused(method(path(brigade), [], format="json"), 405)
    assert of(boss, brigade) == listed()


@pytest.mark.parametrize("text", ["abc", "-1", "1.0", "true", "%00", str(2**63), "9" * 400])
def test_a_malformed_id_is_400_and_an_unknown_one_404(boss: APIClient, text: str) -> None:
    for organization, status in ((text, 400), (0, 404), (UNKNOWN, 404)):
        assert refused(boss.get(path(organization)), status, "organizationID")
        assert refused(put(boss, organization, disable("sms")), status, "organizationID")


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


@pytest.mark.parametrize("role", list(ROLES))
def test_who_may_read_and_who_may_change(
    client_of: Callable[[str], APIClient], brigade: Organization, boss: APIClient, role: str
) -> None:
    client, (reading, changing) = client_of(role), ROLES[role]
    response = client.get(path(brigade))
    assert response.json() == listed() if reading == 200 else refused(response, reading)
    response = put(client, brigade, disable("sms"))
    assert response.json() == listed(("sms",)) if changing == 200 else refused(response, changing)
    assert of(boss, brigade) == listed(("sms",) if changing == 200 else ())


def test_a_member_reads_them_with_few_queries(
    as_user: AsUser, brigade: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    reader = as_user(member(brigade))
    with django_assert_max_num_queries(5):  # the token, the membership, the organization's gateways
        assert reader.get(path(brigade)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_several_changes_at_once_none_is_lost(brigade: Organization, as_organization: AsOrganization) -> None:
    first, *others = (
        partial(put, as_organization(brigade), brigade, [{"way": way, "enabled": False}]) for way in WAYS[:4]
    )
    while_waiting(first, others)
    assert of(as_organization(brigade), brigade) == listed(("app", "pager", "sms", "call"))


# What it does to alarms


def raised(client: APIClient, organization: Organization) -> int:
    """Raise an alarm for everybody, plan it and return its id."""
    data = {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    answer = client.post("/api/v1/alarm", data, format="json")
    assert answer.status_code == 201, answer.content
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan"):
        planning.plan(**job.args, now=database.now())
    return int(answer.json()["id"])


def planned(alarm_id: int) -> list[tuple[str, int, int]]:
    """Return way, turn and seconds after the start of what is scheduled."""
    rows = DeviceMessage.objects.filter(alarm=alarm_id, status=0).select_related("alarm").order_by("turn")
    return [(row.way, row.turn, round((row.due_at - row.alarm.starts_at).total_seconds())) for row in rows]


def test_later_alarms_skip_the_turns_of_a_disabled_way_and_running_ones_keep_their_plan(
    brigade: Organization, boss: APIClient
) -> None:
    escalation(member(brigade, ways=("sms", "call", "email")), ("sms", 30), ("call", 60), ("email", 60))
    running = raised(boss, brigade)
    assert put(boss, brigade, disable("sms")).status_code == 200
    later = raised(boss, brigade)
    assert planned(later) == [("call", 0, 30), ("email", 1, 90)]
    assert planned(running) == [("sms", 0, 30), ("call", 1, 90), ("email", 2, 150)]
    assert put(boss, brigade, [{"way": "sms", "enabled": True}]).status_code == 200
    assert planned(raised(boss, brigade)) == planned(running)


def test_another_organizations_ways_do_not_matter(
    brigade: Organization, boss: APIClient, as_organization: AsOrganization
) -> None:
    someone, other = member(brigade, ways=("sms",)), OrganizationFactory()
    MembershipFactory(organization=other, user=someone)
    assert put(boss, brigade, disable("sms")).status_code == 200
    assert planned(raised(boss, brigade)) == []
    assert planned(raised(as_organization(other), other)) == [("sms", 0, 0)]
