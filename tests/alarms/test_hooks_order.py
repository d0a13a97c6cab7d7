"""In what order hooks are told, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from aiohttp import web

from alarms.hooks import claiming, delivering, posting
from alarms.hooks.delivering import deliver
from alarms.hooks.registering import send_test
from alarms.models import Hook, HookEvent
from organizations.models import Organization
from tests.alarms.hooks import HookSink, age, beside, events_of, hangs, hook_at, hook_sink, tries, until_told
from tests.factories import AlarmFactory
from tests.processes import until
from tests.sinks import answers

pytestmark = pytest.mark.django_db


@pytest.fixture
def sink() -> Iterator[HookSink]:
    with hook_sink() as running:
        yield running


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks are waited for for so long that a slow machine is no slow hook."""
    monkeypatch.setattr(posting, "TIMEOUT", 50.0)


@pytest.fixture
def hook(brigade: Organization, sink: HookSink) -> Hook:
    return hook_at(f"{sink.url}/hook", brigade)


def ids(events: list[HookEvent]) -> list[int]:
    return [event.pk for event in events]


def test_events_of_an_alarm_go_out_in_their_order(hook: Hook, sink: HookSink) -> None:
    events = events_of(hook, 20)
    deliver()
    assert sink.told() == ids(events)


def test_behind_an_event_that_fails_the_same_alarm_waits_and_no_other(
    brigade: Organization, hook: Hook, sink: HookSink
) -> None:
    sink.behaviours["/hook"] = answers(500, 502, 200)
    other_hook = hook_at(f"{sink.url}/other", brigade)
    events = events_of(hook, 3)
    deliver()
    there = events_of(other_hook, 2, alarm=events[0].alarm)
    other_alarm = events_of(hook, 1)
    deliver()
    assert sink.told("/other") == ids(there)
    # Not even for being tried again: an event of another alarm was refused too.
    assert sink.told() == [events[0].pk, other_alarm[0].pk]
    age(timedelta(minutes=1))
    deliver()
    assert sorted(sink.told()[2:]) == ids(events) + ids(other_alarm)
    assert [pk for pk in sink.told()[2:] if pk in ids(events)] == ids(events)


def test_a_hook_that_hangs_holds_up_no_other(brigade: Organization, hook: Hook, sink: HookSink) -> None:
    async def waits_for_the_others(_request: web.Request, _before: int) -> web.StreamResponse:
        await until_told(sink, "/other", 12)
        return web.Response()

    sink.behaviours["/hook"] = waits_for_the_others
    first = [*events_of(hook), *events_of(hook)]
    other = hook_at(f"{sink.url}/other", brigade)
    events = [event for _ in range(3) for event in events_of(other, 4)]
    deliver()
    assert sorted(sink.told("/other")) == ids(events)
    assert {row[:2] for row in tries()} == {(event.pk, 200) for event in first + events}


def test_a_hook_gets_a_few_at_once_and_not_more(hook: Hook, sink: HookSink) -> None:
    async def waits_for_some(_request: web.Request, before: int) -> web.StreamResponse:
        if before < claiming.PER_HOOK:
            await until_told(sink, "/hook", claiming.PER_HOOK)
        return web.Response()

    sink.behaviours["/hook"] = waits_for_some
    events = [event for _ in range(12) for event in events_of(hook)]
    deliver()
    assert sorted(sink.told()) == ids(events)
    assert sink.most_at_once["/hook"] == claiming.PER_HOOK == 4


def test_what_is_under_way_is_bounded_and_each_hook_gets_its_share(
    brigade: Organization, sink: HookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PLACES", 2)
    hooks = [hook_at(f"{sink.url}/{name}", brigade) for name in "ab"]
    behind = [event for _ in range(4) for hook in hooks for event in events_of(hook)]

    async def waits_for(other: str) -> None:
        await until_told(sink, other)

    async def both(request: web.Request, before: int) -> web.StreamResponse:
        if before == 0:
            # With both places taken by one hook, this would never come.
            await waits_for("/b" if request.path == "/a" else "/a")
        assert sum(sink.at_once.values()) <= 2
        return web.Response()

    sink.behaviours |= {"/a": both, "/b": both}
    deliver()
    assert sorted(sink.told("/a") + sink.told("/b")) == ids(behind)
    assert {row[1] for row in tries()} == {200}


def test_tests_wait_for_nothing_and_nothing_waits_for_them(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = answers(500)
    [event] = events_of(hook)
    deliver()
    tests = [send_test(hook), send_test(hook)]
    deliver()
    assert sorted(sink.told()) == [event.pk, *ids(tests)]
    [later] = events_of(hook)
    deliver()
    assert sink.told()[3:] == [later.pk]


@pytest.mark.django_db(transaction=True)
def test_what_comes_while_a_hook_hangs_is_taken_up_by_who_waits_for_it(brigade: Organization, sink: HookSink) -> None:
    async def waits_for_the_other(_request: web.Request, _before: int) -> web.StreamResponse:
        await until_told(sink, "/other")
        return web.Response()

    sink.behaviours["/hook"] = waits_for_the_other
    [first] = events_of(hook_at(f"{sink.url}/hook", brigade))
    with beside(deliver):
        until(lambda: sink.told() == [first.pk])
        [second] = events_of(hook_at(f"{sink.url}/other", brigade))
        deliver()
        until(lambda: sink.told("/other") == [second.pk])
    assert {row[:2] for row in tries()} == {(first.pk, 200), (second.pk, 200)}


@pytest.mark.django_db(transaction=True)
def test_who_is_to_end_gives_back_what_is_not_answered(
    hook: Hook, sink: HookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LAST_WAIT", 0.0)
    sink.behaviours["/hook"] = hangs
    [event, waiting] = events_of(hook, 2)
    stop = threading.Event()
    with beside(lambda: deliver(stop=stop.is_set)):
        until(lambda: sink.told() == [event.pk])
        stop.set()
    event.refresh_from_db()
    assert (event.lease_until, event.attempts, tries()) == (None, 1, [])
    sink.behaviours["/hook"] = answers(200)
    deliver()
    assert sink.told() == [event.pk, event.pk, waiting.pk]


def test_what_is_not_told_yet_is_found_however_many_alarms_there_are(brigade: Organization, sink: HookSink) -> None:
    hooks = [hook_at(f"{sink.url}/{number}", brigade) for number in range(3)]
    alarms = [AlarmFactory(organization=brigade) for _ in range(10)]
    for alarm in reversed(alarms):
        for hook in hooks:
            events_of(hook, 2, alarm=alarm)
    deliver()
    for number, hook in enumerate(hooks):
        told = sink.told(f"/{number}")
        assert sorted(told) == sorted(HookEvent.objects.filter(hook=hook).values_list("pk", flat=True))
        for alarm in alarms:
            of_alarm = [pk for pk in told if HookEvent.objects.get(pk=pk).alarm_id == alarm.pk]
            assert of_alarm == sorted(of_alarm)
