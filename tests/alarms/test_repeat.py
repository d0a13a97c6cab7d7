"""An alarm may run its escalation again for those who have not answered: `repeat` and `repeatAfter`.

A run is written as `0:0 1:60`: its turns, each with its second after the start. Those of repeated runs are numbered
from 100, 200...
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning, upkeep
from alarms.gateways.base import GatewayError
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import AlarmOrder, Resources, raise_alarm, start_alarm
from alarms.sending import DEVICE_MESSAGES
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from escalations.models import ResponseTimeout
from messaging_project import database
from organizations.models import Device, Organization, User, Way
from tests import factories
from tests.client import Client
from tests.dialect import refused
from tests.processes import Processes, until
from tests.sinks import HttpSink

pytestmark = pytest.mark.django_db

RAISE, PREVIEW = "/api/v1/alarm", "/api/v1/alarm/preview"
SECOND = timedelta(seconds=1)
REFUSED = GatewayError("HTTP 400", permanent=True)
BUSY = GatewayError("HTTP 503", permanent=False)


@pytest.fixture
def someone(brigade: Organization) -> User:
    """A member who gets an SMS and, a minute later, a call."""
    user = factories.member(brigade, ways=("sms", "call"))
    factories.escalation(user, ("sms", 0), ("call", 60))
    return user


@pytest.fixture
def today() -> datetime:
    """The time of the database, which stands still within a test."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def body(organization: Organization, **fields: object) -> dict[str, Any]:
    return {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}} | fields


def plan(now: datetime) -> None:
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan"):
        planning.plan(**job.args, now=now)


def raised(client: APIClient, organization: Organization, **fields: object) -> Alarm:
    """Raise an alarm over the API and plan it."""
    answer = client.post(RAISE, body(organization, **fields), format="json")
    assert answer.status_code == 201, answer.content
    plan(database.now())
    return Alarm.objects.get(pk=answer.json()["id"])


def scheduled(recipient: AlarmMessage) -> str:
    """Return what a recipient is still to get."""
    rows = recipient.device_messages.filter(status=0).order_by("turn", "pk")
    start = recipient.alarm.starts_at
    return " ".join(f"{row.turn}:{round((row.due_at - start).total_seconds())}" for row in rows)


# What is asked for


@pytest.mark.parametrize("url", [RAISE, PREVIEW])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("repeat", value) for value in (-1, 11, 2**63, "1", 1.0, True, None, [], {})),
        *(("repeatAfter", value) for value in (-1, 0, 9, 86401, "60", 60.5, True, None, [60], {})),
    ],
)
def test_a_wrong_value_is_refused_naming_its_field(
    brigade: Organization, boss: APIClient, someone: User, url: str, field: str, value: object
) -> None:
    assert refused(boss.post(url, body(brigade, **{field: value}), format="json"), 400, f"{field}: ")
    assert not Alarm.objects.exists()


@pytest.mark.parametrize(
    ("fields", "turns"),
    [
        ({}, "0:0 1:60"),
        ({"repeat": 0, "repeatAfter": 10}, "0:0 1:60"),
        ({"repeatAfter": 86400}, "0:0 1:60"),
        ({"repeat": 1}, "0:0 1:60 100:180 101:240"),
        ({"repeat": 1, "repeatAfter": 10}, "0:0 1:60 100:70 101:130"),
        ({"repeat": 2, "repeatAfter": 300}, "0:0 1:60 100:360 101:420 200:720 201:780"),
        ({"repeat": 1, "repeatAfter": 840}, "0:0 1:60"),
        ({"repeat": 1, "repeatAfter": 839}, "0:0 1:60 100:899"),
        ({"repeat": 10, "repeatAfter": 86400}, "0:0 1:60"),
    ],
    ids=str,
)
def test_the_escalation_runs_again_within_the_response_timeout(
    brigade: Organization, boss: APIClient, someone: User, fields: dict[str, int], turns: str
) -> None:
    alarm = raised(boss, brigade, **fields)
    assert scheduled(AlarmMessage.objects.get(alarm=alarm)) == turns


