"""The drawing of an outlook: where what stands in the SVG. Pure; the template writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _

from escalations.durations import in_words
from escalations.foreseeing import Outlook, way_name
from escalations.plan import Step

# In pixels, down: a line on top, then a lane for each way.
TOP, LANE = 30, 46
# In percent of the width, so that the drawing is as wide as there is room, with letters of one size.
LEFT, RIGHT = 2.5, 97.0
# How much room words take on a phone, on which the drawing is the smallest.
LETTER, GAP = 2.4, 3.5
# Half of the room is shared out by time, the other half evenly: moments far apart are so in the drawing too, but none
# falls together with the next, as a minute would in a day.
BY_TIME = 0.5


class Dot(NamedTuple):
    x: str
    text: str
    """Empty where there is no room."""
    text_x: str
    anchor: str
    title: str
    late: bool


class Lane(NamedTuple):
    name: str
    note: str
    """Why nothing is sent by this way, empty if something is."""
    y: int
    """Where its dots lie."""
    text_y: int
    dots: list[Dot]


class Drawing(NamedTuple):
    height: int
    end: str
    end_anchor: str
    after_end: str
    """The width of what lies behind the end."""
    over: str
    lanes: list[Lane]


def draw(outlook: Outlook) -> Drawing:
    places = spread({0, outlook.end, *(step.after for step in outlook.steps)})
    end = places[outlook.end]
    ways = dict.fromkeys(step.wayofalarm for step in outlook.steps)
    lanes = [
        _lane(number, way, [step for step in outlook.steps if step.wayofalarm == way], outlook, places)
        for number, way in enumerate(dict.fromkeys((*ways, *outlook.silent)))
    ]
    return Drawing(
        height=TOP + LANE * len(lanes) + 8,
        end=percent(end),
        end_anchor="end" if end > 50 else "start",
        after_end=percent(100 - end),
        over=_("time out %(time)s") % {"time": in_words(outlook.end)},
        lanes=lanes,
    )


def spread(moments: set[int]) -> dict[int, float]:
    """Return where each moment lies, in percent of the width."""
    ordered = sorted(moments)
    evenly = max(len(ordered) - 1, 1)
    return {
        moment: LEFT + (RIGHT - LEFT) * (BY_TIME * moment / (ordered[-1] or 1) + (1 - BY_TIME) * number / evenly)
        for number, moment in enumerate(ordered)
    }


def percent(number: float) -> str:
    """Return it in SVG, in which numbers have a point whatever the language."""
    return f"{number:.2f}%"


def _lane(number: int, way: str, steps: Sequence[Step], outlook: Outlook, places: dict[int, float]) -> Lane:
    top = TOP + LANE * number
    dots: list[Dot] = []
    taken = 0.0
    for at, step in enumerate(steps):
        x, words = places[step.after], in_words(step.after)
        room = LETTER * len(words) + GAP
        following = places[steps[at + 1].after] - GAP if at + 1 < len(steps) else 100.0
        if not outlook.late(step):
            following = min(following, places[outlook.end])
        after, before = x + room <= following, x - room >= taken
        title = _("%(way)s after %(time)s") % {"way": way_name(way), "time": words}
        dots.append(
            Dot(
                x=percent(x),
                text=words if after or before else "",
                text_x=percent(x + GAP - 0.5 if after else x - GAP + 0.5),
                anchor="start" if after else "end",
                title=title,
                late=outlook.late(step),
            )
        )
        taken = x + (room if after else GAP)
    note = outlook.silent.get(way, "")
    return Lane(way_name(way), note, top + 32, top + 16, dots)
