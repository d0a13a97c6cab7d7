"""A failed receipt leads to the next gateway, also where it is faster than the sender's result, and once, also where it
is repeated (contract 4, 7). Times of the database stand still within a test.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.postgres.functions import TransactionNow
from django.db import connection

from alarms.delivery import Delivery
from alarms.models import AlarmMessage, DeviceMessage, Hook, HookEvent
from alarms.receipts import take_receipt
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from tests import factories

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
GATEWAYS = ["https://first.example", "https://second.example"]
THREE = [*GATEWAYS, "https://third.example"]


@pytest.fixture(autouse=True)
def two_gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": GATEWAYS}


@pytest.fixture
def today() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.fixture
def message(today: datetime) -> DeviceMessage:
    created: DeviceMessage = factories.DeviceMessageFactory(
        alarm_message__alarm__starts_at=today - 60 * SECOND, way="sms", due_at=today
    )
    return created


def taken_up() -> Delivery:
    DeviceMessage.objects.update(due_at=TransactionNow())
    (delivery,) = claim(sender_id=1, free={("sms", 0, place): 1 for place in range(len(THREE))}).deliveries
    return delivery


def tell(message: DeviceMessage, status: str, *, now: datetime, date: datetime | None = None) -> None:
    key = f"{message.alarm_message.message_id}-{message.pk}"
    take_receipt(idempotency_key=key, status=status, date=date, organization=None, now=now)


def report(delivery: Delivery, *, at: datetime) -> None:
    label = THREE[delivery.gateway].removeprefix("https://")
    gateways = {("sms", 0): len(settings.GATEWAYS["sms"])}
    assert write([Result(delivery, label, at=at)], gateways=gateways) == ([], [])


def take(message: DeviceMessage, delivery: Delivery, order: str, *, now: datetime) -> None:
    """Let a gateway take a message and fail it."""
    if order == "receipt first":
        tell(message, "failed", now=now)
    report(delivery, at=now)
    if order == "result first":
        tell(message, "failed", now=now)
    message.refresh_from_db()


def told(message: DeviceMessage) -> list[tuple[str, datetime, str]]:
    return [(each["gateway"], datetime.fromisoformat(each["at"]), each["reason"]) for each in message.tried]


@pytest.mark.parametrize("order", ["result first", "receipt first"])
def test_the_next_gateway_gets_what_one_has_failed_whichever_word_comes_first(
    message: DeviceMessage, today: datetime, order: str
) -> None:
    take(message, taken_up(), order, now=today)
    first = ("first.example", today, "receipt: failed")
    assert (message.status, message.gateway, message.refused, told(message)) == (SCHEDULED, 1, 0b01, [first])
    assert (message.due_at, message.reason, message.sent_at) == (today, "receipt: failed", today)
    # What the first has failed says nothing of the second, until that has failed it too.
    delivery = taken_up()
    assert (delivery.gateway, delivery.refused, delivery.attempt) == (1, 0b01, 2)
    report(delivery, at=today)
    message.refresh_from_db()
    assert (message.status, message.receipt) == (SENT, "")
    tell(message, "failed", now=today)
    message.refresh_from_db()
    second = ("second.example", today, "receipt: failed")
    assert (message.status, message.refused, told(message)) == (FAILED, 0b11, [first, second])


@pytest.mark.parametrize("order", ["result first", "receipt first"])
@pytest.mark.parametrize(
    "ended", [{"escalating": False}, {"escalating": False, "response": True}], ids=["over", "answered"]
)
def test_who_is_not_waited_for_gets_it_by_no_other_gateway_whichever_word_comes_first(
    message: DeviceMessage, today: datetime, order: str, ended: dict[str, Any]
) -> None:
    delivery = taken_up()
    AlarmMessage.objects.update(**ended)
    take(message, delivery, order, now=today)
    assert (message.status, message.gateway, message.refused) == (FAILED, 0, 0b01)
    assert told(message) == [("first.example", today, "receipt: failed")]


@pytest.mark.parametrize("order", ["result first", "receipt first"])
def test_what_no_gateway_is_left_for_has_failed_and_hooks_are_told_whichever_word_comes_first(
    message: DeviceMessage, today: datetime, order: str
) -> None:
    organization = message.alarm.organization
    Hook.objects.create(organization=organization, url="http://127.0.0.1:9/", events=["message.failed"], secret="")
    DeviceMessage.objects.update(gateway=1, refused=0b01)
    take(message, taken_up(), order, now=today)
    assert (message.status, message.gateway, message.refused) == (FAILED, 1, 0b11)
    assert told(message) == [("second.example", today, "receipt: failed")]
    (failed,) = HookEvent.objects.get().payload["messages"]
    assert failed["reason"] == "receipt: failed"


@pytest.mark.parametrize("order", ["result first", "receipt first"])
@pytest.mark.parametrize(
    ("gateway", "refused", "following"), [(0, 0b000, 1), (2, 0b000, 0), (1, 0b100, 0), (0, 0b010, 2)]
)
def test_the_next_is_the_one_after_it_that_has_not_refused_it_whichever_word_comes_first(
    message: DeviceMessage, today: datetime, settings: Any, gateway: int, refused: int, following: int, order: str
) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": THREE}
    DeviceMessage.objects.update(gateway=gateway, refused=refused)
    take(message, taken_up(), order, now=today)
    assert (message.status, message.gateway, message.refused) == (SCHEDULED, following, refused | 1 << gateway)


@pytest.mark.parametrize("status", [SCHEDULED, FAILED, CANCELLED])
def test_a_late_result_reopens_nothing(message: DeviceMessage, today: datetime, status: int) -> None:
    delivery = taken_up()
    # Its sender was held to be dead.
    DeviceMessage.objects.update(status=status, sender_id=None, lease_until=None)
    take(message, delivery, "receipt first", now=today)
    assert (message.status, message.gateway, message.refused, message.tried) == (FAILED, 0, 0, [])


def test_a_double_of_the_receipt_that_was_first_does_not_count_for_the_next_gateway(
    message: DeviceMessage, today: datetime
) -> None:
    delivery = taken_up()
    tell(message, "failed", now=today, date=today - SECOND)
    # The sender's clock is slow.
    report(delivery, at=today - 5 * SECOND)
    report(taken_up(), at=today)
    tell(message, "failed", now=today, date=today - SECOND)
    message.refresh_from_db()
    assert (message.status, message.gateway, message.receipt) == (SENT, 1, "")


def test_a_double_of_a_failure_that_a_gateway_has_dated_ahead_does_not_count_for_the_next_one(
    message: DeviceMessage, today: datetime
) -> None:
    report(taken_up(), at=today)
    for _double in range(2):
        tell(message, "failed", now=today, date=today + 90 * SECOND)
    report(taken_up(), at=today)
    tell(message, "failed", now=today + SECOND, date=today + 90 * SECOND)
    message.refresh_from_db()
    assert (message.status, message.gateway, told(message)) == (SENT, 1, [("first.example", today, "receipt: failed")])


def test_the_failure_of_the_next_gateway_counts_however_far_ahead_the_first_has_dated_its_own(
    message: DeviceMessage, today: datetime
) -> None:
    report(taken_up(), at=today)
    tell(message, "failed", now=today, date=today + 3600 * SECOND)
    report(taken_up(), at=today)
    tell(message, "failed", now=today + 9 * SECOND, date=today + 8 * SECOND)
    message.refresh_from_db()
    assert (message.status, len(message.tried)) == (FAILED, 2)
