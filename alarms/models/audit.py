"""What the auditor has found, and what admins are told of."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alarms.models.alarm import Alarm, AlarmMessage
from organizations.models import Organization, Way


class Audit(models.Model):
    """What the auditor has found of one kind. Nothing else writes here."""

    class Kind(models.TextChoices):
        LATE = "late", "device messages due for over 5 s"
        LEASES = "leases", "device messages whose lease was over"
        UNSTARTED = "unstarted", "scheduled alarms that no job was to raise"
        UNPLANNED = "unplanned", "recipients that no job was to plan"
        UNCLOSED = "unclosed", "alarms that no job was to close at their end"
        UNCLEARED = "uncleared", "all-clears that no job was to tell"
        WITHOUT_MESSAGES = "without_messages", "running alarms that reach nobody"

    kind = models.CharField(max_length=20, primary_key=True, choices=Kind.choices)
    found = models.PositiveIntegerField(default=0, help_text="How many the last audit has found.")
    last_found = models.PositiveIntegerField(default=0, help_text="How many were found the last time that any were.")
    last_found_at = models.DateTimeField(null=True)
    total = models.PositiveBigIntegerField(default=0, help_text="How many were found since ever, each counted once.")
    audited_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.found} {self.get_kind_display()}"


class Trouble(models.Model):
    """Why an alarm does not reach whom it should, and whether the admins of its organization were told."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="+", db_index=False)
    # A recipient whom nothing can reach, or
    alarm_message = models.ForeignKey(
        AlarmMessage, null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # a way of which every gateway fails.
    way = models.CharField(max_length=5, choices=Way.choices, blank=True, default="", db_default="")
    found_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["alarm_message"], condition=Q(alarm_message__isnull=False), name="each_unreached_once"
            ),
            models.UniqueConstraint(
                fields=["alarm", "way"], condition=Q(alarm_message=None), name="each_failing_way_once_per_alarm"
            ),
        )
        indexes = (
            models.Index(fields=["organization", "-told_at"], name="troubles_of_an_organization"),
            models.Index(fields=["found_at"], name="troubles_to_forget"),
        )

    def __str__(self) -> str:
        return f"alarm {self.alarm_id}: {self.way or self.alarm_message_id}"
