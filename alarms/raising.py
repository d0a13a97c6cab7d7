"""Raising an alarm: one transaction writes the alarm, its recipients and the jobs that plan them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from procrastinate.types import JSONDict
from rest_framework.exceptions import ValidationError

from alarms import tasks
from alarms.models import Alarm
from escalations.models import Escalation, ResponseTimeout
from organizations.models import Group, Membership, Organization

logger = logging.getLogger(__name__)

RECIPIENTS_PER_JOB = 500
# The first job is small, so that the first messages leave while the others are still being planned.
RECIPIENTS_OF_FIRST_JOB = 50

# Answers the range of ids of each job's recipients: the jobs then need no list of them.
INSERT_RECIPIENTS = """
    WITH recipients AS (
        INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline)
        SELECT %(alarm)s, u.id, %(deadline)s
        FROM organizations_user u
        WHERE u.is_active AND EXISTS (
            SELECT FROM organizations_membership m
            WHERE m.user_id = u.id AND m.organization_id = %(organization)s AND (
                %(all_users)s OR u.id = ANY(%(users)s) OR EXISTS (
                    SELECT FROM organizations_group_memberships g
                    WHERE g.membership_id = m.id AND g.group_id = ANY(%(units)s)
                )
            )
        )
        RETURNING id
    ), numbered AS (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM recipients
    )
    SELECT min(id), max(id), count(*) FROM numbered
    GROUP BY CASE WHEN number >= %(first)s THEN 1 + (number - %(first)s) / %(chunk)s ELSE 0 END ORDER BY 1
"""


@dataclass(frozen=True)
class Resources:
    """Whom an alarm is for: the union of all members, users and groups."""

    all_users: bool = False
    users: Collection[int] = ()
    units: Collection[int] = ()


def raise_alarm(
    *,
    organization: Organization,
    message: str,
    resources: Resources,
    raised_by: str,
    now: datetime,
    event_name: str = "",
) -> Alarm:
    """Raise an alarm at once and return it. The number of queries does not grow with the recipients.

    Raises: ValidationError naming unknown ids, or that no recipient is left; nothing is raised then.
    """
    check_resources(organization, resources)
    with transaction.atomic():
        alarm = Alarm.objects.create(
            organization=organization,
            message=message,
            event_name=event_name,
            raised_by=raised_by,
            starts_at=now,
            response_timeout=ResponseTimeout.in_force(organization),
            organization_escalation=Escalation.objects.filter(configuration__organization=organization).exists(),
        )
        chunks = insert_recipients(alarm, resources)
        if not chunks:
            raise ValidationError({"alarmResources": "No recipient is left: nobody active is among them."})
        jobs: list[JSONDict] = [
            {"alarm_id": alarm.pk, "first_id": first, "last_id": last} for first, last, _count in chunks
        ]
        tasks.plan.batch_defer(*jobs)
    logger.info(
        "alarm raised: alarm=%d organization=%d recipients=%d",
        alarm.pk,
        organization.pk,
        sum(count for _first, _last, count in chunks),
    )
    return alarm


def insert_recipients(alarm: Alarm, resources: Resources) -> list[tuple[int, int, int]]:
    """Write a recipient for each active user meant; return first id, last id and number of those of each job."""
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_RECIPIENTS,
            {
                "alarm": alarm.pk,
                "organization": alarm.organization_id,
                "deadline": alarm.starts_at + alarm.timeout,
                "all_users": resources.all_users,
                "users": list(resources.users),
                "units": list(resources.units),
                "first": RECIPIENTS_OF_FIRST_JOB,
                "chunk": RECIPIENTS_PER_JOB,
            },
        )
        chunks: list[tuple[int, int, int]] = cursor.fetchall()
    return chunks


def check_resources(organization: Organization, resources: Resources) -> None:
    """Raise a ValidationError that names the ids which are not the organization's."""
    problems = {}
    members = Membership.objects.filter(organization=organization, user_id__in=resources.users)
    if unknown := set(resources.users) - set(members.values_list("user_id", flat=True) if resources.users else ()):
        problems["users"] = f"Not members of the organization: {', '.join(map(str, sorted(unknown)))}."
    groups = Group.objects.filter(organization=organization, pk__in=resources.units)
    if unknown := set(resources.units) - set(groups.values_list("pk", flat=True) if resources.units else ()):
        problems["units"] = f"Not units of the organization: {', '.join(map(str, sorted(unknown)))}."
    if problems:
        raise ValidationError({"alarmResources": problems})
