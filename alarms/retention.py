"""Retention: of alarms that are old, what each device got and each answer that was given are dropped. The alarm, its
recipients and the answers in force stay.

That goes alarm by alarm from the oldest on, in short transactions over rows that nobody else touches any more: neither
the senders nor anybody who answers waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from procrastinate.contrib.django import app

BATCH = 5000
ALARMS = 50
KEEP_JOBS_HOURS = 30 * 24

# Nobody can answer them any more, and nothing of them is under way: an alarm lasts no longer than its deadlines, of
# which the last is a few days after its start. One that was never raised has no details.
OLD = """
    a.details_dropped_at IS NULL AND a.starts_at < now() - make_interval(months => %(months)s)
"""

COUNT = f"""
    SELECT count(*) FROM alarms_alarm a
    JOIN alarms_alarmmessage r ON r.alarm_id = a.id JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
    WHERE {OLD}
"""  # noqa: S608 - made of constants

# Each step is a slice of time: the next alarms by their start. Another that drops at this time takes others.
NEXT = f"""
    SELECT a.id FROM alarms_alarm a WHERE {OLD} ORDER BY a.starts_at LIMIT %(alarms)s FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - made of constants

# Recipient by recipient (OFFSET 0 keeps it so), and then by the ids: whatever share of a table is old, the rest is not
# read.
DROP = """
    DELETE FROM {table} WHERE id = ANY(ARRAY(
        SELECT m.id FROM alarms_alarmmessage r
        CROSS JOIN LATERAL (SELECT m.id FROM {table} m WHERE m.alarm_message_id = r.id OFFSET 0) m
        WHERE r.alarm_id = ANY(%(ids)s) LIMIT %(batch)s
    ))
"""
DETAILS = ("alarms_devicemessage", "alarms_feedback")

DROPPED = "UPDATE alarms_alarm SET details_dropped_at = now() WHERE id = ANY(%(ids)s)"


def count_old(*, months: int) -> int:
    """Return how many device messages `drop_details` would drop."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"months": months})
        count: int = cursor.fetchone()[0]
    return count


def drop_details(
    *, months: int, progress: Callable[[int], Any] = lambda _dropped: None, stop: Callable[[], bool] = lambda: False
) -> int:
    """Drop the device messages and answers of alarms that began more than `months` ago, until `stop` says so. Return
    how many device messages were dropped; `progress` is told of each batch.

    Raises: ValueError for no month at all.
    """
    if months < 1:
        raise ValueError("nobody means to drop what is going on")
    total, left = 0, True
    while left and not stop():
        dropped, left = drop_batch(months=months)
        total += dropped
        progress(dropped)
    return total


def drop_batch(*, months: int) -> tuple[int, bool]:
    """Drop so many rows of the oldest alarms, in a transaction; return how many of them were device messages, and
    whether there was anything to do."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NEXT, {"months": months, "alarms": ALARMS})
        ids = [row[0] for row in cursor.fetchall()]
        dropped = []
        for table in DETAILS:
            cursor.execute(DROP.format(table=table), {"ids": ids, "batch": BATCH})
            dropped.append(cursor.rowcount)
        if max(dropped) < BATCH:
            cursor.execute(DROPPED, {"ids": ids})
    return dropped[0], bool(ids)


async def prune_queue() -> None:
    """Forget the jobs that failed or were cancelled a month ago, with their events. Those that succeeded are gone."""
    await app.job_manager.delete_old_jobs(
        nb_hours=KEEP_JOBS_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
