"""The first messages of an alarm are planned as it is raised, and only the others by jobs (contract 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning, raising, tasks
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import start_alarm
from alarms.sending import DEVICE_MESSAGES
from alarms.sending.claim import claim
from escalations.models import ResponseTimeout
from inbox.models import InboxMessage
from organizations.models import Organization, User
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, escalation, member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fifty_at_once")]

AN_HOUR = timedelta(hours=1)

Post = Callable[..., Any]
Begin = Callable[[], Alarm]


@pytest.fixture
def post(brigade: Organization, boss: APIClient) -> Post:
    def call(**fields: object) -> Any:
        data = {"organizationID": brigade.pk, "message": "Fire", "alarmResources": {"allUsers": True}} | fields
        return boss.post("/api/v1/alarm", data, format="json")

    return call


@pytest.fixture(params=["at once", "scheduled"])
def begin(request: pytest.FixtureRequest, post: Post, now: datetime) -> Begin:
    """Raises an alarm for everybody, at once or by the job of one that was scheduled."""

    def call() -> Alarm:
        scheduled = request.param == "scheduled"
        answer = post(startTime=(now + AN_HOUR).isoformat()) if scheduled else post()
        assert answer.status_code == 201, answer.content
        alarm = Alarm.objects.get(pk=answer.json()["id"])
        if scheduled:
            start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
            alarm.refresh_from_db()
        return alarm

    return call


def people(brigade: Organization, count: int) -> list[User]:
    """Return so many members, each with a device that gets one message."""
    return [member(brigade, ways=("sms",)) for _ in range(count)]


def jobs_of(alarm: Alarm) -> list[dict[str, int]]:
    """Return what the jobs are told that plan an alarm."""
    jobs = ProcrastinateJob.objects.filter(task_name="alarms.plan", args__alarm_id=alarm.pk)
    return list(jobs.order_by("pk").values_list("args", flat=True))


def plan_the_rest(alarm: Alarm) -> None:
    for args in jobs_of(alarm):
        planning.plan(**args, now=alarm.starts_at)


def meant(alarm: Alarm) -> dict[int, int]:
    """Return how many messages there are for each user who has any."""
    users = list(alarm.device_messages.values_list("alarm_message__user_id", flat=True))
    return {user: users.count(user) for user in users}


def unplanned(alarm: Alarm) -> set[int]:
    return set(alarm.alarm_messages.filter(planned_at=None).values_list("user_id", flat=True))


def each_once(users: list[User]) -> dict[int, int]:
    return {user.pk: 1 for user in users}


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """Let the database refuse every row of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK (false)")
        yield
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT refused")


# Who is planned at once


@pytest.mark.parametrize("count", [1, 50])
def test_a_small_alarm_is_planned_by_what_raises_it_and_has_no_job(
    brigade: Organization, begin: Begin, count: int
) -> None:
    users = people(brigade, count)
    alarm = begin()
    assert unplanned(alarm) == set()
    assert meant(alarm) == each_once(users)
    assert set(alarm.device_messages.values_list("due_at", "status")) == {(alarm.starts_at, 0)}
    assert jobs_of(alarm) == []


def test_of_120_messages_50_are_planned_at_once_and_the_rest_by_jobs(brigade: Organization, begin: Begin) -> None:
    users = people(brigade, 120)
    alarm = begin()
    assert len(meant(alarm)) == 50
    assert unplanned(alarm) == {user.pk for user in users} - meant(alarm).keys()
    assert len(jobs_of(alarm)) == 1
    for _time in range(2):
        plan_the_rest(alarm)
        assert meant(alarm) == each_once(users)
        assert unplanned(alarm) == set()


def test_whoever_gets_many_messages_leaves_room_for_fewer(brigade: Organization, begin: Begin) -> None:
    """So that no request waits for tens of thousands of rows: what counts is what is written, not whom it is for."""
    nobody = [member(brigade, ways=()) for _ in range(30)]
    users = [member(brigade, ways=("app", "sms", "call")) for _ in range(20)]
    alarm = begin()
    # The 17th crosses the line of 50.
    assert meant(alarm) == {user.pk: 3 for user in users[:17]}
    assert unplanned(alarm) == {user.pk for user in users[17:]}
    plan_the_rest(alarm)
    assert meant(alarm) == {user.pk: 3 for user in users}
    assert AlarmMessage.objects.filter(alarm=alarm, user__in=nobody).count() == 30


