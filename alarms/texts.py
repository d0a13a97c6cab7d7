"""What a recipient reads, in their language; times are said in the organization's time zone (contract 8)."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import formats, timezone, translation
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alarms.delivery import Delivery
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from organizations.models import Way

# Stands in the texts that are kept for the address of each recipient's answer page.
ANSWER_URL = "\x00answer\x00"


class Key(NamedTuple):
    """All that a text depends on; a thousand recipients share a few of these."""

    organization: str
    time_zone: str
    event: str
    message: str
    language: str
    until: datetime
    """The minute."""
    today: bool
    kind: int
    answerable: bool
    """Whether there is an answer page."""


class Email(NamedTuple):
    subject: str
    plain: str
    html: str


def key(delivery: Delivery) -> Key:
    until, today = _minute(delivery.until, delivery.time_zone)
    return Key(
        delivery.organization,
        delivery.time_zone,
        delivery.event,
        delivery.message,
        delivery.language,
        until,
        today,
        delivery.kind,
        bool(delivery.code),
    )


def key_of(recipient: AlarmMessage) -> Key:
    """Return what the texts for a recipient of an alarm depend on, whatever they are told over."""
    alarm = recipient.alarm
    until, today = _minute(alarm.until(recipient.deadline), alarm.organization.time_zone)
    return Key(
        alarm.organization.name,
        alarm.organization.time_zone,
        alarm.event_name,
        alarm.message,
        recipient.user.language,
        until,
        today,
        DeviceMessage.Kind.ALARM,
        bool(recipient.code),
    )


def _minute(until: datetime, time_zone: str) -> tuple[datetime, bool]:
    """Return the minute of a time in a time zone, and whether it is today there."""
    # Those who are reached together share the time: it is looked up once a minute.
    return _minute_and_today(until, time_zone, int(timezone.now().timestamp()) // 60)


@lru_cache(maxsize=1024)
def _minute_and_today(until: datetime, time_zone: str, now: int) -> tuple[datetime, bool]:
    """As `_minute`, so many minutes after the epoch."""
    zone = zoneinfo.ZoneInfo(time_zone)
    minute = until.astimezone(zone).replace(second=0, microsecond=0)
    return minute, minute.date() == datetime.fromtimestamp(now * 60, zone).date()


def plain(delivery: Delivery) -> str:
    """Return the text without the address of the answer page, as for a call."""
    return "\n".join(lines(key(delivery)))


def written(delivery: Delivery) -> str:
    """Return the text with the address of the answer page below it, which a call is not told."""
    return "\n".join(filter(None, [*lines(key(delivery)), _link(delivery)]))


def titled(delivery: Delivery) -> tuple[str, str]:
    """Return the headline and the rest, as `written`."""
    headline, *rest = lines(key(delivery))
    return headline, "\n".join(filter(None, [*rest, _link(delivery)]))


def _link(delivery: Delivery) -> str:
    return "" if delivery.way == Way.CALL else delivery.answer_url


def email(delivery: Delivery) -> Email:
    subject, plain, html = shared_email(delivery)
    return Email(
        subject, plain.replace(ANSWER_URL, delivery.answer_url), html.replace(ANSWER_URL, escape(delivery.answer_url))
    )


def shared_email(delivery: Delivery) -> Email:
    """Return what all who read the same share, with ANSWER_URL for their own."""
    return _email(key(delivery))


def shown_in(language: str) -> str:
    """Return the language in which readers of one get their texts: theirs, if there are any in it."""
    for code in (language, settings.LANGUAGE_CODE):
        try:
            return translation.get_supported_language_variant(code.replace("_", "-").lower())
        except LookupError:
            continue
    return "en"


def for_inbox(alarm: Alarm) -> tuple[str, list[str]]:
    """Return the text for the inbox, a key of the catalog, and what fills it."""
    if alarm.event_name:
        return gettext_noop("ALARM {0}: {1}\n\n{2}"), [alarm.organization.name, alarm.event_name, alarm.message]
    return gettext_noop("ALARM {0}\n\n{1}"), [alarm.organization.name, alarm.message]


@lru_cache(maxsize=256)
def lines(key: Key) -> tuple[str, ...]:
    """Return the headline, the message and, where there is something to answer, until when."""
    with translation.override(key.language):
        return tuple(filter(None, [_headline(key), _message(key), _until(key)]))


@lru_cache(maxsize=256)
def _email(key: Key) -> Email:
    with translation.override(key.language):
        headline, message, until = _headline(key), _message(key), _until(key)
        answer = f"{_('Answer')}: {ANSWER_URL}" if key.answerable else ""
        context = {
            "language": shown_in(key.language),
            "headline": headline,
            "message": message,
            "until": until,
            "key": key,
            "answer": _("Answer"),
            "answer_url": ANSWER_URL if key.answerable else "",
        }
        return Email(
            subject=" ".join(f"{headline}: {message}".split())[:120],
            plain="\n\n".join(filter(None, [headline, message, until, answer, f"-- \n{key.organization}"])) + "\n",
            html=render_to_string("alarms/email.html", context),
        )


def _headline(key: Key) -> str:
    names = {"organization": key.organization, "event": key.event}
    match key.kind, bool(key.event):
        case DeviceMessage.Kind.TEST, _event:
            return (_("TEST %(organization)s") % names).rstrip()
        case DeviceMessage.Kind.ALL_CLEAR, True:
            return _("ALL-CLEAR %(organization)s: %(event)s") % names
        case DeviceMessage.Kind.ALL_CLEAR, False:
            return _("ALL-CLEAR %(organization)s") % names
        case _alarm, True:
            return _("ALARM %(organization)s: %(event)s") % names
    return _("ALARM %(organization)s") % names


def _message(key: Key) -> str:
    if key.kind == DeviceMessage.Kind.TEST:
        return _("This is a test: there is no alarm. Your device can be reached.")
    return key.message


def _until(key: Key) -> str:
    """Return until when to answer; empty where there is nothing to answer."""
    if key.kind != DeviceMessage.Kind.ALARM:
        return ""
    return _("Please answer until %(time)s.") % {"time": moment(key)}


def moment(key: Key) -> str:
    """Return until when it can be answered, in the language in force: with the date, unless that is today."""
    clock = key.until.strftime("%H:%M")
    return clock if key.today else f"{formats.date_format(key.until, 'SHORT_DATE_FORMAT')}, {clock}"


def voice() -> str:
    """Return the language that a voice has to speak, so that texts in the language in force sound right."""
    # Translators: a language and a country, such as de-DE.
    return _("en-GB")
