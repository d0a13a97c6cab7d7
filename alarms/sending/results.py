"""Results: what became of attempts is written in sets; turns of which nothing is left make room for the next."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, masked
from alarms.sending import DEVICE_MESSAGES, TRIED_AND_OVER

logger = logging.getLogger(__name__)

FIRST_RETRY = 5.0  # seconds
LONGEST_RETRY = 300.0  # seconds

LOCK_RECIPIENTS = """
    SELECT id FROM alarms_alarmmessage WHERE id = ANY(%(recipients)s) ORDER BY id FOR NO KEY UPDATE
"""

# `attempts` tells attempts apart: what was taken from a sender that was held to be dead, and taken up again by another,
# is no longer its to write. What left all the same is written as sent.
# A retry is scheduled only while the recipient is waited for; one that would come too late is given up.
WRITE = f"""
    UPDATE alarms_devicemessage m SET
        status = CASE
            WHEN row.outcome = 'sent' THEN 2
            WHEN row.outcome = 'failed' THEN 4
            WHEN NOT r.escalating THEN {TRIED_AND_OVER}
            WHEN row.due >= r.deadline THEN 4
            ELSE 0
        END,
        due_at = CASE WHEN row.outcome = 'again' THEN row.due ELSE m.due_at END,
        gateway = row.gateway,
        changed_at = row.at,
        sender_id = NULL,
        lease_until = NULL,
        reason = row.reason
    FROM unnest(
        %(id)s::bigint[], %(recipient)s::bigint[], %(attempt)s::int[], %(outcome)s::text[], %(gateway)s::int[],
        %(due)s::timestamptz[], %(at)s::timestamptz[], %(reason)s::text[]
    ) AS row (id, recipient, attempt, outcome, gateway, due, at, reason)
    JOIN alarms_alarmmessage r ON r.id = row.recipient
    JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE m.id = row.id AND m.attempts = row.attempt
        AND (m.status = 1 OR (row.outcome = 'sent' AND m.status IN (0, 4, 5)))
    RETURNING m.id, m.alarm_message_id, m.turn, m.status
"""  # noqa: S608 - made of constants

# A recipient's time starts with the first message that left for them (contract 5).
START_TIME = """
    UPDATE alarms_alarmmessage r SET
        first_sent_at = first.at, deadline = first.at + make_interval(secs => a.response_timeout)
    FROM (
        SELECT recipient, min(at) AS at
        FROM unnest(%(recipient)s::bigint[], %(at)s::timestamptz[]) AS row (recipient, at)
        GROUP BY recipient
    ) first, alarms_alarm a
    WHERE r.id = first.recipient AND r.first_sent_at IS NULL AND a.id = r.alarm_id
