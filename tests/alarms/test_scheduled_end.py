"""POST /alarm with a `scheduledEndTime` (contract 4): the alarm closes itself then, and nobody's time is longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning
from alarms.answering import answer_alarm, answer_organization
from alarms.closing import close_alarm
from alarms.gateways.base import GatewayError
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import AlarmOrder, Resources, raise_alarm, start_alarm
from alarms.sending.claim import Claimed, claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from messaging_project import database
from messaging_project.errors import Conflict
from organizations.models import Organization
from tests.client import Client
from tests.dialect import refused
from tests.factories import DeviceFactory, OrganizationFactory, escalation, member
from tests.processes import Processes, until
from tests.sinks import HttpSink

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarm"
EVERYBODY = Resources(all_users=True)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
SENT, CANCELLED = DeviceMessage.Status.SENT, DeviceMessage.Status.CANCELLED

Raise = Callable[..., Alarm]


@pytest.fixture
def post(brigade: Organization, boss: APIClient) -> Callable[..., Any]:
    def call(**fields: object) -> Any:
        data = {"organizationID": brigade.pk, "message": "Drill", "alarmResources": {"allUsers": True}} | fields
        return boss.post(URL, json.dumps(data), content_type="application/json")

    return call


@pytest.fixture
def raised(brigade: Organization, now: datetime) -> Raise:
    """Raises an alarm for everybody so many seconds after `now`, that closes itself so many seconds after its start."""

    def call(*, end: float, start: float = 0) -> Alarm:
        begins = now + start * SECOND
        order = AlarmOrder(brigade, "Drill", EVERYBODY, starts_at=begins, scheduled_end_at=begins + end * SECOND)
        alarm, _is_new = raise_alarm(order=order, raised_by="a test", now=min(now, begins))
        return alarm

    return call


def plan(alarm: Alarm, after: float = 0) -> None:
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan"):
        planning.plan(**job.args, now=alarm.starts_at + after * SECOND)


def deadline(alarm: Alarm) -> float:
    """Return until when the only recipient can answer, in seconds after the start."""
    return (AlarmMessage.objects.get().deadline - alarm.starts_at).total_seconds()


def take() -> Claimed:
    return claim(sender_id=1, free={("sms", 0, 0): 100, ("call", 0, 0): 100})


# What is refused


@pytest.mark.parametrize(("start", "end"), [(None, 0), (None, -1), (3600, 3600), (3600, 3599), (3600, -1), (-60, -30)])
def test_an_end_that_is_not_after_the_start_is_refused_by_name(
    brigade: Organization, post: Any, monkeypatch: pytest.MonkeyPatch, jobs: Any, start: float | None, end: float
) -> None:
    member(brigade)
    now = timezone.now()
    monkeypatch.setattr(database, "now", lambda: now)
    times = {"scheduledEndTime": now + end * SECOND} | ({} if start is None else {"startTime": now + start * SECOND})
    texts = {name: moment.isoformat() for name, moment in times.items()}
    assert refused(post(**texts), 400, "scheduledEndTime")
    assert not Alarm.objects.exists()
    assert jobs() == []
    texts["scheduledEndTime"] = (now + (max(start or 0, 0) * SECOND) + MICROSECOND).isoformat()
    assert post(**texts).status_code == 201


def test_null_is_as_not_given(brigade: Organization, post: Any, jobs: Any) -> None:
    member(brigade)
    answer = post(startTime=None, scheduledEndTime=None)
    assert answer.status_code == 201
    assert len(answer.json()["feedback"]) == 1
    assert jobs() == []


WRONG = ["", "tomorrow", 7, 1.5, True, [], {}, "2030-01-01", "2030-02-30T00:00:00Z", "2030-01-01T25:00:00Z", "\ud800"]
NAIVE = ["2030-01-01T10:00:00", "2030-01-01 10:00:00.5", "2020-01-01T10:00"]


@pytest.mark.parametrize("field", ["startTime", "scheduledEndTime"])
@pytest.mark.parametrize("value", [*WRONG, *NAIVE, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_or_a_time_of_no_zone_is_refused_by_name(
    brigade: Organization, post: Any, field: str, value: object
) -> None:
    member(brigade)
    assert refused(post(**{field: value}), 400, field)
    assert not Alarm.objects.exists()


@pytest.mark.parametrize("text", ["2027-01-31T12:00:00Z", "2027-01-31T13:30:00+01:30", "2027-01-31T12:00:00.000000Z"])
def test_a_time_of_any_zone_is_taken_and_answered_in_utc(
    brigade: Organization, post: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    member(brigade)
    now = parse_datetime("2027-01-01T00:00:00Z")
    monkeypatch.setattr(database, "now", lambda: now)
    answer = post(startTime=text, scheduledEndTime="9999-12-31T23:59:59Z")
    assert answer.json()["startDate"] == "2027-01-31T12:00:00Z"


# The end


def test_it_closes_itself_at_that_time_exactly_however_late_the_job_comes(
    brigade: Organization, post: Any, boss: APIClient, now: datetime
) -> None:
    member(brigade, ways=("sms",))
    end = now + 3600 * SECOND
    alarm = post(scheduledEndTime=end.isoformat()).json()
    assert alarm["closed"] is False
    job = ProcrastinateJob.objects.get(task_name="alarms.close")
    assert job.scheduled_at == end
    for late in (7.5, 60):
        close_alarm(**job.args, now=end + late * SECOND)
        read = boss.get(f"{URL}/{alarm['id']}").json()
        assert (read["closed"], parse_datetime(read["endDate"])) == (True, end)


def test_who_closes_it_before_has_closed_it(brigade: Organization, raised: Raise, now: datetime) -> None:
    member(brigade)
    alarm = raised(end=60)
    for after in (30, 60):
        close_alarm(alarm_id=alarm.pk, now=now + after * SECOND)
        alarm.refresh_from_db()
        assert alarm.closed_at == now + 30 * SECOND


def test_from_that_moment_on_nobody_can_answer_although_it_is_not_closed_yet(
    brigade: Organization, raised: Raise, now: datetime
) -> None:
    first, second = member(brigade), member(brigade)
    alarm = raised(end=60)
    end = now + 60 * SECOND
    answer: dict[str, Any] = {"alarm_id": alarm.pk, "source": "a test", "organization": None}
    answer_alarm(**answer, user_id=first.pk, response=True, now=end - MICROSECOND)
    for user in (first, second):
        with pytest.raises(Conflict):
            answer_alarm(**answer, user_id=user.pk, response=False, now=end)
        with pytest.raises(Conflict):
            answer_organization(organization=brigade, user_id=user.pk, response=False, source="a test", now=end)
    # Repeating the answer in force is no error at any time.
    answer_alarm(**answer, user_id=first.pk, response=True, now=end)


def test_from_that_moment_on_nothing_is_sent_although_it_is_not_closed_yet(
    brigade: Organization, raised: Raise
) -> None:
    member(brigade, ways=("sms", "call"))
    escalation(brigade, ("sms", 0), ("call", 30), ("sms", 60))
    alarm = raised(start=-100, end=99)
    plan(alarm)
    assert take().deliveries == []
    assert set(DeviceMessage.objects.filter(due_at__lte=timezone.now()).values_list("status", flat=True)) == {CANCELLED}


def test_a_start_that_comes_after_the_end_alarms_nobody(brigade: Organization, raised: Raise, now: datetime) -> None:
    someone = member(brigade, ways=("sms",))
    alarm = raised(start=3600, end=60)
    late = alarm.starts_at + 61 * SECOND
    start_alarm(alarm_id=alarm.pk, now=late)
    plan(alarm, after=61)
    with pytest.raises(Conflict):
        answer_alarm(alarm_id=alarm.pk, user_id=someone.pk, response=True, source="a test", organization=None, now=late)
    assert not AlarmMessage.objects.filter(deadline__gt=alarm.starts_at + 60 * SECOND).exists()


# Deadlines


@pytest.mark.usefixtures("planned_later")
@pytest.mark.parametrize(("end", "expected"), [(60, 60), (900, 900), (901, 900), (86400, 900)])
def test_a_deadline_is_the_end_at_the_latest_from_the_post_on(
    brigade: Organization, raised: Raise, end: float, expected: float
) -> None:
    member(brigade)
    alarm = raised(end=end)
    assert deadline(alarm) == expected
    plan(alarm)
    assert deadline(alarm) == expected


@pytest.mark.parametrize(("end", "expected"), [(930, 930), (1000, 960)])
def test_planning_sets_no_deadline_after_the_end(
    brigade: Organization, raised: Raise, end: float, expected: float
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 60))
    alarm = raised(start=3600, end=end)
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    plan(alarm)
    assert deadline(alarm) == expected


@pytest.mark.parametrize(("end", "expected"), [(700, 700), (2000, 1000)])
def test_the_first_message_that_leaves_sets_none_after_the_end(
    brigade: Organization, raised: Raise, end: float, expected: float
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 300))
    alarm = raised(start=-100, end=end)
    plan(alarm)
    (delivery,) = take().deliveries
    # What the recipient reads is what will hold.
    assert delivery.until == pytest.approx(alarm.starts_at + expected * SECOND, abs=5 * SECOND)
    write([Result(delivery, "log", at=alarm.starts_at + 100 * SECOND)], gateways={("sms", 0): 1})
    assert deadline(alarm) == pytest.approx(expected, abs=5)
    assert deadline(alarm) <= end


@pytest.mark.parametrize(("end", "expected"), [(700, 700), (5000, 2800)])
def test_a_turn_that_moves_up_sets_none_after_the_end(
    brigade: Organization, raised: Raise, end: float, expected: float
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 300), ("sms", 1800))
    alarm = raised(start=-100, end=end)
    plan(alarm)
    assert deadline(alarm) == min(end, 3000)
    (delivery,) = take().deliveries
    refusal = GatewayError("HTTP 400", permanent=True)
    write([Result(delivery, "log", at=timezone.now(), error=refusal)], gateways={("sms", 0): 1})
    assert deadline(alarm) == pytest.approx(expected, abs=5)
    assert deadline(alarm) <= end


# With real processes


def test_a_start_and_an_end_come_by_themselves_although_the_worker_was_started_anew(
    processes: Processes, http_sink: HttpSink
) -> None:
    brigade = OrganizationFactory()
    person = member(brigade)
    DeviceFactory(user=person, way="sms", address="sms-1")
    escalation(brigade, ("sms", 0), ("sms", 60))
    processes.start_all()
    client = Client(processes.url, brigade)
    begins, ends = timezone.now() + 3 * SECOND, timezone.now() + 4 * SECOND
    data = {"organizationID": brigade.pk, "message": "Drill", "alarmResources": {"allUsers": True}}
    status, later = client.request("POST", "/alarm", data | {"startTime": begins.isoformat()})
    assert status == 201, later
    status, short = client.request("POST", "/alarm", data | {"scheduledEndTime": ends.isoformat()})
    assert status == 201, short
    processes.kill("worker")
    processes.start("worker")
    until(lambda: any(post.json["alarmID"] == later["id"] for post in http_sink.posts), what="it goes out")
    first = min(post.at for post in http_sink.posts if post.json["alarmID"] == later["id"])
    print(f"\nthe first message came {first - begins.timestamp():.1f} s after the start")
    assert first >= begins.timestamp()
    until(lambda: client.get(f"/alarm/{short['id']}")["closed"], what="it is closed")
    assert timezone.now() >= ends
    assert parse_datetime(client.get(f"/alarm/{short['id']}")["endDate"]) == ends
    assert client.answer(short["id"], person.pk, True) == 409
    assert client.answer(later["id"], person.pk, True) == 200
    until(lambda: not DeviceMessage.objects.filter(status=DeviceMessage.Status.SENDING).exists())
    assert set(DeviceMessage.objects.filter(turn=1).values_list("status", flat=True)) == {CANCELLED}
    assert DeviceMessage.objects.filter(status=SENT).count() == len(http_sink.posts)
