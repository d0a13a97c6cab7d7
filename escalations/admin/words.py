"""Entries in words, in lists."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from escalations.durations import in_words
from escalations.foreseeing import listed, way_name
from escalations.plan import Entry, plan
from organizations.models import Way


def in_marks(entries: Sequence[Entry]) -> SafeString:
    """Return a mark for each turn: when, and by which ways, if all of them can be used."""
    turns: dict[int, list[str]] = {}
    for step in plan(entries, frozenset(Way.values)):
        turns.setdefault(step.after, []).append(way_name(step.wayofalarm))
    marks = [_turn(after, listed(ways)) for after, ways in turns.items()]
    return format_html(
        '<span class="escalation-marks">{}</span>',
        format_html_join(" ", '<span class="desk-mark over">{}</span>', ((mark,) for mark in marks)),
    )


def _turn(after: int, ways: str) -> str:
    if after == 0:
        return gettext("At once: %(ways)s") % {"ways": ways}
    return gettext("After %(time)s: %(ways)s") % {"time": in_words(after), "ways": ways}