def test_ten_runs_more_are_the_most(brigade: Organization, boss: APIClient, someone: User) -> None:
    ResponseTimeout.objects.create(organization=brigade, seconds=86400)
    alarm = raised(boss, brigade, repeat=10, repeatAfter=10)
    runs = (f"{run}00:{70 * run} {run}01:{70 * run + 60}" for run in range(1, 11))
    assert scheduled(AlarmMessage.objects.get(alarm=alarm)) == f"0:0 1:60 {' '.join(runs)}"


def test_the_timeout_in_force_when_it_is_raised_bounds_it(brigade: Organization, boss: APIClient) -> None:
    ResponseTimeout.objects.create(organization=brigade, seconds=100)
    factories.escalation(brigade, ("sms", 50), ("call", 40))
    factories.member(brigade, ways=("sms", "call"))
    # The first turn is at 50 s, so that nothing is repeated from 150 s on.
    alarm = raised(boss, brigade, repeat=5, repeatAfter=19)
    assert scheduled(AlarmMessage.objects.get(alarm=alarm)) == "0:50 1:90 100:109 101:149"


def test_everybody_has_their_own_escalation_repeated_on_all_devices_of_each_way(
    brigade: Organization, boss: APIClient, someone: User
) -> None:
    two_phones, nothing = factories.member(brigade, ways=("sms", "sms")), factories.member(brigade)
    alarm = raised(boss, brigade, repeat=1)
    plans = {recipient.user_id: scheduled(recipient) for recipient in AlarmMessage.objects.filter(alarm=alarm)}
    assert plans == {
        someone.pk: "0:0 1:60 100:180 101:240",
        two_phones.pk: "0:0 0:0 100:120 100:120",
        nothing.pk: "",
    }
    (first, second), (third, fourth) = (
        DeviceMessage.objects.filter(alarm_message__user=two_phones, turn=turn).values_list("address", flat=True)
        for turn in (0, 100)
    )
    assert {first, second} == {third, fourth}


def test_deadlines_hang_on_the_first_run_only(brigade: Organization, boss: APIClient, someone: User) -> None:
    alarm = raised(boss, brigade, repeat=3, repeatAfter=10)
    assert AlarmMessage.objects.get().deadline == alarm.starts_at + 960 * SECOND


def test_the_preview_counts_each_device_once(brigade: Organization, boss: APIClient, someone: User) -> None:
    for repeat in (0, 5):
        answer = boss.post(PREVIEW, body(brigade, repeat=repeat, repeatAfter=10), format="json")
        assert answer.json()["devices"] == {"sms": 1, "call": 1}


def test_a_scheduled_alarm_keeps_its_repeat(
    brigade: Organization, boss: APIClient, someone: User, now: datetime
) -> None:
    later = (now + timedelta(hours=1)).isoformat()
    alarm = raised(boss, brigade, startTime=later, repeat=1, repeatAfter=30)
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    plan(alarm.starts_at)
    assert scheduled(AlarmMessage.objects.get(alarm=alarm)) == "0:0 1:60 100:90 101:150"


# What ends it


@pytest.mark.parametrize("response", [True, False])
def test_an_answer_ends_all_runs_of_who_gave_it(
    brigade: Organization, boss: APIClient, someone: User, response: bool
) -> None:
    other = factories.member(brigade, ways=("sms",))
    alarm = raised(boss, brigade, repeat=2)
    answer = {"alarmID": alarm.pk, "userID": someone.pk, "response": response}
    assert boss.post("/api/v1/messaging/feedback", answer, format="json").status_code == 200
    left = {recipient.user_id: scheduled(recipient) for recipient in AlarmMessage.objects.filter(alarm=alarm)}
    assert left == {someone.pk: "", other.pk: "0:0 100:120 200:240"}


def test_closing_and_the_response_timeout_end_it(
    brigade: Organization, boss: APIClient, someone: User, now: datetime
) -> None:
    closed, over = (raised(boss, brigade, repeat=2) for _ in range(2))
    assert boss.patch(f"{RAISE}/{closed.pk}").status_code == 200
    AlarmMessage.objects.filter(alarm=over).update(deadline=now)
    upkeep.time_out(now=now)
    assert set(DeviceMessage.objects.values_list("alarm", "status")) == {(closed.pk, 5), (over.pk, 5)}


# Turns that fail (rule 5)


