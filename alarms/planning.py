"""Planning: the frozen plan of a chunk of an alarm's recipients becomes rows, which are the queue of the senders."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from django.db import connection, transaction

from alarms.counting import counted
from alarms.gateways import owned
from alarms.gateways.owned import Line
from alarms.models import Alarm, AlarmMessage
from alarms.sending import DEVICE_MESSAGES
from escalations.models import EscalationConfiguration, default_entries
from escalations.plan import Entry, Step, repeated
from escalations.plan import plan as plan_steps
from inbox.sending import tell_of_alarm
from messaging_project.database import array
from organizations.models import Organization

logger = logging.getLogger(__name__)

# A plan counts from the start of the alarm. One that comes late (no worker ran) counts from when it is made, so that
# nobody's time is over before anything could leave.
PUNCTUAL = timedelta(seconds=2)

# Those who are planned at once are written with it,
INSERT_PLANNED = """
    INSERT INTO alarms_alarmmessage (alarm_id, user_id, planned_at, deadline)
    SELECT %(alarm)s, planned.user_id, %(now)s, plan.deadline
    FROM planned JOIN plan ON plan.number = planned.plan
    ORDER BY planned.user_id
    RETURNING id, user_id, escalating
"""
# others are there before, locked.
MARK_PLANNED = """
    UPDATE alarms_alarmmessage r SET planned_at = %(now)s, deadline = plan.deadline
    FROM planned JOIN plan ON plan.number = planned.plan
    WHERE r.alarm_id = %(alarm)s AND r.user_id = planned.user_id
    RETURNING r.id, r.user_id, r.escalating
"""

# A recipient's plan is that of all who have the same entries and are reached by the same ways. There are few of
# them, and their steps meet the devices here.
WRITE = """
    WITH planned AS (
        SELECT * FROM unnest(%(users)s::bigint[], %(plan_of)s::int[]) AS planned (user_id, plan)
    ), plan AS (
        SELECT * FROM unnest(%(plans)s::int[], %(deadline)s::timestamptz[]) AS plan (number, deadline)
    ), recipient AS ({recipients}), message AS (
        INSERT INTO alarms_devicemessage (
            alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, turn, due_at, status, reason
        )
        SELECT %(alarm)s, r.id, d.id, d.name, d.address, d.way, step.gateways_of, step.turn, step.due,
            CASE WHEN r.escalating THEN 0 ELSE 5 END,
            CASE WHEN r.escalating THEN '' ELSE 'ended before it was planned' END
        FROM recipient r
        JOIN planned ON planned.user_id = r.user_id
        JOIN unnest(
            %(plan)s::int[], %(place)s::int[], %(way)s::text[], %(gateways_of)s::bigint[], %(turn)s::int[],
            %(due)s::timestamptz[]
        ) AS step (plan, place, way, gateways_of, turn, due) ON step.plan = planned.plan
        JOIN organizations_device d ON d.user_id = r.user_id AND d.way = step.way AND d.is_active
        ORDER BY r.id, step.place, d.id
        ON CONFLICT DO NOTHING
        RETURNING way, status
    ), {counted}
    SELECT coalesce(sum(value), 0)::bigint FROM counted
