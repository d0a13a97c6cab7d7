"""What several workers take up, what of it is kept, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import transaction

from alarms.hooks import claiming, outcomes, retention
from alarms.hooks.claiming import claim
from alarms.hooks.delivering import deliver
from alarms.hooks.posting import Answer
from alarms.hooks.registering import remove
from alarms.models import Hook, HookEvent, HookTry
from messaging_project import database
from organizations.models import Organization
from tests.alarms.hooks import age, events_of, hook_at, hook_sink, in_another_connection, state, tries
from tests.factories import AlarmFactory
from tests.sinks import answers

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def hook(brigade: Organization) -> Iterator[Hook]:
    """A hook that takes nothing."""
    with hook_sink() as sink:
        sink.behaviours["/hook"] = answers(503)
        yield hook_at(f"{sink.url}/hook", brigade)


# Several workers


def test_what_one_worker_has_taken_up_no_other_takes_up_until_its_lease_is_over(hook: Hook) -> None:
    [event, behind] = events_of(hook, 2)
    [first] = claim(free=9)
    assert claim(free=9) == []
    age(timedelta(seconds=claiming.LEASE + 1))
    [second] = claim(free=9)
    assert (first.event_id, first.number, second.event_id, second.number) == (event.pk, 1, event.pk, 2)
    # The first one lives after all: what it says is too late, but it is kept that it tried.
    outcomes.write([Answer(first, database.now(), 0.1, status=200)])
    assert [state(event), state(behind)] == ["pending", "pending"]
    assert claim(free=9) == []
    outcomes.write([Answer(second, database.now(), 0.1, status=204)])
    assert [state(event), state(behind)] == ["delivered", "pending"]
    assert tries() == [(event.pk, 200, ""), (event.pk, 204, "")]


def test_a_hook_that_is_deleted_while_it_is_told_fails_nothing(brigade: Organization, hook: Hook) -> None:
    other = hook_at("https://dispatch.example/", brigade)
    events_of(hook, 2)
    [event] = events_of(other)
    claimed = claim(free=9)
    remove(hook.pk)
    outcomes.write([Answer(attempt, database.now(), 0.1, status=200) for attempt in claimed])
    assert tries() == [(event.pk, 200, "")]
    assert list(HookEvent.objects.all()) == [event]
    assert list(Hook.objects.all()) == [other]


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_is_being_deleted_holds_up_nobody(brigade: Organization, hook: Hook) -> None:
    other = hook_at("https://dispatch.example/", brigade)
    for each in (hook, other):
        events_of(each)
    answers = [Answer(attempt, database.now(), 0.1, status=200) for attempt in claim(free=9)]
    with transaction.atomic():
        remove(hook.pk)
        in_another_connection(lambda: outcomes.write(answers))
    assert [HookEvent.objects.get().hook, HookTry.objects.get().hook] == [other, other]
    assert state(HookEvent.objects.get()) == "delivered"


# What is kept


def test_the_last_50_tries_of_an_event_are_kept(hook: Hook, now: datetime) -> None:
    [event], [other] = events_of(hook, attempts=50), events_of(hook)
    for owner, count in ((event, 50), (other, 60)):
        for number in range(count):
            HookTry.objects.create(hook_event=owner, hook=hook, at=now, reason=f"try {number}", seconds=0)
    HookEvent.objects.filter(pk=other.pk).update(delivered_at=now)
    deliver()
    kept = list(event.tries.order_by("pk").values_list("reason", flat=True))
    assert (len(kept), kept[0], kept[-1]) == (50, "try 1", "HTTP 503")
    assert other.tries.count() == 60


def test_events_older_than_30_days_are_forgotten_with_their_tries(
    hook: Hook, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    alarm = AlarmFactory(organization=hook.organization)
    days = (29, 31, 30.1, 0, 400, 31, 31)
    events = [events_of(hook, alarm=alarm, created_at=now - day * DAY)[0] for day in days]
    for event in events:
        HookTry.objects.create(hook_event=event, hook=hook, at=event.created_at, status=500, seconds=0)
    assert retention.purge() == 5
    assert list(HookEvent.objects.order_by("pk")) == [events[0], events[3]]
    assert HookTry.objects.count() == 2
    assert retention.purge() == 0
    assert Hook.objects.get() == hook


def test_a_purge_that_is_to_end_ends(hook: Hook, now: datetime) -> None:
    events_of(hook, created_at=now - 31 * DAY)
    assert retention.purge(stop=lambda: True) == 0
    assert HookEvent.objects.count() == 1