@pytest.fixture
def running(brigade: Organization, someone: User, today: datetime) -> AlarmMessage:
    """The recipient of an alarm that has just begun, whose escalation is repeated once."""
    order = AlarmOrder(brigade, "Fire", Resources(all_users=True), repeat=1, repeat_after=120)
    raise_alarm(order=order, raised_by="a test", now=today)
    plan(today)
    recipient = AlarmMessage.objects.get()
    assert scheduled(recipient) == "0:0 1:60 100:180 101:240"
    return recipient


def attempt(today: datetime, error: GatewayError | None, *, turn: int) -> None:
    """Let a turn be due and have this come of it."""
    DeviceMessage.objects.filter(turn=turn).update(due_at=today)
    claimed = claim(sender_id=1, free={(way, 0, 0): 9 for way in Way.values})
    assert {delivery.way for delivery in claimed.deliveries} == {"sms" if turn % 100 == 0 else "call"}
    results = [Result(delivery, "log", at=today, error=error) for delivery in claimed.deliveries]
    write(results, gateways={(way, 0): 1 for way in Way.values})


def test_a_turn_that_failed_moves_up_the_rest_of_its_run_and_what_follows_that(
    running: AlarmMessage, today: datetime
) -> None:
    attempt(today, REFUSED, turn=0)
    assert scheduled(running) == "1:0 100:120 101:180"


def test_a_run_of_which_everything_failed_does_not_bring_on_the_next(running: AlarmMessage, today: datetime) -> None:
    for turn in (0, 1):
        attempt(today, REFUSED, turn=turn)
    assert scheduled(running) == "100:120 101:180"
    running.refresh_from_db()
    assert running.escalating
    assert running.deadline == today + 900 * SECOND


def test_a_turn_of_a_repeated_run_that_failed_moves_up_the_rest_of_its_run(
    running: AlarmMessage, today: datetime
) -> None:
    for turn in (0, 1, 100):
        attempt(today, REFUSED, turn=turn)
    assert scheduled(running) == "101:0"
    running.refresh_from_db()
    assert running.deadline == today + 900 * SECOND


def test_a_device_that_is_gone_moves_up_the_rest_of_a_repeated_run_too(running: AlarmMessage, today: datetime) -> None:
    for turn in (0, 1):
        attempt(today, None, turn=turn)
    Device.objects.filter(way="sms").update(is_active=False)
    DeviceMessage.objects.filter(turn=100).update(due_at=today)
    dropped = claim(sender_id=1, free={("sms", 0, 0): 9}).dropped
    assert dropped == [(running.pk, 100)]
    write([], gateways={}, over=dropped)
    assert scheduled(running) == "101:0"


@pytest.mark.parametrize("error", [None, BUSY])
def test_what_did_not_fail_for_good_moves_nothing(
    running: AlarmMessage, today: datetime, error: GatewayError | None
) -> None:
    attempt(today, error, turn=0)
    assert scheduled(running).split()[-3:] == ["1:60", "100:180", "101:240"]


# With real processes


def test_who_has_not_answered_gets_it_again_and_who_has_does_not(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    silent, answers = (factories.member(organization, ways=("app",)) for _ in range(2))
    processes.start_all()
    client = Client(processes.url, organization)
    _status, alarm = client.request("POST", "/alarm", body(organization, repeat=2, repeatAfter=300))
    until(lambda: DeviceMessage.objects.filter(turn=0, status=2).count() == 2)
    assert client.answer(alarm["id"], answers.pk, True) == 200
    with connection.cursor() as cursor:
        cursor.execute("UPDATE alarms_devicemessage SET due_at = now() WHERE turn = 100")
        cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])
    until(lambda: DeviceMessage.objects.filter(turn=100, status=2).exists())
    counts = [len([post for post in http_sink.posts if post.json["userID"] == user.pk]) for user in (silent, answers)]
    assert counts == [2, 1]
    first, second = (post for post in http_sink.posts if post.json["userID"] == silent.pk)
    assert first.key != second.key
    assert first.json["messageId"] == second.json["messageId"]
    assert list(DeviceMessage.objects.filter(alarm_message__user=silent).values_list("status", flat=True)) == [2, 2, 0]
    assert set(DeviceMessage.objects.filter(alarm_message__user=answers, turn__gt=0).values_list("status")) == {(5,)}
