"""Planning: the frozen plan of a chunk of an alarm's recipients becomes rows, which are the queue of the senders."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from alarms.gateways import owned
from alarms.gateways.owned import Line
from alarms.models import Alarm, AlarmMessage
from alarms.sending import DEVICE_MESSAGES
from escalations.models import EscalationConfiguration, default_entries
from escalations.plan import Entry, Step, repeated
from escalations.plan import plan as plan_steps
from inbox.sending import tell_of_alarm
from organizations.models import Organization

logger = logging.getLogger(__name__)

# A plan counts from the start of the alarm. One that comes late (no worker ran) counts from when it is made, so that
# nobody's time is over before anything could leave.
PUNCTUAL = timedelta(seconds=2)

# A recipient's plan is that of all who have the same entries and are reached by the same ways. There are few of
# them, and their steps meet the devices here.
INSERT_DEVICE_MESSAGES = """
    INSERT INTO alarms_devicemessage
        (alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, turn, due_at, status, reason)
    SELECT r.alarm_id, r.id, d.id, d.name, d.address, d.way, step.gateways_of, step.turn, step.due,
        CASE WHEN r.escalating THEN 0 ELSE 5 END, CASE WHEN r.escalating THEN '' ELSE 'ended before it was planned' END
    FROM unnest(%(recipient)s::bigint[], %(plan_of)s::int[]) AS planned (recipient, plan)
    JOIN alarms_alarmmessage r ON r.id = planned.recipient
    JOIN unnest(
        %(plan)s::int[], %(place)s::int[], %(way)s::text[], %(gateways_of)s::bigint[], %(turn)s::int[],
        %(due)s::timestamptz[]
    ) AS step (plan, place, way, gateways_of, turn, due) ON step.plan = planned.plan
    JOIN organizations_device d ON d.user_id = r.user_id AND d.way = step.way AND d.is_active
    ORDER BY r.id, step.place, d.id
    ON CONFLICT DO NOTHING
"""

MARK_PLANNED = """
    UPDATE alarms_alarmmessage r SET planned_at = %(now)s, deadline = plan.deadline
    FROM unnest(%(recipient)s::bigint[], %(plan_of)s::int[]) AS planned (recipient, plan)
    JOIN unnest(%(plans)s::int[], %(deadline)s::timestamptz[]) AS plan (number, deadline) ON plan.number = planned.plan
    WHERE r.id = planned.recipient
"""

USABLE_DEVICES = """
    SELECT d.user_id, d.way, count(*)
    FROM organizations_device d JOIN organizations_user u ON u.id = d.user_id AND u.is_active
    WHERE d.user_id = ANY(%(users)s::bigint[]) AND d.is_active AND d.way = ANY(%(ways)s::text[])
    GROUP BY d.user_id, d.way
"""


class Row(NamedTuple):
    """A step of one of a chunk's plans, in the order in which they fire."""

    plan: int
    place: int
    way: str
    gateways_of: int
    turn: int
    due: datetime


class Plans:
    """The plans of a chunk of an alarm's recipients."""

    def __init__(self, alarm: Alarm, *, lines: Mapping[str, Line], start: datetime) -> None:
        self._alarm, self._lines, self._start = alarm, lines, start
        self._numbers: dict[tuple[tuple[Entry, ...], frozenset[str]], int] = {}
        self.rows: list[Row] = []
        self.deadlines: list[datetime] = []
        """Of each plan: until when those can answer whom nothing has reached yet."""

    def number(self, entries: Iterable[Entry], ways: Iterable[str]) -> int:
        """Return the number of the plan of who has these entries and is reached by these ways."""
        key = tuple(entries), frozenset(ways)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._add(plan_steps(*key))
        return self._numbers[key]

    def _add(self, steps: Sequence[Step]) -> None:
        alarm, number = self._alarm, len(self.deadlines)
        runs = repeated(steps, times=alarm.repeat, after=alarm.repeat_after, within=alarm.response_timeout)
        for place, step in enumerate(runs):
            _way, owner = self._lines[step.wayofalarm]
            due = self._start + timedelta(seconds=step.after)
            self.rows.append(Row(number, place, step.wayofalarm, owner, step.turn, due))
        last = self._start + timedelta(seconds=steps[-1].after if steps else 0)
        self.deadlines.append(alarm.until(last + alarm.timeout))


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
        if recipients:
            plan_recipients(Alarm.objects.select_related("organization").get(pk=alarm_id), recipients, now=now)
            # Whether or not the organization still wants that: it was announced when it was raised, or it was not.
            tell_of_alarm(alarm_id=alarm_id, user_ids=[user_id for _pk, user_id in recipients])


def plan_recipients(alarm: Alarm, recipients: Collection[tuple[int, int]], *, now: datetime) -> None:
    """Plan recipients of an alarm, each with the id of the user. They must be locked, or not committed yet."""
    users = [user_id for _pk, user_id in recipients]
    entries = entries_in_force(alarm, users)
    lines = usable_lines(alarm.organization)
    devices = usable_devices(lines, users)
    plans = Plans(alarm, lines=lines, start=max(alarm.starts_at, now - PUNCTUAL))
    plan_of = {pk: plans.number(entries[user_id], devices[user_id]) for pk, user_id in recipients}
    messages = write(plan_of=plan_of, plans=plans, now=now)
    logger.info("planned: alarm=%d recipients=%d messages=%d", alarm.pk, len(recipients), messages)


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


def usable_devices(ways: Iterable[str], user_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return how many active devices the active ones of these users have, by way, of these ways."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(USABLE_DEVICES, {"users": list(user_ids), "ways": list(ways)})
        for user_id, way, count in cursor.fetchall():
            found[user_id][way] = count
    return found


def write(*, plan_of: Mapping[int, int], plans: Plans, now: datetime) -> int:
    """Write a chunk's device messages and deadlines, by the plan of each recipient, and wake the senders at the commit;
    return how many device messages that are."""
    recipients, numbers = list(plan_of), list(plan_of.values())
    columns = list(zip(*plans.rows, strict=True)) or [()] * len(Row._fields)
    steps = {name: list(column) for name, column in zip(Row._fields, columns, strict=True)}
    with connection.cursor() as cursor:
        cursor.execute(INSERT_DEVICE_MESSAGES, {"recipient": recipients, "plan_of": numbers, **steps})
        messages: int = cursor.rowcount
        cursor.execute(
            MARK_PLANNED,
            {
                "recipient": recipients,
                "plan_of": numbers,
                "plans": list(range(len(plans.deadlines))),
                "deadline": plans.deadlines,
                "now": now,
            },
        )
        cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])
    return messages
