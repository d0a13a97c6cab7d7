"""Receipts: what a gateway says later of a message that it took. By them a status only ever gets better (contract 4).

Of the receipts of a message the strongest holds, and a weaker or an equal one changes nothing: so it does not matter in
which order they come, and how often.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from rest_framework.exceptions import NotFound

from alarms.counting import DEVICE_MESSAGES as MESSAGES
from alarms.counting import GATEWAY_ERRORS, count
from alarms.gateways import owned
from alarms.gateways.base import masked
from alarms.hooks import recording
from alarms.models import AlarmMessage, DeviceMessage
from alarms.sending import DEVICE_MESSAGES, MAY_LEAVE_UNTIL
from alarms.sending.outcomes import next_place
from alarms.sending.results import MAX_TRIES, START_TIME, move_up
from messaging_project.api import MAX_ID
from messaging_project.errors import Conflict
from organizations.models import Organization

logger = logging.getLogger(__name__)

Status, Receipt = DeviceMessage.Status, DeviceMessage.Receipt

# The random id of a recipient's messages and the id of one of them: `Delivery.idempotency_key`.
KEY = re.compile(r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})-([0-9]{1,19})", re.ASCII | re.IGNORECASE)
STRENGTH = {"": 0, Receipt.FAILED: 1, Receipt.DELIVERED: 2, Receipt.READ: 3}
REASON = "receipt: failed"

IS_WAITED_FOR = f"""
    SELECT {MAY_LEAVE_UNTIL} > %(now)s
    FROM alarms_devicemessage m
    JOIN alarms_alarmmessage r ON r.id = m.alarm_message_id
    JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE m.id = %(id)s
