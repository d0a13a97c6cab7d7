"""Raising an alarm: one transaction writes the alarm, its recipients and the jobs that plan them. One for a time in the
future is written with the job that raises it then."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from procrastinate.types import JSONDict
from rest_framework.exceptions import ValidationError

from alarms import tasks, texts
from alarms.closing import close_alarm
from alarms.hooks.recording import alarm_raised
from alarms.models import Alarm
from alarms.repeating import Repeatable, first_alarm, keep
from alarms.templating import named_by, template_of
from escalations.models import Escalation, ResponseTimeout
from inbox.sending import announce_alarm
from messaging_project.api import listed
from organizations.availability import ABSENT
from organizations.models import Group, Membership, Organization

logger = logging.getLogger(__name__)

FURTHEST_START = timedelta(days=366)
RECIPIENTS_PER_JOB = 500
# The first job is small, so that the first messages leave while the others are still being planned.
RECIPIENTS_OF_FIRST_JOB = 50

# Members who are meant as such, or as members of a group.
IN_GENERAL = """(
    %(all_users)s OR EXISTS (
        SELECT FROM organizations_group_memberships g
        WHERE g.membership_id = m.id AND g.group_id = ANY(%(units)s)
    )
)"""

# Whoever is named is alarmed although they are not available.
RECIPIENTS = f"""
    SELECT u.id
    FROM organizations_user u
    WHERE u.is_active AND EXISTS (
        SELECT FROM organizations_membership m
        WHERE m.user_id = u.id AND m.organization_id = %(organization)s
            AND (u.id = ANY(%(users)s) OR {IN_GENERAL} AND NOT {ABSENT})
    )
"""  # noqa: S608 - made of constants

UNAVAILABLE = f"""
    SELECT u.id
    FROM organizations_membership m JOIN organizations_user u ON u.id = m.user_id
    WHERE m.organization_id = %(organization)s AND u.is_active AND NOT u.id = ANY(%(users)s)
        AND {IN_GENERAL} AND {ABSENT}
    ORDER BY u.id
"""  # noqa: S608 - made of constants

NO_RECIPIENT = {"alarmResources": _("No recipient is left: nobody active and available is among them.")}

# Answers the range of ids of each job's recipients: the jobs then need no list of them.
INSERT_RECIPIENTS = f"""
    WITH recipients AS (
        INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline)
        SELECT %(alarm)s, id, %(deadline)s FROM ({RECIPIENTS}) AS recipient ORDER BY id
        RETURNING id
    ), numbered AS (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM recipients
    )
    SELECT min(id), max(id), count(*) FROM numbered
    GROUP BY CASE WHEN number >= %(first)s THEN 1 + (number - %(first)s) / %(chunk)s ELSE 0 END ORDER BY 1
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Resources:
    """Whom an alarm is for: the union of all members, users and groups.

    Its fields are stored with an alarm that is scheduled (Alarm.pending_resources): to rename one takes a migration.
    """

    all_users: bool = False
    users: Sequence[int] = ()
    units: Sequence[int] = ()

    def __bool__(self) -> bool:
        """Whether anybody is meant."""
        return bool(self.all_users or self.users or self.units)

    def of(self, organization_id: int, *, now: datetime) -> dict[str, Any]:
        """Return the values of RECIPIENTS."""
        return {
            "organization": organization_id,
            "now": now,
            "all_users": self.all_users,
            "users": list(self.users),
            "units": list(self.units),
        }


@dataclass(frozen=True)
class AlarmOrder:
    """What is to be raised, of which only the shape is checked."""

    organization: Organization
    message: str = ""
    resources: Resources = Resources()
    event_name: str | None = ""
    """None: that of the template."""
    starts_at: datetime | None = None
    """Past or None: at once."""
    scheduled_end_at: datetime | None = None
    repeat: int = 0
    """How often the escalation runs again for those who have not answered."""
    repeat_after: int = 0
    """Seconds from the last turn of a run to the first of the next."""
    template_id: int = 0
    """The template that says what is left out here; 0: nothing is."""

    def filled(self) -> AlarmOrder:
        """Return what is to be raised once its template, as it is now, has said what is left out.

        Raises: ValidationError for a template that the organization does not have.
        """
        if not self.template_id:
            return self
        template = template_of(self.organization, self.template_id)
        named = named_by(self.organization.pk, [template.pk])[template.pk]
        return replace(
            self,
            message=self.message or template.message,
            resources=self.resources or Resources(template.all_users, *named),
            event_name=template.event_name if self.event_name is None else self.event_name,
            template_id=0,
        )

    def start(self, now: datetime) -> datetime:
        """Return when it starts.

        Raises: ValidationError for a start that is too far ahead, and an end that is not after the start.
        """
        start = max(self.starts_at or now, now)
        if start > now + FURTHEST_START:
            raise ValidationError({"startTime": _("Must be at most %d days ahead.") % FURTHEST_START.days})
        if self.scheduled_end_at is not None and self.scheduled_end_at <= start:
            raise ValidationError({"scheduledEndTime": _("Must be after the start.")})
        return start


