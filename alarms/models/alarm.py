"""Alarms, their recipients and the answers."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alarms.models.answer_code import AnswerCode
from organizations.models import Organization, User

STATES = {True: "positive", False: "negative", None: "unknown"}
"""What a response means (contract 4)."""


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def scheduled(self) -> AlarmQuerySet:
        """Alarms whose time has not come; nobody was alarmed."""
        return self.filter(pending_resources__isnull=False, closed_at=None)


class Alarm(models.Model):
    """An alarm, and what its raising fixed: recipients, timeout and whose escalation holds (contract 3, rule 7).

    One that is scheduled fixes them when its time has come.
    """

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="alarms")
    message = models.TextField()
    event_name = models.CharField(max_length=255, blank=True)
    raised_by = models.TextField()
    starts_at = models.DateTimeField()
    scheduled_end_at = models.DateTimeField(null=True, blank=True, help_text="When it closes itself.")
    closed_at = models.DateTimeField(null=True, blank=True)
    pending_resources = models.JSONField(
        null=True, blank=True, help_text="Whom it is for, of an alarm that was not raised: scheduled or cancelled."
    )
    all_clear = models.TextField(
        blank=True, default="", db_default="", help_text="What everybody who was reached is told at the end."
    )
    all_clear_at = models.DateTimeField(null=True, blank=True, help_text="When it was ordered.")
    repeat = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often the escalation runs again for those who have not answered."
    )
    repeat_after = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Seconds from the last turn of a run to the first of the next."
    )
    response_timeout = models.PositiveIntegerField(help_text="Seconds.")
    organization_escalation = models.BooleanField(
        help_text="Whether the organization's escalation replaces that of its members."
    )

    objects = AlarmQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["organization", "-starts_at", "-id"], name="alarms_of_an_organization"),
            models.Index(
                fields=["starts_at"],
                condition=Q(pending_resources__isnull=False, closed_at=None),
                name="alarms_to_raise",
            ),
        )
        ordering = ("-starts_at", "-id")

    def __str__(self) -> str:
        return f"{self.pk}: {self.event_name or self.message[:60]}"

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.response_timeout)

    @property
    def is_missed(self) -> bool:
        """Whether it was closed after its start without having been raised."""
        return self.pending_resources is not None and self.closed_at is not None and self.closed_at >= self.starts_at

    def until(self, deadline: datetime) -> datetime:
        """Return the end of a recipient's time: their deadline, unless the alarm closes itself before it."""
        return min(deadline, self.scheduled_end_at or deadline)


class IdempotencyKey(models.Model):
    """The header `Idempotency-Key` of a POST that raised an alarm (contract 4)."""

    principal = models.CharField(max_length=40, help_text="Whose key it is: no other principal's collides with it.")
    key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64, help_text="SHA-256 of the body, to tell a repetition from a reuse.")
    alarm = models.ForeignKey(Alarm, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["principal", "key"], name="each_key_once_per_principal"),)

    def __str__(self) -> str:
        return f"{self.key} of {self.principal}"


class AlarmMessageQuerySet(models.QuerySet["AlarmMessage"]):
    def answerable(self, now: datetime | Now) -> AlarmMessageQuerySet:
        """Recipients whose alarm is open and whose time is not over."""
        return self.filter(deadline__gt=now, alarm__closed_at=None)


class AlarmMessage(models.Model):
    """One recipient of an alarm."""

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="alarm_messages", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="alarm_messages")
    message_id = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    # Empty for recipients from before there were codes.
    code = models.CharField(max_length=12, db_default=AnswerCode(), editable=False, help_text="Of the answer page.")
    response = models.BooleanField(null=True)
    responded_at = models.DateTimeField(null=True)
    first_sent_at = models.DateTimeField(null=True, help_text="When the first message left: their time starts.")
    deadline = models.DateTimeField(help_text="Until when they can answer.")
    escalating = models.BooleanField(
        default=True, db_default=True, help_text="Until an answer, the time out or the closing ends the escalation."
    )
    planned_at = models.DateTimeField(null=True)

    objects = AlarmMessageQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["alarm", "user"], name="each_user_once_per_alarm"),
            models.UniqueConstraint(fields=["code"], condition=~Q(code=""), name="each_answer_code_once"),
        )
        indexes = (
            models.Index(fields=["deadline"], condition=Q(escalating=True), name="recipients_to_time_out"),
            models.Index(fields=["alarm"], condition=Q(planned_at=None), name="recipients_to_plan"),
        )
        ordering = ("alarm_id", "id")
        verbose_name = "recipient"

    def __str__(self) -> str:
        return f"{self.user} in alarm {self.alarm_id}"

    @property
    def state(self) -> str:
        return STATES[self.response]


class Feedback(models.Model):
    """The history of answers; the one in force stands on the AlarmMessage."""

    alarm_message = models.ForeignKey(AlarmMessage, on_delete=models.CASCADE, related_name="feedback")
    response = models.BooleanField()
    source = models.CharField(max_length=400, help_text="How the answer came.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("created_at", "id")
        verbose_name_plural = "feedback"

    def __str__(self) -> str:
        return "positive" if self.response else "negative"


class WrongCode(models.Model):
    """How often an address has asked for an answer page that there is not, within a minute."""

    address = models.CharField(max_length=45, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.address
