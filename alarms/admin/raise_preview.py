"""What is shown of an alarm before it is raised."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.translation import get_language

from alarms import texts
from alarms.models import DeviceMessage
from alarms.previewing import Preview
from alarms.raising import AlarmOrder
from escalations import foreseeing, reach
from escalations.models import Escalation, EscalationConfiguration, ResponseTimeout, default_entries
from escalations.plan import Entry
from organizations.models import Organization, User, Way

# How many people are named, of whom there may be thousands.
NAMED = 50


class Some(NamedTuple):
    """Some people by name, and how many there are."""

    names: list[str]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.names)


def moment(time: datetime, zone: tzinfo | str) -> str:
    """Return a time by the clocks of a time zone."""
    zone = zoneinfo.ZoneInfo(zone) if isinstance(zone, str) else zone
    return date_format(time.astimezone(zone), "DATETIME_FORMAT")


def shown(order: AlarmOrder, found: Preview, *, now: datetime) -> dict[str, Any]:
    """Return what the page says of an alarm that can be raised."""
    start, zone = order.start(now), order.organization.time_zone
    return {
        "order": order,
        "found": found,
        "later": start > now,
        "start": moment(start, zone),
        "end": moment(order.scheduled_end_at, zone) if order.scheduled_end_at else "",
        "zone": zone,
        "ways": [(Way(way).label, count) for way, count in found.devices.items()],
        "unreachable": some(found.unreachable),
        "unavailable": some(found.unavailable),
        "reached": found.recipients - len(found.unreachable),
        "warnings": warnings(order.organization),
        "lines": lines(order, start=start),
    }


def some(ids: Sequence[int]) -> Some:
    users = User.objects.filter(pk__in=ids[:NAMED]).order_by("last_name", "first_name", "login")
    return Some([str(user) for user in users] if ids else [], len(ids))


def lines(order: AlarmOrder, *, start: datetime) -> tuple[str, ...]:
    """Return what a recipient reads who speaks the language in force and is reached at once."""
    zone = zoneinfo.ZoneInfo(order.organization.time_zone)
    until = start + timedelta(seconds=ResponseTimeout.in_force(order.organization))
    until = min(until, order.scheduled_end_at or until).astimezone(zone).replace(second=0, microsecond=0)
    return texts.lines(
        texts.Key(
            organization=order.organization.name,
            time_zone=order.organization.time_zone,
            event=order.event_name or "",
            message=order.message,
            language=get_language() or "en",
            until=until,
            today=until.date() == start.astimezone(zone).date(),
            kind=DeviceMessage.Kind.ALARM,
            answerable=True,
        )
    )


def warnings(organization: Organization) -> list[foreseeing.Warned]:
    """Return what is wrong with the escalations that hold for an organization's alarms: its own, else the default and
    those of its members, of which only the ways are looked at."""
    owner = reach.of_organization(organization)
    if prescribed := EscalationConfiguration.objects.entries_of(organization):
        return foreseeing.warnings(prescribed, owner)
    default = default_entries()
    members = User.objects.filter(memberships__organization=organization, is_active=True)
    own = Escalation.objects.filter(configuration__user__in=members).order_by().values_list("wayofalarm", flat=True)
    others = set(own.distinct()) - {entry.wayofalarm for entry in default}
    found = foreseeing.warnings(default, owner)
    for way in (way for way in Way.values if way in others):
        # That nothing else is sent by this way alone is no news.
        found += [each for each in foreseeing.warnings([Entry(way, 0)], owner) if each.kind == "waiting"]
    return found
