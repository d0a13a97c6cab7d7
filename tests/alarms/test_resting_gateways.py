"""A gateway that keeps failing is left alone for 30 s while another is there: the rules, without a sender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.gateways.owned import Line
from alarms.sending.claim import Pool
from alarms.sending.resting import Condition, Conditions, detours, rested, shares

START = datetime(2026, 1, 1, tzinfo=UTC)
OURS: Line = ("sms", 0)
POOL: Pool = (*OURS, 0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def failing(*pools: Pool, seconds: float = 0) -> Conditions:
    """Return the conditions in which these have just failed 5 times in a row."""
    conditions = Conditions()
    for pool in pools:
        for _attempt in range(5):
            conditions.note(pool, "HTTP 503", now=at(seconds))
    return conditions


# When one rests


def test_one_rests_for_30_seconds_from_the_fifth_failure_in_a_row() -> None:
    conditions = Conditions()
    for second in range(4):
        assert not conditions.note(POOL, f"failure {second}", now=at(second))
        assert conditions.resting() == {}
    assert conditions.note(POOL, "failure 4", now=at(4))
    [(pool, condition)] = conditions.resting().items()
    assert (pool, condition.rests_until, condition.reason) == (POOL, at(34), "failure 4")
    assert [rested(condition, now=at(seconds)) for seconds in (4, 33.999, 34, 1000)] == [False, False, True, True]


def test_any_success_in_between_starts_the_count_anew() -> None:
    conditions = Conditions()
    for _round in range(3):
        for second in range(4):
            assert not conditions.note(POOL, "HTTP 503", now=at(second))
        assert not conditions.note(POOL, None, now=at(4))
    assert conditions.resting() == {}


def test_failures_of_what_was_under_way_do_not_prolong_the_rest() -> None:
    conditions = failing(POOL)
    for second in range(1, 30):
        assert not conditions.note(POOL, "no answer within 10 s", now=at(second))
    assert conditions.resting()[POOL].rests_until == at(30)


@pytest.mark.parametrize("seconds", [1, 30, 500])
def test_one_that_is_taken_ends_the_rest_and_the_count(seconds: float) -> None:
    conditions = failing(POOL)
    assert conditions.note(POOL, None, now=at(seconds))
    assert conditions.resting() == {}
    assert not conditions.note(POOL, "HTTP 503", now=at(seconds))
    assert conditions.resting() == {}


def test_who_fails_after_the_rest_rests_again_at_once() -> None:
    conditions = failing(POOL)
    assert conditions.note(POOL, "still down", now=at(31))
    condition = conditions.resting()[POOL]
    assert (condition.rests_until, condition.reason) == (at(61), "still down")
    assert not rested(condition, now=at(60))


def test_each_gateway_is_counted_for_itself() -> None:
    pools: list[Pool] = [("sms", 0, 0), ("sms", 0, 1), ("call", 0, 0), ("sms", 7, 0), ("sms", 8, 0)]
    conditions = Conditions()
    for _attempt in range(4):
        for pool in pools:
            assert not conditions.note(pool, "HTTP 503", now=START)
    assert conditions.note(("sms", 7, 0), "HTTP 503", now=START)
    assert set(conditions.resting()) == {("sms", 7, 0)}
    conditions.note(("sms", 0, 0), None, now=START)
    for pool in pools[1:3]:
        assert conditions.note(pool, "HTTP 503", now=START)
    assert set(conditions.resting()) == {("sms", 7, 0), ("sms", 0, 1), ("call", 0, 0)}


def test_one_that_was_replaced_begins_anew() -> None:
    conditions = failing(POOL, ("sms", 0, 1))
    conditions.forget(POOL)
    assert set(conditions.resting()) == {("sms", 0, 1)}
    conditions.forget(POOL)
    assert not conditions.note(POOL, "HTTP 503", now=START)
    assert set(conditions.resting()) == {("sms", 0, 1)}


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 1.0, 10.0, 29.0, 30.0])), max_size=60))
def test_it_rests_as_a_simple_model_says(attempts: list[tuple[bool, float]]) -> None:
    conditions = Conditions()
    seconds, in_a_row, until = 0.0, 0, None
    for is_taken, pause in attempts:
        seconds += pause
        was = until
        in_a_row = 0 if is_taken else in_a_row + 1
        if is_taken:
            until = None
        elif in_a_row >= 5 and (until is None or until <= seconds):
            until = seconds + 30
        assert conditions.note(POOL, None if is_taken else "HTTP 503", now=at(seconds)) == (until != was)
        expected = {} if until is None else {POOL: at(until)}
        assert {pool: each.rests_until for pool, each in conditions.resting().items()} == expected


# Where its messages go


def resting(*pools: Pool) -> dict[Pool, Condition]:
    return failing(*pools).resting()


@pytest.mark.parametrize(
    ("place", "at_rest", "expected"),
    [
        (0, [], []),
        (0, [1, 2], []),
        (0, [0], [1, 2]),
        (1, [1], [2, 0]),
        (2, [2], [0, 1]),
        (0, [0, 1], [2]),
        (2, [1, 2], [0]),
        (1, [0, 1, 2], []),
    ],
)
def test_its_messages_go_to_those_of_its_line_that_do_not_rest_from_there_on(
    place: int, at_rest: list[int], expected: list[int]
) -> None:
    sizes: dict[Line, int] = {OURS: 3, ("sms", 7): 2, ("call", 0): 3}
    found = detours((*OURS, place), sizes, resting(*((*OURS, other) for other in at_rest)))
    assert found == [(*OURS, other) for other in expected]


def test_an_only_gateway_goes_on() -> None:
    assert detours(POOL, {OURS: 1, ("sms", 7): 2, ("call", 0): 2}, resting(POOL)) == []
    assert shares({POOL: 5}, {OURS: 1}, resting(POOL)) == {POOL: 5}


def test_nobody_stands_in_for_the_gateways_of_others() -> None:
    own: Pool = ("sms", 7, 0)
    sizes = {OURS: 2, ("sms", 7): 1, ("sms", 8): 3}
    assert detours(own, sizes, resting(own)) == []
    assert detours(POOL, sizes, resting(own)) == []
    assert detours(POOL, sizes, resting(POOL, own)) == [("sms", 0, 1)]


# How many are taken up


def targets(free: Mapping[Pool, int], sizes: Mapping[Line, int], at_rest: Mapping[Pool, Condition]) -> dict[Pool, Pool]:
    """Return where the messages of each gateway go."""
    return {pool: (detours(pool, sizes, at_rest) or [pool])[0] for pool in free}


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[Pool, int], dict[Line, int], dict[Pool, Condition]]:
    sizes = {(way, owner): draw(st.integers(1, 5)) for way in ("sms", "call") for owner in (0, 7)}
    # More may be under way than there are connections.
    free = {(*line, place): draw(st.integers(-3, 256)) for line, size in sizes.items() for place in range(size)}
    return free, sizes, resting(*draw(st.lists(st.sampled_from(sorted(free)), unique=True)))


@given(situations())
def test_nobody_starves_and_no_gateway_gets_many_more_than_it_has_connections_for(
    situation: tuple[dict[Pool, int], dict[Line, int], dict[Pool, Condition]],
) -> None:
    free, sizes, at_rest = situation
    found = shares(free, sizes, at_rest)
    goes_to = targets(free, sizes, at_rest)
    sharers = Counter(goes_to.values())
    assert set(found) == set(free)
    for pool, share in found.items():
        assert (share > 0) == (free[goes_to[pool]] > 0)
    for target, count in sharers.items():
        handed_out = sum(share for pool, share in found.items() if goes_to[pool] == target and share > 0)
        assert handed_out < max(0, free[target]) + count
        if free[target] > 0:
            # All connections are used where everybody has enough to send.
            assert handed_out >= free[target]


def test_one_that_stands_in_for_many_divides_its_connections() -> None:
    pools: list[Pool] = [(*OURS, place) for place in range(4)]
    free = dict.fromkeys(pools, 256) | {pools[1]: 100}
    found = shares(free, {OURS: 4}, resting(pools[0], pools[2], pools[3]))
    assert found == dict.fromkeys(pools, 25)


@given(st.dictionaries(st.integers(0, 7), st.integers(0, 256), min_size=1))
def test_while_none_rests_each_has_its_own_connections(connections: dict[int, int]) -> None:
    free: dict[Pool, int] = {(*OURS, place): count for place, count in connections.items()}
    assert shares(free, {OURS: 8}, {}) == free
