"""The drawing of a timeline: where what stands, in the units of an SVG."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from alarms.desk.alarm_marks import Word
from alarms.desk.timeline import BINS, STATES, Lane, Timeline

BIN = 10
WIDTH = BIN * BINS
HIGHEST, LOWEST = 26.0, 4.0
LABEL, GAP = 18, 8
"""Above the bars of a lane stands its name, below it nothing."""
AXIS = 24


class Drawn(NamedTuple):
    """A lane."""

    word: Word
    label_at: int
    bars_at: int
    base_at: int
    paths: list[tuple[str, str]]
    """By state what is filled in its colour."""


class Drawing(NamedTuple):
    lanes: list[Drawn]
    width: int
    bars: int
    height: int
    axis_at: int


def drawing(timeline: Timeline) -> Drawing:
    most = max((sum(states.values()) for lane in timeline.lanes for states in lane.bins.values()), default=1)
    bars = int(HIGHEST)
    lanes = []
    for number, lane in enumerate(lane for lane in timeline.lanes if lane.bins):
        top = number * (LABEL + bars + GAP)
        lanes.append(Drawn(lane.word, top + LABEL - 6, top + LABEL, top + LABEL + bars, paths(lane, most)))
    end = len(lanes) * (LABEL + bars + GAP)
    return Drawing(lanes, WIDTH, bars, end + AXIS, end + AXIS - 8)


def paths(lane: Lane, most: int) -> list[tuple[str, str]]:
    """Return what a lane fills in which colour: a bar for each bin, whose states stand on each other."""
    found: dict[str, list[str]] = {}
    for number, states in sorted(lane.bins.items()):
        total = sum(states.values())
        # By the root, so that few beside many are seen.
        height = max(LOWEST, HIGHEST * sqrt(total / most))
        base = HIGHEST
        for state in STATES:
            if count := states.get(state):
                part = height * count / total
                found.setdefault(state, []).append(f"M{number * BIN + 1} {base:.1f}v-{part:.1f}h{BIN - 2}v{part:.1f}z")
                base -= part
    return [(state, "".join(bars)) for state, bars in found.items()]
