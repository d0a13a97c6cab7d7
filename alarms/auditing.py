"""The audit: what should have happened by now is looked for behind the backs of those who do it, and put right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from procrastinate.types import JSONDict

# alarms.tasks and alarms.raising import this module; of each other, they use nothing while they are imported.
from alarms import raising, tasks, upkeep
from alarms.models import Audit
from alarms.sending import DEVICE_MESSAGES

logger = logging.getLogger(__name__)

# What should have happened so many seconds ago is found.
LATE = 5
# The jobs of a task that are still to be done, by their alarm.
NO_JOB = """NOT EXISTS (
        SELECT FROM procrastinate_jobs j
        WHERE j.status IN ('todo', 'doing') AND j.task_name = 'alarms.{task}' AND (j.args ->> 'alarm_id')::bigint = {id}
    )"""

# Where the connections of its gateway are all taken, a message waits too: nobody is to hear of that by chance.
LATE_MESSAGES = """
    SELECT count(*), count(*) FILTER (WHERE due_at > %(since)s - make_interval(secs => %(late)s))
    FROM alarms_devicemessage WHERE status = 0 AND due_at <= %(now)s - make_interval(secs => %(late)s)
"""

OLD_LEASES = """
    SELECT count(*) FROM alarms_devicemessage
    WHERE status = 1 AND lease_until <= %(now)s - make_interval(secs => %(late)s)
"""

UNSTARTED = f"""
    SELECT a.id FROM alarms_alarm a
    WHERE a.pending_resources IS NOT NULL AND a.closed_at IS NULL
        AND a.starts_at <= %(now)s - make_interval(secs => %(late)s) AND {NO_JOB.format(task="start", id="a.id")}
"""  # noqa: S608 - made of constants

# As many for each job as when an alarm is raised.
UNPLANNED = f"""
    SELECT alarm_id, min(id), max(id), count(*) FROM (
        SELECT r.alarm_id, r.id, row_number() OVER (PARTITION BY r.alarm_id ORDER BY r.id) AS number
        FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
        WHERE r.planned_at IS NULL AND a.starts_at <= %(now)s - make_interval(secs => %(late)s)
            AND {NO_JOB.format(task="plan", id="a.id")}
    ) unplanned
    GROUP BY alarm_id, (number - 1) / %(per_job)s ORDER BY min(id)
"""  # noqa: S608 - made of constants

UNCLOSED = f"""
    SELECT a.id FROM alarms_alarm a
    WHERE a.closed_at IS NULL AND a.scheduled_end_at <= %(now)s - make_interval(secs => %(late)s)
        AND {NO_JOB.format(task="close", id="a.id")}
"""  # noqa: S608 - made of constants

# Whom it would be told, as all_clear.INSERT_ALL_CLEAR has it. After an hour it may not leave any more.
UNCLEARED = f"""
    SELECT a.id FROM alarms_alarm a
    WHERE a.all_clear_at > %(now)s - interval '1 hour' AND a.all_clear_at <= %(now)s - make_interval(secs => %(late)s)
        AND {NO_JOB.format(task="all_clear", id="a.id")}
        AND EXISTS (
            SELECT FROM alarms_alarmmessage r JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
            WHERE r.alarm_id = a.id AND r.response IS DISTINCT FROM false AND m.kind = 0 AND m.status IN (2, 3)
        )
        AND NOT EXISTS (
            SELECT FROM alarms_alarmmessage r JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
            WHERE r.alarm_id = a.id AND m.kind = 1
        )
"""  # noqa: S608 - made of constants

# Nobody can put that right but those who raised it, so only of the last minutes.
WITHOUT_MESSAGES = """
    SELECT count(*), count(*) FILTER (WHERE a.starts_at > %(since)s - make_interval(secs => %(late)s))
    FROM alarms_alarm a
    WHERE a.pending_resources IS NULL AND a.closed_at IS NULL
        AND a.starts_at BETWEEN %(now)s - interval '10 minutes' AND %(now)s - make_interval(secs => %(late)s)
        AND NOT EXISTS (
            SELECT FROM alarms_alarmmessage r JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
            WHERE r.alarm_id = a.id
        )
        AND NOT EXISTS (SELECT FROM alarms_alarmmessage r WHERE r.alarm_id = a.id AND r.planned_at IS NULL)
