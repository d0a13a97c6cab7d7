"""Receipts that come at the same moment as each other, as an answer, as a claim or as a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from alarms.answering import answer_alarm
from alarms.closing import close_alarm
from alarms.models import AlarmMessage, DeviceMessage, Hook, HookEvent
from alarms.sending import DEVICE_MESSAGES
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from messaging_project import database
from organizations.models import Organization
from tests import factories
from tests.alarms.test_races import while_waiting

pytestmark = pytest.mark.django_db(transaction=True)

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)

Give = Callable[..., Callable[[], None]]


@pytest.fixture(autouse=True)
def two_gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["https://first.example", "https://second.example"]}


@pytest.fixture
def recipient(brigade: Organization) -> AlarmMessage:
    then = database.now() - timedelta(minutes=1)
    created: AlarmMessage = factories.AlarmMessageFactory(alarm__organization=brigade, alarm__starts_at=then)
    return created


def message_of(recipient: AlarmMessage, **fields: Any) -> DeviceMessage:
    """Return a message that a gateway has taken."""
    created: DeviceMessage = factories.DeviceMessageFactory(
        alarm_message=recipient, **{"status": SENT, "attempts": 1, "way": "sms"} | fields
    )
    return created


@pytest.fixture
def answers() -> Counter[int]:
    """How often which status code was answered."""
    return Counter()


@pytest.fixture
def give(brigade: Organization, as_organization: Callable[[Organization], APIClient], answers: Counter[int]) -> Give:
    """Prepare to give a receipt."""

    def prepared(message: DeviceMessage, status: str, **more: int) -> Callable[[], None]:
        client = as_organization(brigade)
        key = f"{message.alarm_message.message_id}-{message.pk}"

        def go() -> None:
            body = {"idempotencyKey": key, "status": status, **more}
            answers[client.post("/api/v1/messagestatus/receipt", body, format="json").status_code] += 1

        return go

    return prepared


def lock(recipient: AlarmMessage) -> None:
    AlarmMessage.objects.select_for_update(no_key=True).get(pk=recipient.pk)


def answer(recipient: AlarmMessage) -> None:
    answer_alarm(
        alarm_id=recipient.alarm_id, user_id=recipient.user_id, response=True, source="a test", organization=None
    )


def close(recipient: AlarmMessage) -> None:
    close_alarm(alarm_id=recipient.alarm_id, now=database.now())


def take_up() -> int:
    """Return how many messages a sender takes up now."""
    return len(claim(sender_id=1, free={("sms", 0, 0): 9, ("sms", 0, 1): 9}).deliveries)


def status_of(message: DeviceMessage) -> int:
    message.refresh_from_db()
    return message.status


def test_of_8_equal_failures_at_once_one_counts(recipient: AlarmMessage, give: Give, answers: Counter[int]) -> None:
    message = message_of(recipient, gateway=1)
    while_waiting(partial(lock, recipient), [give(message, "failed") for _double in range(8)])
    assert answers == {200: 8}
    assert (status_of(message), message.gateway, len(message.tried)) == (SCHEDULED, 0, 1)
    assert take_up() == 1


def test_senders_are_woken_for_the_next_gateway(recipient: AlarmMessage, give: Give) -> None:
    message = message_of(recipient)
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {DEVICE_MESSAGES}")
    give(message, "failed")()
    told = [notify.channel for notify in connection.connection.notifies(timeout=30, stop_after=1)]
    with connection.cursor() as cursor:
        cursor.execute(f"UNLISTEN {DEVICE_MESSAGES}")
    assert told == [DEVICE_MESSAGES]
    assert status_of(message) == SCHEDULED


def test_hooks_are_told_once_of_a_failure_that_comes_8_times_at_once(
    recipient: AlarmMessage, give: Give, brigade: Organization
) -> None:
    Hook.objects.create(organization=brigade, url="http://127.0.0.1:9/", events=["message.failed"], secret="")
    message = message_of(recipient, refused=0b10)
    while_waiting(partial(lock, recipient), [give(message, "failed") for _double in range(8)])
    assert status_of(message) == FAILED
    assert HookEvent.objects.count() == 1


def test_of_all_receipts_at_once_the_strongest_holds(
    recipient: AlarmMessage, give: Give, answers: Counter[int]
) -> None:
    message = message_of(recipient)
    statuses = ["failed", "delivered", "read"] * 3
    while_waiting(partial(lock, recipient), [give(message, status) for status in statuses])
    assert answers == {200: 9}
    assert (status_of(message), message.receipt) == (DELIVERED, "read")
    assert take_up() == 0


@pytest.mark.parametrize("end", [answer, close])
@pytest.mark.parametrize("receipt_first", [True, False])
def test_what_arrives_as_the_escalation_ends_is_delivered_and_the_end_holds(
    recipient: AlarmMessage, give: Give, end: Callable[[AlarmMessage], None], receipt_first: bool
) -> None:
    message = message_of(recipient, status=SCHEDULED)
    both = [give(message, "delivered"), partial(end, recipient)]
    first, then = both if receipt_first else reversed(both)
    while_waiting(first, [then])
    assert status_of(message) == DELIVERED
    recipient.refresh_from_db()
    assert not recipient.escalating
    assert take_up() == 0


@pytest.mark.parametrize("end", [answer, close])
@pytest.mark.parametrize(("receipt_first", "expected"), [(True, CANCELLED), (False, FAILED)])
def test_what_fails_as_the_escalation_ends_is_not_taken_up_again(
    recipient: AlarmMessage, give: Give, end: Callable[[AlarmMessage], None], receipt_first: bool, expected: int
) -> None:
    message = message_of(recipient)
    both = [give(message, "failed"), partial(end, recipient)]
    first, then = both if receipt_first else reversed(both)
    while_waiting(first, [then])
    assert status_of(message) == expected
    assert take_up() == 0


def test_a_retry_that_is_being_taken_up_is_delivered_all_the_same(recipient: AlarmMessage, give: Give) -> None:
    message = message_of(recipient, status=SCHEDULED)
    taken: list[int] = []
    while_waiting(lambda: taken.append(take_up()), [give(message, "delivered")])
    assert taken == [1]
    assert (status_of(message), message.attempts, message.receipt) == (DELIVERED, 2, "delivered")
    assert message.sender_id is None


def test_a_failure_that_comes_as_the_retry_is_being_taken_up_is_not_held_against_that(
    recipient: AlarmMessage, give: Give, answers: Counter[int]
) -> None:
    message = message_of(recipient, status=SCHEDULED)
    while_waiting(take_up, [give(message, "failed", attempt=1)])
    assert answers == {200: 1}
    assert (status_of(message), message.attempts, message.receipt) == (SENDING, 2, "")


def test_two_messages_of_a_turn_that_fail_at_once_let_the_next_turn_come(recipient: AlarmMessage, give: Give) -> None:
    both = [message_of(recipient, refused=0b10) for _message in range(2)]
    later = database.now() + timedelta(hours=1)
    next_turn = message_of(recipient, status=SCHEDULED, attempts=0, turn=1, due_at=later)
    first, then = (give(message, "failed") for message in both)
    while_waiting(first, [then])
    next_turn.refresh_from_db()
    assert next_turn.due_at <= database.now()
    assert take_up() == 1


def test_a_result_that_comes_after_the_receipt_does_not_take_it_back(recipient: AlarmMessage, give: Give) -> None:
    arrived, failed = (message_of(recipient, status=SCHEDULED, due_at=recipient.alarm.starts_at) for _ in range(2))
    deliveries = claim(sender_id=1, free={("sms", 0, 0): 9}).deliveries
    assert len(deliveries) == 2
    give(arrived, "delivered")()
    give(failed, "failed")()
    assert (status_of(arrived), status_of(failed)) == (DELIVERED, SENDING)
    results = [Result(delivery, "first.example", at=database.now()) for delivery in deliveries]
    assert write(results, gateways={("sms", 0): 2}) == ([], [])
    assert status_of(arrived) == DELIVERED
    assert status_of(failed) != SENT
