"""How an alarm stands: its answers, counted by the database, and the time left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Least, Now
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alarms.desk.alarm_marks import ALARMS, ANSWERS, Mark, Word
from alarms.models import Alarm, AlarmMessage

# How long after its closing something may still change: receipts, and what of the all-clear is to be tried again.
SETTLED_AFTER = timedelta(minutes=15)

# In the order in which they stand in a bar.
STATES = ("positive", "negative", "unknown", "timed_out")


def still_waiting(closed_at: F | OuterRef) -> Q:
    """Return whose time is not over, or was not when their alarm was closed."""
    # Planning, however late, sets a deadline anew. PostgreSQL's LEAST passes over NULL.
    return Q(planned_at=None) | Q(deadline__gt=Least(Now(), closed_at))


# One pass over an alarm's recipients for all its numbers.
WAITING = still_waiting(OuterRef("closed_at"))
COUNTS = Subquery(
    AlarmMessage.objects.filter(alarm=OuterRef("pk"))
    .order_by()
    .values("alarm")
    .annotate(
        counts=JSONObject(
            positive=Count("pk", filter=Q(response=True)),
            negative=Count("pk", filter=Q(response=False)),
            unknown=Count("pk", filter=Q(response=None) & WAITING),
            timed_out=Count("pk", filter=Q(response=None) & ~WAITING),
            reached=Count("pk", filter=~Q(first_sent_at=None)),
            escalating=Count("pk", filter=Q(escalating=True)),
            answerable=Count("pk", filter=Q(deadline__gt=Now()) | Q(planned_at=None)),
            until=Max("deadline", filter=Q(response=None) & WAITING),
        )
    )
    .values("counts")
)


class Part(NamedTuple):
    """A part of the bar."""

    state: str
    mark: Mark
    number: int
    width: str
    """In per cent, as CSS wants it."""
    percent: int
    """For people: 0 and 100 only for none and all."""


@dataclass(frozen=True)
class Standing:
    """How an alarm stands, by the counts of COUNTS."""

    alarm: Alarm
    counts: dict[str, Any]

    @property
    def status(self) -> str:
        alarm = self.alarm
        if alarm.pending_resources is not None:
            return "missed" if alarm.is_missed else "cancelled" if alarm.closed_at else "scheduled"
        if alarm.closed_at is not None:
            return "closed"
        return "open" if self.counts.get("answerable") else "time over"

    @property
    def mark(self) -> Mark:
        return ALARMS[self.status]

    @property
    def was_raised(self) -> bool:
        return self.alarm.pending_resources is None

    @property
    def recipients(self) -> int:
        return sum(self.counts.get(state, 0) for state in STATES)

    @property
    def unanswered(self) -> int:
        return int(self.counts.get("unknown", 0) + self.counts.get("timed_out", 0))

    @property
    def reached(self) -> int:
        return int(self.counts.get("reached", 0))

    @property
    def until(self) -> datetime | None:
        """Until when the last of those who have not answered can; None: nobody any more."""
        if self.alarm.closed_at is not None or not self.counts.get("until"):
            return None
        return self.alarm.until(datetime.fromisoformat(self.counts["until"]))

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change any more."""
        closed_at = self.alarm.closed_at
        if closed_at is None or not self.was_raised:
            return closed_at is not None
        return timezone.now() - max(closed_at, self.alarm.all_clear_at or closed_at) > SETTLED_AFTER

    @property
    def may_close(self) -> bool:
        return self.alarm.closed_at is None

    @property
    def may_clear(self) -> bool:
        """Whether an all-clear can be told after all."""
        return self.alarm.closed_at is not None and self.was_raised and not self.alarm.all_clear

    @property
    def parts(self) -> list[Part]:
        return list(self._parts())

    def _parts(self) -> Iterator[Part]:
        total = self.recipients
        for state in STATES:
            count = self.counts.get(state, 0)
            share = 100 * count / total if total else 0.0
            # Neither "0 %" of somebody nor "100 %" but one.
            percent = round(share) if count in (0, total) else min(99, max(1, round(share)))
            word = "unanswered" if state == "unknown" and self.alarm.closed_at else state
            yield Part(state, ANSWERS[word], count, f"{share:.3f}", percent)

    @property
    def words(self) -> Word:
        """The bar in words."""
        return _("%(positive)d positive, %(negative)d negative, %(unknown)d unknown, %(timed_out)d timed out") % {
            state: self.counts.get(state, 0) for state in STATES
        }

    @property
    def bar(self) -> SafeString:
        return format_html(
            '<div class="desk-bar" role="img" aria-label="{}">{}</div>',
            self.words,
            format_html_join(
                "",
                '<span class="{}" style="width: {}%"></span>',
                ((part.mark.colour, part.width) for part in self.parts),
            ),
        )


def standing(alarm: Any) -> Standing:
    """Return how an alarm stands that was read with `counts=COUNTS`."""
    return Standing(alarm, alarm.counts or {})
