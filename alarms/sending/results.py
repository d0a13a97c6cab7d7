"""Results: what became of attempts is written in sets; turns of which nothing is left make room for the next."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from alarms.gateways.base import masked
from alarms.gateways.owned import Line
from alarms.hooks.recording import FailedMessage, messages_failed
from alarms.sending import DEVICE_MESSAGES, MAY_LEAVE_UNTIL, TRIED_AND_OVER
from alarms.sending.outcomes import FAILED_SINCE, GOES_ON, OVERTAKEN, Outcome, Result
from alarms.sending.sent import write_sent
from alarms.sending.tally import TALLY
from escalations.plan import TURNS_OF_A_RUN as FIRST_REPEATED_TURN
from messaging_project.database import array
from messaging_project.log_settings import written_together

logger = logging.getLogger(__name__)

# So many failed attempts are kept of a message.
MAX_TRIES = 100

Turn = tuple[int, int]
"""A recipient's id and the number of one of their turns."""

# Whoever is locked by somebody else is passed over and comes with a later write: nobody's lock holds up the others.
LOCK_RECIPIENTS = """
    SELECT id FROM alarms_alarmmessage WHERE id = ANY(%(recipients)s::bigint[]) FOR NO KEY UPDATE SKIP LOCKED
"""

# `attempts` tells attempts apart: what was taken from a sender that was held to be dead, and taken up again by another,
# is no longer its to write. What left all the same is written as sent, and what a receipt has said meanwhile stays.
# A retry is scheduled only while the recipient is waited for; one that would come too late is given up.
WRITE = f"""
    UPDATE alarms_devicemessage m SET
        status = CASE
            WHEN m.status = 3 THEN 3
            WHEN {GOES_ON} THEN 0
            WHEN {FAILED_SINCE} THEN 4
            WHEN row.outcome = 'sent' THEN 2
            WHEN row.outcome = 'failed' THEN 4
            WHEN {MAY_LEAVE_UNTIL} = '-infinity' THEN {TRIED_AND_OVER}
            WHEN now() + make_interval(secs => row.wait) >= {MAY_LEAVE_UNTIL} THEN 4
            ELSE 0
        END,
        due_at = CASE
            WHEN row.outcome = 'again' THEN now() + make_interval(secs => row.wait)
            WHEN {GOES_ON} THEN now()
            ELSE m.due_at
        END,
        gateway = CASE WHEN {GOES_ON} THEN row.following ELSE row.gateway END,
        refused = CASE WHEN {OVERTAKEN} THEN row.refused | (1 << row.gateway) ELSE row.refused END,
        changed_at = CASE WHEN m.status = 3 THEN m.changed_at ELSE row.at END,
        sent_at = CASE WHEN row.outcome = 'sent' THEN least(m.sent_at, row.at) ELSE m.sent_at END,
        tried = CASE
            WHEN row.outcome = 'sent' AND NOT ({OVERTAKEN}) OR jsonb_array_length(m.tried) >= %(tries)s THEN m.tried
            -- The database's time: the sender's clock may be behind the date of the receipt.
            WHEN row.outcome = 'sent'
            THEN m.tried || jsonb_build_object('gateway', row.label, 'at', now(), 'reason', 'receipt: failed')
            ELSE m.tried || jsonb_build_object('gateway', row.label, 'at', row.at, 'reason', row.reason)
        END,
        sender_id = NULL,
        lease_until = NULL,
        reason = CASE WHEN {FAILED_SINCE} THEN 'receipt: failed' ELSE row.reason END
    FROM unnest(
        %(id)s::bigint[], %(recipient)s::bigint[], %(attempt)s::int[], %(at)s::timestamptz[], %(label)s::text[],
        %(outcome)s::text[], %(gateway)s::int[], %(refused)s::int[], %(wait)s::float8[], %(reason)s::text[],
        %(following)s::int[]
    ) AS row (id, recipient, attempt, at, label, outcome, gateway, refused, wait, reason, following)
    JOIN alarms_alarmmessage r ON r.id = row.recipient
    JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE m.id = row.id AND m.attempts = row.attempt
        AND (m.status = 1 OR (row.outcome = 'sent' AND m.status IN (0, 3, 4, 5)))
    RETURNING m.id, m.alarm_message_id, m.turn, m.status
"""  # noqa: S608 - made of constants

