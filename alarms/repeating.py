"""Repeating a POST: an `Idempotency-Key` makes the same request answer the first alarm (contract 4)."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from rest_framework.exceptions import ValidationError

from alarms.models import Alarm, IdempotencyKey
from messaging_project.errors import Conflict

HEADER = "Idempotency-Key"
MAX_LENGTH = 255
LIFETIME = timedelta(hours=24)

# Whoever comes second waits here for the transaction of the first: if that raises nothing, the key is theirs.
TAKE = """
    INSERT INTO alarms_idempotencykey (principal, key, body_digest, created_at)
    VALUES (%(principal)s, %(key)s, %(body_digest)s, %(now)s)
    ON CONFLICT (principal, key) DO UPDATE SET body_digest = %(body_digest)s, created_at = %(now)s, alarm_id = NULL
    WHERE alarms_idempotencykey.created_at <= %(over)s
    RETURNING id
"""


class Repeatable(NamedTuple):
    """A request that may come twice."""

    principal: str
    key: str
    body_digest: str


def repeatable(*, principal: str, key: str, body: Any) -> Repeatable:
    """Return a request with its key; `body` is its JSON, of which the order of the fields does not count.

    Raises: ValidationError for a key that is empty, too long or not of printable ASCII.
    """
    if not 1 <= len(key) <= MAX_LENGTH or not (key.isascii() and key.isprintable()):
        raise ValidationError({HEADER: f"Must be 1 to {MAX_LENGTH} printable ASCII characters."})
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Repeatable(principal, key, digest)


def first_alarm(request: Repeatable, *, now: datetime) -> Alarm | None:
    """Return the alarm that this request has raised before; None: it is the first, whose alarm is to be kept in the
    same transaction.

    Raises: Conflict if its key came with another body in the last 24 hours.
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE, request._asdict() | {"now": now, "over": now - LIFETIME})
        if cursor.fetchone():
            return None
    first = IdempotencyKey.objects.select_related("alarm").get(principal=request.principal, key=request.key)
    if first.body_digest != request.body_digest:
        raise Conflict(f"{HEADER}: it was used for another request.")
    return first.alarm


def keep(request: Repeatable, alarm: Alarm) -> None:
    """Keep the alarm that a request has raised."""
    IdempotencyKey.objects.filter(principal=request.principal, key=request.key).update(alarm=alarm)


def forget(*, now: datetime) -> None:
    """Delete the keys whose time is over, but for those that are being taken again right now."""
    with transaction.atomic():
        over = IdempotencyKey.objects.filter(created_at__lte=now - LIFETIME).select_for_update(skip_locked=True)
        IdempotencyKey.objects.filter(pk__in=over.values("pk")).delete()
