"""The start of a scheduled alarm (contract 4): everything is resolved at that moment, recipients too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning, upkeep
from alarms.answering import answer_alarm
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import AlarmOrder, Resources, raise_alarm, start_alarm
from escalations.models import EscalationConfiguration, ResponseTimeout
from organizations.models import Device, Membership, Organization, User
from tests.factories import GroupFactory, OrganizationFactory, escalation, member

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
EVERYBODY = Resources(all_users=True)

Schedule = Callable[..., Alarm]


@pytest.fixture
def start(now: datetime) -> datetime:
    return now + timedelta(hours=1)


@pytest.fixture
def schedule(brigade: Organization, now: datetime, start: datetime) -> Schedule:
    """Schedules an alarm that starts in an hour."""

    def call(resources: Resources = EVERYBODY) -> Alarm:
        order = AlarmOrder(brigade, "Drill", resources, starts_at=start)
        alarm, _is_new = raise_alarm(order=order, raised_by="a test", now=now)
        assert not AlarmMessage.objects.exists()
        return alarm

    return call


def begin(alarm: Alarm, late: timedelta = 0 * SECOND) -> set[int]:
    """Let the time of an alarm come, plan it, and return whom it alarms."""
    now = alarm.starts_at + late
    start_alarm(alarm_id=alarm.pk, now=now)
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan"):
        planning.plan(**job.args, now=now)
    return set(AlarmMessage.objects.values_list("user_id", flat=True))


def told(caplog: Any, alarm: Alarm) -> bool:
    """Whether the log warns of an alarm."""
    return any(record.levelno >= logging.WARNING and f"={alarm.pk}" in record.message for record in caplog.records)


def test_it_is_raised_and_planned_from_then(
    brigade: Organization, boss: APIClient, as_user: Any, schedule: Schedule, start: datetime
) -> None:
    someone = member(brigade, ways=("sms", "call"))
    escalation(someone, ("sms", 0), ("call", 60))
    alarm = schedule()
    assert begin(alarm) == {someone.pk}
    due = DeviceMessage.objects.order_by("turn").values_list("way", "due_at", "status")
    assert list(due) == [("sms", start, 0), ("call", start + 60 * SECOND, 0)]
    client = as_user(someone)
    query = {"organization_id": brigade.pk, "user_id": someone.pk}
    assert client.get(f"/api/v1/messagestatus/{alarm.pk}", query).status_code == 200
    answer = {"alarmID": alarm.pk, "userID": someone.pk, "response": True}
    assert client.post("/api/v1/messaging/feedback", answer, format="json").status_code == 200
    read = client.get(f"/api/v1/alarm/{alarm.pk}").json()
    assert parse_datetime(read["startDate"]) == start
    assert parse_datetime(read["endDate"]) == start + 960 * SECOND
    assert read["feedbackQuantity"] == {"positive": 1, "negative": 0, "unknown": 0}
    assert client.get("/api/v1/alarms", {"organization": brigade.pk}).json()["alarms"] == [read]
    assert boss.get(f"/api/v1/alarm/{alarm.pk}").json() == read


def test_whoever_is_a_member_then_is_alarmed(brigade: Organization, schedule: Schedule) -> None:
    stays, leaves, deactivated = (member(brigade) for _ in range(3))
    not_active_yet = member(brigade, is_active=False)
    alarm = schedule()
    joins = member(brigade)
    leaves.memberships.all().delete()
    User.objects.filter(pk=deactivated.pk).update(is_active=False)
    User.objects.filter(pk=not_active_yet.pk).update(is_active=True)
    assert begin(alarm) == {stays.pk, joins.pk, not_active_yet.pk}


def test_whoever_is_in_the_group_then_or_listed_and_still_there_is_alarmed(
    brigade: Organization, schedule: Schedule
) -> None:
    stays, moves, listed, left, joins = (member(brigade) for _ in range(5))
    unit, gone = (GroupFactory(organization=brigade) for _ in range(2))
    of_brigade = Membership.objects.filter(organization=brigade)
    unit.memberships.set(of_brigade.filter(user__in=[stays, moves]))
    gone.memberships.set(of_brigade.filter(user=moves))
    alarm = schedule(Resources(units=[unit.pk, gone.pk], users=[listed.pk, left.pk]))
    unit.memberships.set(of_brigade.filter(user__in=[stays, joins]))
    gone.delete()
    left.memberships.all().delete()
    Membership.objects.create(organization=OrganizationFactory(), user=left)
    assert begin(alarm) == {stays.pk, joins.pk, listed.pk}


def test_the_timeout_and_the_organizations_escalation_are_those_in_force_then(
    brigade: Organization, schedule: Schedule, start: datetime
) -> None:
    member(brigade, ways=("sms", "call"))
    alarm = schedule()
    ResponseTimeout.objects.create(organization=brigade, seconds=60)
    escalation(brigade, ("call", 0))
    begin(alarm)
    assert DeviceMessage.objects.get().way == "call"
    assert AlarmMessage.objects.get().deadline == start + 60 * SECOND


def test_an_organizations_escalation_that_is_gone_by_then_does_not_hold(
    brigade: Organization, schedule: Schedule
) -> None:
    escalation(brigade, ("call", 0))
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0))
    alarm = schedule()
    EscalationConfiguration.objects.remove(owner=brigade)
    begin(alarm)
    assert DeviceMessage.objects.get().way == "sms"


@pytest.mark.usefixtures("planned_later")
def test_what_is_fixed_at_the_start_stays_so_for_planning(brigade: Organization, schedule: Schedule) -> None:
    someone = member(brigade, ways=("sms", "call"))
    alarm = schedule()
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    escalation(brigade, ("call", 0))
    member(brigade)
    assert begin(alarm) == {someone.pk}
    assert set(DeviceMessage.objects.values_list("way", flat=True)) == {"sms", "call"}


@pytest.mark.usefixtures("planned_later")
def test_the_job_may_run_twice(brigade: Organization, schedule: Schedule, jobs: Any) -> None:
    member(brigade, ways=("sms",))
    alarm = schedule()
    first = begin(alarm)
    member(brigade, ways=("sms",))
    assert begin(alarm) == first
    assert DeviceMessage.objects.count() == 1
    assert [job["task_name"] for job in jobs()] == ["alarms.start", "alarms.plan"]


def test_1000_recipients_take_as_many_queries_as_one(brigade: Organization, schedule: Schedule) -> None:
    numbers = []
    for count in (1, 999):
        first = User.objects.count()
        users = User.objects.bulk_create(User(login=f"many{first + number}") for number in range(count))
        Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
        Device.objects.bulk_create(Device(user=user, way="sms", name="x", address="1") for user in users)
        AlarmMessage.objects.all().delete()
        alarm = schedule()
        with CaptureQueriesContext(connection) as queries:
            start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
        numbers.append(len(queries))
    assert AlarmMessage.objects.count() == 1000
    assert numbers[0] == numbers[1]


@pytest.mark.usefixtures("planned_later")
def test_a_start_that_comes_late_leaves_everybody_their_time(
    brigade: Organization, schedule: Schedule, start: datetime
) -> None:
    someone = member(brigade, ways=("sms",))
    alarm = schedule()
    start_alarm(alarm_id=alarm.pk, now=start + timedelta(hours=2))
    assert AlarmMessage.objects.get().deadline > start + timedelta(hours=2)
    upkeep.time_out(now=start + timedelta(hours=2))
    begin(alarm, late=timedelta(hours=2))
    now = start + timedelta(hours=2, seconds=890)
    answer_alarm(alarm_id=alarm.pk, user_id=someone.pk, response=True, source="a test", organization=None, now=now)
    alarm.refresh_from_db()
    assert alarm.starts_at == start


@pytest.mark.parametrize("gone", ["deactivated", "left"])
def test_that_nobody_is_left_is_logged(
    brigade: Organization, schedule: Schedule, boss: APIClient, caplog: Any, gone: str
) -> None:
    member(brigade)
    alarm = schedule()
    if gone == "left":
        Membership.objects.all().delete()
    User.objects.update(is_active=gone == "left")
    assert begin(alarm) == begin(alarm) == set()
    assert told(caplog, alarm)
    read = boss.get(f"/api/v1/alarm/{alarm.pk}").json()
    assert parse_datetime(read["endDate"]) is not None
    assert read["feedback"] == []


def test_an_organization_that_is_not_active_then_alarms_nobody(
    brigade: Organization, schedule: Schedule, boss: APIClient, caplog: Any
) -> None:
    member(brigade)
    alarm = schedule()
    Organization.objects.update(is_active=False)
    assert begin(alarm) == set()
    assert told(caplog, alarm)
    Organization.objects.update(is_active=True)
    assert begin(alarm) == set()
    assert boss.get(f"/api/v1/alarm/{alarm.pk}").json()["closed"] is True