# What a gateway did not take was no message to its device: the minute has room for another. It is the oldest that goes,
# whichever failed, so that there never is too much room. A row that somebody else holds is left, so that nobody waits.
GIVE_BACK = """
    UPDATE alarms_devicerate rate SET taken = (array(
        SELECT at FROM unnest(rate.taken) AS at WHERE at > now() - interval '1 minute' ORDER BY at
    ))[failed.messages + 1:]
    FROM (
        SELECT device_id, count(*)::int AS messages FROM unnest(%(devices)s::bigint[]) AS device_id GROUP BY device_id
    ) failed
    WHERE rate.device_id = failed.device_id AND rate.device_id IN (
        SELECT device_id FROM alarms_devicerate WHERE device_id = ANY(%(devices)s) FOR UPDATE SKIP LOCKED
    )
"""

# A recipient's time starts with the first message that left for them (contract 5). When that was is what the sender's
# clock says, as far as the database's bears it out: results are written within a second, and a clock that is an hour
# slow must not end everybody's time at once.
START_TIME = """
    UPDATE alarms_alarmmessage r SET
        first_sent_at = first.at,
        deadline = least(first.at + make_interval(secs => a.response_timeout), a.scheduled_end_at)
    FROM (
        SELECT recipient, greatest(least(min(at), now() + interval '5 s'), now() - interval '5 s') AS at
        FROM unnest(%(recipient)s::bigint[], %(at)s::timestamptz[]) AS row (recipient, at)
        GROUP BY recipient
    ) first, alarms_alarm a
    WHERE r.id = first.recipient AND r.first_sent_at IS NULL AND a.id = r.alarm_id
"""

# Contract 3, rule 5: everything that a turn sent has failed, so the next is due at once and the later ones move up by
# the same span. Until something left, the deadline hangs on the last planned turn (contract 5) and moves with it. The
# turns of repeated runs are numbered apart: none moves up because the run before has failed, and no deadline hangs on
# them.
MOVE_UP = f"""
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
        RETURNING m.alarm_message_id AS recipient, m.turn, m.due_at
    )
    UPDATE alarms_alarmmessage r SET deadline = CASE
        WHEN r.first_sent_at IS NULL
        THEN least(last.due_at + make_interval(secs => a.response_timeout), a.scheduled_end_at)
        ELSE r.deadline
    END
    FROM (
        SELECT recipient, max(due_at) AS due_at FROM moved WHERE turn < {FIRST_REPEATED_TURN} GROUP BY recipient
    ) last, alarms_alarm a
    WHERE r.id = last.recipient AND a.id = r.alarm_id
"""  # noqa: S608 - made of constants


def write(
    results: Sequence[Result], *, gateways: Mapping[Line, int], over: Collection[Turn] = ()
) -> tuple[list[Result], list[Turn]]:
    """Write what became of attempts, with a fixed number of queries; return what has to be written later, as its
    recipients are locked by somebody else.

    Args:
        gateways: how many gateways each line has.
        over: turns of which something can no longer reach anybody; the next ones move up if nothing of them can.
    """
    sent = write_sent(results)
    others = [result for result in results if result.delivery.device_message_id not in sent]
    written, locked = _write_others(others, over, gateways) if others or over else ({}, set())
    done = [
        (result, 2 if id_ in sent else written.get(id_))
        for result in results
        if (id_ := result.delivery.device_message_id) in sent or result.delivery.recipient_id in locked
    ]
    TALLY.written(done)
    with written_together():
        for result, status in done:
            log(result, status)
    return (
        [result for result in others if result.delivery.recipient_id not in locked],
        [turn for turn in over if turn[0] not in locked],
    )


