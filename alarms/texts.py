"""What a recipient reads, in their language; times are said in the organization's time zone (contract 8)."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alarms.delivery import Delivery
from alarms.models import Alarm


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


class Email(NamedTuple):
    subject: str
    plain: str
    html: str


def key(delivery: Delivery) -> Key:
    zone = zoneinfo.ZoneInfo(delivery.time_zone)
    until = delivery.until.astimezone(zone).replace(second=0, microsecond=0)
    return Key(
        delivery.organization,
        delivery.time_zone,
        delivery.event,
        delivery.message,
        delivery.language,
        until,
        today=until.date() == timezone.now().astimezone(zone).date(),
    )


def plain(delivery: Delivery) -> str:
    """Return the text for a push, a pager, an SMS or a call."""
    return _plain(key(delivery))


def email(delivery: Delivery) -> Email:
    return _email(key(delivery))


def for_inbox(alarm: Alarm) -> tuple[str, list[str]]:
    """Return the text for the inbox, a key of the catalog, and what fills it."""
    if alarm.event_name:
        return gettext_noop("ALARM {0}: {1}\n\n{2}"), [alarm.organization.name, alarm.event_name, alarm.message]
    return gettext_noop("ALARM {0}\n\n{1}"), [alarm.organization.name, alarm.message]


@lru_cache(maxsize=256)
def _plain(key: Key) -> str:
    with translation.override(key.language):
        return "\n".join([_headline(key), key.message, _until(key)])


@lru_cache(maxsize=256)
def _email(key: Key) -> Email:
    with translation.override(key.language):
        headline, until = _headline(key), _until(key)
        context = {"headline": headline, "until": until, "key": key}
        return Email(
            subject=" ".join(f"{headline}: {key.message}".split())[:120],
            plain=f"{headline}\n\n{key.message}\n\n{until}\n\n-- \n{key.organization}\n",
            html=render_to_string("alarms/email.html", context),
        )


def _headline(key: Key) -> str:
    if key.event:
        return _("ALARM %(organization)s: %(event)s") % {"organization": key.organization, "event": key.event}
    return _("ALARM %(organization)s") % {"organization": key.organization}


def _until(key: Key) -> str:
    time = key.until.strftime("%H:%M")
    if key.today:
        return _("Please answer until %(time)s.") % {"time": time}
    date = formats.date_format(key.until, "SHORT_DATE_FORMAT")
    return _("Please answer until %(date)s, %(time)s.") % {"date": date, "time": time}
