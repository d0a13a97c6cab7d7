"""Reading alarms: their answers, counted in the database with a fixed number of queries."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Max, Q

from alarms.models import Alarm, AlarmMessage


class RecipientState(NamedTuple):
    userID: int
    state: str
    response: bool | None
    date: datetime | None


class Summary(NamedTuple):
    quantity: dict[str, int]
    last_deadline: datetime

    @property
    def percentage(self) -> dict[str, float]:
        """The quantities in per cent of all recipients, to two decimals."""
        total = sum(self.quantity.values())
        return {state: round(100 * count / total, 2) if total else 0.0 for state, count in self.quantity.items()}


def summary(alarm: Alarm) -> Summary:
    """Return how many answered how, and the latest time until which anybody can answer."""
    counted = AlarmMessage.objects.filter(alarm=alarm).aggregate(
        positive=Count("pk", filter=Q(response=True)),
        negative=Count("pk", filter=Q(response=False)),
        unknown=Count("pk", filter=Q(response=None)),
        last_deadline=Max("deadline"),
    )
    last_deadline = counted.pop("last_deadline") or alarm.starts_at + alarm.timeout
    return Summary(counted, last_deadline)


def recipient_states(alarm: Alarm, *, only_user_id: int | None = None) -> list[RecipientState]:
    """Return the answer in force of each recipient, or of one."""
    recipients = AlarmMessage.objects.filter(alarm=alarm).order_by("pk")
    if only_user_id is not None:
        recipients = recipients.filter(user_id=only_user_id)
    return [
        RecipientState(recipient.user_id, recipient.state, recipient.response, recipient.responded_at)
        for recipient in recipients.only("user_id", "response", "responded_at")
    ]
