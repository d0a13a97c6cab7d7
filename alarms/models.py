"""What happened: alarms, their recipients, what goes to each device, and the answers."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from organizations.models import Device, Organization, User, Way

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
        constraints = (models.UniqueConstraint(fields=["alarm", "user"], name="each_user_once_per_alarm"),)
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


class DeviceMessageQuerySet(models.QuerySet["DeviceMessage"]):
    def cancel(self, *, reason: str, now: datetime) -> int:
        """Cancel what has not left; what a sender has taken up is not touched. Lock the recipients before."""
        return self.filter(status=DeviceMessage.Status.SCHEDULED).update(
            status=DeviceMessage.Status.CANCELLED, changed_at=now, reason=reason
        )


class DeviceMessage(models.Model):
    """What one device gets in one turn. These rows are the queue of the senders."""

    class Status(models.IntegerChoices):
        """Contract 4."""

        SCHEDULED = 0
        SENDING = 1
        SENT = 2
        DELIVERED = 3
        FAILED = 4
        CANCELLED = 5

    alarm_message = models.ForeignKey(
        AlarmMessage, on_delete=models.CASCADE, related_name="device_messages", db_index=False
    )
    # Kept here too, so that the claim can take turns between alarms without a join.
    alarm = models.ForeignKey(
        Alarm, on_delete=models.PROTECT, related_name="device_messages", db_index=False, db_constraint=False
    )
    # Read at planning, so that later edits do not touch this alarm; the row may go, which counts as deactivated.
    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    device_name = models.CharField(max_length=100)
    address = models.CharField(max_length=255)
    way = models.CharField("way of alarm", max_length=5, choices=Way.choices)
    turn = models.PositiveSmallIntegerField()
    status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.SCHEDULED)
    due_at = models.DateTimeField(help_text="When its turn comes, or its next attempt.")
    changed_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    gateway = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Which of the way's gateways is next, from 0."
    )
    refused = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The gateways that have refused it for good, a bit each."
    )
    sender_id = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    reason = models.TextField(default="", db_default="", help_text="Why it failed or was cancelled.")

    objects = DeviceMessageQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["alarm_message", "turn", "device"], name="each_device_once_per_turn"),
        )
        indexes = (
            models.Index(fields=["way", "gateway", "alarm", "due_at"], condition=Q(status=0), name="messages_to_claim"),
            models.Index(fields=["due_at"], condition=Q(status=0), name="messages_next_due"),
            models.Index(fields=["lease_until"], condition=Q(status=1), name="messages_under_way"),
        )
        ordering = ("alarm_message_id", "turn", "id")

    def __str__(self) -> str:
        return f"{self.way} to {self.device_name}, turn {self.turn}"


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


class Sender(models.Model):
    """A running sender process and its heartbeat."""

    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now(), db_index=True)
    last_starts = models.JSONField(
        default=dict, help_text="When each way's gateway last started to send something, in seconds since the epoch."
    )

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
