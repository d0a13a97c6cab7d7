"""Which alarms the home shows: those that are open, with how they stand, and those to come."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alarms.desk.alarm_state import COUNTS, STATES
from alarms.models import Alarm, AlarmMessage

MOST_OPEN = 20
MOST_SCHEDULED = 5
# Nobody's time is longer: 20 entries of an escalation, a day after each other, and a response timeout of a day. So what
# is older is not looked at, however many alarms nobody has ever closed.
LONGEST = timedelta(days=22)
TEXT = 140  # characters


class Part(NamedTuple):
    """Of how many recipients something is true."""

    kind: str
    """As desk.css has it."""
    words: str
    percent: str
    """For CSS."""


class Shown(NamedTuple):
    """An alarm on the home."""

    alarm: Alarm
    text: str
    start: str
    """The time of day, with the day where that is not today."""
    left: str
    """How long somebody can answer it, or how long it is until its start."""
    until: str = ""
    """The time of day until which somebody can answer it."""
    parts: Sequence[Part] = ()
    late: bool = False
    """Whether it should have been raised by now."""


class Shortened(NamedTuple):
    """The first alarms, and whether there are more."""

    alarms: list[Shown]
    more: bool


def open_alarms(organizations: Collection[int] | None, *, now: datetime) -> Shortened:
    """Return the newest alarms that somebody can still answer, of these organizations (None: of all), with one
    query."""
    recipients = AlarmMessage.objects.filter(alarm=OuterRef("pk"))
    # Not whether there is a later one: to find that out, all recipients that there are may be read.
    last = Subquery(recipients.order_by("-deadline").values("deadline")[:1])
    rows = (
        _alarms(organizations)
        .filter(pending_resources__isnull=True, closed_at=None, starts_at__gt=Now() - LONGEST)
        .annotate(until=last)
        .filter(Q(until__gt=Now()) | Exists(recipients.filter(planned_at=None)))
        .annotate(counts=COUNTS)
        .order_by("-starts_at", "-pk")
    )
    found = list(rows[: MOST_OPEN + 1])
    return Shortened([_open(alarm, now=now) for alarm in found[:MOST_OPEN]], len(found) > MOST_OPEN)


def scheduled_alarms(organizations: Collection[int] | None, *, now: datetime) -> Shortened:
    """Return the next alarms to be raised, of these organizations (None: of all), with one query."""
    found = list(_alarms(organizations).scheduled().order_by("starts_at", "pk")[: MOST_SCHEDULED + 1])
    shown = [
        Shown(
            alarm,
            shortened(alarm.message),
            moment(alarm.starts_at, now=now),
            to_come(alarm.starts_at - now),
            late=alarm.starts_at <= now,
        )
        for alarm in found[:MOST_SCHEDULED]
    ]
    return Shortened(shown, len(found) > MOST_SCHEDULED)


def _alarms(organizations: Collection[int] | None) -> Any:
    alarms: QuerySet[Alarm] = Alarm.objects.select_related("organization")
    return alarms if organizations is None else alarms.filter(organization__in=organizations)


def _open(alarm: Any, *, now: datetime) -> Shown:
    return Shown(
        alarm,
        shortened(alarm.message),
        moment(alarm.starts_at, now=now),
        time_left(alarm.until - now),
        until=moment(alarm.until, now=now),
        parts=parts(alarm.counts),
    )


def shortened(text: str) -> str:
    return Truncator(text).chars(TEXT)


def parts(counts: dict[str, Any]) -> list[Part]:
    """Return the parts of a bar, in words too."""
    positive, negative, unknown, over = (counts[state] for state in STATES)
    words = {
        "positive": (positive, ngettext("%(count)d positive", "%(count)d positive", positive)),
        "negative": (negative, ngettext("%(count)d negative", "%(count)d negative", negative)),
        "waiting": (unknown, ngettext("%(count)d waiting", "%(count)d waiting", unknown)),
        "over": (over, ngettext("%(count)d timed out", "%(count)d timed out", over)),
    }
    total = max(positive + negative + unknown + over, 1)
    return [Part(kind, text % {"count": count}, f"{100 * count / total:.2f}") for kind, (count, text) in words.items()]


def moment(time: datetime, *, now: datetime) -> str:
    """Return a time of day, with the day where that is not today."""
    local = localtime(time)
    return date_format(local, "TIME_FORMAT" if local.date() == localtime(now).date() else "DATETIME_FORMAT")


def time_left(span: timedelta) -> str:
    """Return how long somebody can answer, so that it is another text once a minute and not more often."""
    minutes = math.ceil(span.total_seconds() / 60)
    if minutes <= 1:
        return _("less than a minute left") if minutes == 1 else _("no time left")
    if minutes < 120:
        return ngettext("%(count)d minute left", "%(count)d minutes left", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("over %(count)d hour left", "over %(count)d hours left", hours) % {"count": hours}
    return ngettext("over %(count)d day left", "over %(count)d days left", hours // 24) % {"count": hours // 24}


def to_come(span: timedelta) -> str:
    """Return in how long something begins."""
    minutes = math.ceil(span.total_seconds() / 60)
    if minutes <= 0:
        return _("due now")
    if minutes < 120:
        return ngettext("in %(count)d minute", "in %(count)d minutes", minutes) % {"count": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("in %(count)d hour", "in %(count)d hours", hours) % {"count": hours}
    days = round(hours / 24)
    return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}
