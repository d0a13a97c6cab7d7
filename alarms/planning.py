"""Planning: the frozen plan of a chunk of an alarm's recipients becomes rows, which are the queue of the senders."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from alarms.gateways import owned
from alarms.gateways.owned import Line
from alarms.models import Alarm, AlarmMessage
from alarms.sending import DEVICE_MESSAGES
from escalations.models import EscalationConfiguration, default_entries
from escalations.plan import Entry, repeated
from escalations.plan import plan as plan_steps
from inbox.sending import tell_of_alarm
from organizations.models import Device, Organization

logger = logging.getLogger(__name__)

# A plan counts from the start of the alarm. One that comes late (no worker ran) counts from when it is made, so that
# nobody's time is over before anything could leave.
PUNCTUAL = timedelta(seconds=2)

INSERT_DEVICE_MESSAGES = """
    INSERT INTO alarms_devicemessage
        (alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, turn, due_at, status, reason)
    SELECT %(alarm)s, row.recipient, row.device, row.name, row.address, row.way, row.gateways_of, row.turn, row.due,
        CASE WHEN r.escalating THEN 0 ELSE 5 END, CASE WHEN r.escalating THEN '' ELSE 'ended before it was planned' END
    FROM unnest(
        %(recipient)s::bigint[], %(device)s::bigint[], %(name)s::text[], %(address)s::text[], %(way)s::text[],
        %(gateways_of)s::bigint[], %(turn)s::int[], %(due)s::timestamptz[]
    ) AS row (recipient, device, name, address, way, gateways_of, turn, due)
    JOIN alarms_alarmmessage r ON r.id = row.recipient
    ON CONFLICT DO NOTHING
"""

MARK_PLANNED = """
    UPDATE alarms_alarmmessage r SET planned_at = %(now)s, deadline = row.deadline
    FROM unnest(%(id)s::bigint[], %(deadline)s::timestamptz[]) AS row (id, deadline)
    WHERE r.id = row.id
"""


class Target(NamedTuple):
    """A device as it is now."""

    device: int
    name: str
    address: str


class Row(NamedTuple):
    """A device message to write."""

    recipient: int
    device: int
    name: str
    address: str
    way: str
    gateways_of: int
    turn: int
    due: datetime


def plan(*, alarm_id: int, first_id: int, last_id: int, now: datetime) -> None:
    """Plan the recipients of an alarm with ids from `first_id` to `last_id` that are not planned yet.

    May run twice and at the same time as itself: the recipients are locked, and each device message is unique.
    """
    with transaction.atomic():
        recipients = list(
            AlarmMessage.objects.select_for_update(no_key=True, of=("self",))
            .filter(alarm_id=alarm_id, pk__range=(first_id, last_id), planned_at=None)
            .order_by("pk")
            .values_list("pk", "user_id")
        )
        if not recipients:
            return
        alarm = Alarm.objects.select_related("organization").get(pk=alarm_id)
        start = max(alarm.starts_at, now - PUNCTUAL)
        rows: list[Row] = []
        deadlines: list[datetime] = []
        users = [user_id for _pk, user_id in recipients]
        entries = entries_in_force(alarm, users)
        lines = usable_lines(alarm.organization)
        devices = usable_devices(lines, users)
        for recipient, user_id in recipients:
            steps = plan_steps(entries[user_id], devices[user_id].keys())
            runs = repeated(steps, times=alarm.repeat, after=alarm.repeat_after, within=alarm.response_timeout)
            for step in runs:
                due, owner = start + timedelta(seconds=step.after), lines[step.wayofalarm][1]
                rows += [
                    Row(recipient, *target, step.wayofalarm, owner, step.turn, due)
                    for target in devices[user_id][step.wayofalarm]
                ]
            last = start + timedelta(seconds=steps[-1].after if steps else 0)
            deadlines.append(alarm.until(last + alarm.timeout))
        write(alarm_id=alarm_id, rows=rows, ids=[pk for pk, _user in recipients], deadlines=deadlines, now=now)
        tell_of_alarm(alarm_id=alarm_id, user_ids=users)
    logger.info("planned: alarm=%d recipients=%d messages=%d", alarm_id, len(recipients), len(rows))


def entries_in_force(alarm: Alarm, user_ids: Collection[int]) -> dict[int, list[Entry]]:
    """Return the escalation entries of each user: the organization's, their own or the default (contract 3, rule 3)."""
    configurations = EscalationConfiguration.objects
    if alarm.organization_escalation and (prescribed := configurations.entries_of(alarm.organization)):
        return dict.fromkeys(user_ids, prescribed)
    own = configurations.entries_of_users(user_ids)
    default = default_entries()
    return {user_id: own.get(user_id, default) for user_id in user_ids}


def usable_lines(organization: Organization) -> dict[str, Line]:
    """Return the ways that have a gateway and are not disabled, each with whose gateways it uses."""
    lines = owned.available(organization)
    return {way: line for way, line in lines.items() if way not in organization.disabled_ways}


def usable_devices(ways: Iterable[str], user_ids: Collection[int]) -> dict[int, dict[str, list[Target]]]:
    """Return the active devices of the active users by way, of these ways."""
    found: dict[int, dict[str, list[Target]]] = defaultdict(dict)
    devices = Device.objects.filter(user_id__in=user_ids, user__is_active=True, is_active=True, way__in=list(ways))
    rows = devices.order_by("pk").values_list("user_id", "way", "pk", "name", "address")
    for user_id, way, device, name, address in rows:
        found[user_id].setdefault(way, []).append(Target(device, name, address))
    return found


def write(*, alarm_id: int, rows: Iterable[Row], ids: list[int], deadlines: list[datetime], now: datetime) -> None:
    """Write a chunk's device messages and deadlines, and wake the senders at the commit."""
    columns = list(zip(*rows, strict=True)) or [()] * len(Row._fields)
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_DEVICE_MESSAGES,
            {"alarm": alarm_id} | {name: list(column) for name, column in zip(Row._fields, columns, strict=True)},
        )
        cursor.execute(MARK_PLANNED, {"now": now, "id": ids, "deadline": deadlines})
        cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])
