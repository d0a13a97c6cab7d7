"""GET /messagestatus/{alarm_id} (contract 4): which status a message has when, and that `date` is its last change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from alarms import upkeep
from alarms.answering import answer_alarm
from alarms.closing import close_alarm
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import AlarmMessage, DeviceMessage
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device, Organization
from tests import factories

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
REFUSED = GatewayError("HTTP 400", permanent=True)
BUSY = GatewayError("HTTP 503", permanent=False)

Read = Callable[[], tuple[int, datetime | None]]


@pytest.fixture
def message(now: datetime) -> DeviceMessage:
    """One that is due; nothing has changed for an hour."""
    created: DeviceMessage = factories.DeviceMessageFactory(due_at=now - 60 * SECOND, changed_at=now - 3600 * SECOND)
    return created


@pytest.fixture
def read(message: DeviceMessage, as_organization: Callable[[Organization], APIClient]) -> Read:
    """Reads status and date of the message."""
    client = as_organization(message.alarm.organization)
    query = {"organization_id": message.alarm.organization_id, "user_id": message.alarm_message.user_id}

    def ask() -> tuple[int, datetime | None]:
        (device,) = client.get(f"/api/v1/messagestatus/{message.alarm_id}", query).json()["devices"]
        return device["status"], parse_datetime(device["date"])

    return ask


def take() -> Delivery:
    (delivery,) = claim(sender_id=1, free={("sms", 0, 0): 1}).deliveries
    return delivery


def report(delivery: Delivery, at: datetime, error: GatewayError | None = None) -> None:
    write([Result(delivery, "log", at=at, error=error)], gateways={("sms", 0): 1})


def test_what_waits_for_its_turn_is_scheduled_since_it_was_planned(read: Read, now: datetime) -> None:
    assert read() == (SCHEDULED, now - 3600 * SECOND)


def test_what_a_sender_has_taken_up_is_sending_from_then_on(read: Read, now: datetime) -> None:
    take()
    status, date = read()
    assert status == SENDING
    assert date is not None
    # Within a test the database's time stands still, at a moment before the test's own.
    assert now - 3600 * SECOND < date <= timezone.now()


@pytest.mark.parametrize(
    ("error", "status"), [(None, SENT), (REFUSED, FAILED), (BUSY, SCHEDULED)], ids=["taken", "refused", "busy"]
)
def test_what_the_gateway_did_with_it_is_dated_when_it_did(
    read: Read, now: datetime, error: GatewayError | None, status: int
) -> None:
    report(take(), now + 3 * SECOND, error)
    assert read() == (status, now + 3 * SECOND)


def test_what_was_tried_in_vain_until_the_time_was_over_has_failed(
    message: DeviceMessage, read: Read, now: datetime
) -> None:
    report(take(), now, BUSY)
    AlarmMessage.objects.update(deadline=now)
    upkeep.time_out(now=now + 2 * SECOND)
    assert read() == (FAILED, now + 2 * SECOND)


def run_out(message: DeviceMessage, now: datetime) -> None:
    AlarmMessage.objects.update(deadline=now)
    upkeep.time_out(now=now)


ENDS: dict[str, Callable[[DeviceMessage, datetime], object]] = {
    "answered": lambda message, now: answer_alarm(
        alarm_id=message.alarm_id,
        user_id=message.alarm_message.user_id,
        response=True,
        source="a test",
        organization=None,
        now=now,
    ),
    "timed out": run_out,
    "closed": lambda message, now: close_alarm(alarm_id=message.alarm_id, now=now),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_what_ends_before_its_turn_is_cancelled_then(
    message: DeviceMessage, read: Read, now: datetime, end: str
) -> None:
    ENDS[end](message, now + 2 * SECOND)
    assert read() == (CANCELLED, now + 2 * SECOND)


@pytest.mark.parametrize("end", list(ENDS))
def test_what_has_left_stays_sent_whatever_comes_later(
    message: DeviceMessage, read: Read, now: datetime, end: str
) -> None:
    report(take(), now)
    ENDS[end](message, now + 2 * SECOND)
    assert read() == (SENT, now)


def test_what_a_deactivated_device_was_to_get_is_cancelled(read: Read, now: datetime) -> None:
    Device.objects.update(is_active=False)
    claim(sender_id=1, free={("sms", 0, 0): 1})
    status, date = read()
    assert status == CANCELLED
    assert date is not None
    assert date > now - 3600 * SECOND


def test_only_a_change_moves_the_date(message: DeviceMessage, read: Read, now: datetime) -> None:
    colleague = factories.DeviceMessageFactory(alarm_message__alarm=message.alarm, due_at=now - 60 * SECOND, way="call")
    (other,) = claim(sender_id=1, free={("call", 0, 0): 1}).deliveries
    write([Result(other, "log", at=now)], gateways={("call", 0): 1})
    upkeep.sweep(now=now)
    colleague.refresh_from_db()
    assert (colleague.status, read()) == (SENT, (SCHEDULED, now - 3600 * SECOND))
