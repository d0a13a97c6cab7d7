"""What a receipt does to a message, to its recipient and to the turns after it (contract 4; contract 3, rule 5).

Times of the database stand still within a test, so what is due "now" is due exactly now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from alarms.models import AlarmMessage, DeviceMessage, Hook, HookEvent, OrganizationGateway
from alarms.receipts import take_receipt
from alarms.sending.claim import claim
from messaging_project import encryption
from tests import factories

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)


@pytest.fixture
def today() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.fixture
def recipient(today: datetime) -> AlarmMessage:
    """Alarmed a minute ago; the first message left after a second."""
    start = today - 60 * SECOND
    created: AlarmMessage = factories.AlarmMessageFactory(
        alarm__starts_at=start, first_sent_at=start + SECOND, deadline=start + 901 * SECOND
    )
    return created


def message_of(recipient: AlarmMessage, **fields: Any) -> DeviceMessage:
    """Return a message that a gateway took a second after the start."""
    then = recipient.alarm.starts_at + SECOND
    values = {"status": SENT, "attempts": 1, "changed_at": then, "sent_at": then, "way": "sms"} | fields
    created: DeviceMessage = factories.DeviceMessageFactory(alarm_message=recipient, **values)
    return created


def take(message: DeviceMessage, status: str, *, at: datetime, **more: Any) -> DeviceMessage:
    key = f"{message.alarm_message.message_id}-{message.pk}"
    take_receipt(**{"idempotency_key": key, "status": status, "date": at, "organization": None, "now": at} | more)
    message.refresh_from_db()
    return message


# What is delivered

# What a message may be when the receipt comes, once it was sent.
BEFORE: dict[str, dict[str, Any]] = {
    "taken by its gateway": {},
    "under way": {"status": SENDING, "sender_id": 1, "sent_at": None},
    "waiting for a retry": {"status": SCHEDULED, "reason": "HTTP 503", "sent_at": None},
    "given up": {"status": FAILED, "reason": "HTTP 503", "sent_at": None},
    "cancelled after an attempt": {"status": CANCELLED, "reason": "answered", "sent_at": None},
    "failed by a receipt": {"status": FAILED, "reason": "receipt: failed", "receipt": "failed"},
}


@pytest.mark.parametrize("before", list(BEFORE))
@pytest.mark.parametrize("status", ["delivered", "read"])
def test_what_has_arrived_is_delivered_whatever_it_was(
    recipient: AlarmMessage, today: datetime, before: str, status: str
) -> None:
    message = message_of(recipient, **BEFORE[before])
    was_sent_at = message.sent_at
    take(message, status, at=today - SECOND)
    assert (message.status, message.receipt, message.reason) == (DELIVERED, status, "")
    assert message.changed_at == today - SECOND
    assert message.sent_at == (was_sent_at or today - SECOND)
    assert (message.sender_id, message.lease_until) == (None, None)


@pytest.mark.parametrize("before", list(BEFORE))
def test_what_has_arrived_is_not_taken_up_again(recipient: AlarmMessage, today: datetime, before: str) -> None:
    message = message_of(recipient, **BEFORE[before])
    take(message, "delivered", at=today)
    assert claim(sender_id=1, free={("sms", 0, 0): 10}).deliveries == []


def test_reading_keeps_the_date_of_the_delivery(recipient: AlarmMessage, today: datetime) -> None:
    message = message_of(recipient)
    take(message, "delivered", at=today - 5 * SECOND)
    take(message, "read", at=today)
    assert (message.status, message.receipt, message.changed_at) == (DELIVERED, "read", today - 5 * SECOND)


@pytest.mark.parametrize(("first", "later"), [("read", "delivered"), ("read", "failed"), ("delivered", "failed")])
def test_a_weaker_receipt_changes_nothing(recipient: AlarmMessage, today: datetime, first: str, later: str) -> None:
    message = message_of(recipient)
    take(message, first, at=today - 5 * SECOND)
    kept = DeviceMessage.objects.values().get(pk=message.pk)
    for status in (later, first):
        take(message, status, at=today)
        assert DeviceMessage.objects.values().get(pk=message.pk) == kept


# The recipient's time


def test_their_time_starts_with_the_receipt_where_nothing_was_known_to_have_left(today: datetime) -> None:
    recipient = factories.AlarmMessageFactory(
        alarm__starts_at=today - 60 * SECOND, alarm__response_timeout=600, deadline=today + 9000 * SECOND
    )
    message = message_of(recipient, status=SCHEDULED, sent_at=None)
    take(message, "delivered", at=today - 2 * SECOND)
    recipient.refresh_from_db()
    assert recipient.first_sent_at == today - 2 * SECOND
    assert recipient.deadline == today + 598 * SECOND


def test_a_clock_that_is_slow_does_not_end_their_time(today: datetime) -> None:
    recipient = factories.AlarmMessageFactory(
        alarm__starts_at=today - 9000 * SECOND, alarm__response_timeout=600, deadline=today + 9000 * SECOND
    )
    take(message_of(recipient, status=SENDING, sent_at=None), "delivered", at=today, date=today - 8000 * SECOND)
    recipient.refresh_from_db()
    assert recipient.deadline >= today + 595 * SECOND


def test_their_time_goes_on_where_something_had_left(recipient: AlarmMessage, today: datetime) -> None:
    deadline = recipient.deadline
    take(message_of(recipient, status=SCHEDULED, sent_at=None), "read", at=today)
    recipient.refresh_from_db()
    assert (recipient.first_sent_at, recipient.deadline) == (recipient.alarm.starts_at + SECOND, deadline)


# What has failed


def test_where_all_gateways_have_failed_the_next_turn_comes_at_once(recipient: AlarmMessage, today: datetime) -> None:
    message = message_of(recipient)
    waiting = {"status": SCHEDULED, "attempts": 0, "sent_at": None}
    next_turn = message_of(recipient, turn=1, way="call", due_at=today + 100 * SECOND, **waiting)
    last_turn = message_of(recipient, turn=2, way="call", due_at=today + 130 * SECOND, **waiting)
    take(message, "failed", at=today - SECOND)
    assert (message.status, message.receipt, message.reason) == (FAILED, "failed", "receipt: failed")
    assert message.changed_at == today - SECOND
    next_turn.refresh_from_db()
    last_turn.refresh_from_db()
    assert (next_turn.due_at, last_turn.due_at) == (today, today + 30 * SECOND)


def test_the_next_turn_waits_for_what_of_this_one_has_not_failed(recipient: AlarmMessage, today: datetime) -> None:
    message, other = message_of(recipient), message_of(recipient, way="email")
    due_at = today + 100 * SECOND
    next_turn = message_of(recipient, turn=1, status=SCHEDULED, attempts=0, due_at=due_at, sent_at=None)
    take(message, "failed", at=today)
    next_turn.refresh_from_db()
    assert (message.status, next_turn.due_at) == (FAILED, due_at)
    take(other, "failed", at=today)
    next_turn.refresh_from_db()
    assert next_turn.due_at == today


def test_hooks_are_told_once_of_what_has_failed(recipient: AlarmMessage, today: datetime) -> None:
    message = message_of(recipient)
    organization = recipient.alarm.organization
    Hook.objects.create(organization=organization, url="http://127.0.0.1:9/", events=["message.failed"], secret="")
    for _double in range(3):
        take(message, "failed", at=today)
    event = HookEvent.objects.get()
    (told,) = event.payload["messages"]
    assert (event.event, event.alarm_id) == ("message.failed", recipient.alarm_id)
    assert (told["messageId"], told["userID"]) == (str(recipient.message_id), recipient.user_id)
    assert (told["way"], told["device"], told["reason"]) == ("sms", message.device_name, "receipt: failed")


@pytest.mark.parametrize("status", [SENDING, SCHEDULED, FAILED, CANCELLED])
def test_a_failure_of_what_is_not_sent_is_only_kept(recipient: AlarmMessage, today: datetime, status: int) -> None:
    message = message_of(recipient, status=status, reason="HTTP 503", sent_at=None)
    before = DeviceMessage.objects.values().get(pk=message.pk)
    take(message, "failed", at=today)
    assert DeviceMessage.objects.values().get(pk=message.pk) == before | {"receipt": "failed"}


# Several gateways


@pytest.fixture
def two_gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["https://first.example/a?token=secret", "log:"]}


@pytest.mark.usefixtures("two_gateways")
def test_the_next_gateway_gets_at_once_what_one_has_failed(recipient: AlarmMessage, today: datetime) -> None:
    message = take(message_of(recipient), "failed", at=today - SECOND, now=today)
    assert (message.status, message.gateway, message.refused) == (SCHEDULED, 1, 0b1)
    assert (message.due_at, message.changed_at, message.reason) == (today, today - SECOND, "receipt: failed")
    at = (today - SECOND).isoformat()
    assert message.tried == [{"gateway": "first.example", "at": at, "reason": "receipt: failed"}]
    (delivery,) = claim(sender_id=1, free={("sms", 0, 0): 10, ("sms", 0, 1): 10}).deliveries
    assert (delivery.gateway, delivery.refused, delivery.attempt) == (1, 0b1, 2)


@pytest.mark.parametrize(
    ("gateway", "refused", "following"), [(0, 0b000, 1), (1, 0b000, 2), (2, 0b000, 0), (1, 0b100, 0), (0, 0b010, 2)]
)
def test_the_next_is_the_one_after_it_that_has_not_refused_it(
    recipient: AlarmMessage, today: datetime, settings: Any, gateway: int, refused: int, following: int
) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["https://a.example", "https://b.example", "https://c.example"]}
    message = take(message_of(recipient, gateway=gateway, refused=refused), "failed", at=today)
    assert (message.status, message.gateway, message.refused) == (SCHEDULED, following, refused | 1 << gateway)


@pytest.mark.usefixtures("two_gateways")
def test_no_gateway_that_has_refused_it_gets_it_again(recipient: AlarmMessage, today: datetime) -> None:
    message = take(message_of(recipient, gateway=1, refused=0b1, attempts=2), "failed", at=today)
    assert (message.status, message.refused) == (FAILED, 0b11)


ENDED: dict[str, dict[str, Any]] = {
    "answered": {"escalating": False, "response": True},
    "over": {"escalating": False},
    "about to be over": {"deadline": "now"},
}


@pytest.mark.usefixtures("two_gateways")
@pytest.mark.parametrize("ended", list(ENDED))
def test_who_is_not_waited_for_gets_it_by_no_other_gateway(
    recipient: AlarmMessage, today: datetime, ended: str
) -> None:
    message = message_of(recipient)
    fields = {name: today if value == "now" else value for name, value in ENDED[ended].items()}
    AlarmMessage.objects.update(**fields)
    take(message, "failed", at=today)
    assert (message.status, message.reason) == (FAILED, "receipt: failed")


def test_the_gateways_of_an_organization_are_the_next_of_its_own(recipient: AlarmMessage, today: datetime) -> None:
    organization = recipient.alarm.organization
    urls = encryption.encrypt("https://one.example https://two.example")
    OrganizationGateway.objects.create(organization=organization, way="sms", urls=urls, summary="")
    message = take(message_of(recipient, gateways_of=organization.pk), "failed", at=today)
    assert (message.status, message.gateway, message.tried[0]["gateway"]) == (SCHEDULED, 1, "one.example")
    OrganizationGateway.objects.all().delete()
    other = take(message_of(recipient, gateways_of=organization.pk), "failed", at=today)
    assert other.status == FAILED


# Which attempt a failure is of


@pytest.mark.usefixtures("two_gateways")
def test_the_failure_of_an_attempt_that_another_has_followed_changes_nothing(
    recipient: AlarmMessage, today: datetime
) -> None:
    message = message_of(recipient, gateway=1, attempts=2)
    assert take(message, "failed", at=today, attempt=1).status == SENT
    assert message.receipt == ""
    assert take(message, "failed", at=today, attempt=2).status == SCHEDULED


@pytest.mark.usefixtures("two_gateways")
def test_a_double_of_the_failure_that_led_to_the_next_gateway_does_not_count_for_that(
    recipient: AlarmMessage, today: datetime
) -> None:
    message = take(message_of(recipient), "failed", at=today - 9 * SECOND)
    # The next gateway has taken it.
    DeviceMessage.objects.update(status=SENT, attempts=2, receipt="")
    assert take(message, "failed", at=today, date=today - 9 * SECOND).status == SENT
    assert take(message, "failed", at=today, date=today - SECOND).status == FAILED


def test_what_arrived_by_an_earlier_attempt_has_arrived(recipient: AlarmMessage, today: datetime) -> None:
    message = message_of(recipient, attempts=2, status=SENDING, sent_at=None)
    assert take(message, "read", at=today, attempt=1).status == DELIVERED


def test_a_receipt_costs_few_queries(recipient: AlarmMessage, today: datetime, django_assert_num_queries: Any) -> None:
    message = message_of(recipient)
    # Always the savepoint and its end, the recipient and the message, locked, and, but for a double, what is written;
    # of a failure what is counted, the turns that move up and the hooks, of what has arrived first the recipient's time
    # and what is counted.
    for status, queries in (("failed", 8), ("delivered", 7), ("read", 5), ("read", 4)):
        with django_assert_num_queries(queries):
            take_receipt(
                idempotency_key=f"{recipient.message_id}-{message.pk}",
                status=status,
                date=None,
                organization=None,
                now=today,
            )
