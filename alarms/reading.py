"""Reading alarms: their answers, counted in the database with as many queries for fifty alarms as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Max, Q, QuerySet, Subquery

from alarms.models import STATES, Alarm, AlarmMessage
from organizations.authentication import OrganizationPrincipal, Principal
from organizations.models import Membership, Organization


class Summary(NamedTuple):
    quantity: dict[str, int]
    end: datetime
    """Until when it can be answered, as far as known, or when it was closed."""

    @property
    def percentage(self) -> dict[str, float]:
        """The quantities in per cent of all recipients, to two decimals."""
        total = sum(self.quantity.values())
        return {state: round(100 * count / total, 2) if total else 0.0 for state, count in self.quantity.items()}


def visible_alarm(asking: Principal, alarm_id: int) -> tuple[Alarm, bool] | None:
    """Return an alarm that the caller may see, and whether they may administer it, with one query.

    An admin and an API token see all of their organization, a member what they were notified of (contract 4).
    """
    if isinstance(asking, OrganizationPrincipal):
        alarm = Alarm.objects.filter(pk=alarm_id, organization=asking.organization).first()
        return None if alarm is None else (alarm, True)
    memberships = Membership.objects.filter(user=asking, organization__is_active=True, organization__alarms=alarm_id)
    notified = AlarmMessage.objects.filter(alarm=alarm_id, user=asking)
    seen = (
        Alarm.objects.filter(pk=alarm_id)
        .annotate(role=Subquery(memberships.values("role")), notified=Exists(notified))
        .filter(Q(role=Membership.Role.ADMIN) | Q(role=Membership.Role.MEMBER, notified=True))
        .first()
    )
    return None if seen is None else (seen, seen.role == Membership.Role.ADMIN)  # type: ignore[attr-defined] # annotated


def visible_alarms(organization: Organization, *, only_user_id: int | None) -> QuerySet[Alarm]:
    """Return the alarms of an organization, all or those that one user was notified of."""
    alarms = Alarm.objects.filter(organization=organization)
    return alarms if only_user_id is None else alarms.filter(alarm_messages__user=only_user_id)


def summaries(alarms: Sequence[Alarm]) -> dict[int, Summary]:
    """Return by alarm how many answered how, and the latest time until which anybody can answer."""
    counted = (
        AlarmMessage.objects.filter(alarm__in=alarms)
        .order_by()
        .values("alarm_id")
        .annotate(
            positive=Count("pk", filter=Q(response=True)),
            negative=Count("pk", filter=Q(response=False)),
            unknown=Count("pk", filter=Q(response=None)),
            last_deadline=Max("deadline"),
        )
    )
    counts: dict[int, dict[str, Any]] = {row["alarm_id"]: dict(row) for row in counted}
    found = {}
    for alarm in alarms:
        row = counts.get(alarm.pk, {})
        last_deadline = row.get("last_deadline") or alarm.until(alarm.starts_at + alarm.timeout)
        quantity = {state: row.get(state, 0) for state in STATES.values()}
        found[alarm.pk] = Summary(quantity, alarm.closed_at or last_deadline)
    return found


def feedback(alarms: Sequence[Alarm], *, only_user_id: int | None = None) -> dict[int, list[dict[str, Any]]]:
    """Return by alarm the answer in force of each recipient, or of one, as contract 4 has it."""
    recipients = AlarmMessage.objects.filter(alarm__in=alarms).order_by("pk")
    if only_user_id is not None:
        recipients = recipients.filter(user_id=only_user_id)
    entries = defaultdict(list)
    for alarm_id, user_id, response, date in recipients.values_list("alarm_id", "user_id", "response", "responded_at"):
        entries[alarm_id].append({"userID": user_id, "state": STATES[response], "response": response, "date": date})
    return entries


def rendered(alarms: Sequence[Alarm], *, only_user_id: int | None = None) -> list[dict[str, Any]]:
    """Return alarms as contract 4 has them, with everybody's answers or only those of one user."""
    found, entries = summaries(alarms), feedback(alarms, only_user_id=only_user_id)
    return [
        {
            "id": alarm.pk,
            "message": alarm.message,
            "organizationID": alarm.organization_id,
            "event": {"id": alarm.pk, "name": alarm.event_name},
            "startDate": alarm.starts_at,
            "endDate": found[alarm.pk].end,
            "raisedBy": alarm.raised_by,
            "closed": alarm.closed_at is not None,
            "feedback": entries[alarm.pk],
            "feedbackQuantity": found[alarm.pk].quantity,
            "feedbackPercentage": found[alarm.pk].percentage,
        }
        for alarm in alarms
    ]
