"""What a sender has claimed but could not send for some time is claimed anew: an answer may have come meanwhile, or
another sender may have taken it (contract 4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from alarms.delivery import Delivery
from alarms.gateways.base import Gateway, HeldUp, LoopGateway, ThreadGateway
from alarms.models import AlarmMessage, DeviceMessage
from alarms.sending import outlets
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.outlets import EventLoop, LoopOutlet, Outlet, ThreadOutlet
from alarms.sending.results import write
from tests import factories
from tests.alarms.test_texts import to
from tests.processes import until

Sent = list[int]


class InThreads(ThreadGateway):
    connections = 1

    def __init__(self) -> None:
        super().__init__("threads:")
        self.sent: Sent = []
        self.free = threading.Event()
        self.free.set()

    def send(self, delivery: Delivery) -> None:
        self.sent.append(delivery.device_message_id)
        self.free.wait(60)


class InTheLoop(LoopGateway):
    def __init__(self) -> None:
        super().__init__("loop:")
        self.sent: Sent = []

    async def send(self, delivery: Delivery) -> None:
        self.sent.append(delivery.device_message_id)

    async def close(self) -> None:
        pass


class Running:
    """An outlet of a gateway, and what it has reported."""

    def __init__(self, gateway: Gateway, events: EventLoop) -> None:
        self.gateway = gateway
        self.reported: list[Result] = []
        self.outlet: Outlet = (
            ThreadOutlet(gateway, self.reported.append)
            if isinstance(gateway, ThreadGateway)
            else LoopOutlet(gateway, self.reported.append, events)
        )

    def held_up(self) -> dict[int, bool]:
        return {each.delivery.device_message_id: isinstance(each.error, HeldUp) for each in self.reported}


@pytest.fixture(params=[InThreads, InTheLoop])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    events = EventLoop()
    found = Running(request.param(), events)
    yield found
    found.outlet.close()
    events.close()


def test_what_was_claimed_long_ago_as_the_process_was_stopped_does_not_leave(running: Running) -> None:
    running.outlet.submit([to(device_message_id=1)], time.monotonic() - outlets.FRESH - 0.1)
    running.outlet.submit([to(device_message_id=2)], time.monotonic())
    until(lambda: len(running.reported) == 2)
    assert running.held_up() == {1: True, 2: False}
    assert running.gateway.sent == [2]


def test_what_has_waited_behind_one_that_hangs_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "WAITS", 60.0)
    gateway = InThreads()
    gateway.free.clear()
    running = Running(gateway, EventLoop())
    running.outlet.submit([to(device_message_id=1)], time.monotonic())
    until(lambda: gateway.sent == [1])
    monkeypatch.setattr(outlets, "WAITS", 0.0)
    running.outlet.submit([to(device_message_id=2)], time.monotonic())
    gateway.free.set()
    until(lambda: len(running.reported) == 2)
    assert running.held_up() == {1: False, 2: True}
    assert gateway.sent == [1]
    running.outlet.close()


@pytest.mark.django_db
def test_it_is_due_at_once_again_unless_an_answer_came_meanwhile(now: datetime) -> None:
    alarm = factories.AlarmFactory(starts_at=now - timedelta(minutes=1))
    waits, answered = (factories.DeviceMessageFactory(alarm_message__alarm=alarm) for _each in range(2))
    deliveries = claim(sender_id=1, free={("sms", 0, 0): 2}).deliveries
    AlarmMessage.objects.filter(pk=answered.alarm_message_id).update(response=True, escalating=False)
    write([Result(each, "a gateway", at=now, error=HeldUp()) for each in deliveries], gateways={("sms", 0): 1})
    statuses = dict(DeviceMessage.objects.values_list("pk", "status"))
    assert statuses == {waits.pk: DeviceMessage.Status.SCHEDULED, answered.pk: DeviceMessage.Status.CANCELLED}
    (again,) = claim(sender_id=2, free={("sms", 0, 0): 2}).deliveries
    assert (again.device_message_id, again.attempt) == (waits.pk, 2)
    assert again.idempotency_key == next(
        each.idempotency_key for each in deliveries if each.device_message_id == waits.pk
    )
