"""The timeline of an alarm: what was sent when, drawn by the server."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alarms.desk.timeline import BINS, STEPS, Timeline, timeline
from alarms.models import Alarm, DeviceMessage
from organizations.models import Organization
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, admin

pytestmark = pytest.mark.django_db

Status = DeviceMessage.Status


@pytest.fixture
def alarm(brigade: Organization, now: datetime) -> Alarm:
    made: Alarm = AlarmFactory(organization=brigade, starts_at=now)
    return made


def message(alarm: Alarm, **fields: Any) -> None:
    DeviceMessageFactory(alarm_message__alarm=alarm, **fields)


def found(alarm: Alarm) -> Timeline:
    read = timeline(alarm)
    assert read is not None
    return read


def test_each_message_counts_in_the_lane_of_its_way_at_the_time_it_left(alarm: Alarm, now: datetime) -> None:
    left = now + timedelta(minutes=5)
    message(alarm, way="app", status=Status.SENT, sent_at=now, changed_at=now)
    # It left long before the receipt came.
    message(alarm, way="sms", status=Status.DELIVERED, sent_at=left, changed_at=now + timedelta(minutes=9))
    message(alarm, way="call", status=Status.FAILED, changed_at=now + timedelta(minutes=10))
    message(alarm, way="email", status=Status.SCHEDULED, due_at=now + timedelta(minutes=20))
    message(alarm, way="email", status=Status.CANCELLED, due_at=now + timedelta(hours=3), changed_at=now)
    message(alarm, way="app", kind=DeviceMessage.Kind.ALL_CLEAR, status=Status.SENT, sent_at=left)
    AlarmMessageFactory(alarm=alarm, response=False, responded_at=now + timedelta(minutes=15))
    drawn = found(alarm)
    assert (drawn.first, drawn.last) == (now, now + timedelta(minutes=20))
    assert [(lane.name, dict(lane.bins)) for lane in drawn.lanes] == [
        ("app", {0: {"sent": 1}}),
        ("sms", {BINS // 4: {"delivered": 1}}),
        ("call", {BINS // 2: {"failed": 1}}),
        ("email", {BINS - 1: {"planned": 1}}),
        ("all-clear", {BINS // 4: {"sent": 1}}),
        ("answers", {BINS * 3 // 4: {"negative": 1}}),
    ]
    totals = {state: number for state, _word, number in drawn.states}
    assert totals == {"delivered": 1, "sent": 2, "failed": 1, "planned": 1, "cancelled": 1, "negative": 1}


def test_nothing_planned_is_no_drawing(alarm: Alarm, client: Client) -> None:
    assert timeline(alarm) is None
    message(AlarmFactory(organization=alarm.organization))
    assert timeline(alarm) is None
    client.force_login(admin(alarm.organization, is_staff=True))
    shown = client.get(reverse("admin:alarms_alarm_timeline", args=[alarm.pk])).content.decode()
    assert "Nothing is planned yet" in shown
    assert "<svg" not in shown


def test_it_takes_one_query(alarm: Alarm) -> None:
    for _ in range(5):
        message(alarm)
    with CaptureQueriesContext(connection) as captured:
        timeline(alarm)
    assert len(captured) == 1


def test_the_drawing_says_what_it_is_and_a_table_has_its_numbers(alarm: Alarm, client: Client) -> None:
    client.force_login(admin(alarm.organization, is_staff=True))
    for way, number in (("sms", 3), ("email", 2)):
        for _ in range(number):
            message(alarm, way=way, status=Status.SENT, sent_at=alarm.starts_at)
    shown = client.get(reverse("admin:alarms_alarm_timeline", args=[alarm.pk])).content.decode()
    [labelled] = re.findall(r'role="img" aria-labelledby="([^"]+)"', shown)
    for each in labelled.split():
        assert re.search(rf'id="{each}">\w', shown), each
    rows = re.findall(r"<tr><td[^>]*>([^<]+)</td><td[^>]*>(\d+)</td>", shown)
    assert rows == [("SMS", "3"), ("E-mail", "2")]
    assert shown.count('<path class="sent"') == 2


def test_a_time_before_the_start_is_drawn_too(alarm: Alarm, now: datetime) -> None:
    message(alarm, status=Status.SENT, sent_at=now - timedelta(seconds=3))
    drawn = found(alarm)
    assert drawn.first == now - timedelta(seconds=3)
    assert drawn.last == now + timedelta(minutes=1)


@pytest.mark.parametrize(
    "span", [timedelta(seconds=61), *(2.5 * step for step in STEPS[2:]), timedelta(days=400)], ids=str
)
def test_few_round_times_stand_below_it(span: timedelta) -> None:
    first = datetime.fromisoformat("2026-03-14T11:58:47.123456Z")
    ticks = Timeline([], first, first + span).ticks("Europe/Berlin")
    assert 1 <= len(ticks) <= 6
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert all(0 <= float(tick.at) <= 100 for tick in ticks)


def test_times_below_it_are_round_in_the_time_zone_of_the_organization() -> None:
    first = datetime.fromisoformat("2026-03-14T11:58:47Z")
    ticks = Timeline([], first, first + timedelta(minutes=10)).ticks("Asia/Kathmandu")
    assert [tick.text for tick in ticks] == ["17:44", "17:46", "17:48", "17:50", "17:52"]
