"""Receipts between what senders do: taking up, results, further gateways, and an answer in between (contract 4).

A machine does it in random order, beside a model of the rules. Times of the database stand still within a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from alarms.answering import answer_alarm
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import DeviceMessage
from alarms.receipts import take_receipt
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from tests import factories

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
STRENGTH = ("", "failed", "delivered", "read")
MESSAGES, GATEWAYS = 3, 2
ERRORS = {
    "sent": None,
    "refused": GatewayError("HTTP 400", permanent=True),
    "busy": GatewayError("HTTP 503", permanent=False),
}


@dataclass
class Model:
    """What the rules say of one message."""

    status: int = SCHEDULED
    attempts: int = 0
    gateway: int = 0
    refused: set[int] = field(default_factory=set)
    receipt: str = ""
    failures: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When a gateway has failed what it had taken: as far as that can be, and as the gateway dates it."""

    def take_up(self) -> None:
        self.status, self.attempts, self.receipt = SENDING, self.attempts + 1, ""

    def following(self) -> int | None:
        """The gateway that comes next: one after the present, else the first, that has not refused it."""
        left = [place for place in range(GATEWAYS) if place not in self.refused]
        return min(left, key=lambda place: (place <= self.gateway, place), default=None)

    def go_on(self, *, waited_for: bool, otherwise: int) -> None:
        following = self.following()
        if following is None:
            self.status = FAILED
        elif waited_for:
            self.status, self.gateway = SCHEDULED, following
        else:
            self.status = otherwise

    def fail_what_it_took(self, at: datetime, date: datetime, *, waited_for: bool) -> None:
        """The receipt says so, whether it came before what the sender says or after."""
        self.refused.add(self.gateway)
        self.failures.append((at, date))
        self.go_on(waited_for=waited_for, otherwise=FAILED)

    def result(self, outcome: str, now: datetime, *, waited_for: bool) -> None:
        if self.status != SENDING:
            return
        if outcome == "sent":
            if self.receipt == "failed":
                self.fail_what_it_took(now, now, waited_for=waited_for)
            else:
                self.status = SENT
            return
        if outcome == "refused":
            self.refused.add(self.gateway)
        following = self.following()
        self.go_on(waited_for=waited_for, otherwise=CANCELLED)
        # Whose turn it would have been stays known.
        self.gateway = self.gateway if following is None else following

    def take(self, status: str, date: datetime | None, *, now: datetime, attempt: int | None, waited_for: bool) -> None:
        if STRENGTH.index(status) <= STRENGTH.index(self.receipt):
            return
        if status != "failed":
            self.status, self.receipt = DELIVERED, status
            return
        is_double = attempt is None and any(date and (date <= at or date == dated) for at, dated in self.failures)
        if is_double or attempt not in (None, self.attempts):
            return
        self.receipt = "failed"
        if self.status == SENT:
            self.fail_what_it_took(min(date or now, now), date or now, waited_for=waited_for)


class Sending(RuleBasedStateMachine):
    """One recipient, some messages, each of which has two gateways."""

    messages = st.integers(0, MESSAGES - 1)

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            self.now: datetime = cursor.fetchone()[0]
        self.recipient = factories.AlarmMessageFactory(alarm__starts_at=self.now - 60 * SECOND)
        self.rows = [
            factories.DeviceMessageFactory(alarm_message=self.recipient, way="app", due_at=self.now)
            for _message in range(MESSAGES)
        ]
        self.models = [Model() for _message in self.rows]
        self.under_way: dict[int, Delivery] = {}
        self.waited_for = True

    @rule()
    def take_up(self) -> None:
        # Whatever pause there was is over.
        DeviceMessage.objects.filter(status=SCHEDULED).update(due_at=self.now)
        free = {("app", 0, gateway): 10 for gateway in range(GATEWAYS)}
        taken = {delivery.device_message_id: delivery for delivery in claim(sender_id=1, free=free).deliveries}
        scheduled = [place for place, model in enumerate(self.models) if model.status == SCHEDULED]
        assert set(taken) == {self.rows[place].pk for place in scheduled}
        for place in scheduled:
            self.models[place].take_up()
            self.under_way[place] = taken[self.rows[place].pk]

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from(["sent", "sent", "refused", "busy"]))
    def result(self, data: st.DataObject, outcome: str) -> None:
        place = data.draw(st.sampled_from(sorted(self.under_way)))
        delivery = self.under_way.pop(place)
        write([Result(delivery, "app", at=self.now, error=ERRORS[outcome])], gateways={("app", 0): GATEWAYS})
        self.models[place].result(outcome, self.now, waited_for=self.waited_for)

    @rule(
        place=messages,
        status=st.sampled_from(["failed", "failed", "failed", "failed", "delivered", "read"]),
        # A gateway's clock may be ahead.
        ago=st.none() | st.integers(-2, 3),
        named=st.sampled_from([None, None, 0, 1]),
    )
    def receipt(self, place: int, status: str, ago: int | None, named: int | None) -> None:
        model, row = self.models[place], self.rows[place]
        if not model.attempts:
            return
        attempt = None if named is None else max(1, model.attempts - named)
        date = None if ago is None else self.now - ago * SECOND
        take_receipt(
            idempotency_key=f"{self.recipient.message_id}-{row.pk}",
            status=status,
            date=date,
            attempt=attempt,
            organization=None,
            now=self.now,
        )
        model.take(status, date, now=self.now, attempt=attempt, waited_for=self.waited_for)

    @precondition(lambda self: self.waited_for and any(model.attempts > 1 for model in self.models))
    @rule()
    def answer(self) -> None:
        ids = {"alarm_id": self.recipient.alarm_id, "user_id": self.recipient.user_id}
        answer_alarm(**ids, response=True, source="a test", organization=None, now=self.now)
        self.waited_for = False
        for model in self.models:
            model.status = CANCELLED if model.status == SCHEDULED else model.status

    @invariant()
    def every_message_is_what_the_rules_say(self) -> None:
        rows = DeviceMessage.objects.in_bulk([row.pk for row in self.rows])
        for row, model in zip(self.rows, self.models, strict=True):
            now = rows[row.pk]
            refused = {place for place in range(GATEWAYS) if now.refused >> place & 1}
            found = (now.status, now.attempts, now.gateway, refused, now.receipt)
            assert found == (model.status, model.attempts, model.gateway, model.refused, model.receipt)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def two_gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"app": ["https://first.example", "https://second.example"]}


def test_whatever_senders_do_meanwhile_receipts_lead_where_the_rules_say() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Sending, settings=settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
    )
