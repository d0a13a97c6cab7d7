"""What a hook does not take is tried again for a day, and then given up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from alarms.hooks.delivering import deliver
from alarms.hooks.outcomes import backoff, give_up_of_inactive
from alarms.hooks.registering import change, send_test
from alarms.models import Hook, HookEvent
from messaging_project import database
from organizations.models import Organization
from tests.alarms.hooks import HookSink, age, events_of, hook_at, hook_sink, state
from tests.sinks import answers

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = (timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days"))


@pytest.fixture
def sink() -> Iterator[HookSink]:
    with hook_sink() as running:
        yield running


@pytest.fixture
def hook(brigade: Organization, sink: HookSink) -> Hook:
    """A hook that takes nothing."""
    sink.behaviours["/hook"] = answers(503)
    return hook_at(f"{sink.url}/hook", brigade)


def states(*events: HookEvent) -> list[str]:
    return [state(event) for event in events]


# When


@pytest.mark.parametrize(("attempt", "least"), [(1, 5), (2, 15), (3, 45), (4, 135), (5, 405), (6, 1215)])
def test_the_pauses_grow_and_are_not_the_same_for_all(attempt: int, least: int) -> None:
    waits = {backoff(attempt, None) for _ in range(50)}
    assert len(waits) > 1
    assert least <= min(waits) <= max(waits) <= least * 1.2


@pytest.mark.parametrize("attempt", [7, 8, 30, 500, 32767])
def test_no_pause_is_longer_than_an_hour(attempt: int) -> None:
    waits = {backoff(attempt, None) for _ in range(50)}
    assert len(waits) > 1
    assert 3000 <= min(waits) <= max(waits) <= 3600


@pytest.mark.parametrize(
    ("attempt", "retry_after", "least", "most"),
    [(1, 77.0, 77, 77), (1, 1.0, 5, 6), (9, 7200.0, 7200, 7200), (1, 1e300, 86400, 86400), (2, 0.0, 15, 18)],
)
def test_the_pause_is_at_least_what_the_hook_asks_for(
    attempt: int, retry_after: float, least: float, most: float
) -> None:
    assert least <= backoff(attempt, retry_after) <= most


@pytest.mark.parametrize(("attempts", "least", "most"), [(0, 5, 6), (1, 15, 18), (2, 45, 54)])
def test_what_failed_is_due_again_after_its_pause(hook: Hook, attempts: int, least: int, most: int) -> None:
    [event] = events_of(hook, attempts=attempts)
    before = database.now()
    deliver()
    after = database.now()
    event.refresh_from_db()
    assert before + least * SECOND <= event.due_at <= after + most * SECOND
    assert (event.attempts, event.lease_until) == (attempts + 1, None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_hook_may_ask_for_a_longer_pause_in_seconds(hook: Hook, sink: HookSink, status: int) -> None:
    sink.behaviours["/hook"] = answers(status, **{"Retry-After": "1800"})
    [event] = events_of(hook)
    before = database.now()
    deliver()
    event.refresh_from_db()
    assert before + 1800 * SECOND <= event.due_at <= database.now() + 1800 * SECOND


def test_a_hook_may_ask_for_a_pause_until_a_date(hook: Hook, sink: HookSink) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + 2 * HOUR
    sink.behaviours["/hook"] = answers(503, **{"Retry-After": format_datetime(until, usegmt=True)})
    [event] = events_of(hook)
    deliver()
    event.refresh_from_db()
    # What lies between reading the clock here and there and there again.
    assert abs(event.due_at - until) < 30 * SECOND


@pytest.mark.parametrize("asked_for", ["x", "-5", "", "9" * 400, "Wed, 99 Foo"])
def test_what_nobody_understands_is_not_waited_for(hook: Hook, sink: HookSink, asked_for: str) -> None:
    sink.behaviours["/hook"] = answers(503, **{"Retry-After": asked_for})
    [event] = events_of(hook)
    deliver()
    event.refresh_from_db()
    assert event.due_at <= event.created_at + DAY


def test_nothing_is_tried_before_it_is_due(hook: Hook, sink: HookSink) -> None:
    [event] = events_of(hook)
    deliver()
    deliver()
    assert sink.told() == [event.pk]
    age(6 * SECOND)
    deliver()
    assert sink.told() == [event.pk] * 2


# For how long


def test_the_last_try_is_at_the_end_of_the_day_whatever_the_hook_asks_for(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = answers(503, **{"Retry-After": "7200"})
    [event] = events_of(hook)
    age(DAY - HOUR)
    deliver()
    assert state(event) == "pending"
    assert event.due_at == event.created_at + DAY
    age(HOUR)
    deliver()
    assert (state(event), len(sink.posts)) == ("given up", 2)


def test_what_is_given_up_is_not_tried_again_and_the_next_of_the_alarm_goes_on(
    hook: Hook, sink: HookSink, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = events_of(hook, 2)
    age(DAY)
    HookEvent.objects.filter(pk=second.pk).update(created_at=database.now() - HOUR)
    sink.behaviours["/hook"] = answers(500, 200)
    deliver()
    assert states(first, second) == ["given up", "delivered"]
    assert sink.told() == [first.pk, second.pk]
    assert f"hook event given up: hook={hook.pk} event={first.pk}" in caplog.text
    age(DAY)
    deliver()
    assert len(sink.posts) == 2


def test_what_is_over_too_behind_an_event_that_is_given_up_is_not_tried_one_after_the_other(
    hook: Hook, sink: HookSink
) -> None:
    old, young, other_alarm = events_of(hook, 50), events_of(hook)[0], events_of(hook)[0]
    HookEvent.objects.filter(pk=young.pk).update(alarm=old[0].alarm)
    age(DAY)
    HookEvent.objects.filter(pk=young.pk).update(created_at=database.now())
    HookEvent.objects.filter(pk=other_alarm.pk).update(created_at=database.now())
    deliver()
    assert set(states(*old)) == {"given up"}
    assert states(young, other_alarm) == ["pending", "pending"]
    assert sorted(sink.told()) == [old[0].pk, young.pk, other_alarm.pk]


def test_what_waited_for_a_day_for_a_worker_is_tried_all_the_same(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = answers(200)
    events = events_of(hook, 2)
    age(2 * DAY)
    deliver()
    assert states(*events) == ["delivered", "delivered"]


def test_a_test_is_given_up_after_five_minutes(hook: Hook) -> None:
    event = send_test(hook)
    deliver()
    assert state(event) == "pending"
    age(5 * MINUTE)
    deliver()
    assert state(event) == "given up"


# Who is not active


@pytest.mark.parametrize("what", ["hook", "organization"])
def test_what_waits_for_who_is_not_active_is_told_when_they_are_again(hook: Hook, sink: HookSink, what: str) -> None:
    sink.behaviours["/hook"] = answers(200)
    inactive = Hook.objects.all() if what == "hook" else Organization.objects.all()
    [event] = events_of(hook)
    inactive.update(is_active=False)
    deliver()
    give_up_of_inactive()
    assert (state(event), sink.posts) == ("pending", [])
    inactive.update(is_active=True)
    deliver()
    assert state(event) == "delivered"


@pytest.mark.parametrize("what", ["hook", "organization"])
def test_what_has_waited_for_a_day_for_who_is_not_active_is_given_up(hook: Hook, sink: HookSink, what: str) -> None:
    other = events_of(hook_at(f"{sink.url}/other"))[0]
    old, young = events_of(hook), events_of(hook)
    age(DAY)
    HookEvent.objects.filter(pk=young[0].pk).update(created_at=database.now())
    (Hook if what == "hook" else Organization).objects.filter(
        pk=hook.pk if what == "hook" else hook.organization_id
    ).update(is_active=False)
    give_up_of_inactive()
    assert states(*old, *young, other) == ["given up", "pending", "pending"]
    assert not sink.posts


def test_another_url_is_tried_at_once(hook: Hook, sink: HookSink) -> None:
    [event] = events_of(hook)
    deliver()
    change(hook, {"url": f"{sink.url}/moved"})
    deliver()
    assert (state(event), sink.told("/moved")) == ("delivered", [event.pk])


def test_a_hook_that_is_switched_on_again_is_tried_at_once(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = answers(500, 200)
    [event] = events_of(hook)
    deliver()
    change(hook, {"is_active": False})
    change(hook, {"is_active": True})
    deliver()
    assert state(event) == "delivered"


# What is said


def test_a_failure_is_logged_each_time_and_a_delivery_is_not_shown(
    hook: Hook, sink: HookSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sink.behaviours["/hook"] = answers(500, 502, 200)
    events_of(hook)
    for _ in range(3):
        deliver()
        age(MINUTE)
    reasons = [record.getMessage().rpartition("=")[2] for record in caplog.records if "hook" in record.name]
    assert reasons == ["HTTP 500", "HTTP 502"]
