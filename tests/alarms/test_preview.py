"""POST /alarm/preview (contract 4): it checks what POST /alarm checks, tells whom it would reach and raises nothing."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning
from alarms.models import Alarm, AlarmMessage, DeviceMessage, IdempotencyKey
from organizations.models import Absence, Device, Membership, Organization, User, Way
from tests.dialect import refused
from tests.factories import DeviceFactory, GroupFactory, OrganizationFactory, UserFactory, admin, escalation, member

pytestmark = pytest.mark.django_db

RAISE, PREVIEW = "/api/v1/alarm", "/api/v1/alarm/preview"
EVERYBODY = {"allUsers": True}

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]


def body(organization: Organization, resources: object = EVERYBODY, **fields: object) -> dict[str, Any]:
    return {"organizationID": organization.pk, "message": "Fire", "alarmResources": resources} | fields


def previewed(client: APIClient, data: dict[str, Any]) -> tuple[int, dict[str, int], list[int]]:
    """Return how many recipients, the devices by way, and who is unreachable."""
    answer = client.post(PREVIEW, data, format="json")
    assert answer.status_code == 200, answer.content
    preview = answer.json()
    assert set(preview) == {"recipients", "devices", "unreachable", "unavailable"}
    return preview["recipients"], preview["devices"], preview["unreachable"]


def nothing_is_written(jobs: Callable[[], list[dict[str, Any]]]) -> bool:
    return jobs() == [] and not any(model.objects.exists() for model in (Alarm, AlarmMessage, IdempotencyKey))


# What is refused: as by POST /alarm


WRONG: list[tuple[str, dict[str, Any]]] = [
    *(("organizationID", {"organizationID": value}) for value in (None, 0, -1, 1.0, True, "1", 2**63)),
    *(("message", {"message": value}) for value in (None, "", "x" * 961, 7, "nul \0", "alone \ud800")),
    *(("eventName", {"eventName": value}) for value in (7, "x" * 256)),
    *(("alarmResources", {"alarmResources": value}) for value in (None, [], "all", {}, {"allUsers": False})),
    *(("users", {"alarmResources": {"users": value}}) for value in (1, ["1"], [1.0], [True], [0], [2**63], [10**15])),
    *(("units", {"alarmResources": {"units": value}}) for value in ({}, [None], [-1], [10**15])),
    *((name, {"alarmResources": {"allUsers": True, name: [1]}}) for name in ("labels", "scenarios")),
    ("startTime", {"startTime": "tomorrow"}),
    ("startTime", {"startTime": "2999-01-01T00:00:00Z"}),
    ("scheduledEndTime", {"scheduledEndTime": 7}),
    ("scheduledEndTime", {"scheduledEndTime": "2001-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("field", "wrong"), WRONG)
def test_a_wrong_field_is_refused_as_by_raising(
    brigade: Organization, boss: APIClient, jobs: Any, field: str, wrong: dict[str, Any]
) -> None:
    member(brigade)
    data = json.dumps(body(brigade) | wrong)
    answers = [boss.post(url, data, content_type="application/json") for url in (PREVIEW, RAISE)]
    assert refused(answers[0], 400, field)
    assert answers[0].json() == answers[1].json()
    assert nothing_is_written(jobs)


@pytest.mark.parametrize("field", ["organizationID", "message", "alarmResources"])
def test_a_required_field_is_asked_for(brigade: Organization, boss: APIClient, field: str) -> None:
    member(brigade)
    data = body(brigade)
    del data[field]
    assert refused(boss.post(PREVIEW, data, format="json"), 400, field)


def test_ids_of_others_and_nobody_who_is_left_are_refused(brigade: Organization, boss: APIClient, jobs: Any) -> None:
    stranger, unit = member(OrganizationFactory()), GroupFactory()
    inactive, empty = member(brigade, is_active=False), GroupFactory(organization=brigade)
    for resources, naming in (
        ({"users": [stranger.pk]}, str(stranger.pk)),
        (EVERYBODY | {"units": [unit.pk]}, str(unit.pk)),
        (EVERYBODY, "alarmResources"),
        ({"users": [inactive.pk]}, "alarmResources"),
        ({"units": [empty.pk]}, "alarmResources"),
    ):
        assert refused(boss.post(PREVIEW, body(brigade, resources), format="json"), 400, naming)
    assert nothing_is_written(jobs)


def test_who_may_not_raise_may_not_preview(
    brigade: Organization, as_user: AsUser, as_organization: AsOrganization
) -> None:
    elsewhere = OrganizationFactory()
    callers = [
        (APIClient(), 401),
        (as_user(member(brigade)), 403),
        (as_user(admin(elsewhere)), 404),
        (as_user(UserFactory()), 404),
        (as_organization(elsewhere), 404),
    ]
    for client, status in callers:
        for url in (PREVIEW, f"{PREVIEW}/"):
            assert refused(client.post(url, body(brigade), format="json"), status)
    assert previewed(as_user(admin(brigade)), body(brigade))[0] == 2


def test_a_body_that_is_none_is_refused(boss: APIClient) -> None:
    for data, content_type, status in (
        ("[]", "application/json", 400),
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("{}", "text/plain", 415),
        ('{"message": "' + "x" * 1024 * 1024 + '"}', "application/json", 413),
    ):
        assert refused(boss.post(PREVIEW, data, content_type=content_type), status)
    for method in (boss.get, boss.patch, boss.put, boss.delete):
        assert refused(method(PREVIEW), 405)


# What it tells


def test_recipients_are_counted_once_and_inactive_ones_not(brigade: Organization, boss: APIClient) -> None:
    people = [member(brigade, ways=("sms",)) for _ in range(3)]
    member(brigade, ways=("sms",), is_active=False)
    unit = GroupFactory(organization=brigade)
    unit.memberships.set(Membership.objects.filter(user__in=people[:2]))
    resources = {"users": [people[0].pk, people[0].pk], "units": [unit.pk, unit.pk]}
    assert previewed(boss, body(brigade, resources)) == (2, {"sms": 2}, [])
    assert previewed(boss, body(brigade)) == (3, {"sms": 3}, [])


def test_every_active_device_of_a_way_counts_once_however_often_its_turn_comes(
    brigade: Organization, boss: APIClient
) -> None:
    someone = member(brigade, ways=("sms", "sms", "call"))
    DeviceFactory(user=someone, way="sms", is_active=False)
    escalation(someone, ("sms", 0), ("sms", 60), ("call", 60), ("sms", 60))
    assert previewed(boss, body(brigade)) == (1, {"sms": 2, "call": 1}, [])


def test_only_what_a_persons_own_escalation_or_the_default_would_send_counts(
    brigade: Organization, boss: APIClient, settings: Any
) -> None:
    settings.DEFAULT_ESCALATION = [("app", 0), ("sms", 60)]
    own = member(brigade, ways=("app", "sms", "call"))
    escalation(own, ("call", 5))
    member(brigade, ways=("app", "sms", "call", "email"))
    only_email = member(brigade, ways=("email",))
    assert previewed(boss, body(brigade)) == (3, {"app": 1, "sms": 1, "call": 1}, [only_email.pk])


def test_an_organizations_escalation_replaces_that_of_its_members(brigade: Organization, boss: APIClient) -> None:
    own, without = member(brigade, ways=("sms", "call")), member(brigade, ways=("sms",))
    escalation(own, ("sms", 0))
    escalation(OrganizationFactory(), ("sms", 0))
    escalation(brigade, ("call", 0))
    assert previewed(boss, body(brigade)) == (2, {"call": 1}, [without.pk])


def test_a_way_that_is_disabled_or_has_no_gateway_reaches_nobody(
    brigade: Organization, boss: APIClient, settings: Any
) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"app": []}
    Organization.objects.update(disabled_ways=["sms"])
    member(brigade, ways=("app", "sms", "call"))
    lost = [member(brigade, ways=ways) for ways in (("app", "sms"), ("sms",), ())]
    assert previewed(boss, body(brigade)) == (4, {"call": 1}, [user.pk for user in lost])


def test_an_alarm_for_later_is_previewed_as_it_would_be_now(brigade: Organization, boss: APIClient, now: Any) -> None:
    member(brigade, ways=("sms",))
    times = {
        "startTime": (now + timedelta(days=365)).isoformat(),
        "scheduledEndTime": (now + timedelta(days=500)).isoformat(),
    }
    assert previewed(boss, body(brigade, **times)) == (1, {"sms": 1}, [])


def test_nothing_is_written_and_a_key_is_not_taken(brigade: Organization, boss: APIClient, jobs: Any) -> None:
    member(brigade, ways=("sms",))
    for _ in range(2):
        answer = boss.post(PREVIEW, body(brigade), format="json", headers={"Idempotency-Key": "a"})
        assert answer.status_code == 200
        assert nothing_is_written(jobs)
    assert boss.post(RAISE, body(brigade), format="json", headers={"Idempotency-Key": "a"}).status_code == 201


@pytest.mark.parametrize("seed", range(8))
def test_it_tells_what_raising_and_planning_then_write(
    brigade: Organization, boss: APIClient, now: datetime, settings: Any, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - to be the same each time
    settings.GATEWAYS = {way: ["log:"] if rng.random() < 0.8 else [] for way in Way.values}
    Organization.objects.update(disabled_ways=rng.sample(Way.values, rng.randrange(3)))
    if seed % 2:
        escalation(brigade, *somehow(rng))
    people = [somebody(brigade, rng) for _ in range(40)]
    unit = GroupFactory(organization=brigade)
    unit.memberships.set(Membership.objects.filter(user__in=rng.sample(people, 20)))
    resources = {"users": [user.pk for user in rng.sample(people, 20)], "units": [unit.pk]}
    away = {user.pk for user in rng.sample(people, 20) if is_away(user, brigade, rng, now)}
    told = previewed(boss, body(brigade, resources))
    unavailable = boss.post(PREVIEW, body(brigade, resources), format="json").json()["unavailable"]
    assert boss.post(RAISE, body(brigade, resources), format="json").status_code == 201
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan"):
        planning.plan(**job.args, now=now)
    recipients = set(AlarmMessage.objects.values_list("user_id", flat=True))
    written = set(DeviceMessage.objects.values_list("way", "device_id", "alarm_message__user_id"))
    unreachable = sorted(recipients - {user for _way, _device, user in written})
    assert told == (len(recipients), dict(Counter(way for way, _device, _user in written)), unreachable)
    meant = set(unit.memberships.filter(user__is_active=True).values_list("user_id", flat=True))
    assert unavailable == sorted(meant & away - set(resources["users"])) == sorted(meant - recipients)


def somehow(rng: random.Random) -> list[tuple[str, int]]:
    return [(rng.choice(Way.values), rng.choice([0, 0, 30, 60])) for _ in range(rng.randrange(1, 5))]


def somebody(brigade: Organization, rng: random.Random) -> User:
    user = member(brigade, is_active=rng.random() < 0.9)
    for way in rng.choices(Way.values, k=rng.randrange(4)):
        DeviceFactory(user=user, way=way, is_active=rng.random() < 0.8)
    if rng.random() < 0.5:
        escalation(user, *somehow(rng))
    return user


def is_away(user: User, brigade: Organization, rng: random.Random, now: datetime) -> bool:
    """Let a user not be available for the brigade, for all or for another organization; return whether that counts."""
    start = now - timedelta(hours=rng.choice([1, 5]))
    of, weekly = rng.choice([None, brigade, OrganizationFactory()]), rng.random() < 0.5
    ends_at = start + timedelta(hours=2)
    Absence.objects.create(user=user, organization=of, starts_at=start, ends_at=ends_at, weekly=weekly)
    return of in (None, brigade) and ends_at > now


def test_1000_recipients_take_as_many_queries_as_10(brigade: Organization, boss: APIClient) -> None:
    # token, the time, recipients, timeout and whether the organization has an escalation, its gateways, the escalations
    # and devices of its members, who is not available
    numbers = []
    for count in (10, 990):
        first = User.objects.count()
        users = User.objects.bulk_create(User(login=f"many{first + number}") for number in range(count))
        Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
        Device.objects.bulk_create(Device(user=user, way="sms", name="x", address="1") for user in users)
        with CaptureQueriesContext(connection) as queries:
            told = previewed(boss, body(brigade, EVERYBODY | {"users": [user.pk for user in users]}))
        numbers.append(len(queries))
    assert told == (1000, {"sms": 1000}, [])
    assert numbers == [7, 7]
