"""When a sender has to wake up: for what becomes due, and for what has become due since it last looked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from alarms.sending.claim import next_due_in
from tests.factories import DeviceMessageFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """Within the transaction of the test, the clock that says what is due stands still."""
    return timezone.now()


def test_nothing_is_due_where_nothing_is_scheduled(now: datetime) -> None:
    DeviceMessageFactory(due_at=now, status=2)
    assert next_due_in(since=3600.0) is None


def test_the_next_to_come_counts(now: datetime) -> None:
    for seconds in (900, 300, 600):
        DeviceMessageFactory(due_at=now + timedelta(seconds=seconds))
    due_in = next_due_in(since=0.0)
    assert due_in is not None
    assert 0 < due_in <= 300


@pytest.mark.parametrize(("since", "is_told"), [(5.0, False), (60.0, True)])
def test_what_has_become_due_since_the_last_claim_is_due_now_and_what_it_left_is_not(
    now: datetime, since: float, is_told: bool
) -> None:
    DeviceMessageFactory(due_at=now - timedelta(seconds=30))
    assert next_due_in(since=since) == (0.0 if is_told else None)
