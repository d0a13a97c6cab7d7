"""An alarm whose time has not come: whom it is for, as far as known."""

from __future__ import annotations

from typing import NamedTuple

from alarms.models import Alarm
from alarms.resources import Resources, recipient_ids
from organizations.models import Group, User

NAMED = 30


class Meant(NamedTuple):
    """Whom an alarm that was not raised is, or was, for."""

    all_users: bool
    groups: list[str]
    users: list[str]
    more: int
    """How many people are not named here."""
    recipients: int
    """How many would be alarmed, if nothing changes until its time."""


def meant(alarm: Alarm) -> Meant:
    """Return whom an alarm that was not raised is for, with three queries."""
    resources = Resources(**(alarm.pending_resources or {}))
    groups = Group.objects.filter(organization=alarm.organization_id, pk__in=resources.units).order_by("name")
    members = User.objects.filter(memberships__organization=alarm.organization_id, pk__in=resources.users)
    named = list(members.order_by("last_name", "first_name", "pk")[:NAMED]) if resources.users else []
    return Meant(
        resources.all_users,
        list(groups.values_list("name", flat=True)[:NAMED]) if resources.units else [],
        [user.get_full_name() or user.login for user in named],
        max(0, len(resources.users) - len(named)),
        len(recipient_ids(resources, alarm.organization, at=alarm.starts_at)),
    )