def _write_others(
    results: Sequence[Result], over: Collection[Turn], gateways: Mapping[Line, int]
) -> tuple[dict[int, int], set[int]]:
    """Write what became of attempts, but of what was sent and is as it was, in one transaction; return the status of
    each device message that was written, and the recipients whom nobody else has locked."""
    with transaction.atomic(), connection.cursor() as cursor:
        recipients = [result.delivery.recipient_id for result in results] + [recipient for recipient, _turn in over]
        cursor.execute(LOCK_RECIPIENTS, {"recipients": array(recipients)})
        locked = {recipient for (recipient,) in cursor.fetchall()}
        ours = [result for result in results if result.delivery.recipient_id in locked]
        written = _write(cursor, ours, gateways) if ours else {}
        ended = [(recipient, turn) for recipient, turn, status in written.values() if status in (4, 5)]
        move_up(ended + [turn for turn in over if turn[0] in locked])
        statuses = {id_: status for id_, (_recipient, _turn, status) in written.items()}
        messages_failed(
            FailedMessage(
                result.delivery.organization_id,
                result.delivery.alarm_id,
                result.delivery.message_id,
                result.delivery.user_id,
                result.delivery.way,
                result.delivery.device,
                result.error.reason if result.error else "receipt: failed",
            )
            for result in ours
            if statuses.get(result.delivery.device_message_id) == 4
        )
        give_back(cursor, ours)
    return statuses, locked


def _write(
    cursor: CursorWrapper, results: Sequence[Result], gateways: Mapping[Line, int]
) -> dict[int, tuple[int, int, int]]:
    """Write results and return recipient, turn and status of each device message that was written, by its id."""
    outcomes = [
        result.outcome(gateways.get((result.delivery.way, result.delivery.gateways_of), 0)) for result in results
    ]
    columns = {name: list(column) for name, column in zip(Outcome._fields, zip(*outcomes, strict=True), strict=True)}
    cursor.execute(
        WRITE,
        columns
        | {
            "id": [result.delivery.device_message_id for result in results],
            "recipient": [result.delivery.recipient_id for result in results],
            "attempt": [result.delivery.attempt for result in results],
            "at": [result.at for result in results],
            "label": [result.label for result in results],
            "tries": MAX_TRIES,
        },
    )
    written = {row[0]: row[1:] for row in cursor.fetchall()}
    sent = [result for result in results if result.error is None]
    if sent:
        cursor.execute(
            START_TIME,
            {"recipient": [r.delivery.recipient_id for r in sent], "at": [r.at for r in sent]},
        )
    if any(status == 0 for _recipient, _turn, status in written.values()):
        wake(cursor)
    return written


def give_back(cursor: CursorWrapper, results: Sequence[Result]) -> None:
    """Leave room again for what throttled devices did not get. The last thing in its transaction: a claim locks
    messages before it counts."""
    throttled = [result for result in results if settings.MESSAGES_PER_MINUTE.get(result.delivery.way)]
    if failed := [result.delivery.device_id for result in throttled if result.error is not None]:
        cursor.execute(GIVE_BACK, {"devices": failed})


def move_up(over: Collection[Turn]) -> None:
    """Let the turn after each of these fire at once if nothing of the turn can reach the recipient any more. The
    recipients must be locked."""
    if not over:
        return
    recipients, turns = zip(*over, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(MOVE_UP, {"recipient": list(recipients), "turn": list(turns)})
        if cursor.rowcount:
            wake(cursor)


def wake(cursor: CursorWrapper) -> None:
    """Tell the senders at the commit that something is due, the one that writes this too."""
    cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])


def log(result: Result, status: int | None) -> None:
    """Log what became of an attempt, once it is written: with the status of its device message, None if that was no
    longer the sender's to write."""
    delivery = result.delivery
    facts = (
        f"{delivery.way} to {masked(delivery.address)} alarm={delivery.alarm_id} message={delivery.message_id}"
        f" device_message={delivery.device_message_id} attempt={delivery.attempt}"
    )
    if status is None:
        logger.warning("too late: %s", facts)
    elif result.error is None:
        logger.info("sent: %s", facts)
    else:
        word = {0: "to be tried again", 4: "failed", 5: "cancelled"}[status]
        logger.warning("%s: %s reason=%s", word, facts, result.error.reason)
