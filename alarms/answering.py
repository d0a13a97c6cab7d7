"""Answering an alarm: one transaction keeps the answer and its history and cancels what has not left."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from rest_framework.exceptions import NotFound

from alarms.hooks import recording
from alarms.models import Alarm, AlarmMessage, AlarmMessageQuerySet, DeviceMessage, Feedback
from messaging_project.errors import Conflict
from organizations.models import Organization

logger = logging.getLogger(__name__)


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
        found = recipients().filter(alarm_id=alarm_id, user_id=user_id)
        if organization is not None:
            found = found.filter(alarm__organization=organization)
        recipient = found.first()
        if recipient is None:
            check_raised(alarm_id=alarm_id, user_id=user_id, organization=organization)
            # One that is raised by now was perhaps not when its recipients were looked for.
            recipient = found.first()
        if recipient is None:
            raise NotFound(f"alarmID: user {user_id} is no recipient of an alarm {alarm_id}.")
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
        found = recipients().answerable(now or Now()).filter(alarm__organization=organization, user_id=user_id)
        answerable = list(found)
        changed = [recipient for recipient in answerable if recipient.response is not response]
        if changed:
            now = now or changed[0].database_now  # type: ignore[attr-defined] # annotated
            kept = keep(changed, response=response, source=source, now=now)
            answerable = [recipient for recipient in answerable if recipient not in changed or recipient in kept]
        if not answerable:
            raise Conflict(f"organizationID: user {user_id} has no alarm to answer in organization {organization.pk}.")


def recipients() -> AlarmMessageQuerySet:
    """Recipients, locked, each with the database's time as `database_now` and their alarm's `organization_id`.

    Whoever writes device messages waits for this lock or passes over it, so an answer and a result or a move of turns
    see each other's work.
    """
    locked = AlarmMessage.objects.select_for_update(no_key=True, of=("self",))
    return locked.annotate(database_now=Now(), organization_id=F("alarm__organization_id")).order_by("pk")


def keep(changed: Sequence[AlarmMessage], *, response: bool, source: str, now: datetime) -> Sequence[AlarmMessage]:
    """Write the answer of locked recipients, its history and the end of their escalation (contract 3, rule 6); return
    those whose alarm is open.

    Whether it is open is asked with the UPDATE, after the lock: it may have been waited for until the closing was done,
    of which the query that locked knows nothing.
    """
    ids = [recipient.pk for recipient in changed]
    still_open = AlarmMessage.objects.filter(pk__in=ids, alarm__closed_at=None)
    if still_open.update(response=response, responded_at=now, escalating=False) < len(ids):
        left = set(still_open.values_list("pk", flat=True))
        changed = [recipient for recipient in changed if recipient.pk in left]
    DeviceMessage.objects.filter(alarm_message__in=[recipient.pk for recipient in changed]).cancel(
        reason="answered", now=now
    )
    Feedback.objects.bulk_create(
        Feedback(alarm_message=recipient, response=response, source=source, created_at=now) for recipient in changed
    )
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
