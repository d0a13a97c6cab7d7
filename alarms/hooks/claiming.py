"""The claim: a worker takes up events that are due, of each alarm the first that its hook does not know of yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

# Seconds after which another worker may take over what a worker has taken up: a try takes less (posting.TIMEOUT).
LEASE = 60
# At most so many at once to one hook, whatever the number of alarms.
PER_HOOK = 4

# SQL. The time is that of the statement, as it is where Django writes it: what was recorded just now is due.
PENDING = "delivered_at IS NULL AND given_up_at IS NULL"
DUE = "due_at <= statement_timestamp() AND (lease_until IS NULL OR lease_until <= statement_timestamp())"

# What each part is for:
# line    walks the partial index from alarm to alarm, of each hook: as many probes as there are lines, however long a
#         line has become behind an event that its hook does not take.
# head    are the first ones of all lines; tests belong to no alarm, and each goes by itself.
# ready   are those that are due, numbered within each hook, after those that are under way to it.
# taken   locks the rows; those that another worker takes up at this moment are passed over.
CLAIM = f"""
    WITH RECURSIVE line AS (
        (
            SELECT id, hook_id, alarm_id, due_at, lease_until FROM alarms_hookevent
            WHERE {PENDING} AND alarm_id IS NOT NULL
            ORDER BY hook_id, alarm_id, id LIMIT 1
        )
        UNION ALL
        SELECT next.* FROM line CROSS JOIN LATERAL (
            SELECT id, hook_id, alarm_id, due_at, lease_until FROM alarms_hookevent e
            WHERE {PENDING} AND alarm_id IS NOT NULL AND (e.hook_id, e.alarm_id) > (line.hook_id, line.alarm_id)
            ORDER BY e.hook_id, e.alarm_id, e.id LIMIT 1
        ) next
    ), head AS (
        SELECT id, hook_id, due_at, lease_until FROM line
        UNION ALL
        SELECT id, hook_id, due_at, lease_until FROM alarms_hookevent WHERE {PENDING} AND alarm_id IS NULL
    ), busy AS (
        SELECT hook_id, count(*) AS events FROM head WHERE lease_until > statement_timestamp() GROUP BY hook_id
    ), ready AS (
        SELECT head.id, head.due_at,
            row_number() OVER (PARTITION BY head.hook_id ORDER BY head.due_at, head.id)
                + coalesce(busy.events, 0) AS place
        FROM head
        JOIN alarms_hook h ON h.id = head.hook_id AND h.is_active
        JOIN organizations_organization o ON o.id = h.organization_id AND o.is_active
        LEFT JOIN busy ON busy.hook_id = head.hook_id
        WHERE {DUE}
    ), taken AS (
        SELECT id FROM alarms_hookevent
        WHERE id = ANY (ARRAY(
            SELECT id FROM ready WHERE place <= %(per_hook)s ORDER BY place, due_at, id LIMIT %(free)s
        )) AND {PENDING} AND {DUE}
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE alarms_hookevent e SET
        attempts = e.attempts + 1, lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
    FROM taken, alarms_hook h
    WHERE e.id = taken.id AND h.id = e.hook_id
    RETURNING e.id, e.attempts, e.hook_id, h.organization_id, e.alarm_id, e.event, e.payload::text, e.created_at,
        h.url, h.secret
"""  # noqa: S608 - made of constants

# A worker that ends leaves to others at once what it could not finish.
RELEASE = f"""
    UPDATE alarms_hookevent e SET lease_until = NULL
    FROM unnest(%(event)s::bigint[], %(attempt)s::int[]) AS row (event, attempt)
    WHERE e.id = row.event AND e.attempts = row.attempt AND {PENDING}
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to tell a hook of an event."""

    event_id: int
    number: int
    """Counts from 1."""
    hook_id: int
    organization_id: int
    alarm_id: int | None
    """None: a test."""
    event: str
    payload: str
    """JSON."""
    created_at: datetime
    url: str
    secret: str
    """Encrypted."""


def claim(*, free: int) -> list[Attempt]:
    """Take up what is due, at most `free` events; the hooks that have fewest under way come first."""
    if free <= 0:
        return []
    values: dict[str, Any] = {"free": free, "per_hook": PER_HOOK, "lease": LEASE}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        return [Attempt(*row) for row in cursor.fetchall()]


def release(attempts: Collection[Attempt]) -> None:
    """Give back what was taken up and has not been answered."""
    with connection.cursor() as cursor:
        events = [attempt.event_id for attempt in attempts]
        cursor.execute(RELEASE, {"event": events, "attempt": [attempt.number for attempt in attempts]})
