"""Answering an alarm: one transaction keeps the answer and its history and cancels what has not left."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from rest_framework.exceptions import NotFound

from alarms.models import AlarmMessage, AlarmMessageQuerySet, DeviceMessage, Feedback
from messaging_project.errors import Conflict
from organizations.models import Organization

logger = logging.getLogger(__name__)


def answer_alarm(
    *, alarm_id: int, user_id: int, response: bool, source: str, now: datetime, organization: Organization | None
) -> None:
    """Answer one alarm for a user; `organization`, if given, must be the alarm's.

    Raises: NotFound if the user is no recipient, Conflict if the alarm is closed or their time is over (repeating the
    answer in force is always allowed).
    """
    with transaction.atomic():
        found = recipients().filter(alarm_id=alarm_id, user_id=user_id)
        if organization is not None:
            found = found.filter(alarm__organization=organization)
        recipient = found.first()
        if recipient is None:
            raise NotFound(f"alarmID: user {user_id} is no recipient of an alarm {alarm_id}.")
        if recipient.response is response:
            return
        if recipient.alarm.closed_at is not None:
            raise Conflict(f"alarmID: alarm {alarm_id} is closed.")
        if recipient.deadline <= now:
            raise Conflict(f"alarmID: the time to answer alarm {alarm_id} is over.")
        keep([recipient], response=response, source=source, now=now)


def answer_organization(
    *, organization: Organization, user_id: int, response: bool, source: str, now: datetime
) -> None:
    """Answer every alarm of an organization that the user can still answer.

    Raises: Conflict if there is none.
    """
    with transaction.atomic():
        answerable = list(recipients().answerable(now).filter(alarm__organization=organization, user_id=user_id))
        if not answerable:
            raise Conflict(f"organizationID: user {user_id} has no alarm to answer in organization {organization.pk}.")
        changed = [recipient for recipient in answerable if recipient.response is not response]
        if changed:
            keep(changed, response=response, source=source, now=now)


def recipients() -> AlarmMessageQuerySet:
    """Recipients with their alarm, locked. Whoever writes device messages locks their recipients first, in this order,
    so an answer and a result or a move of turns wait for each other and never deadlock."""
    return AlarmMessage.objects.select_for_update(no_key=True, of=("self",)).select_related("alarm").order_by("pk")


def keep(changed: Iterable[AlarmMessage], *, response: bool, source: str, now: datetime) -> None:
    """Write the answer of the locked recipients, its history and the end of their escalation (contract 3, rule 6)."""
    changed = list(changed)
    ids = [recipient.pk for recipient in changed]
    AlarmMessage.objects.filter(pk__in=ids).update(response=response, responded_at=now, escalating=False)
    DeviceMessage.objects.filter(alarm_message__in=ids).cancel(reason="answered", now=now)
    Feedback.objects.bulk_create(
        Feedback(alarm_message=recipient, response=response, source=source, created_at=now) for recipient in changed
    )
    for recipient in changed:
        logger.info(
            "answered: alarm=%d message=%s user=%d response=%s",
            recipient.alarm_id,
            recipient.message_id,
            recipient.user_id,
            "positive" if response else "negative",
        )
