"""500 receipts in random order, with doubles: every message ends where the rules say, and on its way there no status
goes backwards (contract 4)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alarms.models import AlarmMessage, DeviceMessage
from alarms.receipts import take_receipt
from messaging_project import database
from tests import factories

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
MESSAGES, RECEIPTS = 20, 500
STRENGTH = ("", "failed", "delivered", "read")
FOREVER = timedelta(days=4000)


# The model of the rules: where a message ends does not ask in which order its receipts came, nor how often.


class Receipt(NamedTuple):
    message: int
    """Its place among the messages."""
    status: str
    date: datetime | None
    attempt: int | None


class Begin(NamedTuple):
    """What a message was when the receipts began to come."""

    status: int
    attempts: int
    receipt: str
    gateway: int
    refused: frozenset[int]
    waited_for: bool


GATEWAYS = frozenset({0, 1, 2})


def strongest(begin: Begin, receipts: Sequence[Receipt]) -> str:
    """A failure counts of the last attempt only; that something arrived, of any."""
    counting = [
        receipt.status
        for receipt in receipts
        if receipt.status != "failed" or receipt.attempt in (None, begin.attempts)
    ]
    return max([begin.receipt, *counting], key=STRENGTH.index)


def end(begin: Begin, receipts: Sequence[Receipt]) -> int:
    """Return the status where a message ends by its receipts."""
    strength = strongest(begin, receipts)
    if strength in ("delivered", "read"):
        return DELIVERED
    if strength == "failed" and begin.receipt == "" and begin.status == SENT:
        others = GATEWAYS - begin.refused - {begin.gateway}
        return SCHEDULED if others and begin.waited_for else FAILED
    return begin.status


# What there may be


@st.composite
def begins(draw: st.DrawFn) -> Begin:
    status = draw(st.sampled_from([SCHEDULED, SENDING, SENT, SENT, SENT, DELIVERED, FAILED, CANCELLED]))
    receipts = {SENT: [""], DELIVERED: ["delivered", "read"]}.get(status, ["", "failed"])
    gateway = draw(st.sampled_from(sorted(GATEWAYS)))
    return Begin(
        status,
        attempts=draw(st.integers(1, 3)),
        receipt=draw(st.sampled_from(receipts)),
        gateway=gateway,
        refused=draw(st.frozensets(st.sampled_from(sorted(GATEWAYS - {gateway})))),
        waited_for=draw(st.booleans()),
    )


dates = st.one_of(
    st.none(),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-120, 120).map(lambda seconds: datetime.now(UTC) + timedelta(seconds=seconds)),
)
some_receipts = st.builds(
    Receipt,
    st.integers(0, MESSAGES - 1),
    # Failures enough, so that not everything is delivered in the end.
    st.sampled_from(["failed", "failed", "failed", "failed", "delivered", "read"]),
    dates,
    st.sampled_from([None, None, 1, 2, 3]),
)


@dataclass
class World:
    messages: list[DeviceMessage]

    def take(self, receipt: Receipt) -> None:
        message = self.messages[receipt.message]
        take_receipt(
            idempotency_key=f"{message.alarm_message.message_id}-{message.pk}",
            status=receipt.status,
            date=receipt.date,
            attempt=receipt.attempt,
            organization=None,
            now=database.now(),
        )

    def take_forward(self, receipt: Receipt) -> None:
        """Take a receipt and see that it leads nowhere but forward."""
        before = DeviceMessage.objects.get(pk=self.messages[receipt.message].pk)
        self.take(receipt)
        after = DeviceMessage.objects.get(pk=before.pk)
        assert is_forward(before, after), (receipt, before.status, after.status)
        assert self.messages[receipt.message].alarm.starts_at <= after.changed_at <= database.now()

    def ends(self) -> list[tuple[int, str]]:
        """Return status and receipt of each message."""
        rows = DeviceMessage.objects.in_bulk([message.pk for message in self.messages])
        return [(rows[message.pk].status, rows[message.pk].receipt) for message in self.messages]

    def check_time(self, place: int, *, starts: bool) -> None:
        """See that the time of a recipient runs if, and only if, something is known to have reached them."""
        recipient = AlarmMessage.objects.get(pk=self.messages[place].alarm_message_id)
        assert (recipient.first_sent_at is not None) == starts
        message = DeviceMessage.objects.get(pk=self.messages[place].pk)
        assert (message.sent_at is not None) == starts


def world(all_begin: Sequence[Begin]) -> World:
    """Write messages as they begin, each of a recipient of the same alarm."""
    alarm = factories.AlarmFactory(starts_at=database.now() - timedelta(minutes=1))
    messages = []
    for begin in all_begin:
        recipient = factories.AlarmMessageFactory(
            alarm=alarm, escalating=begin.waited_for, deadline=database.now() + FOREVER
        )
        row = factories.DeviceMessageFactory(
            alarm_message=recipient,
            status=begin.status,
            attempts=begin.attempts,
            receipt=begin.receipt,
            gateway=begin.gateway,
            refused=sum(1 << place for place in begin.refused),
        )
        messages.append(row)
    return World(messages)


def mixed(receipts: Sequence[Receipt], seed: int) -> list[Receipt]:
    """Return as many as there are to be, each of these at least once, in an order of their own."""
    chance = random.Random(seed)  # noqa: S311
    doubled = [*receipts, *chance.choices(receipts, k=RECEIPTS - len(receipts))]
    chance.shuffle(doubled)
    return doubled


def is_forward(before: DeviceMessage, after: DeviceMessage) -> bool:
    """Whether a receipt has moved a message as receipts may: to delivered, or from sent to failed or the next gateway;
    what has not moved has kept its date."""
    if STRENGTH.index(after.receipt) < STRENGTH.index(before.receipt):
        return False
    if after.status == before.status:
        return after.changed_at == before.changed_at
    return after.status == DELIVERED or (before.status == SENT and after.status in (SCHEDULED, FAILED))


@pytest.fixture(autouse=True)
def gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": [f"https://gateway-{place}.example" for place in sorted(GATEWAYS)]}


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    all_begin=st.lists(begins(), min_size=MESSAGES, max_size=MESSAGES),
    receipts=st.lists(some_receipts, min_size=30, max_size=120),
    seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)),
)
def test_500_receipts_bring_every_message_where_the_rules_say_in_whatever_order_they_come(
    all_begin: list[Begin], receipts: list[Receipt], seeds: tuple[int, int]
) -> None:
    expected = []
    for place, begin in enumerate(all_begin):
        of_it = [receipt for receipt in receipts if receipt.message == place]
        expected.append((end(begin, of_it), strongest(begin, of_it)))
    for seed in seeds:
        order = mixed(receipts, seed)
        assert len(order) == RECEIPTS
        with transaction.atomic():
            there = world(all_begin)
            for receipt in order:
                there.take_forward(receipt)
            assert there.ends() == expected
            arrived = {receipt.message for receipt in receipts if receipt.status != "failed"}
            for place, begin in enumerate(all_begin):
                there.check_time(place, starts=place in arrived and begin.status != DELIVERED)
            transaction.set_rollback(True)
