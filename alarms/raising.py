"""Raising an alarm: one transaction writes the alarm, its recipients and the jobs that plan them. One for a time in the
future is written with the job that raises it then."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from procrastinate.types import JSONDict
from rest_framework.exceptions import ValidationError

from alarms import counting, planning, tasks, texts
from alarms.closing import close_alarm
from alarms.hooks.recording import alarm_raised
from alarms.models import Alarm
from alarms.repeating import Repeatable, first_alarm, keep
from alarms.resources import NOBODY, Resources, check_resources, recipient_ids
from alarms.templating import named_by, template_of
from inbox.sending import announce_alarm
from messaging_project.database import array
from organizations.models import Organization

logger = logging.getLogger(__name__)

FURTHEST_START = timedelta(days=366)
RECIPIENTS_PER_JOB = 500
# So many device messages are planned with the raising itself: that costs less than to write recipients twice, there is
# no way over a worker, and a small alarm, of which there may be very many at once, needs no job.
PLANNED_AT_ONCE = 10_000

NO_RECIPIENT = {"alarmResources": _("No recipient is left: nobody active and available is among them.")}

FIXED = """
    SELECT coalesce((SELECT seconds FROM escalations_responsetimeout t WHERE t.organization_id = o.id), %(default)s),
        EXISTS (
            SELECT FROM escalations_escalation e JOIN escalations_escalationconfiguration c ON c.id = e.configuration_id
            WHERE c.organization_id = o.id
        )
    FROM organizations_organization o WHERE o.id = %(organization)s
"""

# Answers the first and last id of each job's recipients, so that jobs need no list of them.
INSERT_RECIPIENTS = """
    WITH recipients AS (
        INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline)
        SELECT %(alarm)s, id, %(deadline)s FROM unnest(%(users)s::bigint[]) AS id ORDER BY id
        RETURNING id
    ), numbered AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(per_job)s AS job FROM recipients
    )
    SELECT min(id), max(id) FROM numbered GROUP BY job ORDER BY job
"""


@dataclass(frozen=True)
class AlarmOrder:
    """What is to be raised, of which only the shape is checked."""

    organization: Organization
    message: str = ""
    resources: Resources = NOBODY
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
    """Raise an alarm, at once or when its time has come; return it, and whether this was its first request.

    Raises: ValidationError naming unknown ids, times that do not fit, or that no recipient is left; Conflict if
    `repeatable` was used with another body. Nothing is raised then.
    """
    with transaction.atomic():
        if repeatable is not None and (first := first_alarm(repeatable, now=now)):
            return first, False
        order = order.filled()  # only now: the first alarm is the answer whatever has become of its template since
        start = order.start(now)
        later = start > now
        recipients = recipient_ids(order.resources, order.organization, at=start, locked=not later)
        check_resources(order.organization, order.resources, found=recipients)
        if not recipients:
            raise ValidationError(NO_RECIPIENT)
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
        if not later:
            begin(alarm, recipients, now=now)
        else:
            tasks.start.configure(schedule_at=start).defer(alarm_id=alarm.pk)
        if order.scheduled_end_at is not None:
            tasks.close.configure(schedule_at=order.scheduled_end_at).defer(alarm_id=alarm.pk)
        if repeatable is not None:
            keep(repeatable, alarm)
    tell(alarm, len(recipients))
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
        if recipients := recipient_ids(resources, alarm.organization, at=now, locked=True):
            begin(alarm, recipients, now=now)
    tell(alarm, len(recipients))


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
    with connection.cursor() as cursor:
        cursor.execute(FIXED, {"organization": organization.pk, "default": settings.DEFAULT_RESPONSE_TIMEOUT})
        names = ("response_timeout", "organization_escalation")
        return dict(zip(names, cursor.fetchone(), strict=True))


def begin(alarm: Alarm, users: Sequence[int], *, now: datetime) -> None:
    """Write an alarm's recipients, plan the first of them and defer the jobs that plan the others. The users must be
    locked."""
    if alarm.organization.alarms_in_inbox:
        text, parameters = texts.for_inbox(alarm)
        announce_alarm(alarm_id=alarm.pk, organization=alarm.organization, text=text, parameters=parameters, now=now)
    if later := users[plan_at_once(alarm, users, now=now) :]:
        plan_later(alarm, later, now=now)
    counting.count({(counting.ALARMS, "", "raised"): 1})
    alarm_raised(alarm, recipients=len(users))


def plan_at_once(alarm: Alarm, users: Sequence[int], *, now: datetime) -> int:
    """Write and plan the first recipients here and now; return how many. If that goes wrong, the alarm is raised all
    the same: a job tries it again."""
    try:
        with transaction.atomic():
            return planning.write_planned(alarm, users, messages=PLANNED_AT_ONCE, now=now)
    except Exception:
        logger.exception("planning failed, a job tries it again: alarm=%d", alarm.pk)
        return 0


def plan_later(alarm: Alarm, users: Sequence[int], *, now: datetime) -> None:
    """Write recipients that jobs plan."""
    # One that is raised late, as no worker ran, is not over before it is planned.
    deadline = alarm.until(max(alarm.starts_at, now) + alarm.timeout)
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_RECIPIENTS,
            {"alarm": alarm.pk, "deadline": deadline, "users": array(users), "per_job": RECIPIENTS_PER_JOB},
        )
        jobs: list[JSONDict] = [
            {"alarm_id": alarm.pk, "first_id": first, "last_id": last} for first, last in cursor.fetchall()
        ]
    tasks.plan.batch_defer(*jobs)
