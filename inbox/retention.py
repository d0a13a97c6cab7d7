"""Retention: messages older than some months leave all inboxes, in batches (contract 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

MAX_MONTHS = 1200
BATCH = 5000
MESSAGES_PER_STEP = 100

OLD = "sent_at < now() - make_interval(months => %(months)s)"
COUNT = f"""
    SELECT count(*) FROM inbox_inboxmessage WHERE message_id IN (SELECT id FROM inbox_message WHERE {OLD})
"""  # noqa: S608 - made of constants
# Going through the messages by their ids, each is looked at once.
NEXT_STEP = """
    SELECT max(id) FROM (SELECT id FROM inbox_message WHERE id > %(after)s ORDER BY id LIMIT %(step)s) AS step
"""
# What somebody is marking as read this moment goes the next night: neither waits for the other.
PURGE = f"""
    DELETE FROM inbox_inboxmessage WHERE id IN (
        SELECT id FROM inbox_inboxmessage WHERE message_id IN (
            SELECT id FROM inbox_message WHERE id > %(after)s AND id <= %(until)s AND {OLD}
        )
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""  # noqa: S608 - made of constants
# What all have deleted themselves goes too; not on its first day, while inboxes may still be filled.
PURGE_WITHOUT_RECIPIENTS = """
    DELETE FROM inbox_message m WHERE id > %(after)s AND id <= %(until)s AND sent_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM inbox_inboxmessage WHERE message_id = m.id)
"""


def count_old(*, months: int) -> int:
    """Return how many inbox messages `purge` would delete."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"months": months})
        count: int = cursor.fetchone()[0]
    return count


def purge(
    *, months: int, progress: Callable[[int], Any] = lambda _deleted: None, stop: Callable[[], bool] = lambda: False
) -> int:
    """Delete the inbox messages that were sent more than `months` ago, and what is in no inbox any more, until `stop`
    says so. Return how many inbox messages were deleted; `progress` is told of each batch.

    Each statement is a transaction of its own, so that nobody waits for a lock for long.
    """
    if months < 1:
        raise ValueError("nobody means to empty all inboxes")
    total = 0
    values = {"months": months, "after": 0, "until": 0, "batch": BATCH, "step": MESSAGES_PER_STEP}
    with connection.cursor() as cursor:
        while not stop():
            cursor.execute(NEXT_STEP, values)
            values["until"] = cursor.fetchone()[0]
            if values["until"] is None:
                break
            deleted = BATCH
            while deleted == BATCH and not stop():
                cursor.execute(PURGE, values)
                deleted = cursor.rowcount
                total += deleted
                progress(deleted)
            cursor.execute(PURGE_WITHOUT_RECIPIENTS, values)
            values["after"] = values["until"]
    return total