"""

RECORD = """
    INSERT INTO alarms_audit AS a (kind, found, last_found, last_found_at, total, audited_at)
    SELECT kind, found, found, CASE WHEN found > 0 THEN %(now)s END, new, %(now)s
    FROM unnest(%(kinds)s::text[], %(found)s::bigint[], %(new)s::bigint[]) AS of (kind, found, new)
    ON CONFLICT (kind) DO UPDATE SET
        found = excluded.found,
        last_found = CASE WHEN excluded.found > 0 THEN excluded.found ELSE a.last_found END,
        last_found_at = coalesce(excluded.last_found_at, a.last_found_at),
        total = a.total + excluded.total,
        audited_at = excluded.audited_at
"""


class Found(NamedTuple):
    kind: Audit.Kind
    number: int
    new: int
    """How many of them no audit has found before."""


def audit(*, now: datetime) -> list[Found]:
    """Find what is late or was lost, put it right and count it; return what was found. One at a time: who comes while
    another is at it leaves it at that."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('alarms.audit', 0))")
        if not cursor.fetchone()[0]:
            return []
        last = Audit.objects.order_by("-audited_at").values_list("audited_at", flat=True).first()
        values = {"now": now, "since": last or now - timedelta(days=365), "late": LATE}
        found = [look(values) for look in LOOKS]
        columns = zip(*((each.kind.value, each.number, each.new) for each in found), strict=True)
        names = ("kinds", "found", "new")
        cursor.execute(RECORD, dict(zip(names, map(list, columns), strict=True)) | {"now": now})
    for each in found:
        if each.new:
            logger.warning("audit: %d %s", each.new, each.kind.label)
    return [each for each in found if each.number]


def _rows(statement: str, values: dict[str, Any]) -> list[tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[int, ...]] = cursor.fetchall()
    return rows


def _late(values: dict[str, Any]) -> Found:
    """Wake the senders: they may have missed that something was planned."""
    [(count, new)] = _rows(LATE_MESSAGES, values)
    if count:
        _rows("SELECT pg_notify(%(channel)s, '')", {"channel": DEVICE_MESSAGES})
    return Found(Audit.Kind.LATE, count, new)


def _leases(values: dict[str, Any]) -> Found:
    [(count,)] = _rows(OLD_LEASES, values)
    if count:
        upkeep.return_lost()
    return Found(Audit.Kind.LEASES, count, count)


def _unstarted(values: dict[str, Any]) -> Found:
    return _defer(Audit.Kind.UNSTARTED, tasks.start, _rows(UNSTARTED, values))


def _unclosed(values: dict[str, Any]) -> Found:
    return _defer(Audit.Kind.UNCLOSED, tasks.close, _rows(UNCLOSED, values))


def _uncleared(values: dict[str, Any]) -> Found:
    return _defer(Audit.Kind.UNCLEARED, tasks.all_clear, _rows(UNCLEARED, values))


def _defer(kind: Audit.Kind, task: Any, alarms: Sequence[tuple[int, ...]]) -> Found:
    """Have the job of each alarm done that nobody would do."""
    if alarms:
        task.batch_defer(*({"alarm_id": alarm_id} for (alarm_id,) in alarms))
    return Found(kind, len(alarms), len(alarms))


def _unplanned(values: dict[str, Any]) -> Found:
    chunks = _rows(UNPLANNED, values | {"per_job": raising.RECIPIENTS_PER_JOB})
    jobs: list[JSONDict] = [{"alarm_id": row[0], "first_id": row[1], "last_id": row[2]} for row in chunks]
    if jobs:
        tasks.plan.batch_defer(*jobs)
    count = sum(chunk[3] for chunk in chunks)
    return Found(Audit.Kind.UNPLANNED, count, count)


def _without_messages(values: dict[str, Any]) -> Found:
    [(count, new)] = _rows(WITHOUT_MESSAGES, values)
    return Found(Audit.Kind.WITHOUT_MESSAGES, count, new)


LOOKS: tuple[Callable[[dict[str, Any]], Found], ...] = (
    _late,
    _leases,
    _unstarted,
    _unplanned,
    _unclosed,
    _uncleared,
    _without_messages,
)
