"""Spans of time as people read them."""

from __future__ import annotations

from django.utils.translation import gettext

MINUTE, HOUR = 60, 3600  # seconds


def in_words(seconds: int) -> str:
    """Return a span such as 1 min 30 s; static/escalations/desk/seconds.js writes the same."""
    hours, rest = divmod(seconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    parts = []
    if hours:
        parts.append(gettext("%(number)d h") % {"number": hours})
    if minutes:
        parts.append(gettext("%(number)d min") % {"number": minutes})
    if rest or not parts:
        parts.append(gettext("%(number)d s") % {"number": rest})
    return " ".join(parts)
