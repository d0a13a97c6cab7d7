"""What the page of an escalation says will happen is what the plan of an alarm has."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from django.utils import translation

from escalations.drawing import draw, spread
from escalations.durations import in_words
from escalations.foreseeing import Concerned, Outlook, Owner, outlooks, sentences, warnings
from escalations.plan import Entry, plan
from organizations.models import Way

ALL = frozenset(Way.values)


def of(name: str = "", timeout: int = 900, ways: frozenset[str] = ALL, **fields: Any) -> Concerned:
    return Concerned(name, timeout, ways, **fields)


def entries(*pairs: tuple[str, int]) -> list[Entry]:
    return [Entry(*pair) for pair in pairs]


def only(pairs: list[tuple[str, int]], owner: Owner) -> Outlook:
    (found,) = outlooks(entries(*pairs), owner)
    return found


def texts(pairs: list[tuple[str, int]], owner: Owner) -> list[str]:
    return [warned.text for warned in warnings(entries(*pairs), owner)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (900, "15 min"),
        (3600, "1 h"),
        (3601, "1 h 1 s"),
        (5400, "1 h 30 min"),
        (5430, "1 h 30 min 30 s"),
        (86400, "24 h"),
    ],
)
def test_spans_of_time_are_written_in_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


# The list, what has a device (None: a list of an organization), the time to answer; what is said.
SAID: list[tuple[list[tuple[str, int]], frozenset[str] | None, int, list[str]]] = [
    (
        [("app", 0), ("pager", 0), ("sms", 60), ("call", 60)],
        None,
        900,
        ["After 0 s app push and pager", "After 1 min SMS", "After 2 min call", "Time out after 15 min"],
    ),
    # App and pager go first and at once, whatever their place and delay.
    (
        [("sms", 60), ("pager", 500), ("call", 30), ("app", 40)],
        None,
        900,
        ["After 0 s pager and app push", "After 1 min SMS", "After 1 min 30 s call", "Time out after 15 min"],
    ),
    # An entry with delay 0 joins the turn before it; a way that stands there twice is sent once.
    (
        [("sms", 60), ("call", 0), ("sms", 0)],
        None,
        900,
        ["After 1 min SMS and call", "Time out after 16 min (15 min after the first message)"],
    ),
    # The same way again.
    (
        [("sms", 0), ("sms", 60)],
        None,
        90,
        ["After 0 s SMS", "After 1 min SMS", "Time out after 1 min 30 s"],
    ),
    # A turn in which nothing can reach the person is taken by the next; later delays count from there.
    (
        [("app", 0), ("sms", 60), ("call", 300), ("email", 30)],
        frozenset({"app", "call", "email"}),
        900,
        ["After 0 s app push", "After 1 min call", "After 1 min 30 s e-mail", "Time out after 15 min"],
    ),
    # Two skipped in a row pass the time of the first on.
    (
        [("app", 0), ("sms", 60), ("call", 300)],
        frozenset({"call"}),
        900,
        ["After 0 s call", "Time out after 15 min"],
    ),
    # What is due when the time is over is not sent.
    (
        [("app", 0), ("sms", 899), ("call", 1), ("email", 60)],
        None,
        900,
        [
            "After 0 s app push",
            "After 14 min 59 s SMS",
            "Time out after 15 min",
            "After 15 min call: too late, not sent any more",
            "After 16 min e-mail: too late, not sent any more",
        ],
    ),
    ([], None, 900, []),
]


@pytest.mark.parametrize(("pairs", "devices", "timeout", "said"), SAID)
def test_what_happens_is_said_in_its_order(
    pairs: list[tuple[str, int]], devices: frozenset[str] | None, timeout: int, said: list[str]
) -> None:
    found = only(pairs, Owner([of(timeout=timeout)], devices))
    assert sentences(found) == said
    # It is what alarms are planned by.
    assert found.steps == plan(entries(*pairs), ALL if devices is None else devices)


@pytest.mark.parametrize(("pairs", "devices", "timeout", "said"), SAID)
def test_each_step_has_its_dot_in_the_lane_of_its_way(
    pairs: list[tuple[str, int]], devices: frozenset[str] | None, timeout: int, said: list[str]
) -> None:
    found = only(pairs, Owner([of(timeout=timeout)], devices))
    lanes = draw(found).lanes
    for step in found.steps:
        title = f"{Way(step.wayofalarm).label} after {in_words(step.after)}"
        (dot,) = [dot for lane in lanes for dot in lane.dots if dot.title == title]
        assert dot.late == (step.after >= found.end)
    assert sum(len(lane.dots) for lane in lanes) == len(found.steps)
    silent = {Way(way).label for way, _delay in pairs} if devices is not None else set()
    assert {lane.name for lane in lanes if lane.note} == silent - {Way(way).label for way in devices or ()}


def test_moments_lie_in_the_drawing_in_their_order_and_apart() -> None:
    places = spread({0, 1, 60, 86400, *range(100, 116)})
    inside = [places[moment] for moment in sorted(places)]
    assert all(later - earlier > 2 for earlier, later in pairwise(inside))
    assert inside[0] >= 0
    assert inside[-1] <= 100
    # A day is farther than a minute.
    wide = spread({0, 60, 86400})
    assert wide[86400] - wide[60] > 2 * (wide[60] - wide[0])


def test_numbers_of_the_drawing_have_a_point_whatever_the_language() -> None:
    with translation.override("de"):
        drawing = draw(only([("app", 0), ("sms", 60)], Owner([of()])))
    assert re.fullmatch(r"\d+\.\d+%", drawing.end)


SHORT, LONG = of("Harbour", 300), of("Village", 900)
NO_SMS = ALL - {"sms"}


@pytest.mark.parametrize(
    ("pairs", "owner", "expected"),
    [
        ([("app", 0), ("sms", 60)], Owner([LONG], ALL), []),
        # behind the response timeout: the shortest is named
        (
            [("app", 0), ("sms", 400)],
            Owner([LONG, SHORT], ALL),
            ["SMS after 6 min 40 s lies behind the response timeout of Harbour (5 min): not sent."],
        ),
        (
            [("app", 0), ("sms", 900)],
            Owner([LONG], ALL),
            ["SMS after 15 min lies behind the response timeout of Village (15 min): not sent."],
        ),
        ([("app", 0), ("sms", 899)], Owner([LONG], ALL), []),
        (
            [("app", 0), ("sms", 900)],
            Owner([of()]),
            ["SMS after 15 min lies behind the response timeout (15 min): not sent."],
        ),
        # the time counts from the first message
        ([("sms", 600), ("call", 400)], Owner([LONG], ALL), []),
        (
            [("sms", 600), ("call", 900)],
            Owner([LONG], ALL),
            ["Call after 25 min lies behind the response timeout of Village (15 min): not sent."],
        ),
        # gateways
        ([("app", 0), ("sms", 60)], Owner([of(ways=NO_SMS)]), ["SMS has no gateway: nothing is sent by it."]),
        (
            [("app", 0), ("sms", 60)],
            Owner([LONG, of("Harbour", ways=NO_SMS)], ALL),
            ["SMS has no gateway in alarms of Harbour: nothing is sent by it there."],
        ),
        # disabled by an organization
        (
            [("app", 0), ("sms", 60)],
            Owner([LONG, of("Harbour", disabled=frozenset({"sms"}))], ALL),
            ["SMS is disabled by Harbour: in its alarms nothing is sent by it."],
        ),
        # no device, and too late once there is one
        (
            [("app", 0), ("sms", 1000)],
            Owner([LONG], frozenset({"app"})),
            [
                "SMS: this person has no active device for it, so nothing is sent by it.",
                "SMS after 16 min 40 s lies behind the response timeout of Village (15 min): not sent.",
            ],
        ),
        # an organization prescribes: its timeout does not matter
        (
            [("app", 0), ("sms", 400)],
            Owner([LONG, SHORT._replace(prescribes=True)], ALL),
            ["In alarms of Harbour these entries do not count: an escalation is prescribed there."],
        ),
        # nothing at all
        (
            [("sms", 60)],
            Owner([LONG], frozenset()),
            [
                "As things stand nothing is sent. The drawing shows what would happen if every way could be used.",
                "SMS: this person has no active device for it, so nothing is sent by it.",
            ],
        ),
        ([("app", 0)], Owner([LONG], ALL, active=False), ["This person is deactivated and gets no alarms."]),
        ([], Owner([LONG], frozenset()), []),
    ],
)
def test_what_will_not_happen_is_warned_of(pairs: list[tuple[str, int]], owner: Owner, expected: list[str]) -> None:
    assert texts(pairs, owner) == expected


def test_of_many_organizations_a_few_are_named() -> None:
    many = [of(f"Brigade {number}", ways=NO_SMS) for number in range(5)]
    (warned,) = texts([("app", 0), ("sms", 60)], Owner([LONG, *many], ALL))
    assert warned.startswith("SMS has no gateway in alarms of Brigade 0, Brigade 1, Brigade 2 and 2 more:")


def test_organizations_in_whose_alarms_the_same_happens_share_a_drawing() -> None:
    without_sms = of("Plant", disabled=frozenset({"sms"}))
    found = outlooks(entries(("app", 0), ("sms", 60), ("call", 60)), Owner([LONG, of("Town"), without_sms, SHORT], ALL))
    assert [each.names for each in found] == [["Harbour"], ["Plant"], ["Town", "Village"]]
    assert [step.after for step in found[1].steps] == [0, 60]
    assert [step.after for step in found[2].steps] == [0, 60, 120]


def test_where_nothing_can_be_used_the_order_is_drawn_all_the_same() -> None:
    found = only([("sms", 60), ("app", 0)], Owner([LONG], frozenset()))
    assert found.as_if
    assert sentences(found)[:2] == ["After 0 s app push", "After 1 min SMS"]
    assert [lane.note for lane in draw(found).lanes] == ["no device", "no device"]
