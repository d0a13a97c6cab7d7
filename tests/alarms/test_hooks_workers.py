"""Hooks are told by real workers, of which any may end at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from alarms.hooks import claiming, recording
from alarms.hooks.recording import Happening
from alarms.models import Hook, HookEvent
from organizations.models import Organization
from tests.alarms.hooks import HookSink, age, events_of, expected_signature, hangs, hook_at, hook_sink, state
from tests.factories import AlarmFactory
from tests.processes import Processes, service, until
from tests.sinks import answers, hangs_first

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sink() -> Iterator[HookSink]:
    with hook_sink() as running:
        yield running


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with service(tmp_path) as running:
        yield running


@pytest.fixture
def hook(brigade: Organization, sink: HookSink) -> Hook:
    return hook_at(f"{sink.url}/hook?token=secret-token", brigade)


def test_what_is_recorded_is_told_by_a_worker(hook: Hook, sink: HookSink, processes: Processes) -> None:
    processes.start("worker")
    until(lambda: ProcrastinateJob.objects.filter(task_name="alarms.deliver_hooks_again").exists())
    alarm = AlarmFactory(organization=hook.organization)
    recording.alarm_raised(alarm, recipients=3)
    [post] = until(lambda: sink.posts)
    assert (post.json["event"], post.json["alarmID"], post.json["data"]["recipients"]) == ("alarm.raised", alarm.pk, 3)
    assert post.headers["X-Signature"] == expected_signature(post.body)
    until(lambda: state(HookEvent.objects.get()) == "delivered")


def test_what_a_killed_worker_was_sending_is_sent_by_the_next_under_the_same_key(
    hook: Hook, sink: HookSink, processes: Processes
) -> None:
    sink.behaviours["/hook"] = hangs_first
    first, second = events_of(hook, 2)
    processes.start("worker")
    until(lambda: sink.told() == [first.pk])
    processes.kill("worker")
    first.refresh_from_db()
    assert first.lease_until is not None
    processes.start("worker")
    age(timedelta(seconds=claiming.LEASE))
    until(lambda: state(second) == "delivered")
    assert sink.told() == [first.pk, first.pk, second.pk]
    assert sink.posts[0].key == sink.posts[1].key != sink.posts[2].key
    assert sink.posts[0].body.replace(date(sink, 0), date(sink, 1)) == sink.posts[1].body


def date(sink: HookSink, place: int) -> bytes:
    """Return the date of an event as it was sent: it was moved since."""
    return str(sink.posts[place].json["date"]).encode()


def test_two_workers_tell_everything_once_and_in_order(
    brigade: Organization, sink: HookSink, processes: Processes
) -> None:
    hooks = [hook_at(f"{sink.url}/{number}", brigade) for number in range(3)]
    alarms = [AlarmFactory(organization=brigade) for _ in range(15)]
    processes.start("worker", "worker")
    for place in range(10):
        with transaction.atomic():
            happenings = [Happening(brigade.pk, alarm.pk, {"place": place}) for alarm in alarms]
            recording.record(Hook.Event.MESSAGE_FAILED, happenings)
    until(lambda: not HookEvent.objects.pending().exists())
    assert set(Counter(post.key for post in sink.posts).values()) == {1}
    assert len(sink.posts) == len(hooks) * len(alarms) * 10
    for number in range(len(hooks)):
        for alarm in alarms:
            told = [post.json for post in sink.posts if post.path == f"/{number}" and post.json["alarmID"] == alarm.pk]
            assert [event["data"]["place"] for event in told] == list(range(10))


def test_what_is_due_again_is_found_by_the_clock(hook: Hook, sink: HookSink, processes: Processes) -> None:
    sink.behaviours["/hook"] = answers(500, 503, 200)
    first, second = events_of(hook, 2)
    processes.start("worker")
    for attempt in (1, 2):
        until(lambda attempt=attempt: first.tries.count() == attempt)
        age(timedelta(minutes=1))
    until(lambda: state(second) == "delivered")
    assert sink.told() == [first.pk] * 3 + [second.pk]
    log = processes.log("worker")
    assert f"hook={hook.pk} event={first.pk} attempt=2 host=127.0.0.1 reason=HTTP 503" in log
    assert "secret" not in log
    assert "Traceback" not in log


def test_a_worker_that_is_asked_to_stop_gives_back_what_hangs(hook: Hook, sink: HookSink, processes: Processes) -> None:
    sink.behaviours["/hook"] = hangs
    [event] = events_of(hook)
    processes.start("worker")
    until(lambda: sink.told() == [event.pk])
    assert processes.stop("worker") == 0
    event.refresh_from_db()
    # Given back, or answered in its time: "no answer".
    assert event.lease_until is None
    assert state(event) == "pending"
