"""Which messages the home shows: how many have left of late, and which have failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import CharField, Count, QuerySet, Value
from django.db.models.functions import TruncMinute
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.timezone import localtime

from alarms.desk.alarm_marks import REASONS, Word
from alarms.desk.home_alarms import moment
from alarms.models import Alarm, DeviceMessage

MINUTES = 60
DAY = timedelta(days=1)
MOST_FAILED = 6
NAME = 60  # characters
# The drawing: its units, and how many of them a minute has.
HEIGHT = 100
STEP = 10
# The tops of the scale: it shall not move with each message.
TOPS = (1, 2, 5)


class Minute(NamedTuple):
    """What happened in a minute, and how it is drawn."""

    time: str
    sent: int
    failed: int
    left: int
    """From where the bar begins."""
    sent_top: str
    sent_height: str
    failed_top: str
    failed_height: str


class Chart(NamedTuple):
    """The messages of each of the last 60 minutes, oldest first; the last minute is not over."""

    minutes: list[Minute]
    sent: int
    failed: int
    top: int
    """How many messages a minute the scale goes up to."""

    @property
    def width(self) -> int:
        return MINUTES * STEP

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def busy(self) -> list[Minute]:
        """The minutes in which something happened, newest first."""
        return [minute for minute in reversed(self.minutes) if minute.sent or minute.failed]

    @property
    def busiest(self) -> Minute:
        return max(self.minutes, key=lambda minute: minute.sent + minute.failed)

    @property
    def middle(self) -> Minute:
        return self.minutes[MINUTES // 2]


class Traffic(NamedTuple):
    chart: Chart
    failed: int
    """In the last 24 hours."""


class Failed(NamedTuple):
    message: DeviceMessage
    time: str
    reason: Word
    alarm: str
    """What its alarm is called, or the beginning of its text."""


def traffic(organizations: Collection[int] | None, *, now: datetime) -> Traffic:
    """Return what left and what failed of late in these organizations (None: in all), with one query."""
    last = now.replace(second=0, microsecond=0)
    first = last - timedelta(minutes=MINUTES - 1)
    messages = _messages(organizations)
    sent = _by_minute(messages.filter(sent_at__gte=first, sent_at__isnull=False), "sent", "sent_at")
    failed = _by_minute(_failed(messages, now=now), "failed", "changed_at")
    counts: dict[str, Counter[datetime]] = {"sent": Counter(), "failed": Counter()}
    for what, minute, count in sent.union(failed, all=True):
        counts[what][minute] = count
    minutes = [first + timedelta(minutes=minute) for minute in range(MINUTES)]
    chart = drawn([(minute, counts["sent"][minute], counts["failed"][minute]) for minute in minutes])
    return Traffic(chart, counts["failed"].total())


def failed_messages(organizations: Collection[int] | None, *, now: datetime) -> list[Failed]:
    """Return the messages that failed last, within 24 hours, in these organizations (None: in all), with one query."""
    newest = _failed(_messages(organizations), now=now).order_by("-changed_at", "-pk")
    rows = newest.select_related("alarm", "alarm_message__user")[:MOST_FAILED]
    return [
        Failed(
            message,
            moment(message.changed_at, now=now),
            REASONS.get(message.reason, message.reason),
            _name(message.alarm),
        )
        for message in rows
    ]


def _name(alarm: Alarm) -> str:
    return alarm.event_name or Truncator(alarm.message).chars(NAME)


def _messages(organizations: Collection[int] | None) -> QuerySet[DeviceMessage]:
    messages = DeviceMessage.objects.order_by()
    return messages if organizations is None else messages.filter(alarm__organization__in=organizations)


def _failed(messages: QuerySet[DeviceMessage], *, now: datetime) -> QuerySet[DeviceMessage]:
    return messages.filter(status=DeviceMessage.Status.FAILED, changed_at__gt=now - DAY)


def _by_minute(messages: QuerySet[DeviceMessage], what: str, field: str) -> Any:
    kind = Value(what, output_field=CharField())
    return messages.values_list(kind, TruncMinute(field)).annotate(Count("pk"))


def drawn(counts: list[tuple[datetime, int, int]]) -> Chart:
    """Return the drawing of what was sent and what failed in each minute."""
    top = scale(max(sent + failed for _minute, sent, failed in counts))
    minutes = []
    for number, (minute, sent, failed) in enumerate(counts):
        sent_height, failed_height = HEIGHT * sent / top, HEIGHT * failed / top
        minutes.append(
            Minute(
                time=date_format(localtime(minute), "TIME_FORMAT"),
                sent=sent,
                failed=failed,
                left=number * STEP,
                sent_top=f"{HEIGHT - sent_height:.2f}",
                sent_height=f"{sent_height:.2f}",
                failed_top=f"{HEIGHT - sent_height - failed_height:.2f}",
                failed_height=f"{failed_height:.2f}",
            )
        )
    return Chart(minutes, sum(row[1] for row in counts), sum(row[2] for row in counts), top)


def scale(most: int) -> int:
    """Return a round number that is not less, and at least 10."""
    power = 10
    while True:
        for top in TOPS:
            if top * power >= most:
                return top * power
        power *= 10
