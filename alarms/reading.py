"""Reading alarms, their answers and what became of their messages: with as many queries for fifty alarms as for one, by
SQL that is written once (organizations/rows.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from alarms.models import STATES, Alarm
from organizations.authentication import OrganizationPrincipal, Principal
from organizations.models import Membership, Organization
from organizations.rows import Columns

ALARM = Columns(Alarm, "a")

OF_ORGANIZATION = f"""
    SELECT 'admin', {ALARM.sql} FROM alarms_alarm a WHERE a.id = %(alarm)s AND a.organization_id = %(asking)s
"""  # noqa: S608 - made of constants
OF_USER = f"""
    SELECT m.role, {ALARM.sql}
    FROM alarms_alarm a
    JOIN organizations_organization o ON o.id = a.organization_id AND o.is_active
    JOIN organizations_membership m ON m.organization_id = a.organization_id AND m.user_id = %(asking)s
    WHERE a.id = %(alarm)s AND (
        m.role = 'admin'
        OR EXISTS (SELECT FROM alarms_alarmmessage r WHERE r.alarm_id = a.id AND r.user_id = %(asking)s)
    )
"""  # noqa: S608 - made of constants

LISTED = "FROM alarms_alarm a WHERE a.organization_id = %(organization)s"
LISTED_TO_RECIPIENT = """
    FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
    WHERE r.user_id = %(only_user)s AND a.organization_id = %(organization)s
"""
PAGE = "ORDER BY a.starts_at DESC, a.id DESC LIMIT %(limit)s OFFSET %(offset)s"

# Quantities and entries with one statement, so that they agree.
ANSWERS = """
    SELECT r.alarm_id, max(r.deadline), count(*) FILTER (WHERE r.response), count(*) FILTER (WHERE NOT r.response),
        count(*) FILTER (WHERE r.response IS NULL), array_agg(r.user_id ORDER BY r.id) FILTER (WHERE {shown}),
        array_agg(r.response ORDER BY r.id) FILTER (WHERE {shown}),
        array_agg(r.responded_at ORDER BY r.id) FILTER (WHERE {shown})
    FROM alarms_alarmmessage r
    WHERE r.alarm_id = ANY(%(alarms)s::bigint[])
    GROUP BY r.alarm_id
"""
ANSWERS_OF_ALL, ANSWERS_OF_ONE = (ANSWERS.format(shown=shown) for shown in ("true", "r.user_id = %(only_user)s"))

STATUS = """
    SELECT r.message_id, m.changed_at, m.device_name, m.status, m.way
    FROM alarms_alarmmessage r
    JOIN alarms_alarm a ON a.id = r.alarm_id
    LEFT JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
    WHERE r.alarm_id = %(alarm)s AND r.user_id = %(user)s AND a.organization_id = %(organization)s
    ORDER BY m.turn, m.id
"""


class Answers(NamedTuple):
    """How the recipients of an alarm have answered, as far as the caller may see it."""

    last_deadline: datetime | None = None
    positive: int = 0
    negative: int = 0
    unknown: int = 0
    # Of each recipient that is shown, in the order of their ids.
    users: Sequence[int] | None = None
    responses: Sequence[bool | None] | None = None
    dates: Sequence[datetime | None] | None = None

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [
            {"userID": user_id, "state": STATES[response], "response": response, "date": date}
            for user_id, response, date in zip(self.users or (), self.responses or (), self.dates or (), strict=True)
        ]

    @property
    def quantity(self) -> dict[str, int]:
        return {"positive": self.positive, "negative": self.negative, "unknown": self.unknown}


def visible_alarm(asking: Principal, alarm_id: int) -> tuple[Alarm, bool] | None:
    """Return an alarm that the caller may see, and whether they may administer it, with one query.

    An admin and an API token see all of their organization, a member what they were notified of (contract 4).
    """
    if isinstance(asking, OrganizationPrincipal):
        statement, asking_id = OF_ORGANIZATION, asking.organization.pk
    else:
        statement, asking_id = OF_USER, asking.pk
    with connection.cursor() as cursor:
        cursor.execute(statement, {"alarm": alarm_id, "asking": asking_id})
        found = cursor.fetchone()
    if found is None:
        return None
    role, *alarm = found
    return ALARM.instance(alarm), role == Membership.Role.ADMIN


def visible_alarms(
    organization: Organization, page: slice, *, only_user_id: int | None
) -> tuple[list[dict[str, Any]], int]:
    """Return a page of the alarms of an organization as contract 4 has them, newest first, and how many there are in
    all: every one, or those that one user was notified of."""
    whose = LISTED if only_user_id is None else LISTED_TO_RECIPIENT
    values = {"organization": organization.pk, "only_user": only_user_id}
    with connection.cursor() as cursor:
        limits = {"limit": page.stop - page.start, "offset": page.start}
        cursor.execute(f"SELECT {ALARM.sql} {whose} {PAGE}", values | limits)
        alarms = [ALARM.instance(row) for row in cursor.fetchall()]
        cursor.execute(f"SELECT count(*) {whose}", values)
        (total,) = cursor.fetchone()
    return rendered(alarms, only_user_id=only_user_id), total


def answers(alarms: Sequence[Alarm], *, only_user_id: int | None) -> dict[int, Answers]:
    """Return by alarm, of those that have recipients, what everybody or only one user has answered."""
    values = {"alarms": [alarm.pk for alarm in alarms], "only_user": only_user_id}
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS_OF_ALL if only_user_id is None else ANSWERS_OF_ONE, values)
        return {alarm_id: Answers(*row) for alarm_id, *row in cursor.fetchall()}


def percentage(quantity: dict[str, int]) -> dict[str, float]:
    """Return quantities in per cent of all recipients, to two decimals."""
    total = sum(quantity.values())
    return {state: round(100 * count / total, 2) if total else 0.0 for state, count in quantity.items()}


def rendered(alarms: Sequence[Alarm], *, only_user_id: int | None = None) -> list[dict[str, Any]]:
    """Return alarms as contract 4 has them, with everybody's answers or only those of one user."""
    found = answers(alarms, only_user_id=only_user_id)
    return [_rendered(alarm, found.get(alarm.pk, Answers())) for alarm in alarms]


def _rendered(alarm: Alarm, answered: Answers) -> dict[str, Any]:
    quantity = answered.quantity
    return {
        "id": alarm.pk,
        "message": alarm.message,
        "organizationID": alarm.organization_id,
        "event": {"id": alarm.pk, "name": alarm.event_name},
        "startDate": alarm.starts_at,
        # Until when it can be answered, as far as known, or when it was closed.
        "endDate": alarm.closed_at or answered.last_deadline or alarm.until(alarm.starts_at + alarm.timeout),
        "raisedBy": alarm.raised_by,
        "closed": alarm.closed_at is not None,
        "feedback": answered.entries,
        "feedbackQuantity": quantity,
        "feedbackPercentage": percentage(quantity),
    }


def message_status(*, alarm_id: int, organization_id: int, user_id: int) -> dict[str, Any] | None:
    """Return what became of an alarm's messages to a user, in the order of the turns; None where it is none of the
    organization's or did not notify them."""
    with connection.cursor() as cursor:
        cursor.execute(STATUS, {"alarm": alarm_id, "organization": organization_id, "user": user_id})
        rows = cursor.fetchall()
    if not rows:
        return None
    devices = [
        {"date": date, "name": name, "status": status, "type": way}
        for _message_id, date, name, status, way in rows
        # Nothing was planned for them (yet).
        if date is not None
    ]
    return {"devices": devices, "messageId": rows[0][0]}