"""

# Contract 3, rule 5: everything that a turn sent has failed, so the next is due at once and the later ones move up by
# the same span. Until something left, the deadline hangs on the last planned turn (contract 5) and moves with it.
MOVE_UP = """
    WITH over AS (
        SELECT row.recipient, max(row.turn) AS turn
        FROM unnest(%(recipient)s::bigint[], %(turn)s::int[]) AS row (recipient, turn)
        JOIN alarms_alarmmessage r ON r.id = row.recipient AND r.escalating
        WHERE NOT EXISTS (
            SELECT FROM alarms_devicemessage m
            WHERE m.alarm_message_id = row.recipient AND m.turn = row.turn AND m.status IN (0, 1, 2, 3)
        )
        GROUP BY row.recipient
    ), next AS (
        SELECT over.recipient, over.turn, min(m.due_at) - now() AS span
        FROM over JOIN alarms_devicemessage m
            ON m.alarm_message_id = over.recipient AND m.turn = over.turn + 1 AND m.status = 0 AND m.attempts = 0
        GROUP BY over.recipient, over.turn
        HAVING min(m.due_at) > now()
    ), moved AS (
        UPDATE alarms_devicemessage m SET due_at = m.due_at - next.span
        FROM next
        WHERE m.alarm_message_id = next.recipient AND m.turn > next.turn AND m.status = 0 AND m.attempts = 0
        RETURNING m.alarm_message_id AS recipient, m.due_at
    )
    UPDATE alarms_alarmmessage r SET deadline = CASE
        WHEN r.first_sent_at IS NULL THEN last.due_at + make_interval(secs => a.response_timeout) ELSE r.deadline
    END
    FROM (SELECT recipient, max(due_at) AS due_at FROM moved GROUP BY recipient) last, alarms_alarm a
    WHERE r.id = last.recipient AND a.id = r.alarm_id
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attempt."""

    delivery: Delivery
    at: datetime
    error: GatewayError | None = None

    def row(self, gateways: int) -> tuple[str, int, datetime, str]:
        """Return outcome, next gateway, when it is due again and the reason, where the way has so many gateways."""
        if self.error is None:
            return "sent", self.delivery.gateway, self.at, ""
        reason = self.error.reason
        if self.delivery.gateway + 1 < gateways:
            return "again", self.delivery.gateway + 1, self.at, reason
        if self.error.permanent:
            return "failed", self.delivery.gateway, self.at, reason
        wait = backoff(self.delivery.attempt, gateways, self.error.retry_after)
        return "again", 0, self.at + timedelta(seconds=wait), reason


def backoff(attempt: int, gateways: int, retry_after: float | None) -> float:
    """Return the seconds to the next attempt: 5, 15, 45... and up to a fifth more, so that those who failed together
    do not come back together; at least what the gateway asked for."""
    rounds = (attempt - 1) // gateways
    wait = min(FIRST_RETRY * 3.0 ** min(rounds, 10), LONGEST_RETRY) * random.uniform(1.0, 1.2)  # noqa: S311
    # More than a year is not waited for, and could not be written as a time.
    return max(wait, min(retry_after or 0.0, 366 * 86400.0))


def write(results: Sequence[Result], *, gateways: dict[str, int]) -> None:
    """Write what became of attempts, with one transaction and a fixed number of queries.

    Args:
        gateways: how many gateways each way has.
    """
    rows = [result.row(gateways[result.delivery.way]) for result in results]
    outcomes, indexes, dues, reasons = (list(column) for column in zip(*rows, strict=True))
    recipients = [result.delivery.recipient_id for result in results]
    sent = [result for result in results if result.error is None]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_RECIPIENTS, {"recipients": recipients})
        cursor.execute(
            WRITE,
            {
                "id": [result.delivery.device_message_id for result in results],
                "recipient": recipients,
                "attempt": [result.delivery.attempt for result in results],
                "outcome": outcomes,
                "gateway": indexes,
                "due": dues,
                "at": [result.at for result in results],
                "reason": reasons,
            },
        )
        written = {row[0]: row for row in cursor.fetchall()}
        if sent:
            cursor.execute(
                START_TIME,
                {"recipient": [r.delivery.recipient_id for r in sent], "at": [r.at for r in sent]},
            )
        move_up([(recipient, turn) for _id, recipient, turn, status in written.values() if status in (4, 5)])
    for result in results:
        log(result, written.get(result.delivery.device_message_id))


def move_up(over: Collection[tuple[int, int]]) -> None:
    """Let the turn after each of these (recipient, turn) fire at once if nothing of the turn can reach the recipient
    any more. The recipients must be locked."""
    if not over:
        return
    recipients, turns = zip(*over, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(MOVE_UP, {"recipient": list(recipients), "turn": list(turns)})
        if cursor.rowcount:
            cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])


def lock_and_move_up(over: Collection[tuple[int, int]]) -> None:
    """`move_up` in a transaction of its own."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK_RECIPIENTS, {"recipients": [recipient for recipient, _turn in over]})
        move_up(over)


def log(result: Result, written: tuple[int, int, int, int] | None) -> None:
    delivery = result.delivery
    facts = (
        f"{delivery.way} to {masked(delivery.address)} alarm={delivery.alarm_id} message={delivery.message_id}"
        f" device_message={delivery.device_message_id} attempt={delivery.attempt}"
    )
    if written is None:
        logger.warning("too late: %s", facts)
    elif result.error is None:
        logger.info("sent: %s", facts)
    else:
        word = {0: "to be tried again", 4: "failed", 5: "cancelled"}[written[3]]
        logger.warning("%s: %s reason=%s", word, facts, result.error.reason)