"""

# Of each user the entries of their own escalation, null without one, and the way of each active device.
PEOPLE = """
    SELECT u.id,
        (
            SELECT jsonb_agg(jsonb_build_array(e.wayofalarm, e.delay) ORDER BY e.position)
            FROM escalations_escalationconfiguration c JOIN escalations_escalation e ON e.configuration_id = c.id
            WHERE c.user_id = u.id
        ),
        array(SELECT d.way FROM organizations_device d WHERE d.user_id = u.id AND d.is_active AND u.is_active)
    FROM organizations_user u
    WHERE u.id = ANY(%(users)s::bigint[])
    ORDER BY u.id
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
    """The plans of recipients of an alarm."""

    def __init__(self, alarm: Alarm, *, lines: Mapping[str, Line], start: datetime) -> None:
        self._alarm, self._lines, self._start = alarm, lines, start
        self._numbers: dict[tuple[tuple[Entry, ...], frozenset[str]], int] = {}
        self.of: dict[int, int] = {}
        """The number of each user's plan."""
        self.messages = 0
        """How many device messages they come to."""
        self.rows: list[Row] = []
        self.deadlines: list[datetime] = []
        """Of each plan: until when those can answer whom nothing has reached yet."""
        self._steps: list[Counter[str]] = []
        """Of each plan: how many it has of each way."""

    def add(self, user_id: int, entries: Iterable[Entry], devices: Mapping[str, int]) -> None:
        """Plan for a user who has these entries and so many devices of each way."""
        key = tuple(entries), frozenset(devices)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._add(plan_steps(*key))
        number = self.of[user_id] = self._numbers[key]
        self.messages += sum(count * self._steps[number][way] for way, count in devices.items())

    def _add(self, steps: Sequence[Step]) -> None:
        alarm, number = self._alarm, len(self.deadlines)
        runs = repeated(steps, times=alarm.repeat, after=alarm.repeat_after, within=alarm.response_timeout)
        self._steps.append(Counter(step.wayofalarm for step in runs))
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
        users = list(
            AlarmMessage.objects.select_for_update(no_key=True, of=("self",))
            .filter(alarm_id=alarm_id, pk__range=(first_id, last_id), planned_at=None)
            .order_by("pk")
            .values_list("user_id", flat=True)
        )
        if not users:
            return
        alarm = Alarm.objects.select_related("organization").get(pk=alarm_id)
        messages = write(alarm, plans_of(alarm, users, now=now), recipients=MARK_PLANNED, now=now)
        # Whether or not the organization still wants that: it was announced when it was raised, or it was not.
        tell_of_alarm(alarm_id=alarm_id, user_ids=users)
    logger.info("planned: alarm=%d recipients=%d messages=%d", alarm_id, len(users), messages)


def write_planned(alarm: Alarm, user_ids: Sequence[int], *, messages: int, now: datetime) -> int:
    """Write users, who must be locked, as recipients of an alarm, and what is planned for them; return how many these
    are: the first ones, as many as come to so many device messages."""
    plans = plans_of(alarm, user_ids[:messages], now=now, messages=messages)
    write(alarm, plans, recipients=INSERT_PLANNED, now=now)
    if alarm.organization.alarms_in_inbox:
        tell_of_alarm(alarm_id=alarm.pk, user_ids=list(plans.of))
    return len(plans.of)


def plans_of(alarm: Alarm, user_ids: Collection[int], *, now: datetime, messages: float = inf) -> Plans:
    """Return the plans of users, in the order of their ids, until they come to so many messages."""
    lines = usable_lines(alarm.organization)
    plans = Plans(alarm, lines=lines, start=max(alarm.starts_at, now - PUNCTUAL))
    for user_id, entries, devices in reach(alarm, user_ids, ways=lines):
        plans.add(user_id, entries, devices)
        if plans.messages >= messages:
            break
    return plans


def usable_lines(organization: Organization) -> dict[str, Line]:
    """Return the ways that have a gateway and are not disabled, each with whose gateways it uses."""
    lines = owned.available(organization)
    return {way: line for way, line in lines.items() if way not in organization.disabled_ways}


def reach(
    alarm: Alarm, user_ids: Collection[int], *, ways: Collection[str]
) -> Iterator[tuple[int, Sequence[Entry], Counter[str]]]:
    """Return each user, in the order of their ids, with the escalation entries in force for them: the organization's,
    their own or the default (contract 3, rule 3), and how many active devices they have of each of these ways."""
    of_organization = alarm.organization_escalation
    prescribed = EscalationConfiguration.objects.entries_of(alarm.organization) if of_organization else []
    default = prescribed or default_entries()
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, {"users": array(user_ids)})
        rows = cursor.fetchall()
    for user_id, own, devices in rows:
        entries = [Entry(*entry) for entry in json.loads(own)] if own and not prescribed else default
        yield user_id, entries, Counter(way for way in devices if way in ways)


def write(alarm: Alarm, plans: Plans, *, recipients: str, now: datetime) -> int:
    """Write device messages and deadlines, by the plan of each recipient, and wake the senders at the commit; return
    how many device messages that are.

    Args:
        recipients: the statement that writes the recipients themselves.
    """
    columns = list(zip(*plans.rows, strict=True)) or [()] * len(Row._fields)
    values: dict[str, Any] = {name: list(column) for name, column in zip(Row._fields, columns, strict=True)} | {
        "alarm": alarm.pk,
        "users": array(plans.of),
        "plan_of": array(plans.of.values()),
        "plans": list(range(len(plans.deadlines))),
        "deadline": plans.deadlines,
        "now": now,
    }
    with connection.cursor() as cursor:
        statement = WRITE.format(recipients=recipients, counted=counted("message"))
        cursor.execute(f"{statement}; NOTIFY {DEVICE_MESSAGES}", values)
        messages: int = cursor.fetchone()[0]
    return messages
