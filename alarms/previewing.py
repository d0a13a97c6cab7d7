"""Previewing an alarm: who would be reached over what, if it were raised now."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from rest_framework.exceptions import ValidationError

from alarms.models import Alarm
from alarms.planning import reach, usable_lines
from alarms.raising import NO_RECIPIENT, AlarmOrder, fixed
from alarms.resources import check_resources, recipient_ids, unavailable_ids
from escalations.plan import plan
from organizations.models import Way


class Preview(NamedTuple):
    recipients: int
    devices: dict[str, int]
    """How many devices would get it, by way."""
    unreachable: list[int]
    """The ids of the users whom nothing would reach."""
    unavailable: list[int]
    """The ids of those who are left out, as they are not available."""


def preview(*, order: AlarmOrder, now: datetime) -> Preview:
    """Check an alarm as raising does, and plan it without writing anything. The number of queries does not grow with
    the recipients.

    Raises: as `raise_alarm`.
    """
    start = order.start(now)
    users = recipient_ids(order.resources, order.organization, at=start)
    check_resources(order.organization, order.resources, found=users)
    if not users:
        raise ValidationError(NO_RECIPIENT)
    alarm = Alarm(organization=order.organization, **fixed(order.organization))
    counts: Counter[str] = Counter()
    unreachable = []
    for user_id, entries, devices in reach(alarm, users, ways=usable_lines(order.organization)):
        ways = {step.wayofalarm for step in plan(entries, devices)}
        counts.update({way: devices[way] for way in ways})
        if not ways:
            unreachable.append(user_id)
    return Preview(
        len(users),
        {way: counts[way] for way in Way.values if way in counts},
        unreachable,
        unavailable_ids(order.resources, order.organization, at=start),
    )
