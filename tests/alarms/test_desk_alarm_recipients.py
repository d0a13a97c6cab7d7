"""The recipients on the page of an alarm: their devices, their messages, their answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alarms.desk.alarm_marks import REASONS
from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback
from alarms.person_data import OWN_REASONS
from organizations.models import Organization
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceFactory, DeviceMessageFactory, admin, member

pytestmark = pytest.mark.django_db

Status = DeviceMessage.Status


@pytest.fixture
def alarm(brigade: Organization) -> Alarm:
    made: Alarm = AlarmFactory(organization=brigade, starts_at=datetime(2026, 3, 14, 12, tzinfo=UTC))
    return made


@pytest.fixture
def desk(client: Client, brigade: Organization) -> Client:
    client.force_login(admin(brigade, is_staff=True))
    return client


def rows(client: Client, alarm: Alarm, **query: Any) -> list[str]:
    """Return what is read of each recipient."""
    address = reverse("admin:alarms_alarm_recipients", args=[alarm.pk], query=query or None)
    found = client.get(address).content.decode().split('<tr id="recipient-')[1:]
    return [" ".join(re.sub(r"<[^>]*>", " ", row.partition(">")[2].partition("</tr>")[0]).split()) for row in found]


def recipient(alarm: Alarm, last_name: str, **fields: Any) -> AlarmMessage:
    user = member(alarm.organization, first_name="Kim", last_name=last_name, login=last_name.lower())
    made: AlarmMessage = AlarmMessageFactory(alarm=alarm, user=user, **fields)
    return made


def names(found: list[str]) -> list[str]:
    return [row.split()[1] for row in found]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": Status.SCHEDULED}, "scheduled 12:05:00"),
        ({"status": Status.SENDING}, "sending 12:09:00"),
        ({"status": Status.SENT}, "sent 12:07:00"),
        ({"status": Status.DELIVERED}, "delivered 12:09:00"),
        ({"status": Status.DELIVERED, "receipt": "read"}, "read 12:09:00"),
        ({"status": Status.FAILED, "reason": "no such number"}, "failed 12:09:00 no such number"),
        ({"status": Status.CANCELLED, "reason": "timed out"}, "cancelled 12:09:00 the time was over before its turn"),
        (
            {"status": Status.CANCELLED, "reason": "deactivated or over"},
            "cancelled 12:09:00 person or device deactivated, or the time was over",
        ),
        ({"status": Status.CANCELLED, "reason": "recipient erased"}, "cancelled 12:09:00 the recipient was erased"),
        ({"status": Status.FAILED, "reason": "receipt: failed"}, "failed 12:09:00 a receipt says that it failed"),
        ({"status": Status.FAILED, "reason": "erased"}, "failed 12:09:00 erased with its recipient"),
        ({"status": Status.SENT, "kind": DeviceMessage.Kind.ALL_CLEAR}, "All-clear sent 12:07:00"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_is_a_mark_with_a_word_a_time_and_the_reason(
    desk: Client, alarm: Alarm, fields: dict[str, Any], words: str
) -> None:
    at = alarm.starts_at
    DeviceMessageFactory(
        alarm_message=recipient(alarm, "Boss"),
        way="sms",
        due_at=at + timedelta(minutes=5),
        sent_at=at + timedelta(minutes=7),
        changed_at=at + timedelta(minutes=9),
        **fields,
    )
    [row] = rows(desk, alarm)
    assert f"SMS My sms {words}" in row


def test_every_reason_of_the_service_itself_is_said_in_words() -> None:
    assert sorted(set(OWN_REASONS) - {"", *REASONS}) == []


def test_the_gateways_that_were_tried_are_told_with_what_they_said(desk: Client, alarm: Alarm) -> None:
    at = alarm.starts_at.isoformat()
    tried = [
        {"gateway": "sms.example.org", "at": at, "reason": "503"},
        {"gateway": "<b>other</b>", "at": at, "reason": "refused"},
        {"gateway": "third", "at": at, "reason": "receipt: failed"},
    ]
    DeviceMessageFactory(alarm_message=recipient(alarm, "Boss"), status=Status.FAILED, tried=tried)
    [row] = rows(desk, alarm)
    assert (
        "3 failed attempts 12:00:00 sms.example.org: 503 12:00:00 &lt;b&gt;other&lt;/b&gt;: refused"
        " 12:00:00 third: a receipt says that it failed"
    ) in row


def test_the_turns_of_a_device_stand_together_in_their_order(desk: Client, alarm: Alarm) -> None:
    whose = recipient(alarm, "Boss")
    phone, pager = (DeviceFactory(user=whose.user, way=way) for way in ("sms", "pager"))
    for turn, device, status in ((1, phone, Status.FAILED), (0, pager, Status.DELIVERED), (2, phone, Status.SENT)):
        DeviceMessageFactory(alarm_message=whose, device=device, way=device.way, turn=turn, status=status)
    [row] = rows(desk, alarm)
    assert re.search(r"Pager My pager delivered \S+ SMS My sms failed \S+ sent", row)


def test_who_has_no_device_is_told_from_who_is_being_planned(desk: Client, alarm: Alarm) -> None:
    recipient(alarm, "Alone")
    recipient(alarm, "New", planned_at=None)
    # The time of who is not planned yet has not begun, however late it is: they come first.
    new, alone = rows(desk, alarm)
    assert "no way to reach them" in alone
    assert "being planned" in new


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("answer page", "on the answer page"),
        ("SMS", "by SMS"),
        ("call", "by phone"),
        ("Personal access token", "with a personal access token"),
        ("API token of the gate", "API token of the gate"),
    ],
)
def test_an_answer_says_how_and_when_it_came(desk: Client, alarm: Alarm, source: str, words: str) -> None:
    at = alarm.starts_at + timedelta(minutes=3)
    whose = recipient(alarm, "Boss", response=True, responded_at=at)
    Feedback.objects.create(alarm_message=whose, response=True, source=source, created_at=at)
    [row] = rows(desk, alarm)
    assert f"positive 12:03:00 {words}" in row


def test_answers_that_were_changed_are_all_told(desk: Client, alarm: Alarm) -> None:
    whose = recipient(alarm, "Boss", response=False, responded_at=alarm.starts_at)
    for minutes, response in ((1, True), (2, False)):
        at = alarm.starts_at + timedelta(minutes=minutes)
        Feedback.objects.create(alarm_message=whose, response=response, source="SMS", created_at=at)
    [row] = rows(desk, alarm)
    assert "negative 12:02:00 by SMS 2 answers positive 12:01:00 by SMS negative 12:02:00 by SMS" in row


@pytest.fixture
def five(alarm: Alarm, now: datetime) -> None:
    recipient(alarm, "Answered", response=True, first_sent_at=now)
    recipient(alarm, "Declined", response=False, first_sent_at=now)
    recipient(alarm, "Late", deadline=now - timedelta(minutes=1), first_sent_at=now)
    recipient(alarm, "Unreached", deadline=now + timedelta(minutes=9))
    recipient(alarm, "Waiting", deadline=now + timedelta(minutes=9), first_sent_at=now)


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Unreached", "Waiting", "Late", "Declined", "Answered"]),
        ({"state": "unknown"}, ["Unreached", "Waiting"]),
        ({"state": "timed_out"}, ["Late"]),
        ({"state": "unreached"}, ["Unreached"]),
        ({"state": "positive"}, ["Answered"]),
        ({"state": "negative"}, ["Declined"]),
        ({"q": "late"}, ["Late"]),
        ({"q": "kim wait"}, ["Waiting"]),
        ({"state": "positive", "q": "late"}, []),
        ({"state": "nonsense"}, ["Unreached", "Waiting", "Late", "Declined", "Answered"]),
        ({"q": "\x00late\x00", "page": "-1"}, ["Late"]),
        ({"q": "%"}, []),
        ({"page": "9" * 5000}, ["Unreached", "Waiting", "Late", "Declined", "Answered"]),
    ],
    ids=str,
)
def test_who_is_waited_for_comes_first_and_one_can_filter_and_search(
    desk: Client, alarm: Alarm, query: dict[str, str], expected: list[str]
) -> None:
    assert names(rows(desk, alarm, **query)) == expected
    page = desk.get(reverse("admin:alarms_alarm_change", args=[alarm.pk], query=query))
    assert re.findall(r"<strong>Kim (\w+)</strong>", page.content.decode()) == expected


def test_each_page_has_50_and_leads_to_the_others_with_the_same_filter(desk: Client, alarm: Alarm) -> None:
    AlarmMessageFactory.create_batch(120, alarm=alarm)
    seen = [row for page in ("1", "2", "3") for row in rows(desk, alarm, state="timed_out", page=page)]
    assert len(seen) == len(set(seen)) == 120
    address = reverse("admin:alarms_alarm_recipients", args=[alarm.pk], query={"state": "timed_out", "page": 2})
    shown = desk.get(address).content.decode()
    assert shown.count('<tr id="recipient-') == 50
    assert re.findall(r'href="\?([^#"]+)#', shown) == ["state=timed_out&amp;page=1", "state=timed_out&amp;page=3"]


def test_recipients_of_other_alarms_do_not_appear(desk: Client, alarm: Alarm) -> None:
    recipient(AlarmFactory(organization=alarm.organization), "Other")
    recipient(alarm, "Boss")
    assert names(rows(desk, alarm)) == ["Boss"]
