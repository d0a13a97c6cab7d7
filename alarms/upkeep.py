"""Upkeep: what must happen although nobody asks. Time outs, and what dead processes left behind."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from procrastinate.contrib.django import app

from alarms import answer_codes, counting, repeating, troubles
from alarms.gateways import owned
from alarms.hooks import recording
from alarms.models import DeviceMessage, DeviceRate, Sender
from alarms.sending import DEVICE_MESSAGES, MAY_LEAVE_UNTIL, TRIED_AND_OVER
from alarms.sending.results import move_up
from organizations.models import Way

logger = logging.getLogger(__name__)

BATCH = 5000
# A sender or worker that has shown no heartbeat for so many seconds is held to be dead.
SENDER_DEAD_AFTER = 5
WORKER_DEAD_AFTER = 8
FORGET_SENDERS_AFTER = timedelta(days=1)
FORGET_RATES_AFTER = timedelta(days=1)

# Who is not planned yet is not timed out: planning, however late, sets their deadline anew.
TIME_OUT = f"""
    WITH over AS (
        SELECT id FROM alarms_alarmmessage
        WHERE escalating AND deadline <= %(now)s AND planned_at IS NOT NULL
        ORDER BY deadline LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE alarms_alarmmessage r SET escalating = false FROM over WHERE r.id = over.id
        RETURNING r.id, r.alarm_id, r.user_id
    ), cancelled AS (
        UPDATE alarms_devicemessage m SET
            status = CASE WHEN m.attempts > 0 THEN 4 ELSE 5 END,
            reason = CASE WHEN m.attempts > 0 THEN m.reason ELSE 'timed out' END,
            changed_at = %(now)s
        FROM over WHERE m.alarm_message_id = over.id AND m.status = 0
        RETURNING m.id, m.way, m.status
    ), {counting.counted("cancelled")}
    SELECT a.organization_id, ended.alarm_id, ended.user_id, ended.id,
        array(SELECT c.id FROM cancelled c JOIN alarms_devicemessage m USING (id)
            WHERE m.alarm_message_id = ended.id AND c.status = 4)
    FROM ended JOIN alarms_alarm a ON a.id = ended.alarm_id ORDER BY ended.alarm_id, ended.id
