"""Answering an alarm: one transaction keeps the answer and its history and cancels what has not left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from rest_framework.exceptions import NotFound

from alarms.counting import FEEDBACK, INTO, counted
from alarms.hooks import recording
from alarms.models import Alarm, AlarmMessage
from messaging_project.errors import Conflict
from organizations.models import Organization
from organizations.rows import Columns

logger = logging.getLogger(__name__)

RECIPIENT = Columns(AlarmMessage, "r")

# Whoever writes device messages waits for this lock or passes over it, so an answer and a result or a move of turns see
# each other's work. In the order in which others lock recipients too.
LOCK = f"""
    SELECT statement_timestamp(), a.organization_id, {RECIPIENT.sql}
    FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE r.user_id = %(user)s AND {{which}}
    ORDER BY r.id
    FOR NO KEY UPDATE OF r
"""  # noqa: S608 - made of constants
OF_ALARM = "r.alarm_id = %(alarm)s"
OF_ALARM_OF_ORGANIZATION = f"{OF_ALARM} AND a.organization_id = %(organization)s"
ANSWERABLE = """
    a.organization_id = %(organization)s AND a.closed_at IS NULL
    AND r.deadline > coalesce(%(now)s::timestamptz, statement_timestamp())
"""

# A statement of its own, so that it is after the lock that it is asked whether an alarm is open and what there is to
# cancel: the lock may have been waited for until the closing or the planning was done, of which LOCK knows nothing.
KEEP = f"""
    WITH answered AS (
        UPDATE alarms_alarmmessage r SET response = %(response)s, responded_at = %(now)s, escalating = false
        WHERE r.id = ANY(%(recipients)s::bigint[])
            AND (SELECT a.closed_at IS NULL FROM alarms_alarm a WHERE a.id = r.alarm_id)
        RETURNING r.id
    ), cancelled AS (
        UPDATE alarms_devicemessage SET status = 5, changed_at = %(now)s, reason = 'answered'
        WHERE alarm_message_id = ANY(array(SELECT id FROM answered))
            -- Scheduled. Written with = 0, statistics of a quiet hour let it look through all that are.
            AND status < 1
        RETURNING way, status
    ), {counted("cancelled")}, counted_answers AS (
        {INTO}
        SELECT '{FEEDBACK}', '', CASE WHEN %(response)s THEN 'positive' ELSE 'negative' END, count(*) FROM answered
        HAVING count(*) > 0
    ), history AS (
        INSERT INTO alarms_feedback (alarm_message_id, response, source, created_at)
        SELECT id, %(response)s, %(source)s, %(now)s FROM answered ORDER BY id
    )
    SELECT id, EXISTS (
        SELECT FROM alarms_hook h
        WHERE h.organization_id = %(organization)s AND h.is_active AND 'feedback.given' = ANY(h.events)
    )
    FROM answered
"""  # noqa: S608 - made of constants


def answer_alarm(
    *,
    alarm_id: int,
    user_id: int,
    response: bool,
    source: str,
    organization: Organization | None,
    now: datetime | None = None,
) -> None:
    """Answer one alarm for a user; `organization`, if given, must be the alarm's. `now` is the database's time.

    Raises: NotFound if the user is no recipient, Conflict if the alarm has not started, is closed or their time is over
    (repeating the answer in force is always allowed).
    """
    with transaction.atomic():
        which = OF_ALARM if organization is None else OF_ALARM_OF_ORGANIZATION
        values = {"alarm": alarm_id, "user": user_id, "organization": organization.pk if organization else None}
        found = locked(which, values)
        if not found:
            check_raised(alarm_id=alarm_id, user_id=user_id, organization=organization)
            # One that is raised by now was perhaps not when its recipients were looked for.
            found = locked(which, values)
        if not found:
            raise NotFound(f"alarmID: user {user_id} is no recipient of an alarm {alarm_id}.")
        [recipient] = found
        if recipient.response is response:
            return
        now = now or recipient.database_now  # type: ignore[attr-defined] # annotated
        if recipient.deadline <= now:
            raise Conflict(f"alarmID: the time to answer alarm {alarm_id} is over.")
        if not keep([recipient], response=response, source=source, now=now):
            raise Conflict(f"alarmID: alarm {alarm_id} is closed.")


def check_raised(*, alarm_id: int, user_id: int, organization: Organization | None) -> None:
    """Raise a Conflict for an alarm of the user's organizations, or of the one given, that was not raised (yet): it has
    no recipients."""
    of_the_user = Alarm.objects.filter(organization__memberships__user_id=user_id, organization__is_active=True)
    if organization is not None:
        of_the_user = of_the_user.filter(organization=organization)
    if alarm := of_the_user.filter(pk=alarm_id, pending_resources__isnull=False).first():
        raise Conflict(f"alarmID: alarm {alarm_id} {'is closed' if alarm.closed_at else 'has not started yet'}.")


def answer_organization(
    *, organization: Organization, user_id: int, response: bool, source: str, now: datetime | None = None
) -> None:
    """Answer every alarm of an organization that the user can still answer. `now` is the database's time.

    Raises: Conflict if there is none.
    """
    with transaction.atomic():
        answerable = locked(ANSWERABLE, {"user": user_id, "organization": organization.pk, "now": now})
        changed = [recipient for recipient in answerable if recipient.response is not response]
        if changed:
            now = now or changed[0].database_now  # type: ignore[attr-defined] # annotated
            kept = keep(changed, response=response, source=source, now=now)
            answerable = [recipient for recipient in answerable if recipient not in changed or recipient in kept]
        if not answerable:
            raise Conflict(f"organizationID: user {user_id} has no alarm to answer in organization {organization.pk}.")


def locked(which: str, values: Mapping[str, Any]) -> list[AlarmMessage]:
    """Return recipients, locked, each with the database's time (`database_now`) and its alarm's `organization_id`."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK.format(which=which), values)
        return [_recipient(*row) for row in cursor.fetchall()]


def _recipient(now: datetime, organization_id: int, *columns: object) -> AlarmMessage:
    recipient = RECIPIENT.instance(columns)
    recipient.database_now, recipient.organization_id = now, organization_id  # type: ignore[attr-defined] # annotated
    return recipient


def keep(changed: Sequence[AlarmMessage], *, response: bool, source: str, now: datetime) -> Sequence[AlarmMessage]:
    """Write the answer of locked recipients of one organization, its history and the end of their escalation
    (contract 3, rule 6); return those whose alarm is open."""
    values: dict[str, Any] = {"response": response, "source": source, "now": now}
    values["recipients"] = [recipient.pk for recipient in changed]
    values["organization"] = changed[0].organization_id  # type: ignore[attr-defined] # annotated
    with connection.cursor() as cursor:
        cursor.execute(KEEP, values)
        is_told: dict[int, bool] = dict(cursor.fetchall())
    changed = [recipient for recipient in changed if recipient.pk in is_told]
    if any(is_told.values()):
        recording.feedback_given(changed, response=response, source=source)
    for recipient in changed:
        logger.info(
            "answered: alarm=%d message=%s user=%d response=%s",
            recipient.alarm_id,
            recipient.message_id,
            recipient.user_id,
            "positive" if response else "negative",
        )
    return changed
