"""Upkeep: what must happen although nobody asks. Time outs, and what dead processes left behind."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction
from procrastinate.contrib.django import app

from alarms import gateways, repeating
from alarms.models import Sender
from alarms.sending import DEVICE_MESSAGES, TRIED_AND_OVER
from alarms.sending.results import move_up
from organizations.models import Way

logger = logging.getLogger(__name__)

BATCH = 5000
# A sender or worker that has shown no heartbeat for so many seconds is held to be dead.
SENDER_DEAD_AFTER = 5
WORKER_DEAD_AFTER = 8
FORGET_SENDERS_AFTER = timedelta(days=1)

# Who is not planned yet is not timed out: planning, however late, sets their deadline anew.
TIME_OUT = """
    WITH over AS (
        SELECT id FROM alarms_alarmmessage
        WHERE escalating AND deadline <= %(now)s AND planned_at IS NOT NULL
        ORDER BY deadline LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE alarms_alarmmessage r SET escalating = false FROM over WHERE r.id = over.id
        RETURNING r.alarm_id
    ), cancelled AS (
        UPDATE alarms_devicemessage m SET
            status = CASE WHEN m.attempts > 0 THEN 4 ELSE 5 END,
            reason = CASE WHEN m.attempts > 0 THEN m.reason ELSE 'timed out' END,
            changed_at = %(now)s
        FROM over WHERE m.alarm_message_id = over.id AND m.status = 0
    )
    SELECT alarm_id, count(*) FROM ended GROUP BY alarm_id ORDER BY alarm_id
"""

# Taken up by a sender that is dead, or whose lease is over.
LOST = """
    m.status = 1 AND (
        m.lease_until < now() OR NOT EXISTS (
            SELECT FROM alarms_sender s
            WHERE s.id = m.sender_id AND s.heartbeat_at > now() - make_interval(secs => %(dead)s)
        )
    )
"""

LOCK_LOST = f"""
    SELECT r.id FROM alarms_alarmmessage r WHERE r.id IN (
        SELECT m.alarm_message_id FROM alarms_devicemessage m WHERE {LOST} LIMIT %(batch)s
    ) FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - made of constants

# Nobody whose escalation has ended meanwhile gets anything again (contract 4).
RETURN_LOST = f"""
    UPDATE alarms_devicemessage m SET
        status = CASE WHEN r.escalating AND r.deadline > now() THEN 0 ELSE {TRIED_AND_OVER} END,
        due_at = now(), changed_at = now(), sender_id = NULL, lease_until = NULL, reason = 'taken back from its sender'
    FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE r.id = m.alarm_message_id AND r.id = ANY(%(recipients)s) AND {LOST}
    RETURNING m.alarm_id, m.id
"""  # noqa: S608 - made of constants

# What waits for a gateway that there is no more begins anew with its way's first.
RETURN_TO_FIRST_GATEWAY = """
    UPDATE alarms_devicemessage m SET gateway = 0, refused = 0
    FROM unnest(%(way)s::text[], %(gateways)s::int[]) AS row (way, gateways)
    WHERE m.status = 0 AND m.way = row.way AND m.gateway >= row.gateways AND row.gateways > 0
"""

LOCK_WITHOUT_GATEWAY = """
    SELECT r.id FROM alarms_alarmmessage r WHERE r.id IN (
        SELECT m.alarm_message_id FROM alarms_devicemessage m
        WHERE m.status = 0 AND m.way = ANY(%(ways)s) AND m.due_at <= now() LIMIT %(batch)s
    ) FOR NO KEY UPDATE SKIP LOCKED
"""

FAIL_WITHOUT_GATEWAY = """
    UPDATE alarms_devicemessage m SET status = 4, reason = 'its way has no gateway any more', changed_at = now()
    WHERE m.alarm_message_id = ANY(%(recipients)s) AND m.status = 0 AND m.way = ANY(%(ways)s) AND m.due_at <= now()
    RETURNING m.alarm_message_id, m.turn
"""


def sweep(*, now: datetime) -> None:
    """End the escalation of those whose time is over, return the messages of dead senders to the queue, and let nothing
    wait for a gateway that there is no more."""
    time_out(now=now)
    return_lost()
    follow_gateways()
    repeating.forget(now=now)
    Sender.objects.filter(heartbeat_at__lt=now - FORGET_SENDERS_AFTER).delete()


def time_out(*, now: datetime) -> None:
    with connection.cursor() as cursor:
        while True:
            cursor.execute(TIME_OUT, {"now": now, "batch": BATCH})
            ended = cursor.fetchall()
            for alarm_id, count in ended:
                logger.info("timed out: alarm=%d recipients=%d", alarm_id, count)
            if sum(count for _alarm_id, count in ended) < BATCH:
                return


def return_lost() -> None:
    values = {"dead": SENDER_DEAD_AFTER, "batch": BATCH}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_LOST, values)
        recipients = [row[0] for row in cursor.fetchall()]
        if not recipients:
            return
        cursor.execute(RETURN_LOST, values | {"recipients": recipients})
        returned = cursor.fetchall()
        cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])
    for alarm_id, device_message_id in returned:
        logger.warning("taken back from a sender: alarm=%d device_message=%d", alarm_id, device_message_id)


def follow_gateways() -> None:
    """Bring what was planned for other settings of GATEWAY_* to those in force: nobody would ever take it up."""
    count = {way: len(gateways.of_way(way)) for way in Way.values}
    without = [way for way in count if not count[way]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RETURN_TO_FIRST_GATEWAY, {"way": list(count), "gateways": list(count.values())})
        cursor.execute(LOCK_WITHOUT_GATEWAY, {"ways": without, "batch": BATCH})
        recipients = [row[0] for row in cursor.fetchall()]
        if recipients:
            cursor.execute(FAIL_WITHOUT_GATEWAY, {"ways": without, "recipients": recipients})
            failed = cursor.fetchall()
            move_up(failed)
            logger.warning("failed: %d messages of ways that have no gateway: %s", len(failed), ", ".join(without))


async def retry_stalled_jobs() -> None:
    """Start the jobs of dead workers again; nothing else does."""
    manager = app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=WORKER_DEAD_AFTER):
        logger.warning("taken from a dead worker: job=%s task=%s", job.id, job.task_name)
        await manager.retry_job(job)
