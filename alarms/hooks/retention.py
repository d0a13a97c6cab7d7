"""Retention: events older than a month are forgotten, with their tries."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

DAYS = 30
BATCH = 5000

PURGE = """
    WITH old AS (
        SELECT id FROM alarms_hookevent WHERE created_at < now() - make_interval(days => %(days)s)
        ORDER BY created_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    ), tries AS (
        DELETE FROM alarms_hooktry t USING old WHERE t.hook_event_id = old.id
    )
    DELETE FROM alarms_hookevent e USING old WHERE e.id = old.id
"""


def purge(*, stop: Callable[[], bool] = lambda: False) -> int:
    """Delete old events until `stop` says so, and return how many. Each batch is a transaction of its own, so that
    nobody waits for a lock for long."""
    total, deleted = 0, BATCH
    with connection.cursor() as cursor:
        while deleted == BATCH and not stop():
            cursor.execute(PURGE, {"days": DAYS, "batch": BATCH})
            deleted = cursor.rowcount
            total += deleted
    return total
