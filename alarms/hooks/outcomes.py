"""Outcomes: what becomes of an event after an attempt. It is delivered, tried again for a day, or given up."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from alarms.hooks.claiming import PENDING
from alarms.hooks.posting import Answer, host

logger = logging.getLogger(__name__)

FIRST_RETRY = 5.0  # seconds
LONGEST_RETRY = 3600.0  # seconds
TRIES_KEPT = 50

# How long an event is tried for. Whoever tries out a hook is not to be told in the night.
TIME = "CASE WHEN e.alarm_id IS NULL THEN interval '5 minutes' ELSE interval '1 day' END"
OVER = f"e.created_at + {TIME} <= statement_timestamp()"

# Nobody waits for a hook that is being deleted, as what becomes of its events is of no interest.
LOCK_HOOKS = "SELECT id FROM alarms_hook WHERE id = ANY (%s) FOR KEY SHARE SKIP LOCKED"

# `attempts` tells attempts apart: what another worker has taken up again is no longer this one's to write. The last
# attempt is at the end of its time, whatever the hook has asked for.
WRITE = f"""
    UPDATE alarms_hookevent e SET
        lease_until = NULL,
        delivered_at = CASE WHEN row.delivered THEN statement_timestamp() END,
        given_up_at = CASE WHEN NOT row.delivered AND {OVER} THEN statement_timestamp() END,
        due_at = CASE
            WHEN row.delivered THEN e.due_at
            ELSE least(statement_timestamp() + make_interval(secs => row.wait), e.created_at + {TIME})
        END
    FROM unnest(%(event)s::bigint[], %(attempt)s::int[], %(delivered)s::bool[], %(wait)s::float8[])
        AS row (event, attempt, delivered, wait)
    WHERE e.id = row.event AND e.attempts = row.attempt AND {PENDING}
    RETURNING e.id, e.hook_id, e.alarm_id, e.given_up_at IS NOT NULL
"""  # noqa: S608 - made of constants

KEEP_TRIES = """
    INSERT INTO alarms_hooktry (hook_event_id, hook_id, at, status, reason, seconds)
    SELECT e.id, e.hook_id, row.at, row.status, row.reason, row.seconds
    FROM unnest(
        %(event)s::bigint[], %(at)s::timestamptz[], %(status)s::int[], %(reason)s::text[], %(seconds)s::float8[]
    ) WITH ORDINALITY AS row (event, at, status, reason, seconds, place)
    JOIN alarms_hookevent e ON e.id = row.event
    ORDER BY row.place
"""

FORGET_TRIES = """
    DELETE FROM alarms_hooktry WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY hook_event_id ORDER BY id DESC) AS place
            FROM alarms_hooktry WHERE hook_event_id = ANY (%(event)s)
        ) kept WHERE place > %(kept)s
    )
"""

# Locked in the order of their ids, and what somebody else has locked is left to them: nobody waits in a circle.
GIVE_UP = f"""
    UPDATE alarms_hookevent e SET given_up_at = statement_timestamp() WHERE id = ANY (ARRAY(
        SELECT e.id FROM alarms_hookevent e JOIN alarms_hook h ON h.id = e.hook_id
        JOIN organizations_organization o ON o.id = h.organization_id
        WHERE {PENDING} AND e.lease_until IS NULL AND {OVER} AND {{}}
        ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED
    ))
    RETURNING id, hook_id
"""  # noqa: S608 - made of constants
# The hook has just not taken an event of the same alarm that was older.
GIVE_UP_THE_SAME_ALARM = GIVE_UP.format(
    "(e.hook_id, e.alarm_id) IN (SELECT * FROM unnest(%(hook)s::bigint[], %(alarm)s::bigint[]))"
)
GIVE_UP_OF_INACTIVE = GIVE_UP.format("NOT (h.is_active AND o.is_active)")


def backoff(attempt: int, retry_after: float | None) -> float:
    """Return the seconds to the next attempt: 5, 15, 45... and up to a fifth more, so that what failed together does
    not come back together; at most an hour, but at least what the hook asked for."""
    wait = FIRST_RETRY * 3.0 ** min(attempt - 1, 10) * random.uniform(1.0, 1.2)  # noqa: S311 - no secret
    # More than a day is not waited for, and could not be added to a time.
    return max(min(wait, LONGEST_RETRY * random.uniform(0.9, 1.0)), min(retry_after or 0.0, 86400.0))  # noqa: S311


def write(answers: Sequence[Answer]) -> None:
    """Write what became of attempts, with one transaction and a bounded number of queries."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_HOOKS, [list({answer.attempt.hook_id for answer in answers})])
        there = {hook_id for (hook_id,) in cursor.fetchall()}
        given_up = _write(cursor, [answer for answer in answers if answer.attempt.hook_id in there])
    for answer in answers:
        log(answer)
    tell(given_up)


def _write(cursor: CursorWrapper, answers: Sequence[Answer]) -> list[tuple[int, int]]:
    """Write what became of attempts; return id and hook of the events that are given up."""
    columns: dict[str, Any] = {
        "event": [answer.attempt.event_id for answer in answers],
        "attempt": [answer.attempt.number for answer in answers],
        "delivered": [answer.delivered for answer in answers],
        "wait": [backoff(answer.attempt.number, answer.retry_after) for answer in answers],
        "at": [answer.at for answer in answers],
        "status": [answer.status for answer in answers],
        "reason": [answer.reason[:200] for answer in answers],
        "seconds": [answer.seconds for answer in answers],
    }
    cursor.execute(WRITE, columns)
    given_up = [row[:3] for row in cursor.fetchall() if row[3]]
    cursor.execute(KEEP_TRIES, columns)
    if any(answer.attempt.number > TRIES_KEPT for answer in answers):
        cursor.execute(FORGET_TRIES, columns | {"kept": TRIES_KEPT})
    behind = give_up_behind(cursor, [(hook, alarm) for _id, hook, alarm in given_up if alarm])
    return [row[:2] for row in given_up] + behind


def give_up_behind(cursor: CursorWrapper, lines: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give up all whose time is over behind an event that was given up: else each would be tried once, one after the
    other, for a hook that is gone. Return id and hook of each."""
    if not lines:
        return []
    hooks, alarms = zip(*lines, strict=True)
    cursor.execute(GIVE_UP_THE_SAME_ALARM, {"hook": list(hooks), "alarm": list(alarms)})
    rows: list[tuple[int, int]] = cursor.fetchall()
    return rows


def give_up_of_inactive() -> None:
    """Give up what has waited for a day for its hook or organization to be active again."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_UP_OF_INACTIVE)
        tell(cursor.fetchall())


def log(answer: Answer) -> None:
    attempt = answer.attempt
    facts = (
        f"{attempt.event} hook={attempt.hook_id} event={attempt.event_id} attempt={attempt.number}"
        f" host={host(attempt.url)}"
    )
    if answer.delivered:
        logger.debug("hook told: %s", facts)
    else:
        logger.warning("hook not told: %s reason=%s", facts, answer.reason)


def tell(given_up: Sequence[tuple[int, int]]) -> None:
    for event_id, hook_id in given_up:
        logger.warning("hook event given up: hook=%d event=%d", hook_id, event_id)
