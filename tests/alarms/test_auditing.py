"""The auditor: what was lost or is late is found, put right and counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from alarms import auditing, tasks
from alarms.models import Alarm, AlarmMessage, Audit, DeviceMessage, Sender
from alarms.raising import AlarmOrder, Resources, raise_alarm
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, member

pytestmark = pytest.mark.django_db

TEN = timedelta(seconds=10)
LABELS = dict(Audit.Kind.choices)


def found(now) -> dict[str, int]:
    return {each.kind.value: each.number for each in auditing.audit(now=now)}


def names(jobs) -> list[str]:
    return [job["task_name"] for job in jobs()]


def forget_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers")


def test_where_all_is_well_nothing_is_found_and_nothing_done(brigade, now, jobs):
    member(brigade, ways=("sms",))
    order = AlarmOrder(brigade, "Fire", Resources(all_users=True))
    raise_alarm(order=order, raised_by="a test", now=now - TEN)
    DeviceMessage.objects.update(status=2)
    assert found(now) == {}
    assert names(jobs) == []
    assert Audit.objects.filter(found=0, total=0, audited_at=now).count() == len(Audit.Kind)


def test_a_message_that_is_late_is_found_once_and_senders_are_woken(now):
    DeviceMessageFactory(due_at=now - timedelta(seconds=4))
    assert found(now) == {}
    later = now + timedelta(seconds=2)
    with connection.cursor() as cursor:
        cursor.execute("LISTEN device_messages")
    with transaction.atomic():
        assert found(later) == {"late": 1}
    assert found(later + TEN) == {"late": 1}
    assert Audit.objects.get(kind="late").total == 1
    DeviceMessage.objects.update(status=2)
    assert found(later + 2 * TEN) == {}
    row = Audit.objects.get(kind="late")
    assert (row.found, row.last_found, row.last_found_at, row.total) == (0, 1, later + TEN, 1)


@pytest.mark.parametrize(("seconds", "is_found"), [(4, False), (6, True)])
def test_a_lease_that_is_over_goes_back_to_the_queue(now, seconds, is_found):
    sender = Sender.objects.create(host="here", pid=1)
    message = DeviceMessageFactory(
        status=1, attempts=1, sender_id=sender.pk, lease_until=now - timedelta(seconds=seconds)
    )
    assert ("leases" in found(now)) is is_found
    message.refresh_from_db()
    assert message.status == (0 if is_found else 1)


def test_recipients_whose_planning_was_lost_are_planned_again(brigade, now, jobs, planned_later, settings):
    for _person in range(3):
        member(brigade, ways=("sms",))
    order = AlarmOrder(brigade, "Fire", Resources(all_users=True))
    alarm, _new = raise_alarm(order=order, raised_by="a test", now=now - TEN)
    assert found(now) == {}, "its job is still to be done"
    forget_jobs()
    assert found(now) == {"unplanned": 3}
    [job] = jobs()
    tasks.plan(**job["args"])
    assert DeviceMessage.objects.filter(alarm=alarm).count() == 3
    assert found(now) == {}


def test_a_large_alarm_is_planned_again_in_parts(now, jobs, monkeypatch):
    monkeypatch.setattr("alarms.raising.RECIPIENTS_PER_JOB", 2)
    alarm = AlarmFactory(starts_at=now - TEN)
    ids = [AlarmMessageFactory(alarm=alarm, planned_at=None).pk for _person in range(5)]
    AlarmMessageFactory(alarm=alarm)
    assert found(now)["unplanned"] == 5
    assert [(job["args"]["first_id"], job["args"]["last_id"]) for job in jobs()] == [
        (ids[0], ids[1]),
        (ids[2], ids[3]),
        (ids[4], ids[4]),
    ]


def test_what_was_scheduled_is_raised_although_its_job_was_lost(brigade, now, jobs):
    member(brigade, ways=("sms",))
    order = AlarmOrder(brigade, "Drill", Resources(all_users=True), starts_at=now + TEN)
    alarm, _new = raise_alarm(order=order, raised_by="a test", now=now)
    forget_jobs()
    assert found(now + timedelta(seconds=14)) == {}
    assert found(now + timedelta(seconds=16)) == {"unstarted": 1}
    [job] = jobs()
    tasks.start(**job["args"])
    assert alarm.alarm_messages.count() == 1


def test_what_was_to_end_is_closed_although_its_job_was_lost(now, jobs):
    alarm = AlarmFactory(starts_at=now - 2 * TEN, scheduled_end_at=now - TEN)
    DeviceMessageFactory(alarm_message=AlarmMessageFactory(alarm=alarm), status=2)
    assert found(now) == {"unclosed": 1}
    [job] = jobs()
    tasks.close(**job["args"])
    alarm.refresh_from_db()
    assert alarm.closed_at == alarm.scheduled_end_at
    assert found(now) == {}


@pytest.mark.parametrize(
    ("response", "status", "is_found"), [(None, 2, True), (True, 3, True), (False, 2, False), (None, 4, False)]
)
def test_an_all_clear_is_told_although_its_job_was_lost(now, jobs, response, status, is_found):
    alarm = AlarmFactory(starts_at=now - 2 * TEN, closed_at=now - TEN, all_clear="It is over", all_clear_at=now - TEN)
    recipient = AlarmMessageFactory(alarm=alarm, response=response, escalating=False)
    DeviceMessageFactory(alarm_message=recipient, status=status, sent_at=now - 2 * TEN)
    assert found(now) == ({"uncleared": 1} if is_found else {})
    for job in jobs():
        tasks.all_clear(**job["args"])
    assert DeviceMessage.objects.filter(kind=1).count() == is_found
    DeviceMessage.objects.filter(kind=1).update(status=2)
    assert found(now) == {}


def test_a_running_alarm_that_reaches_nobody_is_counted(now):
    of_somebody = AlarmMessageFactory(alarm=AlarmFactory(starts_at=now - TEN))
    assert found(now) == {"without_messages": 1}
    assert found(now + TEN) == {"without_messages": 1}
    assert Audit.objects.get(kind="without_messages").total == 1
    Alarm.objects.filter(pk=of_somebody.alarm_id).update(closed_at=now)
    assert found(now + TEN) == {}


def test_what_it_finds_is_logged_without_names(now, caplog):
    DeviceMessageFactory(due_at=now - TEN, address="+4915112345")
    AlarmMessageFactory(alarm=AlarmFactory(starts_at=now - TEN), planned_at=None)
    auditing.audit(now=now)
    assert [record.getMessage() for record in caplog.records] == [
        f"audit: 1 {LABELS['late']}",
        f"audit: 1 {LABELS['unplanned']}",
    ]


@pytest.mark.django_db(transaction=True)
def test_two_that_audit_at_the_same_time_do_nothing_twice(now, jobs):
    AlarmMessageFactory(alarm=AlarmFactory(starts_at=now - TEN), planned_at=None)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('alarms.audit', 0))")
        assert auditing.audit(now=now) == []
        cursor.execute("SELECT pg_advisory_unlock_all()")
    other.close()
    assert found(now) == {"unplanned": 1}
    assert len(jobs()) == 1


# What /health says of it


@pytest.fixture
def healthy(now: Any) -> None:
    Sender.objects.create(host="here", pid=1)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")


def test_health_tells_what_was_found_for_ten_minutes(client: Client, healthy: None, now: Any) -> None:
    AlarmMessageFactory(alarm=AlarmFactory(starts_at=now - TEN), planned_at=None)
    auditing.audit(now=now)
    assert client.get("/health").json()["warnings"] == [f"audit: 1 {LABELS['unplanned']}"]
    AlarmMessage.objects.update(planned_at=now)
    Alarm.objects.update(closed_at=now)
    auditing.audit(now=now)
    told = f"audit: 1 {LABELS['unplanned']}, put right or over, at {now:%H:%M:%S} UTC"
    assert client.get("/health").json()["warnings"] == [told]
    Audit.objects.filter(kind="unplanned").update(last_found_at=now - timedelta(minutes=11))
    assert client.get("/health").json()["warnings"] == []


def test_health_is_red_while_nobody_audits(client: Client, healthy: None, now: Any) -> None:
    auditing.audit(now=now - timedelta(seconds=16))
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["audit: none in the last 15 s"])
    auditing.audit(now=now - timedelta(seconds=5))
    assert client.get("/health").status_code == 200
