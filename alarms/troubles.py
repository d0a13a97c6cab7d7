"""Troubles: recipients whom nothing can reach, and ways of alarm of which every gateway fails."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from alarms.gateways import owned

# Whoever got nothing, and for whom nothing is left that could still reach them. Those of whom it is known are left out
# before anything is written, so that no number is used up.
UNREACHED = """
    INSERT INTO alarms_trouble (organization_id, alarm_id, alarm_message_id)
    SELECT a.organization_id, a.id, r.id
    FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE {which} AND r.planned_at IS NOT NULL AND r.first_sent_at IS NULL AND r.response IS NULL
        AND a.closed_at IS NULL
        AND NOT EXISTS (
            SELECT FROM alarms_devicemessage m
            WHERE m.alarm_message_id = r.id AND m.kind = 0 AND m.status IN (0, 1, 2, 3)
        )
        AND NOT EXISTS (SELECT FROM alarms_trouble t WHERE t.alarm_message_id = r.id)
    ON CONFLICT DO NOTHING
"""
OF_RUNNING_ALARMS = "r.escalating"
OF_THESE = "r.id = ANY(%(recipients)s)"

# What waits for another attempt although each gateway of its line has failed it twice (the longest wait between two
# attempts is 6 minutes), and what each has refused: one alone may be a wrong number. Where a line has sent anything
# within a minute, it works.
FAILING_WAYS = """
    WITH lines AS (
        SELECT * FROM unnest(%(ways)s::text[], %(owners)s::bigint[], %(gateways)s::int[]) AS line (way, owner, gateways)
    ), failing AS (
        SELECT m.alarm_id, m.way, m.gateways_of FROM alarms_devicemessage m
        JOIN lines ON lines.way = m.way AND lines.owner = m.gateways_of
        WHERE m.status = 0 AND m.due_at < now() + interval '6 minutes' AND m.attempts >= 2 * lines.gateways
        UNION ALL
        SELECT alarm_id, way, gateways_of FROM (
            SELECT m.alarm_id, m.way, m.gateways_of, count(*) OVER (PARTITION BY m.way, m.gateways_of) AS refused
            FROM alarms_devicemessage m
            WHERE m.status = 4 AND m.changed_at > now() - interval '1 minute' AND m.attempts > 0
        ) refused WHERE refused > 1
    ), working AS (
        SELECT DISTINCT m.way, m.gateways_of FROM alarms_devicemessage m WHERE m.sent_at > now() - interval '1 minute'
    )
    INSERT INTO alarms_trouble (organization_id, alarm_id, way)
    SELECT DISTINCT a.organization_id, a.id, f.way
    FROM failing f JOIN alarms_alarm a ON a.id = f.alarm_id
    WHERE a.closed_at IS NULL
        AND NOT EXISTS (SELECT FROM working w WHERE w.way = f.way AND w.gateways_of = f.gateways_of)
        AND NOT EXISTS (
            SELECT FROM alarms_trouble t WHERE t.alarm_id = a.id AND t.way = f.way AND t.alarm_message_id IS NULL
        )
    ON CONFLICT DO NOTHING
"""


def find() -> None:
    """Write down what is new."""
    lines = owned.everybodys()
    ways, owners = zip(*lines, strict=True) if lines else ((), ())
    with connection.cursor() as cursor:
        cursor.execute(UNREACHED.format(which=OF_RUNNING_ALARMS))
        cursor.execute(
            FAILING_WAYS,
            {"ways": list(ways), "owners": list(owners), "gateways": [len(found) for found in lines.values()]},
        )


def find_timed_out(recipient_ids: Collection[int]) -> None:
    """Write down who of those whose time has run out was never reached: nobody looks at them later."""
    if recipient_ids:
        with connection.cursor() as cursor:
            cursor.execute(UNREACHED.format(which=OF_THESE), {"recipients": list(recipient_ids)})
