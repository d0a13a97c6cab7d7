"""What of an alarm left when, and when answers came: a drawing with a lane for each way of alarm.

Thousands of messages are counted in bins by the database, so that the drawing stays small.
"""

from __future__ import annotations

import zoneinfo
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from alarms.desk.alarm_marks import WAYS, Word
from alarms.models import Alarm

BINS = 60
SHORTEST = timedelta(minutes=1)
ANSWERS, ALL_CLEAR = "answers", "all-clear"

# What was cancelled never happened: it is counted, and has no time.
COUNT = """
    WITH things AS MATERIALIZED (
        SELECT CASE m.kind WHEN 1 THEN 'all-clear' ELSE m.way END AS lane,
            CASE m.status WHEN 2 THEN 'sent' WHEN 3 THEN 'delivered' WHEN 4 THEN 'failed' WHEN 5 THEN 'cancelled'
                ELSE 'planned' END AS state,
            CASE m.status WHEN 0 THEN m.due_at WHEN 1 THEN m.changed_at WHEN 4 THEN m.changed_at WHEN 5 THEN NULL
                ELSE coalesce(m.sent_at, m.changed_at) END AS at
        FROM alarms_alarmmessage r JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
        WHERE r.alarm_id = %(alarm)s
        UNION ALL
        SELECT 'answers', CASE WHEN r.response THEN 'positive' ELSE 'negative' END, r.responded_at
        FROM alarms_alarmmessage r
        WHERE r.alarm_id = %(alarm)s AND r.response IS NOT NULL
    ), span AS (
        SELECT least(min(at), %(start)s) AS first,
            greatest(max(at), %(start)s + make_interval(secs => %(shortest)s)) AS last
        FROM things
    )
    SELECT lane, state,
        CASE WHEN at IS NOT NULL THEN least(
            %(bins)s - 1, floor(%(bins)s * extract(epoch FROM at - first) / extract(epoch FROM last - first))::int
        ) END AS bin,
        count(*), min(at), max(at), first, last
    FROM things CROSS JOIN span
    GROUP BY lane, state, bin, first, last
"""

# In the order in which they stand on each other.
STATES: dict[str, Word] = {
    "delivered": pgettext_lazy("timeline", "delivered"),
    "sent": pgettext_lazy("timeline", "sent"),
    "failed": pgettext_lazy("timeline", "failed"),
    "planned": pgettext_lazy("timeline", "planned"),
    "cancelled": pgettext_lazy("timeline", "cancelled"),
    "positive": pgettext_lazy("timeline", "positive"),
    "negative": pgettext_lazy("timeline", "negative"),
}
LANES: dict[str, Word] = {**WAYS, ALL_CLEAR: _("All-clear"), ANSWERS: _("Answers")}


class Counted(NamedTuple):
    lane: str
    state: str
    bin: int | None
    number: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True)
class Lane:
    name: str
    word: Word
    rows: list[Counted] = field(default_factory=list)

    def total(self, state: str) -> int:
        return sum(row.number for row in self.rows if row.state == state)

    @property
    def first_at(self) -> datetime | None:
        return min((row.first_at for row in self.rows if row.first_at), default=None)

    @property
    def last_at(self) -> datetime | None:
        return max((row.last_at for row in self.rows if row.last_at), default=None)

    @property
    def bins(self) -> dict[int, dict[str, int]]:
        """How many of which state, by bin."""
        found: dict[int, dict[str, int]] = defaultdict(dict)
        for row in self.rows:
            if row.bin is not None:
                found[row.bin][row.state] = row.number
        return found


class Tick(NamedTuple):
    at: str
    """In per cent of the width, as CSS wants it."""
    anchor: str
    text: str


@dataclass(frozen=True)
class Timeline:
    lanes: list[Lane]
    first: datetime
    last: datetime

    @property
    def states(self) -> list[tuple[str, Word, int]]:
        """The states that there are, with how many are in them."""
        totals = ((state, word, sum(lane.total(state) for lane in self.lanes)) for state, word in STATES.items())
        return [each for each in totals if each[2]]

    @property
    def table(self) -> list[tuple[Lane, list[tuple[Word, int]]]]:
        """By lane how many are in which of the states."""
        return [(lane, [(word, lane.total(state)) for state, word, _number in self.states]) for lane in self.lanes]

    def ticks(self, zone: str) -> list[Tick]:
        return list(_ticks(self.first, self.last, zoneinfo.ZoneInfo(zone)))


def timeline(alarm: Alarm) -> Timeline | None:
    """Return what of an alarm left when, with one query; None: nothing yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT, {"alarm": alarm.pk, "start": alarm.starts_at, "shortest": SHORTEST.total_seconds(), "bins": BINS}
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    counted = [Counted(*row[:6]) for row in rows]
    lanes = [Lane(name, word, [row for row in counted if row.lane == name]) for name, word in LANES.items()]
    return Timeline([lane for lane in lanes if lane.rows], *rows[0][6:])


STEPS = [timedelta(seconds=each) for each in (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)]
MOST_TICKS = 5


def _ticks(first: datetime, last: datetime, zone: zoneinfo.ZoneInfo) -> Iterator[Tick]:
    """Round times that stand below the drawing."""
    span = last - first
    step = next((each for each in STEPS if span / each <= MOST_TICKS), timedelta(days=-(-span.days // MOST_TICKS)))
    local = first.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + -((midnight - local) // step) * step
    while at <= last:
        share = (at - first) / span
        anchor = "start" if share < 0.1 else "end" if share > 0.9 else "middle"
        yield Tick(f"{100 * share:.2f}", anchor, _moment(at.astimezone(zone), step))
        at += step


def _moment(at: datetime, step: timedelta) -> str:
    if step >= timedelta(hours=8):
        return date_format(at, "SHORT_DATE_FORMAT") if step >= timedelta(days=1) else date_format(at, "D H:i")
    return date_format(at, "H:i:s" if step < timedelta(minutes=1) else "H:i")
