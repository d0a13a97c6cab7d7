"""Senders that claim at the same time never let more through together than each device may get."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from alarms.models import AlarmMessage, DeviceMessage, DeviceRate
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device
from tests import factories
from tests.alarms.test_races import waiting_for_locks, while_waiting
from tests.alarms.throttled import BUSY, REFUSED, SENDING, SENT, messages_of, messages_to, report, taken, waiting
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)

SENDERS = 8

Run = Callable[..., Future[Any]]


@pytest.fixture
def due() -> datetime:
    return timezone.now() - timedelta(seconds=1)


@pytest.fixture
def recipient(due: datetime) -> AlarmMessage:
    created: AlarmMessage = factories.AlarmMessageFactory(alarm__starts_at=due)
    return created


@pytest.fixture
def phone() -> Device:
    created: Device = factories.DeviceFactory(way="sms")
    return created


@pytest.fixture
def at_once() -> Iterator[Run]:
    """Calls a function in as many threads as there are senders, each with its number, and returns their futures. They
    begin together."""
    together = threading.Barrier(SENDERS)

    def run(function: Callable[..., Any], sender: int) -> Any:
        try:
            connection.ensure_connection()
            together.wait(60)
            return function(sender)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=SENDERS) as pool:
        yield lambda function: [pool.submit(run, function, sender) for sender in range(1, SENDERS + 1)]


@pytest.fixture
def in_a_thread() -> Iterator[Callable[..., Future[Any]]]:
    """Calls a function in a thread, whose connection is another, and returns its future."""

    def run(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        yield partial(pool.submit, run)


def take_all(sender: int) -> int:
    """Take up in small steps until nothing is left that is due."""
    found = 0
    while DeviceMessage.objects.filter(status=0, due_at__lte=timezone.now()).exists():
        found += len(taken(3, sender))
    return found


def test_many_senders_together_let_no_more_through_than_one(
    phone: Device, recipient: AlarmMessage, due: datetime, at_once: Run
) -> None:
    messages_of(recipient, [phone] * 60, due=[due] * 60)
    assert sum(future.result(60) for future in at_once(take_all)) == 10
    assert DeviceMessage.objects.filter(status=SENDING).count() == 10
    assert {message.attempts for message in waiting()} == {0}
    assert len(waiting()) == 50


@pytest.mark.parametrize(("fails", "expected"), [(False, 6), (True, 10)])
@pytest.mark.parametrize("is_known", [False, True], ids=["the first messages ever", "a device that got some before"])
def test_who_comes_while_another_is_taking_waits_for_what_that_one_takes(
    phone: Device, recipient: AlarmMessage, due: datetime, fails: bool, expected: int, is_known: bool
) -> None:
    if is_known:
        DeviceRate.objects.create(device_id=phone.pk, granted=1, per_minute=10, taken=[due - timedelta(minutes=2)])
    messages_of(recipient, [phone] * 40, due=[due + timedelta(milliseconds=number) for number in range(40)])
    counts: list[int] = []
    others = [partial(lambda sender: counts.append(len(taken(3, sender))), sender) for sender in range(2, 10)]
    while_waiting(lambda: taken(4, 1), others, fails=fails)
    assert sum(counts) == expected
    assert DeviceMessage.objects.filter(status=SENDING).count() == 10


def test_an_answer_that_comes_while_a_sender_counts_leaves_nothing_waiting(
    phone: Device, due: datetime, as_user: Any
) -> None:
    messages = messages_to(phone, 12, due=due)
    assert len(taken()) == 10
    recipient = waiting()[0].alarm_message
    DeviceMessage.objects.filter(status=0).update(due_at=due)
    answer = {"alarmID": recipient.alarm_id, "userID": phone.user_id, "response": True}
    client = as_user(phone.user)
    statuses: list[int] = []

    def post() -> None:
        statuses.append(client.post("/api/v1/messaging/feedback", answer, format="json").status_code)

    while_waiting(lambda: taken(), [post])
    assert statuses == [200]
    assert [message.alarm_message_id for message in waiting()] == [messages[-1].alarm_message_id]


def test_many_devices_in_any_order_hold_nobody_up(recipient: AlarmMessage, due: datetime, at_once: Run) -> None:
    devices = factories.DeviceFactory.create_batch(12, way="sms", user=recipient.user)
    devices += factories.DeviceFactory.create_batch(12, way="call", user=recipient.user)
    chance = random.Random(9)  # noqa: S311
    wanted = devices * 25
    chance.shuffle(wanted)
    messages_of(recipient, wanted, due=[due + timedelta(milliseconds=chance.randrange(900)) for _ in wanted])

    def send(sender: int) -> None:
        luck = random.Random(sender)  # noqa: S311
        while DeviceMessage.objects.filter(status=0, due_at__lte=timezone.now()).exists():
            results = [
                Result(delivery, "log", at=timezone.now(), error=luck.choice([None, None, BUSY, REFUSED]))
                for delivery in taken(7, sender)
            ]
            while results:
                # What somebody else has locked comes with a later write.
                results, _over = write(results, gateways={("sms", 0): 1, ("call", 0): 1})

    began = timezone.now()
    # No deadlock, and no lock that is waited for too long: none of them fails.
    assert [future.result(120) for future in at_once(send)] == [None] * SENDERS
    sent = Counter(DeviceMessage.objects.filter(status=SENT).values_list("device_id", flat=True))
    assert set(sent) == {device.pk for device in devices}
    assert not DeviceMessage.objects.filter(status=SENDING).exists()
    minutes = 1 + (timezone.now() - began) // timedelta(minutes=1)
    assert max(sent.values()) <= 10 * minutes


def test_what_cannot_be_given_back_now_waits_for_nobody(
    phone: Device, recipient: AlarmMessage, due: datetime, in_a_thread: Callable[..., Future[Any]]
) -> None:
    messages_of(recipient, [phone] * 4, due=[due] * 4)
    deliveries = taken()
    with transaction.atomic():
        list(DeviceRate.objects.select_for_update())
        in_a_thread(report, deliveries, REFUSED, at=timezone.now()).result(60)
    assert set(chain(*DeviceMessage.objects.values_list("status"))) == {4}


def test_a_failure_that_makes_room_and_a_sender_that_counts_do_not_wait_for_each_other(
    phone: Device, recipient: AlarmMessage, due: datetime, in_a_thread: Callable[..., Future[Any]]
) -> None:
    other = factories.DeviceFactory(way="sms")
    # The turn after the next is due before it, as it is where the next has to wait for its minute.
    messages_of(recipient, [other, other, other], due=[due, due + timedelta(hours=1), due + timedelta(minutes=30)])
    [first] = taken()
    recipient.device_messages.filter(turn=2).update(due_at=due)
    messages_to(phone, 1, due=due)
    DeviceRate.objects.create(device_id=phone.pk, granted=1, per_minute=10, taken=[due])
    with transaction.atomic():
        list(DeviceRate.objects.filter(device_id=phone.pk).select_for_update())
        # Takes up one message for each of the two, and counts those of the first as soon as it can.
        claiming = in_a_thread(taken, 100, 2)
        until(lambda: waiting_for_locks() == 1)
        # Its failure makes room for the second device, and moves up what the sender is just taking up.
        failing = in_a_thread(report, [first], REFUSED, at=timezone.now())
        until(lambda: waiting_for_locks() == 2)
    failing.result(60)
    assert {delivery.device_id for delivery in claiming.result(60)} == {phone.pk, other.pk}
