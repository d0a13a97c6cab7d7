"""Alarming again those who have not answered: a new alarm with the same text."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from alarms.models import Alarm, AlarmMessage
from alarms.raising import AlarmOrder, raise_alarm
from alarms.repeating import Repeatable
from alarms.resources import Resources
from messaging_project.errors import Conflict
from organizations.models import Membership


def unanswered(alarm: Alarm) -> QuerySet[AlarmMessage]:
    """Return the recipients without an answer who can be alarmed still: active, and members of the organization."""
    members = Membership.objects.filter(organization=alarm.organization_id, user=OuterRef("user"))
    return AlarmMessage.objects.filter(Exists(members), alarm=alarm, response=None, user__is_active=True)


def alarm_again(*, alarm: Alarm, raised_by: str, now: datetime, repeatable: Repeatable | None = None) -> Alarm:
    """Raise a new alarm with the text, the event and the repetitions of `alarm` for those who have not answered it,
    whether or not its time is over; return it. It ends by itself when `alarm` would, if that is still to come.

    Raises: ValidationError if nobody is left to be alarmed; Conflict if `alarm` was not raised, its organization is not
    active or `repeatable` was used for another request.
    """
    if alarm.pending_resources is not None:
        raise Conflict("alarmID: it was never raised.")
    if not alarm.organization.is_active:
        raise Conflict("organizationID: the organization is not active.")
    ends_at = alarm.scheduled_end_at
    order = AlarmOrder(
        organization=alarm.organization,
        message=alarm.message,
        event_name=alarm.event_name,
        resources=Resources(users=list(unanswered(alarm).values_list("user_id", flat=True))),
        scheduled_end_at=ends_at if ends_at is not None and ends_at > now else None,
        repeat=alarm.repeat,
        repeat_after=alarm.repeat_after,
    )
    again, _is_new = raise_alarm(order=order, raised_by=raised_by, now=now, repeatable=repeatable)
    return again
