"""The planner against the rules of an escalation: a table of cases for each rule, then properties.

In the tables, `sms:60` is an entry (way and delay), and `0 app pager | 60 sms` are two turns at 0 s and 60 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalations.models import default_entries
from escalations.plan import Entry, Step, plan, repeated

WAYS = ("app", "pager", "sms", "call", "email")
ALL = " ".join(WAYS)

Entries = list[tuple[str, int]]


def planned(entries: Iterable[tuple[str, int]], usable: Iterable[str]) -> list[Step]:
    return plan([Entry(*entry) for entry in entries], set(usable))


def written(steps: list[Step]) -> str:
    """Write steps as the tables do; they have to be numbered by turn from 0, without gaps."""
    turns = [(turn, list(of_turn)) for turn, of_turn in groupby(steps, key=lambda step: step.turn)]
    assert [turn for turn, _of_turn in turns] == list(range(len(turns)))
    for _turn, of_turn in turns:
        assert len({step.after for step in of_turn}) == 1
    return " | ".join(
        " ".join([str(of_turn[0].after), *(step.wayofalarm for step in of_turn)]) for _turn, of_turn in turns
    )


def plan_of(entries: str, usable: str) -> str:
    pairs = [entry.split(":") for entry in entries.split()]
    return written(planned([(way, int(delay)) for way, delay in pairs], usable.split()))


COUNTED = {
    "each delay is added to the one before": ("sms:30 call:60 email:10", "30 sms | 90 call | 100 email"),
    "a first entry with a delay waits for it": ("email:45", "45 email"),
    "a first entry without a delay is at once": ("call:0", "0 call"),
    "a way that stands twice is repeated": ("sms:60 sms:120", "60 sms | 180 sms"),
    "a way comes back after another": ("sms:0 call:60 sms:60 call:60", "0 sms | 60 call | 120 sms | 180 call"),
    "days add up": ("sms:86400 call:86400", "86400 sms | 172800 call"),
    "a second makes a turn of its own": ("sms:0 call:1", "0 sms | 1 call"),
}


@pytest.mark.parametrize(("entries", "turns"), list(COUNTED.values()), ids=list(COUNTED))
def test_delays_count_from_the_entry_before(entries: str, turns: str) -> None:
    assert plan_of(entries, ALL) == turns


IMMEDIATE = {
    "from the end of the list": ("sms:60 app:0", "0 app | 60 sms"),
    "whatever their delay": ("app:300 pager:86400", "0 app pager"),
    "from the middle, with delays": ("sms:60 app:120 call:30 pager:300", "0 app pager | 60 sms | 90 call"),
    "in the order of the list": ("pager:0 sms:5 app:0", "0 pager app | 5 sms"),
    "before what was first and at once": ("email:0 app:60", "0 app email"),
    "a repeat falls into the one turn they have": ("app:0 sms:60 app:60 pager:5 pager:5", "0 app pager | 60 sms"),
    "only pager": ("call:60 pager:60", "0 pager | 60 call"),
    "a list without them has no turn for them": ("email:10 sms:60", "10 email | 70 sms"),
}


@pytest.mark.parametrize(("entries", "turns"), list(IMMEDIATE.values()), ids=list(IMMEDIATE))
def test_app_and_pager_come_first_and_at_once(entries: str, turns: str) -> None:
    assert plan_of(entries, ALL) == turns


JOINED = {
    "joins app and pager": ("app:0 email:0 sms:60", "0 app email | 60 sms"),
    "joins a later turn": ("app:0 sms:60 email:0 call:60", "0 app | 60 sms email | 120 call"),
    "several join in the order of the list": ("call:9 email:0 sms:0", "9 call email sms"),
    "joins what stands before it once app is in front": ("sms:60 app:5 call:0", "0 app | 60 sms call"),
    "a way twice in one turn is there once": ("sms:60 email:0 sms:0 call:60", "60 sms email | 120 call"),
    "the next delay counts from the turn joined": ("sms:0 call:0 email:7", "0 sms call | 7 email"),
}


@pytest.mark.parametrize(("entries", "turns"), list(JOINED.values()), ids=list(JOINED))
def test_an_entry_without_delay_joins_the_turn_before_it(entries: str, turns: str) -> None:
    assert plan_of(entries, ALL) == turns


SKIPPED = {
    "one turn": ("app:0 sms:60 call:90", "app call", "0 app | 60 call"),
    "later delays count from there": ("app:0 sms:60 call:90 email:30", "app call email", "0 app | 60 call | 90 email"),
    "two in a row pass the first one's time on": ("app:0 sms:60 call:120 email:30", "app email", "0 app | 60 email"),
    "three in a row": ("sms:7 call:60 sms:60 email:60 email:5", "email", "7 email | 12 email"),
    "two apart": ("app:0 sms:10 email:20 sms:30 email:40", "app email", "0 app | 10 email | 40 email"),
    "the whole next turn moves": ("app:0 sms:60 call:60 email:0", "app call email", "0 app | 60 call email"),
    "the usable part of the next moves": (
        "app:0 sms:60 sms:60 email:0 call:60",
        "app email call",
        "0 app | 60 email | 120 call",
    ),
    "the first turn, of app and pager": ("app:0 pager:0 sms:60 call:60", "sms call", "0 sms | 60 call"),
    "the first turn, which has a delay": ("sms:30 call:60 email:60", "call email", "30 call | 90 email"),
    "the first two turns": ("pager:0 sms:60 call:60 email:20", "call email", "0 call | 20 email"),
    "the last turn": ("app:0 email:20 sms:60", "app email", "0 app | 20 email"),
    "the first and the last turn": ("app:0 email:20 sms:60", "email", "0 email"),
    "an unusable repeat, each time": ("sms:10 call:20 sms:30 call:40", "call", "10 call | 40 call"),
    "every turn, as nothing is usable": ("app:0 sms:60 call:60", "", ""),
    "every turn, as other ways are usable": ("sms:60 call:60", "app pager email", ""),
    "no turn of an empty list": ("", ALL, ""),
    "not a turn usable in part": ("app:0 sms:60 email:0 call:90", "app email call", "0 app | 60 email | 150 call"),
    "not the first where pager is left": ("app:0 pager:0 sms:60", "pager sms", "0 pager | 60 sms"),
    "not the first where a joining way is left": ("app:0 email:0 sms:60", "email sms", "0 email | 60 sms"),
}


@pytest.mark.parametrize(("entries", "usable", "turns"), list(SKIPPED.values()), ids=list(SKIPPED))
def test_a_turn_that_cannot_reach_the_user_is_taken_by_the_next(entries: str, usable: str, turns: str) -> None:
    assert plan_of(entries, usable) == turns


def test_one_entry_is_one_step_however_often_its_way_is_named_usable() -> None:
    assert plan([Entry("sms", 5)], ["sms", "sms", "email", "sms"]) == [Step(0, "sms", 5)]


@pytest.mark.parametrize("way", WAYS)
def test_the_default_list_reaches_a_user_with_one_kind_of_device_at_once(way: str) -> None:
    assert planned(default_entries(), [way]) == [Step(0, way, 0)]


@pytest.mark.parametrize(
    ("usable", "turns"),
    [
        (ALL, "0 app pager email | 60 sms | 120 call"),
        ("app call", "0 app | 60 call"),
        ("sms call", "0 sms | 60 call"),
        ("email sms", "0 email | 60 sms"),
    ],
)
def test_the_default_list_for_users_with_several_kinds_of_devices(usable: str, turns: str) -> None:
    assert written(planned(default_entries(), usable.split())) == turns


# Properties. The reference model keeps no state: it places every turn on a clock, then lets each turn that fires follow
# the one before it by the gap that stands after that one on the clock.

delays = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 86400))
entry_lists = st.lists(st.tuples(st.sampled_from(WAYS), delays), max_size=20)
way_sets = st.sets(st.sampled_from(WAYS))
thoroughly = settings(max_examples=200, deadline=None)


def clock(entries: Entries) -> dict[int, list[str]]:
    """Return the ways of each turn by the second at which it fires where every way is usable."""
    turns = {0: [way for way, _delay in entries if way in ("app", "pager")]}
    rest = [entry for entry in entries if entry[0] not in ("app", "pager")]
    for (way, _delay), second in zip(rest, accumulate(delay for _way, delay in rest), strict=True):
        turns.setdefault(second, []).append(way)
    return {second: list(dict.fromkeys(ways)) for second, ways in turns.items() if ways}


def reference(entries: Entries, usable: set[str]) -> list[Step]:
    turns = clock(entries)
    gap_after = {earlier: later - earlier for earlier, later in pairwise(turns)}
    firing = [second for second, ways in turns.items() if usable.intersection(ways)]
    times = list(accumulate(map(gap_after.__getitem__, firing[:-1]), initial=min(turns))) if firing else []
    return [
        Step(number, way, time)
        for number, (second, time) in enumerate(zip(firing, times, strict=True))
        for way in turns[second]
        if way in usable
    ]


@thoroughly
@given(entry_lists, way_sets)
def test_the_plan_is_that_of_the_reference_model(entries: Entries, usable: set[str]) -> None:
    assert planned(entries, usable) == reference(entries, usable)


@thoroughly
@given(entry_lists, way_sets)
def test_turns_are_numbered_without_gaps_and_each_is_later_than_the_one_before(
    entries: Entries, usable: set[str]
) -> None:
    steps = planned(entries, usable)
    assert list(dict.fromkeys(step.turn for step in steps)) == list(range(len({step.turn for step in steps})))
    for before, after in pairwise(steps):
        assert (before.turn == after.turn) == (before.after == after.after)
        assert before.after <= after.after


@thoroughly
@given(entry_lists, way_sets)
def test_every_usable_entry_is_there_once_in_its_turn_and_nothing_else(entries: Entries, usable: set[str]) -> None:
    steps = planned(entries, usable)
    turns_of_way = Counter(way for ways in clock(entries).values() for way in ways if way in usable)
    assert Counter(step.wayofalarm for step in steps) == turns_of_way
    assert len({(step.turn, step.wayofalarm) for step in steps}) == len(steps)


@thoroughly
@given(entry_lists, way_sets)
def test_the_order_is_that_of_the_list_with_app_and_pager_in_front(entries: Entries, usable: set[str]) -> None:
    in_order = [way for ways in clock(entries).values() for way in ways]
    assert [step.wayofalarm for step in planned(entries, usable)] == [way for way in in_order if way in usable]


@thoroughly
@given(entry_lists)
def test_where_every_way_is_usable_each_turn_fires_at_its_own_time(entries: Entries) -> None:
    assert [(step.after, step.wayofalarm) for step in planned(entries, WAYS)] == [
        (second, way) for second, ways in clock(entries).items() for way in ways
    ]


@thoroughly
@given(entry_lists, way_sets)
def test_nothing_fires_before_the_first_turn_would_have_nor_after_its_own_time(
    entries: Entries, usable: set[str]
) -> None:
    steps = planned(entries, usable)
    own_times = [step.after for step in planned(entries, WAYS) if step.wayofalarm in usable]
    for step, own_time in zip(steps, own_times, strict=True):
        assert min(clock(entries)) <= step.after <= own_time


@thoroughly
@given(entry_lists, way_sets, st.sampled_from(WAYS))
def test_losing_a_way_makes_no_other_way_later(entries: Entries, usable: set[str], lost: str) -> None:
    before = [step for step in planned(entries, usable) if step.wayofalarm != lost]
    after = planned(entries, usable - {lost})
    assert all(now.after <= then.after for now, then in zip(after, before, strict=True))


@thoroughly
@given(entry_lists, way_sets, st.sampled_from(["app", "pager"]), delays, st.data())
def test_the_place_and_delay_of_app_and_pager_do_not_matter(
    entries: Entries, usable: set[str], way: str, delay: int, data: st.DataObject
) -> None:
    rest = [entry for entry in entries if entry[0] not in ("app", "pager")]
    place = data.draw(st.integers(0, len(rest)))
    moved = [*rest[:place], (way, delay), *rest[place:]]
    assert planned(moved, usable) == planned([(way, 0), *rest], usable)


@thoroughly
@given(entry_lists, way_sets, st.sampled_from(["sms", "call", "email"]), st.data())
def test_an_unusable_way_that_joins_a_turn_changes_nothing(
    entries: Entries, usable: set[str], way: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(min(1, len(entries)), len(entries)))
    longer = [*entries[:place], (way, 0), *entries[place:]]
    assert planned(longer, usable - {way}) == planned(entries, usable - {way})


@thoroughly
@given(entry_lists, way_sets, st.tuples(st.sampled_from(["sms", "call", "email"]), delays))
def test_an_entry_at_the_end_leaves_what_comes_before_it_as_it_is(
    entries: Entries, usable: set[str], last: tuple[str, int]
) -> None:
    before = planned(entries, usable)
    assert planned([*entries, last], usable)[: len(before)] == before


# The runs of a plan that is repeated: numbered from 0, 100, 200..., each `after` the last turn of the one before.

RUNS = [
    (0, 10, 900, "0:5 1:65"),
    (1, 120, 900, "0:5 1:65 100:185 101:245"),
    (10, 300, 900, "0:5 1:65 100:365 101:425 200:725 201:785"),
    (1, 120, 240, "0:5 1:65 100:185"),
    (9, 120, 180, "0:5 1:65"),
]


@pytest.mark.parametrize(("times", "after", "within", "turns"), RUNS)
def test_a_plan_is_repeated_within_a_time_after_its_first_turn(times: int, after: int, within: int, turns: str) -> None:
    found = repeated(planned([("sms", 5), ("call", 60)], WAYS), times=times, after=after, within=within)
    assert " ".join(f"{step.turn}:{step.after}" for step in found) == turns


@thoroughly
@given(entry_lists, way_sets, st.integers(0, 10), st.integers(10, 600), st.integers(10, 3600))
def test_all_runs_are_on_one_clock(entries: Entries, usable: set[str], times: int, after: int, within: int) -> None:
    steps = planned(entries, usable)
    turns = [list(of_turn) for _turn, of_turn in groupby(steps, key=lambda step: step.turn)]
    gaps = [*(later[0].after - earlier[0].after for earlier, later in pairwise(turns)), after] * (times + 1)
    expected = []
    for place, (turn, since) in enumerate(zip(turns * (times + 1), accumulate([0, *gaps]), strict=False)):
        run, number = divmod(place, len(turns))
        if run == 0 or since < within:
            expected += [Step(100 * run + number, step.wayofalarm, turns[0][0].after + since) for step in turn]
    assert repeated(steps, times=times, after=after, within=within) == expected
