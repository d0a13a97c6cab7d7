"""Recording what hooks are to be told, in the transaction in which it happens.

Each of these functions is one statement, and a second that defers the job where a hook wants to know. Call them last in
a transaction: the events of an alarm go out in the order in which they were recorded.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db import connection, transaction
from procrastinate.contrib.django import app

from alarms.hooks import DELIVER, QUEUE
from alarms.models import STATES, Alarm, AlarmMessage, Hook

# So many recipients or messages an event at most: what is sent stays of a size that any server takes.
MAX_LISTED = 1000

Item = TypeVar("Item")

# Somebody who is deleting a hook has locked it: nobody waits for that, and it is told of nothing more.
RECORD = """
    INSERT INTO alarms_hookevent (hook_id, alarm_id, event, payload)
    SELECT h.id, row.alarm, %(event)s, row.payload
    FROM unnest(%(organization)s::bigint[], %(alarm)s::bigint[], %(payload)s::jsonb[])
        WITH ORDINALITY AS row (organization, alarm, payload, place)
    JOIN alarms_hook h ON h.organization_id = row.organization
    WHERE h.is_active AND %(event)s = ANY (h.events)
    ORDER BY row.place
    FOR KEY SHARE OF h SKIP LOCKED
"""


class Happening(NamedTuple):
    """What happened to an alarm."""

    organization_id: int
    """The alarm's."""
    alarm_id: int
    payload: Mapping[str, object]


class FailedMessage(NamedTuple):
    """A device message that was given up."""

    organization_id: int
    """The alarm's."""
    alarm_id: int
    message_id: UUID | str
    """The recipient's, which GetAlarmMessageStatus answers too."""
    user_id: int
    way: str
    device: str
    """The device's name."""
    reason: str


def record(event: Hook.Event, happenings: Iterable[Happening]) -> None:
    """Write an event for each hook that wants to know, of each of the happenings, in their order."""
    columns = list(zip(*happenings, strict=True))
    if not columns:
        return
    organizations, alarms, payloads = columns
    # No savepoint where a transaction is open, as it is to be.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                "event": event.value,
                "organization": list(organizations),
                "alarm": list(alarms),
                "payload": [json.dumps(payload) for payload in payloads],
            },
        )
        if cursor.rowcount:
            defer_delivery()


def defer_delivery() -> None:
    """Let a worker look for what is due, once this transaction is committed."""
    app.configure_task(DELIVER, queue=QUEUE).defer()


def alarm_raised(alarm: Alarm, *, recipients: int) -> None:
    """Record that an alarm has begun for so many recipients."""
    payload = {
        "message": alarm.message,
        "eventName": alarm.event_name,
        "startDate": rfc3339(alarm.starts_at),
        "recipients": recipients,
    }
    record(Hook.Event.ALARM_RAISED, [Happening(alarm.organization_id, alarm.pk, payload)])


def feedback_given(recipients: Sequence[AlarmMessage], *, response: bool, source: str) -> None:
    """Record an answer, each recipient annotated with their alarm's `organization_id`."""
    answer = {"state": STATES[response], "response": response, "source": source}
    record(
        Hook.Event.FEEDBACK_GIVEN,
        [
            Happening(
                recipient.organization_id,  # type: ignore[attr-defined] # annotated
                recipient.alarm_id,
                {"userID": recipient.user_id, **answer},
            )
            for recipient in recipients
        ],
    )


def recipients_timed_out(ended: Iterable[tuple[int, int, int]]) -> None:
    """Record whose time is over: organization, alarm and user of each."""
    record(
        Hook.Event.RECIPIENT_TIMED_OUT,
        [
            Happening(organization_id, alarm_id, {"userIDs": users})
            for organization_id, alarm_id, users in _listed(ended)
        ],
    )


def messages_failed(failed: Iterable[FailedMessage]) -> None:
    """Record the device messages that reach nobody."""
    lines = (
        (
            message.organization_id,
            message.alarm_id,
            {
                "messageId": str(message.message_id),
                "userID": message.user_id,
                "way": message.way,
                "device": message.device,
                "reason": message.reason,
            },
        )
        for message in failed
    )
    record(
        Hook.Event.MESSAGE_FAILED,
        [
            Happening(organization_id, alarm_id, {"messages": messages})
            for organization_id, alarm_id, messages in _listed(lines)
        ],
    )


def alarm_closed(alarm: Alarm) -> None:
    """Record that an alarm is closed, as its row says by now."""
    assert alarm.closed_at is not None
    payload = {"closedAt": rfc3339(alarm.closed_at), "allClear": alarm.all_clear}
    record(Hook.Event.ALARM_CLOSED, [Happening(alarm.organization_id, alarm.pk, payload)])


def _listed(items: Iterable[tuple[int, int, Item]]) -> Iterator[tuple[int, int, list[Item]]]:
    """Put the items of each organization and alarm together, as many as one event may list."""
    of_alarms: defaultdict[tuple[int, int], list[Item]] = defaultdict(list)
    for organization_id, alarm_id, item in items:
        of_alarms[organization_id, alarm_id].append(item)
    for (organization_id, alarm_id), found in of_alarms.items():
        for start in range(0, len(found), MAX_LISTED):
            yield organization_id, alarm_id, found[start : start + MAX_LISTED]


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
