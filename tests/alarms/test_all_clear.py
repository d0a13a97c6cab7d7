"""The all-clear: whom it is for, over what, and that it is told once (`PATCH /alarm/{alarmID}` with `allClear`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms.all_clear import tell_all_clear
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import start_alarm
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from messaging_project import database
from organizations.models import Device, Organization, User
from tests import factories
from tests.alarms.test_races import while_waiting
from tests.dialect import refused

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
TEXT = "Fire is out. Thank you."

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]
Got = tuple[str, int, int]
"""A way, the status of its message, and the second after the start at which it was sent."""


@pytest.fixture
def alarm(brigade: Organization, now: datetime) -> Alarm:
    started: Alarm = factories.AlarmFactory(organization=brigade, starts_at=now - 60 * SECOND)
    return started


def recipient(alarm: Alarm, *got: Got, response: bool | None = None) -> AlarmMessage:
    """Return a recipient with a device for each of the messages, in the order of their turns."""
    someone = factories.AlarmMessageFactory(
        alarm=alarm, response=response, user=factories.member(alarm.organization), escalating=response is None
    )
    for turn, (way, status, second) in enumerate(got):
        at = alarm.starts_at + second * SECOND
        sent_at = at if status in (SENT, DELIVERED) else None
        factories.DeviceMessageFactory(
            alarm_message=someone, way=way, turn=turn, status=status, sent_at=sent_at, changed_at=at
        )
    return someone


def close(client: APIClient, alarm: Alarm, **body: object) -> Any:
    return client.patch(f"/api/v1/alarm/{alarm.pk}", json.dumps(body), content_type="application/json")


def run_jobs() -> None:
    """Do what was deferred, and once more, as a job may run twice."""
    for _ in range(2):
        for job in ProcrastinateJob.objects.filter(task_name="alarms.all_clear"):
            assert tell_all_clear(**job.args, now=database.now())


def told(someone: AlarmMessage) -> list[str]:
    """Return the ways over which a recipient is to be told the all-clear, one for each device."""
    all_clear = someone.device_messages.filter(kind=DeviceMessage.Kind.ALL_CLEAR, status=SCHEDULED)
    return list(all_clear.order_by("pk").values_list("way", flat=True))


def cleared(client: APIClient, alarm: Alarm, someone: AlarmMessage) -> list[str]:
    """Close an alarm with an all-clear and return how a recipient is told."""
    answer = close(client, alarm, allClear=TEXT)
    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    run_jobs()
    return told(someone)


# Whom it is for, over what


REACHED = {
    "nothing was sent": ([], []),
    "sent": ([("sms", SENT, 0)], ["sms"]),
    "delivered": ([("sms", DELIVERED, 0)], ["sms"]),
    "all failed": ([("app", FAILED, 0), ("sms", FAILED, 9)], []),
    "cancelled before its turn": ([("app", CANCELLED, 0), ("sms", SCHEDULED, 9)], []),
    "a later turn reached them": ([("app", FAILED, 0), ("sms", SENT, 9)], ["sms"]),
    "several turns did": ([("app", SENT, 0), ("sms", SENT, 9), ("call", DELIVERED, 20)], ["app"]),
    "the first turn was late": ([("app", SENT, 30), ("sms", SENT, 9)], ["sms"]),
    "a receipt says that the first failed": ([("app", FAILED, 0), ("sms", DELIVERED, 9), ("call", SENT, 5)], ["call"]),
    "over several devices": ([("app", SENT, 0), ("app", DELIVERED, 1), ("sms", SENT, 2)], ["app", "app"]),
    "over devices of a later turn too": ([("app", SENT, 0), ("sms", SENT, 2), ("app", SENT, 9)], ["app", "app"]),
    "one of several devices failed": ([("app", FAILED, 0), ("app", SENT, 1), ("app", CANCELLED, 2)], ["app"]),
}


@pytest.mark.parametrize("response", [None, True, False])
@pytest.mark.parametrize(("got", "ways"), list(REACHED.values()), ids=list(REACHED))
def test_who_was_reached_and_did_not_decline_is_told_over_the_first_way_that_reached_them(
    boss: APIClient, alarm: Alarm, got: list[Got], ways: list[str], response: bool | None
) -> None:
    someone = recipient(alarm, *got, response=response)
    assert cleared(boss, alarm, someone) == ([] if response is False else ways)


def test_a_device_that_got_the_alarm_several_times_is_told_once(boss: APIClient, alarm: Alarm) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    device = Device.objects.get()
    for turn in (1, 100, 101):
        factories.DeviceMessageFactory(
            alarm_message=someone, device=device, turn=turn, status=SENT, sent_at=alarm.starts_at
        )
    assert cleared(boss, alarm, someone) == ["sms"]
    message = DeviceMessage.objects.get(kind=DeviceMessage.Kind.ALL_CLEAR)
    assert (message.device_id, message.device_name, message.address) == (device.pk, device.name, device.address)


def test_it_goes_over_the_same_gateways_as_the_alarm(boss: APIClient, alarm: Alarm, brigade: Organization) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    DeviceMessage.objects.update(gateways_of=brigade.pk, gateway=1, refused=1)
    assert cleared(boss, alarm, someone) == ["sms"]
    message = DeviceMessage.objects.get(kind=DeviceMessage.Kind.ALL_CLEAR)
    assert (message.gateways_of, message.gateway, message.refused, message.attempts) == (brigade.pk, 0, 0, 0)


def test_recipients_of_other_alarms_are_not_told(boss: APIClient, brigade: Organization, alarm: Alarm) -> None:
    other = recipient(factories.AlarmFactory(organization=brigade), ("sms", SENT, 0))
    assert cleared(boss, alarm, recipient(alarm, ("sms", SENT, 0))) == ["sms"]
    assert told(other) == []
    assert not Alarm.objects.get(pk=other.alarm_id).closed_at


def test_in_the_message_status_it_is_a_further_entry(boss: APIClient, brigade: Organization, alarm: Alarm) -> None:
    someone = recipient(alarm, ("app", SENT, 0), ("sms", SCHEDULED, 90))
    assert cleared(boss, alarm, someone) == ["app"]
    query = {"organization_id": brigade.pk, "user_id": someone.user_id}
    status = boss.get(f"/api/v1/messagestatus/{alarm.pk}", query).json()
    assert [(entry["type"], entry["status"]) for entry in status["devices"]] == [("app", 2), ("sms", 5), ("app", 0)]
    assert status["messageId"] == str(someone.message_id)


# What was on the wire when the alarm was closed


def test_what_leaves_after_the_closing_counts_as_reached(boss: APIClient, alarm: Alarm, now: datetime) -> None:
    left, failed = (recipient(alarm, ("sms", SCHEDULED, 0)) for _ in range(2))
    deliveries = {row.recipient_id: row for row in claim(sender_id=1, free={("sms", 0, 0): 9}).deliveries}
    assert close(boss, alarm, allClear=TEXT).status_code == 200
    alarm.refresh_from_db()
    assert alarm.closed_at is not None
    assert not tell_all_clear(alarm_id=alarm.pk, now=alarm.closed_at + SECOND)
    write([Result(deliveries[left.pk], "log", at=now)], gateways={("sms", 0): 1})
    assert not tell_all_clear(alarm_id=alarm.pk, now=alarm.closed_at + 29 * SECOND)
    assert not DeviceMessage.objects.filter(kind=DeviceMessage.Kind.ALL_CLEAR).exists()
    # Nothing is waited for longer than 30 s.
    assert tell_all_clear(alarm_id=alarm.pk, now=alarm.closed_at + 30 * SECOND)
    assert (told(left), told(failed)) == (["sms"], [])


# Once


def test_closing_again_with_the_same_text_tells_nothing_twice(boss: APIClient, alarm: Alarm, jobs: Any) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    for _ in range(3):
        assert cleared(boss, alarm, someone) == ["sms"]
    assert close(boss, alarm).status_code == 200
    assert [job["task_name"] for job in jobs()] == ["alarms.all_clear"]


@pytest.mark.parametrize("text", ["Fire is out.", TEXT.upper(), f"{TEXT} ", "x" * 960])
def test_another_text_is_a_conflict_and_changes_nothing(boss: APIClient, alarm: Alarm, jobs: Any, text: str) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    assert cleared(boss, alarm, someone) == ["sms"]
    before = Alarm.objects.values().get()
    assert refused(close(boss, alarm, allClear=text), 409, "allClear")
    assert Alarm.objects.values().get() == before
    assert len(jobs()) == 1
    run_jobs()
    assert told(someone) == ["sms"]


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(hours=3), timedelta(days=3)], ids=str)
def test_an_all_clear_may_come_after_the_closing(boss: APIClient, alarm: Alarm, ago: timedelta) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    assert close(boss, alarm).status_code == 200
    run_jobs()
    assert told(someone) == []
    closed_at = database.now() - ago
    Alarm.objects.update(closed_at=closed_at)
    assert cleared(boss, alarm, someone) == ["sms"]
    alarm.refresh_from_db()
    assert alarm.closed_at == closed_at
    DeviceMessage.objects.filter(kind=DeviceMessage.Kind.ALL_CLEAR).update(due_at=alarm.starts_at)
    assert [delivery.message for delivery in claim(sender_id=1, free={("sms", 0, 0): 9}).deliveries] == [TEXT]


@pytest.mark.parametrize("body", [{}, {"allClear": None}, {"allClear": ""}, {"allclear": TEXT}], ids=str)
def test_without_a_text_nothing_is_told(boss: APIClient, alarm: Alarm, jobs: Any, body: dict[str, object]) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    assert close(boss, alarm, **body).status_code == 200
    assert jobs() == []
    assert told(someone) == []
    assert Alarm.objects.get().closed_at is not None


@pytest.mark.parametrize("text", ["x" * 961, 7, True, [], {}, [TEXT], "nul \0", "alone \ud800"], ids=repr)
def test_a_wrong_text_is_refused_and_the_alarm_goes_on(
    boss: APIClient, alarm: Alarm, as_user: AsUser, text: object
) -> None:
    assert refused(close(boss, alarm, allClear=text), 400, "allClear")
    assert Alarm.objects.get().closed_at is None
    assert close(boss, alarm, allClear="x" * 960).status_code == 200


def test_a_scheduled_alarm_is_cancelled_and_nobody_is_told(
    boss: APIClient, brigade: Organization, now: datetime, jobs: Any
) -> None:
    everybody = {"all_users": True, "users": [], "units": []}
    starts_at = now + timedelta(hours=1)
    alarm = factories.AlarmFactory(organization=brigade, starts_at=starts_at, pending_resources=everybody)
    factories.member(brigade, ways=("sms",))
    for text in (TEXT, TEXT, "Another", ""):
        assert close(boss, alarm, allClear=text).status_code == 200
    start_alarm(alarm_id=alarm.pk, now=starts_at)
    assert jobs() == []
    assert not AlarmMessage.objects.exists()


def test_only_an_admin_or_the_api_token_may_clear(
    brigade: Organization, alarm: Alarm, as_user: AsUser, as_organization: AsOrganization, jobs: Any
) -> None:
    notified = recipient(alarm, ("sms", SENT, 0)).user
    elsewhere = factories.OrganizationFactory()
    for client, status in (
        (APIClient(), 401),
        (as_user(notified), 403),
        (as_user(factories.member(brigade)), 404),
        (as_user(factories.admin(elsewhere)), 404),
        (as_organization(elsewhere), 404),
    ):
        assert refused(close(client, alarm, allClear=TEXT), status)
    assert Alarm.objects.get().closed_at is None
    assert jobs() == []
    assert close(as_user(factories.admin(brigade)), alarm, allClear=TEXT).status_code == 200
    assert close(as_organization(brigade), alarm, allClear=TEXT).status_code == 200
    assert len(jobs()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("texts", [[TEXT] * 4, [TEXT, "Another", "Another", TEXT]], ids=["equal", "different"])
def test_of_several_at_once_the_first_is_told(
    brigade: Organization, alarm: Alarm, as_organization: AsOrganization, jobs: Any, texts: list[str]
) -> None:
    someone = recipient(alarm, ("sms", SENT, 0))
    statuses: list[tuple[str, int]] = []

    def clear(client: APIClient, text: str) -> None:
        statuses.append((text, close(client, alarm, allClear=text).status_code))

    first, *others = (partial(clear, as_organization(brigade), text) for text in texts)
    while_waiting(first, others)
    assert sorted(statuses) == sorted((text, 200 if text == TEXT else 409) for text in texts)
    assert Alarm.objects.get().all_clear == TEXT
    assert len(jobs()) == 1
    run_jobs()
    assert told(someone) == ["sms"]


def test_50_recipients_take_as_many_queries_as_one(brigade: Organization, now: datetime) -> None:
    numbers = []
    for count in (1, 50):
        alarm = factories.AlarmFactory(organization=brigade, closed_at=now, all_clear=TEXT, all_clear_at=now)
        everybody = [recipient(alarm, ("app", SENT, 0), ("app", SENT, 1), ("sms", SENT, 9)) for _ in range(count)]
        with CaptureQueriesContext(connection) as queries:
            assert tell_all_clear(alarm_id=alarm.pk, now=database.now())
        # the alarm, what is on the wire; the messages, the senders' waking; a savepoint's two (two are the test's own)
        numbers.append(len(queries))
        assert [told(someone) for someone in everybody] == [["app", "app"]] * count
    assert numbers[0] == numbers[1]
    assert numbers[0] - 1 <= 6