@pytest.mark.django_db(transaction=True)
def test_senders_are_woken_at_the_commit_and_find_what_is_due(brigade: Organization, post: Post) -> None:
    people(brigade, 3)
    sender = connection.copy()
    try:
        with sender.cursor() as cursor:
            cursor.execute(f"LISTEN {DEVICE_MESSAGES}")
        with transaction.atomic():
            assert post().status_code == 201
            transaction.set_rollback(True)
        assert post().status_code == 201
        assert len(claim(sender_id=1, free={("sms", 0, 0): 100}).deliveries) == 3
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {DEVICE_MESSAGES}, 'the end of the test'")
        payloads = []
        for notice in sender.connection.notifies(timeout=30):
            payloads.append(notice.payload)
            if notice.payload:
                break
    finally:
        sender.close()
    assert payloads == ["", "the end of the test"]


# What is planned is the same


def test_who_is_planned_at_once_gets_what_a_job_would_have_planned(
    brigade: Organization, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    Organization.objects.update(disabled_ways=["email"], alarms_in_inbox=True)
    ResponseTimeout.objects.create(organization=brigade, seconds=300)
    own, other, _nothing = (member(brigade, ways=ways) for ways in (("sms", "call"), ("app", "email", "call"), ()))
    escalation(own, ("call", 10), ("sms", 30), ("email", 20), ("sms", 0))
    escalation(other, ("email", 0))
    DeviceFactory(user=own, way="sms", is_active=False)
    DeviceFactory(user=own, way="sms", name="Another")
    guest = member(OrganizationFactory(), ways=("pager", "sms"))
    MembershipFactory(organization=brigade, user=guest)
    plans = []
    for at_once in (50, 0):
        monkeypatch.setattr(raising, "PLANNED_AT_ONCE", at_once)
        alarm = Alarm.objects.get(pk=post(repeat=1, repeatAfter=60).json()["id"])
        assert bool(jobs_of(alarm)) is (at_once == 0)
        plan_the_rest(alarm)
        plans.append((rows(alarm), deadlines(alarm)))
    assert plans[0] == plans[1]
    assert {user for user, *_row in plans[0][0]} == {own.pk, guest.pk}
    everybody = User.objects.filter(memberships__organization=brigade)
    assert [user.inbox_messages.count() for user in everybody] == [2] * 4


def rows(alarm: Alarm) -> list[tuple[Any, ...]]:
    """Return what is planned, with how long after the start."""
    messages = alarm.device_messages.select_related("alarm_message").order_by("alarm_message", "turn", "pk")
    return [
        (m.alarm_message.user_id, m.way, m.turn, m.due_at - alarm.starts_at, m.device_id, m.address, m.status)
        for m in messages
    ]


def deadlines(alarm: Alarm) -> dict[int, timedelta]:
    return {recipient.user_id: recipient.deadline - alarm.starts_at for recipient in alarm.alarm_messages.all()}


def test_a_start_that_comes_late_counts_from_when_it_is_made(brigade: Organization, post: Post, now: datetime) -> None:
    people(brigade, 1)
    alarm = Alarm.objects.get(pk=post(startTime=(now + AN_HOUR).isoformat()).json()["id"])
    late = alarm.starts_at + 2 * AN_HOUR
    start_alarm(alarm_id=alarm.pk, now=late)
    message = DeviceMessage.objects.get()
    assert late - planning.PUNCTUAL <= message.due_at <= late
    assert AlarmMessage.objects.get().deadline == message.due_at + timedelta(seconds=900)


# Where planning at once fails


@pytest.mark.parametrize("table", ["alarms_devicemessage", "inbox_inboxmessage"])
def test_where_it_fails_the_alarm_is_raised_all_the_same_and_a_job_plans_them(
    brigade: Organization, begin: Begin, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    Organization.objects.update(alarms_in_inbox=True)
    users = people(brigade, 60)
    with refusing(table):
        alarm = begin()
    # Whatever was written of it before it failed is gone.
    assert unplanned(alarm) == {user.pk for user in users}
    assert meant(alarm) == {}
    (error,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"alarm={alarm.pk}" in error.getMessage()
    assert error.exc_info
    jobs = jobs_of(alarm)
    in_jobs = [alarm.alarm_messages.filter(pk__range=(job["first_id"], job["last_id"])).count() for job in jobs]
    assert in_jobs == [60]
    plan_the_rest(alarm)
    assert meant(alarm) == each_once(users)
    assert sorted(InboxMessage.objects.values_list("user_id", flat=True)) == sorted(user.pk for user in users)


def test_where_no_job_can_be_deferred_then_nothing_is_raised(
    brigade: Organization, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(brigade, 1)

    def fail(*_jobs: object, **_job: object) -> None:
        raise RuntimeError

    for name in ("defer", "batch_defer"):
        monkeypatch.setattr(tasks.plan, name, fail)
    with refusing("alarms_devicemessage"):
        assert post().status_code == 500
    assert not Alarm.objects.exists()
    assert not AlarmMessage.objects.exists()
