"""What was tried is kept: each attempt that failed, with its gateway, time and reason (contract 7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.postgres.functions import TransactionNow

from alarms.closing import close_alarm
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import AlarmMessage, DeviceMessage
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from tests import factories

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
REFUSED = GatewayError("HTTP 400", permanent=True)
BUSY = GatewayError("HTTP 503", permanent=False)
GATEWAYS = 3


@pytest.fixture
def message(now: datetime) -> DeviceMessage:
    created: DeviceMessage = factories.DeviceMessageFactory(alarm_message__alarm__starts_at=now - timedelta(seconds=60))
    return created


def taken(sender: int = 1) -> Delivery:
    """Take up what there is, whichever gateway it goes to and whenever it is due."""
    DeviceMessage.objects.update(due_at=TransactionNow())
    [delivery] = claim(sender_id=sender, free={("sms", 0, place): 1 for place in range(GATEWAYS)}).deliveries
    return delivery


def report(delivery: Delivery, error: GatewayError | None, *, at: datetime, label: str = "", gateways: int = 1) -> None:
    label = label or f"gateway {delivery.gateway}"
    assert write([Result(delivery, label, at=at, error=error)], gateways={("sms", 0): gateways}) == ([], [])


def tried(message: DeviceMessage) -> list[dict[str, Any]]:
    message.refresh_from_db()
    return [entry | {"at": datetime.fromisoformat(entry["at"])} for entry in message.tried]


def expected(attempts: Iterable[tuple[str, datetime, str]]) -> list[dict[str, Any]]:
    return [{"gateway": gateway, "at": at, "reason": reason} for gateway, at, reason in attempts]


def test_of_what_was_taken_at_once_nothing_is_kept(message: DeviceMessage, now: datetime) -> None:
    assert tried(message) == []
    report(taken(), None, at=now)
    assert (tried(message), message.status, message.sent_at) == ([], SENT, now)


def test_every_failed_attempt_is_kept_in_order_and_the_one_that_was_taken_adds_nothing(
    message: DeviceMessage, now: datetime
) -> None:
    attempts = [
        ("first.example", now, BUSY),
        ("second.example", now + timedelta(milliseconds=250), GatewayError("no answer within 10 s", permanent=False)),
        ("Twilio", now + timedelta(seconds=1), GatewayError("Twilio: not taken", permanent=False)),
        ("first.example", now + timedelta(seconds=7), REFUSED),
        ("second.example", now + timedelta(seconds=8), None),
    ]
    kept = []
    for label, at, error in attempts:
        assert tried(message) == expected(kept)
        report(taken(), error, at=at, label=label, gateways=GATEWAYS)
        if error:
            kept.append((label, at, error.reason))
    assert tried(message) == expected(kept)
    assert (message.status, message.attempts, message.reason) == (SENT, 5, "")


def test_it_is_kept_of_what_is_given_up_too(message: DeviceMessage, now: datetime) -> None:
    for place in range(GATEWAYS):
        report(taken(), REFUSED, at=now + timedelta(seconds=place), gateways=GATEWAYS)
    assert tried(message) == expected((f"gateway {n}", now + timedelta(seconds=n), "HTTP 400") for n in range(GATEWAYS))
    assert (message.status, message.reason) == (FAILED, "HTTP 400")


@pytest.mark.parametrize("over", ["answered", "closed", "timed out"])
def test_it_is_kept_of_what_is_over_meanwhile(message: DeviceMessage, now: datetime, over: str) -> None:
    delivery = taken()
    if over == "answered":
        AlarmMessage.objects.update(response=False, escalating=False)
    elif over == "closed":
        close_alarm(alarm_id=message.alarm_id, now=now)
    else:
        AlarmMessage.objects.update(deadline=now - timedelta(hours=1))
    report(delivery, BUSY, at=now)
    assert tried(message) == expected([("gateway 0", now, "HTTP 503")])
    assert message.status == (FAILED if over == "timed out" else CANCELLED)


def test_it_is_kept_of_an_all_clear(message: DeviceMessage, now: datetime) -> None:
    close_alarm(alarm_id=message.alarm_id, now=now, all_clear="The fire is out")
    all_clear = factories.DeviceMessageFactory(
        alarm_message=message.alarm_message, device=message.device, kind=DeviceMessage.Kind.ALL_CLEAR, turn=30_000
    )
    report(taken(), BUSY, at=now)
    assert tried(all_clear) == expected([("gateway 0", now, "HTTP 503")])
    assert tried(message) == []


def test_no_more_than_100_attempts_are_kept(message: DeviceMessage, now: datetime) -> None:
    for number in range(103):
        report(taken(), GatewayError(f"failure {number}", permanent=False), at=now)
    assert [entry["reason"] for entry in tried(message)] == [f"failure {number}" for number in range(100)]
    assert (message.status, message.attempts, message.reason) == (SCHEDULED, 103, "failure 102")


def test_each_message_keeps_its_own(now: datetime) -> None:
    messages = [factories.DeviceMessageFactory(alarm_message__alarm__starts_at=now) for _ in range(4)]
    DeviceMessage.objects.update(due_at=TransactionNow())
    deliveries = claim(sender_id=1, free={("sms", 0, 0): 4}).deliveries
    outcomes = dict(zip([message.pk for message in messages], [BUSY, None, REFUSED, BUSY], strict=True))
    results = [
        Result(each, f"gateway of {each.device_message_id}", at=now, error=outcomes[each.device_message_id])
        for each in deliveries
    ]
    write(results, gateways={("sms", 0): 1})
    for message in messages:
        error = outcomes[message.pk]
        assert tried(message) == expected([(f"gateway of {message.pk}", now, error.reason)] if error else [])


def test_what_another_sender_has_taken_over_keeps_no_failure_of_the_first(
    message: DeviceMessage, now: datetime
) -> None:
    lost = taken()
    DeviceMessage.objects.update(status=SCHEDULED)
    again = taken(sender=2)
    report(lost, BUSY, at=now, label="lost")
    assert tried(message) == []
    report(again, BUSY, at=now, label="again")
    assert tried(message) == expected([("again", now, "HTTP 503")])
