"""Templates of alarms over the API: GET /alarmtemplates, and `alarmTemplateID` of POST /alarm and /alarm/preview."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from alarms.models import Alarm, AlarmMessage, AlarmTemplate
from alarms.raising import start_alarm
from organizations.models import Membership, Organization, User
from tests.dialect import refused
from tests.factories import AlarmTemplateFactory, GroupFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

RAISE, PREVIEW, LIST = "/api/v1/alarm", "/api/v1/alarm/preview", "/api/v1/alarmtemplates"


def template_of(organization: Organization, *, groups: Any = (), users: Any = (), **fields: Any) -> AlarmTemplate:
    made: AlarmTemplate = AlarmTemplateFactory(organization=organization, **fields)
    made.groups.set(groups)
    made.users.set(users)
    return made


def body(template: AlarmTemplate, **fields: object) -> dict[str, Any]:
    return {"organizationID": template.organization_id, "alarmTemplateID": template.pk} | fields


def group_of(organization: Organization, *people: User) -> Any:
    group = GroupFactory(organization=organization)
    group.memberships.set(Membership.objects.filter(organization=organization, user__in=people))
    return group


def raised(client: APIClient, data: dict[str, Any], status: int = 201, **headers: str) -> Any:
    answer = client.post(RAISE, data, format="json", headers=headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def recipients(alarm: Any) -> set[int]:
    return set(AlarmMessage.objects.filter(alarm=alarm["id"]).values_list("user_id", flat=True))


# Raising


def test_a_template_says_what_the_body_leaves_out(brigade: Organization, boss: APIClient) -> None:
    named, grouped, _other = member(brigade), member(brigade), member(brigade)
    template = template_of(
        brigade, message="Flood: come", event_name="W1", users=[named], groups=[group_of(brigade, grouped)]
    )
    alarm = raised(boss, body(template))
    assert (alarm["message"], alarm["event"]["name"]) == ("Flood: come", "W1")
    assert recipients(alarm) == {named.pk, grouped.pk}
    everybody = template_of(brigade, all_users=True)
    assert len(recipients(raised(boss, body(everybody)))) == 3


@pytest.mark.parametrize(
    ("given", "came"),
    [
        ({"message": "Another"}, ("Another", "W1", "named")),
        ({"eventName": "W2"}, ("Flood", "W2", "named")),
        ({"eventName": ""}, ("Flood", "", "named")),
        ({"alarmResources": {"users": ["OTHER"]}}, ("Flood", "W1", "other")),
    ],
)
def test_what_the_body_gives_wins(
    brigade: Organization, boss: APIClient, given: dict[str, Any], came: tuple[str, str, str]
) -> None:
    people = {"named": member(brigade), "other": member(brigade)}
    template = template_of(brigade, message="Flood", event_name="W1", users=[people["named"]])
    if "alarmResources" in given:
        given = {"alarmResources": {"users": [people["other"].pk]}}
    alarm = raised(boss, body(template, **given))
    assert (alarm["message"], alarm["event"]["name"]) == came[:2]
    assert recipients(alarm) == {people[came[2]].pk}


@pytest.mark.parametrize("template", [{}, {"alarmTemplateID": 0}])
@pytest.mark.parametrize("missing", ["message", "alarmResources"])
def test_without_a_template_nothing_may_be_left_out(
    brigade: Organization, boss: APIClient, template: dict[str, int], missing: str
) -> None:
    whole = {"organizationID": brigade.pk, "message": "Fire", "alarmResources": {"allUsers": True}} | template
    del whole[missing]
    for url in (RAISE, PREVIEW):
        answer = boss.post(url, whole, format="json")
        assert refused(answer, 400)
        assert answer.json()["error"] == f"{missing}: This field is required."


@pytest.mark.parametrize("url", [RAISE, PREVIEW])
def test_a_template_that_the_organization_does_not_have_is_refused(
    brigade: Organization, boss: APIClient, url: str
) -> None:
    member(brigade)
    foreign = template_of(OrganizationFactory(), all_users=True)
    for unknown in (foreign.pk, 10**15):
        data = body(foreign, organizationID=brigade.pk, alarmTemplateID=unknown)
        assert refused(
            boss.post(url, data, format="json"), 400, f"alarmTemplateID: Not a template of the organization: {unknown}."
        )
        # Also where nothing is left for it to say.
        whole = data | {"message": "Fire", "eventName": "", "alarmResources": {"allUsers": True}}
        assert refused(boss.post(url, whole, format="json"), 400, "alarmTemplateID")
    assert not Alarm.objects.exists()


@pytest.mark.parametrize("wrong", ["7", 7.0, True, -1, 2**63, None, [7]])
def test_what_is_no_id_is_refused(brigade: Organization, boss: APIClient, wrong: object) -> None:
    data = {"organizationID": brigade.pk, "alarmTemplateID": wrong}
    assert refused(boss.post(RAISE, data, format="json"), 400, "alarmTemplateID")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("message", ""),
        ("message", "x" * 961),
        ("message", None),
        ("alarmResources", {"allUsers": False}),
        ("alarmResources", None),
        ("eventName", "x" * 256),
    ],
)
def test_what_the_body_gives_is_checked_all_the_same(
    brigade: Organization, boss: APIClient, field: str, wrong: object
) -> None:
    template = template_of(brigade, all_users=True)
    assert refused(boss.post(RAISE, body(template, **{field: wrong}), format="json"), 400, field)


def test_whoever_has_left_is_left_out(brigade: Organization, boss: APIClient) -> None:
    stays, leaves, deactivated = member(brigade), member(brigade), member(brigade, is_active=False)
    template = template_of(brigade, users=[stays, leaves, deactivated])
    Membership.objects.filter(user=leaves).delete()
    assert recipients(raised(boss, body(template))) == {stays.pk}
    preview = boss.post(PREVIEW, body(template), format="json").json()
    assert (preview["recipients"], preview["unreachable"]) == (1, [stays.pk])
    (listed,) = boss.get(LIST, {"organization": brigade.pk}).json()
    assert leaves.pk not in listed["alarmResources"]["users"]


def test_one_that_names_nobody_who_is_left_raises_nothing(brigade: Organization, boss: APIClient) -> None:
    gone = member(brigade)
    nobody, left = template_of(brigade), template_of(brigade, users=[gone])
    Membership.objects.filter(user=gone).delete()
    for template in (nobody, left):
        for url in (RAISE, PREVIEW):
            assert refused(boss.post(url, body(template), format="json"), 400, "alarmResources")
    assert not Alarm.objects.exists()


def test_an_alarm_for_later_keeps_what_the_template_said(brigade: Organization, boss: APIClient, now: datetime) -> None:
    first, second = member(brigade), member(brigade)
    template = template_of(brigade, message="Exercise", event_name="E1", users=[first])
    start = now + timedelta(hours=1)
    alarm = raised(boss, body(template, startTime=start.isoformat()))
    template.users.set([second])
    AlarmTemplate.objects.update(message="Changed", event_name="Changed")
    start_alarm(alarm_id=alarm["id"], now=start)
    kept = Alarm.objects.get(pk=alarm["id"])
    assert (kept.message, kept.event_name) == ("Exercise", "E1")
    assert recipients(alarm) == {first.pk}


def test_the_same_key_answers_the_first_alarm_whatever_became_of_the_template(
    brigade: Organization, boss: APIClient
) -> None:
    member(brigade)
    template = template_of(brigade, message="Flood", all_users=True)
    key = {"Idempotency-Key": "a"}
    first = raised(boss, body(template), **key)
    AlarmTemplate.objects.update(message="Changed")
    assert raised(boss, body(template), 200, **key)["id"] == first["id"]
    data = body(template)
    template.delete()
    assert raised(boss, data, 200, **key)["id"] == first["id"]
    assert refused(boss.post(RAISE, data | {"message": "x"}, format="json", headers=key), 409)


# Listing


def test_templates_are_listed_by_name(brigade: Organization, boss: APIClient) -> None:
    user = member(brigade)
    group = group_of(brigade, user)
    later = template_of(brigade, name="Storm", message="Storm: come", all_users=True)
    earlier = template_of(brigade, name="Flood", message="Flood: come", event_name="W1", users=[user], groups=[group])
    template_of(OrganizationFactory(), name="Secret")
    assert boss.get(LIST, {"organization": brigade.pk}).json() == [
        {
            "id": earlier.pk,
            "organizationID": brigade.pk,
            "name": "Flood",
            "message": "Flood: come",
            "eventName": "W1",
            "alarmResources": {"allUsers": False, "users": [user.pk], "units": [group.pk]},
        },
        {
            "id": later.pk,
            "organizationID": brigade.pk,
            "name": "Storm",
            "message": "Storm: come",
            "eventName": "",
            "alarmResources": {"allUsers": True, "users": [], "units": []},
        },
    ]


def test_only_admins_and_the_organization_itself_see_them(
    brigade: Organization, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]
) -> None:
    elsewhere = OrganizationFactory()
    template_of(brigade)
    asked = {"organization": brigade.pk}
    assert refused(as_user(member(brigade)).get(LIST, asked), 403, "organization")
    for stranger in (as_user(admin(elsewhere)), as_organization(elsewhere)):
        assert refused(stranger.get(LIST, asked), 404, "organization")
    for known in (as_user(admin(brigade)), as_organization(brigade)):
        assert len(known.get(LIST, asked).json()) == 1


def test_50_templates_take_as_many_queries_as_one(brigade: Organization, boss: APIClient) -> None:
    # token, templates, whom they name: users and units
    people = [member(brigade) for _ in range(3)]
    group = group_of(brigade, *people)
    numbers = []
    for count in (1, 49):
        for _ in range(count):
            template_of(brigade, users=people, groups=[group])
        with CaptureQueriesContext(connection) as queries:
            listed = boss.get(LIST, {"organization": brigade.pk}).json()
        numbers.append(len(queries))
    assert len(listed) == 50
    assert numbers == [4, 4]
