"""What becomes of a message that was tried when the escalation of its recipient ends: failed where their time ran out,
cancelled where they answered or the alarm was closed, and sent where it left all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms import upkeep
from alarms.answering import answer_alarm
from alarms.closing import close_alarm
from alarms.gateways.base import GatewayError
from alarms.models import AlarmMessage, DeviceMessage, Sender
from alarms.sending.claim import Claimed, claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import User
from tests import factories

pytestmark = pytest.mark.django_db

Status = DeviceMessage.Status
# In a test, now() in the database is when the test began.
A_MINUTE = timedelta(minutes=1)
BUSY = GatewayError("HTTP 503", permanent=False)


@pytest.fixture
def message(now: datetime) -> DeviceMessage:
    return factories.DeviceMessageFactory(due_at=now - A_MINUTE)


@pytest.fixture
def sender() -> Sender:
    return Sender.objects.create(host="here", pid=1)


def take(sender: Sender) -> Claimed:
    return claim(sender_id=sender.pk, free={("sms", 0, 0): 10})


def run_out(message: DeviceMessage, now: datetime) -> None:
    AlarmMessage.objects.filter(pk=message.alarm_message_id).update(deadline=now - A_MINUTE)


def now_is(message: DeviceMessage) -> tuple[int, str]:
    message.refresh_from_db()
    return message.status, message.reason


ENDS: dict[str, tuple[Callable[[DeviceMessage, datetime], None], Status]] = {
    "time ran out": (lambda message, now: (run_out(message, now), upkeep.time_out(now=now))[1], Status.FAILED),
    "answered": (
        lambda message, now: answer_alarm(
            alarm_id=message.alarm_id,
            user_id=message.alarm_message.user_id,
            response=True,
            source="a test",
            now=now,
            organization=None,
        ),
        Status.CANCELLED,
    ),
    "closed": (lambda message, now: close_alarm(alarm_id=message.alarm_id, now=now), Status.CANCELLED),
}
ends = pytest.mark.parametrize("end", list(ENDS))


@ends
def test_a_temporary_failure_after_the_end_is_not_tried_again(
    message: DeviceMessage, sender: Sender, now: datetime, end: str
) -> None:
    happen, status = ENDS[end]
    (delivery,) = take(sender).deliveries
    happen(message, now)
    write([Result(delivery, "log", at=now, error=BUSY)], gateways={("sms", 0): 1})
    assert now_is(message) == (status, "HTTP 503")


@ends
def test_what_a_dead_sender_held_at_the_end_is_not_sent_again(
    message: DeviceMessage, sender: Sender, now: datetime, end: str
) -> None:
    happen, status = ENDS[end]
    take(sender)
    happen(message, now)
    sender.delete()
    upkeep.return_lost()
    assert now_is(message) == (status, "taken back from its sender")


@ends
def test_what_left_although_its_sender_was_held_to_be_dead_is_sent(
    message: DeviceMessage, sender: Sender, now: datetime, end: str
) -> None:
    happen, _status = ENDS[end]
    (delivery,) = take(sender).deliveries
    sender.delete()
    upkeep.return_lost()
    happen(message, now)
    write([Result(delivery, "log", at=now)], gateways={("sms", 0): 1})
    assert now_is(message) == (Status.SENT, "")


def test_a_retry_that_is_due_after_the_time_ran_out_is_given_up_with_its_reason(
    message: DeviceMessage, sender: Sender, now: datetime
) -> None:
    (delivery,) = take(sender).deliveries
    write([Result(delivery, "log", at=now, error=BUSY)], gateways={("sms", 0): 1})
    DeviceMessage.objects.update(due_at=now - A_MINUTE)
    run_out(message, now)
    claimed = take(sender)
    assert (claimed.deliveries, claimed.dropped) == ([], [(message.alarm_message_id, 0)])
    assert now_is(message) == (Status.FAILED, "HTTP 503")


def test_what_waits_for_a_gateway_that_there_is_no_more_begins_with_the_first(
    message: DeviceMessage, sender: Sender, settings: Any
) -> None:
    DeviceMessage.objects.update(gateway=1)
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["log:", "log:"]}
    upkeep.follow_gateways()
    assert take(sender).deliveries == []
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["log:"]}
    upkeep.follow_gateways()
    assert len(take(sender).deliveries) == 1


def test_what_waits_for_a_way_without_a_gateway_fails_and_the_next_turn_moves_up(
    message: DeviceMessage, settings: Any, now: datetime
) -> None:
    recipient = message.alarm_message
    later = factories.DeviceMessageFactory(alarm_message=recipient, way="call", turn=1, due_at=now + A_MINUTE)
    settings.GATEWAYS = settings.GATEWAYS | {"sms": []}
    upkeep.follow_gateways()
    assert now_is(message) == (Status.FAILED, "its way has no gateway any more")
    later.refresh_from_db()
    assert (later.status, later.due_at < now + A_MINUTE / 2) == (Status.SCHEDULED, True)


def test_somebody_with_the_longest_name_can_raise_an_alarm(as_user: Callable[[User], APIClient]) -> None:
    organization = factories.OrganizationFactory()
    boss = factories.admin(organization, first_name="F" * 150, last_name="L" * 150, login="l" * 150)
    body = {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    answer = as_user(boss).post("/api/v1/alarm", body, format="json")
    assert answer.status_code == 201
    assert answer.json()["raisedBy"] == f"{'F' * 150} {'L' * 150} ({'l' * 150})"


@pytest.mark.parametrize(("body", "status"), [(b"<xml/>", 400), (b"[]", 400), (b"{", 400), (b"{}", 200), (b"", 200)])
def test_closing_an_alarm_takes_a_json_object_or_nothing(
    as_user: Callable[[User], APIClient], body: bytes, status: int
) -> None:
    organization = factories.OrganizationFactory()
    alarm = factories.AlarmFactory(organization=organization)
    client = as_user(factories.admin(organization))
    answer = client.generic("PATCH", f"/api/v1/alarm/{alarm.pk}", body, content_type="application/json")
    alarm.refresh_from_db()
    assert (answer.status_code, alarm.closed_at is not None) == (status, status == 200)
