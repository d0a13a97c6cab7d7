"""What a gateway took: that is nearly every result, so it has a short statement of its own."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from alarms.sending.outcomes import Result
from messaging_project.database import array

# Only what is as it was taken up, of a recipient whom nobody else has locked; at all others the statements for all
# results look (results.write). A recipient's time starts as there (results.START_TIME).
#
# The planner has no statistics of an alarm that has just begun. It is given nothing to join but by a key, and what it
# takes to hold for a third of the rows: where it believes in a single one it compares each row with each. That a
# message is under way is asked so that no index answers, as the one of those is expected to be nearly empty.
SENT = """
    WITH locked AS (
        SELECT id FROM alarms_alarmmessage WHERE id = ANY(%(recipient)s::bigint[]) FOR NO KEY UPDATE SKIP LOCKED
    ), row AS (
        SELECT * FROM unnest(%(id)s::bigint[], %(recipient)s::bigint[], %(attempt)s::int[], %(at)s::timestamptz[])
            AS row (id, recipient, attempt, at)
        WHERE recipient = ANY(array(SELECT id FROM locked))
    ), first AS (
        SELECT recipient, greatest(least(min(at), now() + interval '5 s'), now() - interval '5 s') AS at
        FROM row GROUP BY recipient
    ), started AS (
        UPDATE alarms_alarmmessage r SET
            first_sent_at = first.at,
            deadline = least(first.at + make_interval(secs => a.response_timeout), a.scheduled_end_at)
        FROM first, alarms_alarm a
        WHERE r.id = first.recipient AND r.first_sent_at IS NULL AND a.id = r.alarm_id
    )
    UPDATE alarms_devicemessage m SET
        status = 2,
        changed_at = row.at,
        sent_at = least(m.sent_at, row.at),
        sender_id = NULL,
        lease_until = NULL,
        reason = ''
    FROM row
    WHERE m.id = row.id AND m.attempts = row.attempt AND abs(m.status - 1) < 1 AND length(m.receipt) < 1
    RETURNING m.id
"""


def write_sent(results: Sequence[Result]) -> set[int]:
    """Write what gateways took, with one query; return the device messages that were written. Others are left."""
    rows = [
        (each.delivery.device_message_id, each.delivery.recipient_id, each.delivery.attempt, each.at.isoformat())
        for each in results
        # One that stands in for another gateway is written with its place.
        if each.error is None and each.delivery.in_place_of < 0
    ]
    if not rows:
        return set()
    columns = map(array, zip(*rows, strict=True))
    values = dict(zip(("id", "recipient", "attempt", "at"), columns, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(SENT, values)
        return {id_ for (id_,) in cursor.fetchall()}
