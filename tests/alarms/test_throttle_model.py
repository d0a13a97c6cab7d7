"""The throttle against a simple model: a list of the times at which something left for a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alarms.delivery import Delivery
from alarms.models import AlarmMessage
from organizations.models import Device
from tests import factories
from tests.alarms.throttled import MINUTE, REFUSED, database_now, messages_of, pass_time, report, taken, waiting

pytestmark = pytest.mark.django_db

LIMIT = 5
Step = tuple[str, Any]

due = st.tuples(st.just("due"), st.integers(1, 8))
passes = st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 7.0, 20.0, 29.0, 31.0, 59.0, 60.0]))
fails = st.tuples(st.just("fail"), st.tuples(st.integers(0, 10), st.integers(1, 6)))


@dataclass
class World:
    """A device with a limit, its messages, and what the model knows of them. Clocks are in seconds."""

    device: Device = field(default_factory=lambda: factories.DeviceFactory(way="sms"))
    clock: float = 0.0
    left: list[tuple[float, Delivery]] = field(default_factory=list)
    """What was taken up and has not failed."""

    def __post_init__(self) -> None:
        self.began = database_now()
        self.recipient: AlarmMessage = factories.AlarmMessageFactory(alarm__starts_at=self.began, user=self.device.user)

    def room(self) -> int:
        return LIMIT - sum(self.clock - at < MINUTE for at, _delivery in self.left)

    def claim(self) -> int:
        deliveries = taken()
        self.left += [(self.clock, delivery) for delivery in deliveries]
        return len(deliveries)

    def do(self, step: Step) -> None:
        name, value = step
        if name == "due":
            messages_of(self.recipient, [self.device] * value, due=[self.began] * value)
        elif name == "pass":
            self.clock += value
            pass_time(value)
        else:
            first, count = value
            failed = self.left[first : first + count]
            # Results come in within seconds.
            failed = [(at, delivery) for at, delivery in failed if self.clock - at < MINUTE / 2]
            report([delivery for _at, delivery in failed], REFUSED, at=self.began)
            self.left = [each for each in self.left if each not in failed]


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(autouse=True)
def limited(settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = {"sms": LIMIT}


@examples(40)
@given(st.lists(due | passes, max_size=14))
def test_as_much_leaves_as_a_sliding_minute_has_room_for(steps: Sequence[Step]) -> None:
    with transaction.atomic():
        world = World()
        for step in steps:
            world.do(step)
            room, ready = world.room(), len([message for message in waiting() if message.due_at <= world.began])
            assert world.claim() == min(ready, room)
        transaction.set_rollback(True)


@examples(60)
@given(st.lists(due | passes | fails, max_size=16))
@example([("due", 3), ("pass", 9.0), ("due", 2), ("pass", 1.0), ("fail", (0, 3)), ("due", 9), ("pass", 50.0)])
@example([("due", 3), ("pass", 9.0), ("due", 2), ("pass", 1.0), ("fail", (3, 2)), ("due", 9), ("pass", 50.0)])
def test_whatever_fails_no_minute_has_more_than_the_limit_and_nothing_is_stuck(steps: Sequence[Step]) -> None:
    with transaction.atomic():
        world = World()
        for step in steps:
            world.do(step)
            room = world.room()
            assert world.claim() <= room
        for _minute in range(len(waiting()) // LIMIT + 1):
            world.do(("pass", MINUTE))
            left = len(waiting())
            assert world.claim() == min(left, LIMIT)
        assert waiting() == []
        transaction.set_rollback(True)
