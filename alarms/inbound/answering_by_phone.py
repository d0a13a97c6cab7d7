"""Answering from a phone: its number says who answers, and their newest open alarm is meant."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound

from alarms.answering import answer_alarm
from alarms.inbound import replies
from alarms.inbound.reading_answers import read
from alarms.models import AlarmMessage
from messaging_project.errors import Conflict
from organizations.models import Device, Organization, Way
from organizations.phone import e164

# Who answers so long after the start of an alarm that is over is told so; later it means nothing to them.
REMEMBERED = timedelta(days=1)
LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Caller:
    """Who has a number that is known."""

    language: str
    recipient: AlarmMessage | None
    """Of their newest open alarm; where there is none, of the newest that is over."""
    is_open: bool
    is_shared: bool
    """Whether it might as well be another recipient of that alarm, with the same number."""


def is_open(recipient: AlarmMessage, now: datetime) -> bool:
    """Whether an alarm can still be answered by a recipient."""
    return recipient.alarm.closed_at is None and recipient.alarm.until(recipient.deadline) > now


def normalized(number: str) -> str | None:
    """Return the number of a sender as addresses are kept; None where it is none. Many gateways leave out the +."""
    bare = number[:LONGEST_NUMBER].strip()
    for written in (bare, f"+{bare.removeprefix('00')}"):
        with suppress(ValidationError):
            return e164(written)
    return None


def caller(*, number: str, organization: Organization | None, now: datetime) -> Caller | None:
    """Return who has a number, as far as a gateway of an organization (None: of the service) may know; None: nobody."""
    address = normalized(number)
    if address is None:
        return None
    devices = Device.objects.filter(address=address, way__in=(Way.SMS, Way.CALL), is_active=True, user__is_active=True)
    if organization is not None:
        devices = devices.filter(user__memberships__organization=organization)
    users = {device.user_id: device.user for device in devices.select_related("user")}
    if not users:
        return None
    recipients = AlarmMessage.objects.filter(user__in=users, alarm__organization__is_active=True)
    if organization is not None:
        recipients = recipients.filter(alarm__organization=organization)
    recipients = recipients.select_related("alarm__organization", "user")
    recipients = recipients.order_by("-alarm__starts_at", "-alarm_id", "pk")
    newest = [*recipients.answerable(now)[:2]] or [*recipients.filter(alarm__starts_at__gt=now - REMEMBERED)[:1]]
    first = newest[0] if newest else None
    return Caller(
        language=first.user.language if first else next(iter(users.values())).language,
        recipient=first,
        is_open=first is not None and is_open(first, now),
        is_shared=len({recipient.user_id for recipient in newest if first and recipient.alarm_id == first.alarm_id})
        > 1,
    )


def answer(recipient: AlarmMessage, *, response: bool, source: str) -> bool:
    """Answer for a recipient; return whether it was not too late, as it may have become since it was looked at."""
    try:
        answer_alarm(
            alarm_id=recipient.alarm_id,
            user_id=recipient.user_id,
            response=response,
            source=source,
            organization=None,
        )
    except NotFound:
        return False
    except Conflict:
        recipient.refresh_from_db()
        return False
    return True


def answer_by_sms(*, number: str, text: str, organization: Organization | None, now: datetime) -> str:
    """Take what somebody has texted; return what is texted back, empty for a number that nobody has."""
    found = caller(number=number, organization=organization, now=now)
    if found is None:
        return ""
    recipient = found.recipient
    if recipient is None:
        return replies.nothing_to_answer(found.language)
    if not found.is_open:
        return replies.over(recipient)
    if found.is_shared:
        return replies.shared(recipient)
    response = read(text)
    if response is None:
        return replies.unclear(recipient)
    if not answer(recipient, response=response, source="SMS"):
        return replies.over(recipient)
    return replies.kept(recipient, response=response)
