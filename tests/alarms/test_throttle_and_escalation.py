"""What waits for the next minute of its device, and the escalation: other turns, answers and time outs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from alarms import upkeep
from alarms.closing import close_alarm
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from organizations.models import Device, User
from tests import factories
from tests.alarms.throttled import (
    BUSY,
    CANCELLED,
    FAILED,
    MINUTE,
    REFUSED,
    SCHEDULED,
    database_now,
    messages_to,
    pass_time,
    report,
    taken,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def today() -> datetime:
    return database_now()


@pytest.fixture
def phone(db: None) -> Device:
    created: Device = factories.DeviceFactory(way="sms")
    return created


def planned(device: Device, *turns: tuple[str, float], due: datetime, timeout: int = 900) -> AlarmMessage:
    """Return a recipient with a message for each turn: a way and seconds after the start. `device` is that of sms."""
    alarm: Alarm = factories.AlarmFactory(starts_at=due, response_timeout=timeout)
    deadline = due + timedelta(seconds=turns[-1][1] + timeout)
    recipient: AlarmMessage = factories.AlarmMessageFactory(alarm=alarm, user=device.user, deadline=deadline)
    for number, (way, after) in enumerate(turns):
        to = {"device": device} if way == device.way else {}
        factories.DeviceMessageFactory(
            alarm_message=recipient, way=way, turn=number, due_at=due + timedelta(seconds=after), **to
        )
    return recipient


def rows(recipient: AlarmMessage) -> list[tuple[int, float]]:
    start = recipient.alarm.starts_at
    return [(row.status, (row.due_at - start).total_seconds()) for row in recipient.device_messages.all()]


@pytest.fixture
def busy_phone(phone: Device, today: datetime) -> Device:
    """One that has got all that it may get in this minute."""
    messages_to(phone, 10, due=today)
    assert len(taken()) == 10
    return phone


def test_while_one_waits_the_later_turns_come_in_their_time(busy_phone: Device, today: datetime) -> None:
    recipient = planned(busy_phone, ("sms", 0), ("call", 30), due=today)
    assert taken() == []
    assert rows(recipient) == [(SCHEDULED, 60), (SCHEDULED, 30)]
    DeviceMessage.objects.filter(way="call").update(due_at=today)
    assert [delivery.way for delivery in taken()] == ["call"]


def test_a_turn_that_waits_moves_up_no_other_and_one_before_it_that_failed_does(
    busy_phone: Device, today: datetime
) -> None:
    recipient = planned(busy_phone, ("app", 0), ("sms", 20), ("email", 50), due=today)
    report(taken(), REFUSED, at=today)
    assert rows(recipient) == [(FAILED, 0), (SCHEDULED, 0), (SCHEDULED, 30)]
    assert taken() == []
    assert rows(recipient) == [(FAILED, 0), (SCHEDULED, 60), (SCHEDULED, 30)]
    pass_time(MINUTE)
    assert sorted(delivery.way for delivery in taken()) == ["email", "sms"]


def test_who_answers_gets_nothing_of_what_waits(
    busy_phone: Device, today: datetime, as_user: Callable[[User], Any]
) -> None:
    recipient = planned(busy_phone, ("sms", 0), due=today)
    assert taken() == []
    answer = {"alarmID": recipient.alarm_id, "userID": recipient.user_id, "response": True}
    assert as_user(recipient.user).post("/api/v1/messaging/feedback", answer, format="json").status_code == 200
    [message] = recipient.device_messages.all()
    assert (message.status, message.reason) == (CANCELLED, "answered")
    pass_time(MINUTE)
    assert taken() == []


def test_whose_time_is_over_gets_nothing_of_what_waits(busy_phone: Device, today: datetime) -> None:
    recipient = planned(busy_phone, ("sms", 0), due=today)
    assert taken() == []
    AlarmMessage.objects.filter(pk=recipient.pk).update(deadline=today)
    upkeep.time_out(now=today)
    [message] = recipient.device_messages.all()
    assert (message.status, message.reason) == (CANCELLED, "timed out")


def test_of_an_alarm_that_is_closed_nothing_waits_any_more(busy_phone: Device, today: datetime) -> None:
    recipient = planned(busy_phone, ("sms", 0), due=today)
    assert taken() == []
    close_alarm(alarm_id=recipient.alarm_id, now=today)
    [message] = recipient.device_messages.all()
    assert (message.status, message.reason) == (CANCELLED, "closed")


def test_what_waits_goes_when_its_device_has_room_and_starts_the_time_to_answer(
    busy_phone: Device, today: datetime
) -> None:
    recipient = planned(busy_phone, ("sms", 0), due=today)
    assert taken() == []
    pass_time(MINUTE)
    [delivery] = taken()
    assert delivery.attempt == 1
    report([delivery], at=today + timedelta(seconds=1))
    recipient.refresh_from_db()
    assert recipient.deadline == today + timedelta(seconds=901)


def test_what_was_tried_before_it_had_to_wait_keeps_why_it_failed(phone: Device, today: datetime) -> None:
    recipient = planned(phone, ("sms", 0), due=today)
    report(taken(), BUSY, at=today)
    messages_to(phone, 10, due=today - timedelta(seconds=10))
    DeviceMessage.objects.update(due_at=today)
    DeviceMessage.objects.filter(alarm_message=recipient).update(due_at=today + timedelta(seconds=5))
    assert len(taken()) == 10
    DeviceMessage.objects.filter(alarm_message=recipient).update(due_at=today)
    assert taken() == []
    AlarmMessage.objects.filter(pk=recipient.pk).update(deadline=today)
    upkeep.time_out(now=today)
    [message] = recipient.device_messages.all()
    assert (message.status, message.reason) == (FAILED, "HTTP 503")
