"""The claim: a sender takes up device messages that are due, as many as it has free connections for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from alarms.delivery import Delivery
from alarms.sending import TRIED_AND_OVER

# Seconds after which another sender may take over what a sender has taken up, unless it renews the lease.
LEASE = 20

Pool = tuple[str, int]
"""A way and the place of one of its gateways, from 0."""

# What each part is for:
# alarms  walks the partial index from alarm to alarm, for each pool: as many probes as alarms have messages left.
# turns   gives each alarm that has something due an equal share of the pool's free connections, so that a small alarm
#         is not starved by a large one; where there are more alarms than connections, chance chooses.
# picked  locks the rows; those that another sender or an answer holds are passed over.
# The UPDATE decides, on what is committed, who still gets something: a recipient who answers at this moment either has
# locked the row before (then it is not picked) or waits for this statement and cancels what is left.
CLAIM = f"""
    WITH RECURSIVE pools (way, gateway, free) AS (
        SELECT * FROM unnest(%(ways)s::text[], %(gateways)s::int[], %(free)s::int[])
    ), alarms (way, gateway, free, id) AS (
        SELECT way, gateway, free, (
            SELECT min(m.alarm_id) FROM alarms_devicemessage m
            WHERE m.status = 0 AND m.way = pools.way AND m.gateway = pools.gateway
        ) FROM pools
        UNION ALL
        SELECT way, gateway, free, (
            SELECT min(m.alarm_id) FROM alarms_devicemessage m
            WHERE m.status = 0 AND m.way = alarms.way AND m.gateway = alarms.gateway AND m.alarm_id > alarms.id
        ) FROM alarms WHERE id IS NOT NULL
    ), turns AS (
        SELECT way, gateway, id, free, count(*) OVER pool AS alarms, row_number() OVER (pool ORDER BY random()) AS place
        FROM alarms
        WHERE EXISTS (
            SELECT FROM alarms_devicemessage m
            WHERE m.status = 0 AND m.way = alarms.way AND m.gateway = alarms.gateway AND m.alarm_id = alarms.id
                AND m.due_at <= now()
        )
        WINDOW pool AS (PARTITION BY way, gateway)
    ), picked AS (
        SELECT due.id FROM turns CROSS JOIN LATERAL (
            SELECT m.id FROM alarms_devicemessage m
            WHERE m.status = 0 AND m.way = turns.way AND m.gateway = turns.gateway AND m.alarm_id = turns.id
                AND m.due_at <= now()
            ORDER BY m.due_at
            LIMIT greatest(1, turns.free / turns.alarms)
            FOR UPDATE SKIP LOCKED
        ) due
        WHERE turns.place <= turns.free
    ), chosen AS (
        SELECT m.id, r.escalating AND r.deadline > now() AND u.is_active AND d.id IS NOT NULL AS usable,
            CASE WHEN m.attempts > 0 AND NOT (r.escalating AND r.deadline > now()) THEN {TRIED_AND_OVER} ELSE 5 END
                AS otherwise,
            r.id AS recipient_id, r.message_id, r.user_id, u.language,
            a.id AS alarm_id, a.message, a.event_name, o.id AS organization_id, o.name AS organization, o.time_zone,
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
        WHERE m.id = ANY (ARRAY(SELECT id FROM picked))
    )
    UPDATE alarms_devicemessage m SET
        status = CASE WHEN usable THEN 1 ELSE otherwise END,
        attempts = m.attempts + usable::int,
        sender_id = CASE WHEN usable THEN %(sender)s::bigint END,
        lease_until = CASE WHEN usable THEN now() + make_interval(secs => %(lease)s) END,
        reason = CASE WHEN usable OR otherwise = 4 THEN m.reason ELSE 'deactivated or over' END,
        changed_at = now()
    FROM chosen
    WHERE m.id = ANY (ARRAY(SELECT id FROM picked)) AND m.id = chosen.id AND m.status = 0
    RETURNING m.status, m.turn, m.way, m.gateway, m.refused, m.address, m.device_name, m.attempts, chosen.*
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Claimed:
    deliveries: list[Delivery]
    """Marked as sending."""
    dropped: list[tuple[int, int]]
    """Recipient and turn of messages that nobody gets any more: user or device deactivated, or over."""


def claim(*, sender_id: int, free: Mapping[Pool, int]) -> Claimed:
    """Take up what is due for each pool, at most as many as it has free connections."""
    pools = [(way, gateway, count) for (way, gateway), count in free.items() if count > 0]
    claimed = Claimed([], [])
    if not pools:
        return claimed
    ways, indexes, counts = zip(*pools, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "ways": list(ways),
                "gateways": list(indexes),
                "free": list(counts),
                "sender": sender_id,
                "lease": LEASE,
            },
        )
        names = [column.name for column in cursor.description]
        for values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            if row["status"] == 1:
                claimed.deliveries.append(delivery(row))
            else:
                claimed.dropped.append((row["recipient_id"], row["turn"]))
    return claimed


def delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        device_message_id=row["id"],
        recipient_id=row["recipient_id"],
        message_id=row["message_id"],
        alarm_id=row["alarm_id"],
        organization_id=row["organization_id"],
        user_id=row["user_id"],
        way=row["way"],
        gateway=row["gateway"],
        refused=row["refused"],
        address=row["address"],
        device=row["device_name"],
        attempt=row["attempts"],
        organization=row["organization"],
        time_zone=row["time_zone"],
        event=row["event_name"],
        message=row["message"],
        language=row["language"],
        until=row["until"],
    )


def next_due_in() -> float | None:
    """Return the seconds until the next message is due, None where nothing is scheduled; what is overdue is left out,
    as it waits for a free connection, not for the clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM alarms_devicemessage"
            " WHERE status = 0 AND due_at > now()"
        )
        seconds: float | None = cursor.fetchone()[0]
    return None if seconds is None else max(0.0, seconds)
