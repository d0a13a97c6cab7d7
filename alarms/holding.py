"""Holding back what was under way when a backup was made: by now it may have left, and nobody is to get it twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from alarms.models import Alarm, AlarmMessage, DeviceMessage, HookEvent

REASON = "restored from a backup"

# An all-clear may leave for so long.
ALL_CLEAR = timedelta(hours=1)

JOBS = "FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'aborting') AND task_name"
UNTOLD = f"SELECT (args ->> 'alarm_id')::bigint {JOBS} = 'alarms.all_clear'"
# What is to begin or to end by the clock is all that is left to be done of the alarms that were.
FORGET_JOBS = f"DELETE {JOBS} NOT IN ('alarms.start', 'alarms.close')"


@dataclass(frozen=True)
class Held:
    messages: Mapping[int, int]
    """How many device messages, by their alarm."""
    recipients: int
    """For whom nothing was planned yet."""
    scheduled: list[int]
    """Alarms whose start has passed: they are closed."""
    hook_events: int
    copies: int = 0
    """Of messages in inboxes, by e-mail."""


def hold(*, now: datetime) -> Held:
    """Let nothing leave that was to leave when the backup was made, and end the escalations of that time; alarms whose
    start is still to come are raised.

    In the transaction that restores. The backup may be of an older version: only what every version has is used here.
    """
    missed = Alarm.objects.scheduled().filter(starts_at__lte=now)
    scheduled = list(missed.order_by("pk").values_list("pk", flat=True))
    missed.update(closed_at=now)
    with connection.cursor() as cursor:
        cursor.execute(UNTOLD)
        untold = [alarm_id for (alarm_id,) in cursor.fetchall()]
        cursor.execute(FORGET_JOBS)
    Alarm.objects.filter(pk__in=untold).update(all_clear_at=now - ALL_CLEAR)
    sending = DeviceMessage.objects.filter(status__in=[DeviceMessage.Status.SCHEDULED, DeviceMessage.Status.SENDING])
    messages = Counter(sending.order_by("alarm_id").values_list("alarm_id", flat=True))
    cancelled = DeviceMessage.Status.CANCELLED
    sending.update(status=cancelled, reason=REASON, changed_at=now, sender_id=None, lease_until=None)
    AlarmMessage.objects.filter(escalating=True).update(escalating=False)
    return Held(
        messages=messages,
        recipients=AlarmMessage.objects.filter(planned_at=None).update(planned_at=now),
        scheduled=scheduled,
        hook_events=HookEvent.objects.pending().update(given_up_at=now, lease_until=None),
    )