def raise_alarm(
    *, order: AlarmOrder, raised_by: str, now: datetime, repeatable: Repeatable | None = None
) -> tuple[Alarm, bool]:
    """Raise an alarm, at once or when its time has come; return it, and whether this was its first request. The number
    of queries does not grow with the recipients.

    Raises: ValidationError naming unknown ids, times that do not fit, or that no recipient is left; Conflict if
    `repeatable` was used with another body. Nothing is raised then.
    """
    with transaction.atomic():
        if repeatable is not None and (first := first_alarm(repeatable, now=now)):
            return first, False
        order = order.filled()  # only now: the first alarm is the answer whatever has become of its template since
        start = order.start(now)
        check_resources(order.organization, order.resources)
        later = start > now
        alarm = Alarm.objects.create(
            organization=order.organization,
            message=order.message,
            event_name=order.event_name or "",
            raised_by=raised_by,
            starts_at=start,
            scheduled_end_at=order.scheduled_end_at,
            repeat=order.repeat,
            repeat_after=order.repeat_after,
            pending_resources=vars(order.resources) if later else None,
            **fixed(order.organization),
        )
        recipients = len(recipient_ids(order, at=start)) if later else begin(alarm, order.resources, now=now)
        if not recipients:
            raise ValidationError(NO_RECIPIENT)
        if later:
            tasks.start.configure(schedule_at=start).defer(alarm_id=alarm.pk)
        if order.scheduled_end_at is not None:
            tasks.close.configure(schedule_at=order.scheduled_end_at).defer(alarm_id=alarm.pk)
        if repeatable is not None:
            keep(repeatable, alarm)
    tell(alarm, recipients)
    return alarm, True


def start_alarm(*, alarm_id: int, now: datetime) -> None:
    """Raise an alarm whose time has come, for whom its organization has then. Nothing happens if it was cancelled.

    One whose end has passed too, as no worker ran, or whose organization is not active any more, is closed.
    """
    with transaction.atomic():
        alarms = Alarm.objects.scheduled().select_for_update(of=("self",)).select_related("organization")
        alarm = alarms.filter(pk=alarm_id).first()
        if alarm is None:
            return
        is_over = alarm.scheduled_end_at is not None and alarm.scheduled_end_at <= now
        if is_over or not alarm.organization.is_active:
            close_alarm(alarm_id=alarm_id, now=now)
            return
        resources = Resources(**(alarm.pending_resources or {}))
        alarm.pending_resources = None
        for field, value in fixed(alarm.organization).items():
            setattr(alarm, field, value)
        alarm.save(update_fields=["pending_resources", "response_timeout", "organization_escalation"])
        recipients = begin(alarm, resources, now=now)
    tell(alarm, recipients)


def tell(alarm: Alarm, recipients: int) -> None:
    """Log what has become of an alarm, once it is committed."""
    logger.log(
        logging.INFO if recipients else logging.ERROR,
        "alarm %s: alarm=%d organization=%d recipients=%d",
        "raised" if alarm.pending_resources is None else "scheduled",
        alarm.pk,
        alarm.organization_id,
        recipients,
    )


def fixed(organization: Organization) -> dict[str, int | bool]:
    """Return what the raising of an alarm fixes of its organization (contract 3, rule 7)."""
    return {
        "response_timeout": ResponseTimeout.in_force(organization),
        "organization_escalation": Escalation.objects.filter(configuration__organization=organization).exists(),
    }


def begin(alarm: Alarm, resources: Resources, *, now: datetime) -> int:
    """Write an alarm's recipients and defer the jobs that plan them; return how many there are."""
    chunks = insert_recipients(alarm, resources, now=now)
    if alarm.organization.alarms_in_inbox:
        text, parameters = texts.for_inbox(alarm)
        announce_alarm(alarm_id=alarm.pk, organization=alarm.organization, text=text, parameters=parameters, now=now)
    jobs: list[JSONDict] = [
        {"alarm_id": alarm.pk, "first_id": first, "last_id": last} for first, last, _count in chunks
    ]
    recipients = sum(count for _first, _last, count in chunks)
    if jobs:
        tasks.plan.batch_defer(*jobs)
        alarm_raised(alarm, recipients=recipients)
    return recipients


def insert_recipients(alarm: Alarm, resources: Resources, *, now: datetime) -> list[tuple[int, int, int]]:
    """Write a recipient for each active user meant; return first id, last id and number of those of each job."""
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_RECIPIENTS,
            resources.of(alarm.organization_id, now=now)
            | {
                "alarm": alarm.pk,
                # One that is raised late, as no worker ran, is not over before it is planned.
                "deadline": alarm.until(max(alarm.starts_at, now) + alarm.timeout),
                "first": RECIPIENTS_OF_FIRST_JOB,
                "chunk": RECIPIENTS_PER_JOB,
            },
        )
        chunks: list[tuple[int, int, int]] = cursor.fetchall()
    return chunks


def recipient_ids(order: AlarmOrder, *, at: datetime) -> list[int]:
    """Return the users whom an alarm that starts then would have, as far as known now."""
    return user_ids(f"{RECIPIENTS} ORDER BY u.id", order, at=at)


def unavailable_ids(order: AlarmOrder, *, at: datetime) -> list[int]:
    """Return the users whom an alarm that starts then would leave out, as they are not available."""
    return user_ids(UNAVAILABLE, order, at=at)


def user_ids(query: str, order: AlarmOrder, *, at: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query, order.resources.of(order.organization.pk, now=at))
        return [user_id for (user_id,) in cursor.fetchall()]


def check_resources(organization: Organization, resources: Resources) -> None:
    """Raise a ValidationError that names the ids which are not the organization's."""
    problems = {}
    members = Membership.objects.filter(organization=organization, user_id__in=resources.users)
    if unknown := set(resources.users) - set(members.values_list("user_id", flat=True) if resources.users else ()):
        problems["users"] = _("Not members of the organization: %s.") % listed(unknown)
    groups = Group.objects.filter(organization=organization, pk__in=resources.units)
    if unknown := set(resources.units) - set(groups.values_list("pk", flat=True) if resources.units else ()):
        problems["units"] = _("Not units of the organization: %s.") % listed(unknown)
    if problems:
        raise ValidationError({"alarmResources": problems})
