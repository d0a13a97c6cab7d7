"""The plan of an escalation: entries and what can reach the user become steps. Pure (contract 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

# These ring without costing anybody's sleep twice: they go first and at once (rule 2).
IMMEDIATE_WAYS = ("app", "pager")
# The turns of a repeated run are numbered from the next multiple of this: no run has so many.
TURNS_OF_A_RUN = 100


class Entry(NamedTuple):
    wayofalarm: str
    delay: int
    """Seconds after the entry before it."""


class Step(NamedTuple):
    turn: int
    """Counts the turns that fire, from 0."""
    wayofalarm: str
    after: int
    """Seconds after the start of the alarm."""


class Turn(NamedTuple):
    delay: int
    """Seconds after the turn before it."""
    ways: tuple[str, ...]
    """In the order of the entries, each once."""


def turns(entries: Iterable[Entry]) -> list[Turn]:
    """Return the turns of a configuration (rules 2 and 4).

    `app` and `pager` are one turn at 0, whatever their place and delay; an entry with delay 0 joins the turn before it;
    every other entry starts a turn. A way that stands twice in a turn is there once.
    """
    entries = list(entries)
    immediate = [entry.wayofalarm for entry in entries if entry.wayofalarm in IMMEDIATE_WAYS]
    found: list[tuple[int, list[str]]] = [(0, immediate)] if immediate else []
    for way, delay in entries:
        if way in IMMEDIATE_WAYS:
            continue
        if delay == 0 and found:
            found[-1][1].append(way)
        else:
            found.append((delay, [way]))
    return [Turn(delay, tuple(dict.fromkeys(ways))) for delay, ways in found]


def plan(entries: Iterable[Entry], usable: Collection[str]) -> list[Step]:
    """Return the steps for a user whom the ways `usable` can reach, in the order in which they fire.

    A turn in which nothing can reach the user is taken by the next whole turn, which fires when the skipped one would
    have; later delays count from there (rule 4).
    """
    steps: list[Step] = []
    fired = 0  # when the last turn that is not skipped fires
    skipped: int | None = None  # when the first of the turns skipped since then would have fired
    number = 0
    for turn in turns(entries):
        due = fired + turn.delay if skipped is None else skipped
        ways = [way for way in turn.ways if way in usable]
        if not ways:
            skipped = due
            continue
        steps += [Step(number, way, due) for way in ways]
        fired, skipped, number = due, None, number + 1
    return steps


def repeated(steps: Sequence[Step], *, times: int, after: int, within: int) -> list[Step]:
    """Return the steps of an escalation and of its repetitions.

    Args:
        times: how often it runs again.
        after: seconds from the last turn of a run to the first of the next.
        within: seconds after the first turn, behind which nothing is repeated.
    """
    if not steps:
        return []
    first, last = steps[0].after, steps[-1].after
    found = list(steps)
    for run in range(1, times + 1):
        later = run * (last - first + after)
        found += [
            Step(run * TURNS_OF_A_RUN + step.turn, step.wayofalarm, step.after + later)
            for step in steps
            if step.after + later - first < within
        ]
    return found
