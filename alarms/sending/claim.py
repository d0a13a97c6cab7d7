"""The claim: a sender takes up device messages that are due, as many as it has free connections for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from alarms.delivery import Delivery
from alarms.models import DeviceMessage
from alarms.sending import MAY_LEAVE_UNTIL, TRIED_AND_OVER
from alarms.sending.tally import TALLY
from messaging_project.database import array

# Seconds after which another sender may take over what a sender has taken up, unless it renews the lease.
LEASE = 20

Pool = tuple[str, int, int]
"""A way, the organization whose own gateways it uses (0: the service's), and the place of one of them, from 0."""

# SQL: what a device was sent within the last minute, and how many of those that are due that leaves room for.
LAST_MINUTE = "array(SELECT at FROM unnest(rate.taken) AS at WHERE at > now() - interval '1 minute' ORDER BY at)"
ROOM = f"greatest(0, least(excluded.granted, excluded.per_minute - cardinality({LAST_MINUTE})))"

# What each part is for:
# alarms  walks the partial index from alarm to alarm, for each pool: as many probes as alarms have messages left.
# turns   gives each alarm that has something due (one probe each: an EXISTS would read all that is due) an equal share
#         of the pool's free connections, so that a small alarm is not starved by a large one; where there are more
#         alarms than connections, chance chooses.
# picked  locks the rows; those that another sender or an answer holds are passed over.
# asked   counts what is due for each device of a way that is throttled, and
# rates   lets through as many as the minute has room for: whoever comes second waits here for the first, and counts
#         what that one took. In the order of the devices, so that no two wait in a circle.
# That a message is scheduled is asked as the index has it that is meant (status + 0 = 0), and in the end as none has it
# (status < 1): no other comes into question, whatever the planner believes of how many there are.
# The UPDATE decides, on what is committed, who still gets something: a recipient who answers at this moment either has
# locked the row before (then it is not picked) or waits for this statement and cancels what is left. What a minute has
# no room for waits for the next.
CLAIM = f"""
    WITH RECURSIVE pools (way, gateways_of, gateway, free) AS (
        SELECT * FROM unnest(%(ways)s::text[], %(gateways_of)s::bigint[], %(gateways)s::int[], %(free)s::int[])
    ), limits (way, per_minute) AS (
        SELECT * FROM unnest(%(throttled)s::text[], %(per_minute)s::int[])
    ), alarms (way, gateways_of, gateway, free, id) AS (
        SELECT way, gateways_of, gateway, free, (
            SELECT min(m.alarm_id) FROM alarms_devicemessage m
            WHERE m.status + 0 = 0 AND m.way = pools.way AND m.gateways_of = pools.gateways_of
                AND m.gateway = pools.gateway
        ) FROM pools
        UNION ALL
        SELECT way, gateways_of, gateway, free, (
            SELECT min(m.alarm_id) FROM alarms_devicemessage m
            WHERE m.status + 0 = 0 AND m.way = alarms.way AND m.gateways_of = alarms.gateways_of
                AND m.gateway = alarms.gateway AND m.alarm_id > alarms.id
        ) FROM alarms WHERE id IS NOT NULL
    ), turns AS (
        SELECT way, gateways_of, gateway, id, free,
            count(*) OVER pool AS alarms, row_number() OVER (pool ORDER BY random()) AS place
        FROM alarms
        WHERE (
            SELECT true FROM alarms_devicemessage m
            WHERE m.status + 0 = 0 AND m.way = alarms.way AND m.gateways_of = alarms.gateways_of
                AND m.gateway = alarms.gateway AND m.alarm_id = alarms.id AND m.due_at <= now()
            LIMIT 1
        )
        WINDOW pool AS (PARTITION BY way, gateways_of, gateway)
    ), picked AS (
        SELECT due.id FROM turns CROSS JOIN LATERAL (
            SELECT m.id FROM alarms_devicemessage m
            WHERE m.status + 0 = 0 AND m.way = turns.way AND m.gateways_of = turns.gateways_of
                AND m.gateway = turns.gateway AND m.alarm_id = turns.id AND m.due_at <= now()
            ORDER BY m.due_at
            LIMIT greatest(1, turns.free / turns.alarms)
            FOR UPDATE SKIP LOCKED
        ) due
        WHERE turns.place <= turns.free
    ), chosen AS (
        SELECT m.id, m.device_id, limits.per_minute, m.due_at,
            {MAY_LEAVE_UNTIL} > now() AND u.is_active AND d.id IS NOT NULL AS usable,
            CASE WHEN m.attempts > 0 AND {MAY_LEAVE_UNTIL} <= now() THEN {TRIED_AND_OVER} ELSE 5 END AS otherwise,
            r.id AS recipient_id, r.message_id, r.user_id, u.language,
            CASE WHEN m.kind = 0 THEN r.code ELSE '' END AS code,
            a.id AS alarm_id, CASE WHEN m.kind = 1 THEN a.all_clear ELSE a.message END AS message, a.event_name,
            o.id AS organization_id, o.name AS organization, o.time_zone,
            CASE
                WHEN r.first_sent_at IS NULL
                THEN least(now() + make_interval(secs => a.response_timeout), a.scheduled_end_at)
                ELSE r.deadline
            END AS until
        FROM alarms_devicemessage m
        JOIN alarms_alarmmessage r ON r.id = m.alarm_message_id
        JOIN alarms_alarm a ON a.id = r.alarm_id
        JOIN organizations_organization o ON o.id = a.organization_id
        JOIN organizations_user u ON u.id = r.user_id
        LEFT JOIN organizations_device d ON d.id = m.device_id AND d.is_active
        LEFT JOIN limits ON limits.way = m.way
        WHERE m.id = ANY (ARRAY(SELECT id FROM picked))
    ), asked AS (
        SELECT device_id, per_minute, least(count(*), per_minute)::int AS messages
        FROM chosen WHERE usable AND per_minute IS NOT NULL GROUP BY device_id, per_minute
    ), rates AS (
        INSERT INTO alarms_devicerate AS rate (device_id, per_minute, granted, taken)
        SELECT device_id, per_minute, messages, array_fill(now(), ARRAY[messages]) FROM asked ORDER BY device_id
        ON CONFLICT (device_id) DO UPDATE SET
            per_minute = excluded.per_minute,
            granted = {ROOM},
            taken = {LAST_MINUTE} || array_fill(now(), ARRAY[{ROOM}])
        RETURNING device_id, granted, taken[1] + interval '1 minute' AS room_at
    ), granted AS (
        SELECT chosen.*, rates.room_at, coalesce(
            row_number() OVER (PARTITION BY usable, chosen.device_id ORDER BY chosen.due_at, chosen.id) > rates.granted,
            false
        ) AS waits
        FROM chosen LEFT JOIN rates ON rates.device_id = chosen.device_id AND chosen.usable
    )
    UPDATE alarms_devicemessage m SET
        status = CASE WHEN waits THEN 0 WHEN usable THEN 1 ELSE otherwise END,
        attempts = m.attempts + (usable AND NOT waits)::int,
        due_at = CASE WHEN waits THEN room_at ELSE m.due_at END,
        first_due_at = coalesce(m.first_due_at, m.due_at),
        sender_id = CASE WHEN usable AND NOT waits THEN %(sender)s::bigint END,
        lease_until = CASE WHEN usable AND NOT waits THEN now() + make_interval(secs => %(lease)s) END,
        reason = CASE
            WHEN waits AND m.attempts = 0 THEN 'its device gets no more in this minute'
            WHEN usable OR otherwise = 4 THEN m.reason
            ELSE 'deactivated or over'
        END,
        receipt = CASE WHEN usable AND NOT waits THEN '' ELSE m.receipt END,
        changed_at = CASE WHEN waits THEN m.changed_at ELSE now() END
    FROM granted
    WHERE m.id = granted.id AND m.status < 1
    RETURNING m.status, m.turn, m.id, granted.recipient_id, granted.message_id::text, granted.alarm_id,
        granted.organization_id, granted.user_id, m.device_id, m.way, m.kind, m.gateways_of, m.gateway, m.refused,
        m.address, m.device_name, m.attempts, granted.organization, granted.time_zone, granted.event_name,
        granted.message, granted.language, granted.until, granted.code,
        CASE WHEN m.sent_at IS NULL THEN %(clock)s + extract(epoch FROM m.first_due_at - now())::float8 END
"""  # noqa: S608 - made of constants; from m.id on in the order of a Delivery's fields
WAY = 9


@dataclass(frozen=True, slots=True)
class Claimed:
    deliveries: list[Delivery]
    """Marked as sending."""
    dropped: list[tuple[int, int]]
    """Recipient and turn of messages that nobody gets any more: user or device deactivated, or over."""
    waiting: list[int]
    """Messages that the minute of their device has no room for."""


def claim(*, sender_id: int, free: Mapping[Pool, int]) -> Claimed:
    """Take up what is due for each pool, at most as many as it has free connections."""
    pools = [(*pool, count) for pool, count in free.items() if count > 0]
    claimed = Claimed([], [], [])
    if not pools:
        return claimed
    limits = {way: count for way, count in settings.MESSAGES_PER_MINUTE.items() if count}
    columns = map(array, zip(*pools, strict=True))
    values: dict[str, str | float] = {
        **dict(zip(("ways", "gateways_of", "gateways", "free"), columns, strict=True)),
        "throttled": array(limits),
        "per_minute": array(limits.values()),
        "sender": sender_id,
        "lease": LEASE,
        "clock": time.time(),
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        rows = cursor.fetchall()
    TALLY.claimed((row[WAY], row[0]) for row in rows)
    for status, turn, *row in rows:
        if status == DeviceMessage.Status.SENDING:
            claimed.deliveries.append(Delivery(*row))
        elif status == DeviceMessage.Status.SCHEDULED:
            claimed.waiting.append(row[0])
        else:
            claimed.dropped.append((row[1], turn))
    return claimed


def next_due_in(*, since: float) -> float | None:
    """Return the seconds until the next message is due, None where nothing is scheduled.

    Args:
        since: the seconds since the last claim. What was overdue then is left out: it waits for a free connection, not
            for the clock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM alarms_devicemessage"
            " WHERE status = 0 AND due_at > now() - make_interval(secs => %s)",
            [since],
        )
        seconds: float | None = cursor.fetchone()[0]
    return None if seconds is None else max(0.0, seconds)