"""  # noqa: S608 - made of constants

# Taken up by a sender that is dead, or whose lease is over. While the database was away nobody could show a heartbeat.
LOST = """
    m.status = 1 AND (
        m.lease_until < now() OR NOT EXISTS (
            SELECT FROM alarms_sender s
            WHERE s.id = m.sender_id
                AND greatest(s.heartbeat_at, pg_postmaster_start_time()) > now() - make_interval(secs => %(dead)s)
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
    WITH returned AS (
        UPDATE alarms_devicemessage m SET
            status = CASE WHEN {MAY_LEAVE_UNTIL} > now() THEN 0 ELSE {TRIED_AND_OVER} END,
            due_at = now(), changed_at = now(), sender_id = NULL, lease_until = NULL,
            reason = 'taken back from its sender'
        FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
        WHERE r.id = m.alarm_message_id AND r.id = ANY(%(recipients)s) AND {LOST}
        RETURNING m.alarm_id, m.id, m.way, m.status
    ), {counting.counted("returned", which="status > 0")}
    SELECT alarm_id, id FROM returned
"""  # noqa: S608 - made of constants

# What waits for a gateway that there is no more begins anew with the first of its line; what waits for a line that is
# gone, as its organization has taken its own gateways back, with the service's.
RETURN_TO_FIRST_GATEWAY = """
    WITH lines AS (
        SELECT * FROM unnest(%(way)s::text[], %(owner)s::bigint[], %(gateways)s::int[]) AS line (way, owner, gateways)
    )
    UPDATE alarms_devicemessage m SET
        gateways_of = CASE WHEN EXISTS (
            SELECT FROM lines WHERE lines.way = m.way AND lines.owner = m.gateways_of
        ) THEN m.gateways_of ELSE 0 END,
        gateway = 0, refused = 0
    WHERE m.id IN (
        SELECT m.id FROM alarms_devicemessage m
        WHERE m.status = 0 AND NOT (m.gateways_of = 0 AND m.gateway = 0) AND NOT EXISTS (
            SELECT FROM lines WHERE lines.way = m.way AND lines.owner = m.gateways_of AND lines.gateways > m.gateway
        )
        FOR UPDATE SKIP LOCKED
    )
"""

LOCK_WITHOUT_GATEWAY = """
    SELECT r.id FROM alarms_alarmmessage r WHERE r.id IN (
        SELECT m.alarm_message_id FROM alarms_devicemessage m
        WHERE m.status = 0 AND m.gateways_of = 0 AND m.way = ANY(%(ways)s) AND m.due_at <= now() LIMIT %(batch)s
    ) FOR NO KEY UPDATE SKIP LOCKED
"""

FAIL_WITHOUT_GATEWAY = f"""
    WITH failed AS (
        UPDATE alarms_devicemessage m SET status = 4, reason = 'its way has no gateway any more', changed_at = now()
        WHERE m.alarm_message_id = ANY(%(recipients)s) AND m.status = 0 AND m.gateways_of = 0 AND m.way = ANY(%(ways)s)
            AND m.due_at <= now()
        RETURNING m.id, m.alarm_message_id, m.turn, m.way, m.status
    ), {counting.counted("failed")}
    SELECT id, alarm_message_id, turn FROM failed
"""  # noqa: S608 - made of constants


def sweep(*, now: datetime) -> None:
    """End the escalation of those whose time is over, return the messages of dead senders to the queue, and let nothing
    wait for a gateway that there is no more."""
    time_out(now=now)
    return_lost()
    follow_gateways()
    repeating.forget(now=now)
    answer_codes.forget(now=now)
    counting.add_up()
    Sender.objects.filter(heartbeat_at__lt=now - FORGET_SENDERS_AFTER).delete()


def forget_rates(*, now: datetime) -> None:
    """Forget when devices were last sent something that nobody asks for any more. Reads all of them: no index, so that
    a claim changes a row in place."""
    DeviceRate.objects.filter(taken__0__lt=now - FORGET_RATES_AFTER).delete()


def time_out(*, now: datetime) -> None:
    ended_in_full = True
    while ended_in_full:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TIME_OUT, {"now": now, "batch": BATCH})
            ended = cursor.fetchall()
            recording.recipients_timed_out(row[:3] for row in ended)
            tell_failed([id_ for row in ended for id_ in row[4]])
            troubles.find_timed_out([row[3] for row in ended])
        for alarm_id, count in Counter(row[1] for row in ended).items():
            logger.info("timed out: alarm=%d recipients=%d", alarm_id, count)
        ended_in_full = len(ended) == BATCH


def tell_failed(device_message_ids: Collection[int]) -> None:
    """Tell hooks of messages that were given up."""
    if not device_message_ids:
        return
    failed = DeviceMessage.objects.filter(pk__in=device_message_ids).order_by("pk")
    rows = failed.values_list(
        "alarm__organization_id",
        "alarm_id",
        "alarm_message__message_id",
        "alarm_message__user_id",
        "way",
        "device_name",
        "reason",
    )
    recording.messages_failed(recording.FailedMessage(*row) for row in rows)


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
    """Bring what was planned for other gateways to those in force: nobody would ever take it up."""
    lines = owned.everybodys()
    without = [way for way in Way.values if (way, 0) not in lines]
    ways, owners = zip(*lines, strict=True) if lines else ((), ())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            RETURN_TO_FIRST_GATEWAY,
            {"way": list(ways), "owner": list(owners), "gateways": [len(found) for found in lines.values()]},
        )
        cursor.execute(LOCK_WITHOUT_GATEWAY, {"ways": without, "batch": BATCH})
        recipients = [row[0] for row in cursor.fetchall()]
        if recipients:
            cursor.execute(FAIL_WITHOUT_GATEWAY, {"ways": without, "recipients": recipients})
            failed = cursor.fetchall()
            move_up([row[1:] for row in failed])
            tell_failed([row[0] for row in failed])
            logger.warning("failed: %d messages of ways that have no gateway: %s", len(failed), ", ".join(without))


async def retry_stalled_jobs() -> None:
    """Start the jobs of dead workers again; nothing else does."""
    manager = app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=WORKER_DEAD_AFTER):
        logger.warning("taken from a dead worker: job=%s task=%s", job.id, job.task_name)
        await manager.retry_job(job)