"""  # noqa: S608 - made of constants


def take_receipt(
    *,
    idempotency_key: str,
    status: str,
    date: datetime | None,
    organization: Organization | None,
    now: datetime,
    attempt: int | None = None,
) -> None:
    """Take a receipt of a device message.

    Args:
        status: one of `DeviceMessage.Receipt`.
        date: when that came to be; None: now.
        organization: whose messages the receipt may be of; None: anybody's.
        now: the database's time.
        attempt: which attempt a failure is of, from 1, where the gateway knows; None: the last one.

    Raises: NotFound for a key that is not one of a message, or of another organization's; Conflict if nothing of the
    message was sent yet.
    """
    with transaction.atomic():
        message = _locked(idempotency_key, organization)
        if not message.attempts:
            raise Conflict("idempotencyKey: this message was not sent yet.")
        if STRENGTH[status] <= STRENGTH[message.receipt]:
            return
        if status == Receipt.FAILED:
            if _is_of_before(message, date=date, attempt=attempt):
                return
            _failed(message, at=_within(message, date, now), date=date, now=now)
        else:
            _arrived(message, status=status, at=_within(message, date, now))
    where = f"{message.way} to {masked(message.address)} alarm={message.alarm_id}"
    logger.info("receipt: %s: %s device_message=%d attempt=%d", status, where, message.pk, message.attempts)


def _locked(key: str, organization: Organization | None) -> DeviceMessage:
    """Return the message of a key, locked after its recipient, as whoever ends or moves what is planned does."""
    named = KEY.fullmatch(key)
    if named and int(named[2]) <= MAX_ID:
        found = AlarmMessage.objects.filter(message_id=UUID(named[1]), device_messages=int(named[2]))
        if organization is not None:
            found = found.filter(alarm__organization=organization)
        if found.select_for_update(no_key=True, of=("self",)).first():
            locked = DeviceMessage.objects.select_for_update(no_key=True, of=("self",))
            return locked.select_related("alarm", "alarm_message").get(pk=int(named[2]))
    raise NotFound("idempotencyKey: there is no such message.")


def _within(message: DeviceMessage, date: datetime | None, now: datetime) -> datetime:
    """Return the date of a receipt as far as it can be: since the start of the alarm, until now."""
    return min(max(date or now, message.alarm.starts_at), now)


def _is_of_before(message: DeviceMessage, *, date: datetime | None, attempt: int | None) -> bool:
    """Whether a failure is of an attempt that another has followed. Where the gateway does not say, a failure that is
    not later than one that led to the next gateway is the same again, and so is one of the same date, which may lie
    ahead where that gateway's clock does; the next gateway's clock may be right."""
    if attempt is not None:
        return attempt != message.attempts
    if date is None:
        return False
    known = [tried for tried in message.tried if tried["reason"] == REASON]
    return any(
        date <= datetime.fromisoformat(tried["at"])
        or ("date" in tried and date == datetime.fromisoformat(tried["date"]))
        for tried in known
    )


def _arrived(message: DeviceMessage, *, status: str, at: datetime) -> None:
    """It is there: whatever had become of it otherwise, and what was still to be tried, is over."""
    message.receipt = status
    changed = ["receipt"]
    if message.status != Status.DELIVERED:
        message.status, message.changed_at, message.reason = Status.DELIVERED, at, ""
        message.sender_id = message.lease_until = None
        message.sent_at = message.sent_at or at
        changed += ["status", "changed_at", "reason", "sender_id", "lease_until", "sent_at"]
        with connection.cursor() as cursor:
            cursor.execute(START_TIME, {"recipient": [message.alarm_message_id], "at": [at]})
        count({(MESSAGES, message.way, "delivered"): 1})
    message.save(update_fields=changed)


def _failed(message: DeviceMessage, *, at: datetime, date: datetime | None, now: datetime) -> None:
    """The gateway that took it has failed it for good: the next one gets it, if the recipient is still waited for.

    Of what is under way the sender's result writes the end, the same one (alarms/sending/results.py); a retry that
    waits is for another gateway, or another attempt.
    """
    message.receipt = Receipt.FAILED
    if message.status != Status.SENT:
        message.save(update_fields=["receipt"])
        return
    message.changed_at, message.reason = at, REASON
    following = _refused(message, at=at, date=date)
    if following >= 0 and _is_waited_for(message, now):
        message.status, message.due_at, message.gateway = Status.SCHEDULED, now, following
    else:
        message.status = Status.FAILED
    message.save(
        update_fields=["receipt", "status", "changed_at", "reason", "due_at", "gateway", "refused", "tried"],
    )
    has_failed = message.status == Status.FAILED
    count({(GATEWAY_ERRORS, message.way, "receipt"): 1, (MESSAGES, message.way, "failed"): int(has_failed)})
    if has_failed:
        move_up([(message.alarm_message_id, message.turn)])
        recording.messages_failed([_told(message)])
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])


def _refused(message: DeviceMessage, *, at: datetime, date: datetime | None) -> int:
    """Note that the gateway has failed the message, with the date that it gave where that cannot be; return the place
    of the one that gets it next, -1: all have."""
    line = owned.in_order((message.way, message.gateways_of))
    label = line[message.gateway].label if message.gateway < len(line) else ""
    if len(message.tried) < MAX_TRIES:
        tried = {"gateway": label, "at": at.isoformat(), "reason": REASON}
        given = {} if date is None or date == at else {"date": date.isoformat()}
        message.tried = [*message.tried, tried | given]
    message.refused |= 1 << message.gateway
    return next_place(message.gateway, refused=message.refused, gateways=len(line))


def _is_waited_for(message: DeviceMessage, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_WAITED_FOR, {"id": message.pk, "now": now})
        return bool(cursor.fetchone()[0])


def _told(message: DeviceMessage) -> recording.FailedMessage:
    recipient = message.alarm_message
    return recording.FailedMessage(
        organization_id=message.alarm.organization_id,
        alarm_id=message.alarm_id,
        message_id=recipient.message_id,
        user_id=recipient.user_id,
        way=message.way,
        device=message.device_name,
        reason=message.reason,
    )
