"""Alarms, their recipients and the answers."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

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

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="alarms", verbose_name=_("organization")
    )
    message = models.TextField(_("message"))
    event_name = models.CharField(_("event name"), max_length=255, blank=True)
    raised_by = models.TextField(_("raised by"))
    starts_at = models.DateTimeField(_("starts at"))
    scheduled_end_at = models.DateTimeField(
        _("scheduled end at"), null=True, blank=True, help_text=_("When it closes itself.")
    )
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    pending_resources = models.JSONField(
        _("pending resources"),
        null=True,
        blank=True,
        help_text=_("Whom it is for, of an alarm that was not raised: scheduled or cancelled."),
    )
    all_clear = models.TextField(
        _("all-clear"),
        blank=True,
        default="",
        db_default="",
        help_text=_("What everybody who was reached is told at the end."),
    )
    all_clear_at = models.DateTimeField(_("all-clear at"), null=True, blank=True, help_text=_("When it was ordered."))
    details_dropped_at = models.DateTimeField(
        _("details dropped at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When what each device got and each answer were dropped, as they were old."),
    )
    repeat = models.PositiveSmallIntegerField(
        _("repeat"),
        default=0,
        db_default=0,
        help_text=_("How often the escalation runs again for those who have not answered."),
    )
    repeat_after = models.PositiveIntegerField(
        _("repeat after"),
        default=0,
        db_default=0,
        help_text=_("Seconds from the last turn of a run to the first of the next."),
    )
    response_timeout = models.PositiveIntegerField(_("response timeout"), help_text=_("Seconds."))
    organization_escalation = models.BooleanField(
        _("organization escalation"), help_text=_("Whether the organization's escalation replaces that of its members.")
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
            models.Index(
                fields=["-starts_at", "-id"],
                condition=Q(pending_resources__isnull=True, closed_at=None),
                name="alarms_open",
            ),
            models.Index(
                fields=["scheduled_end_at"],
                condition=Q(scheduled_end_at__isnull=False, closed_at=None),
                name="alarms_to_close",
            ),
            models.Index(fields=["all_clear_at"], condition=Q(all_clear_at__isnull=False), name="alarms_all_clear"),
            models.Index(fields=["starts_at"], condition=Q(details_dropped_at=None), name="alarms_with_details"),
        )
        ordering = ("-starts_at", "-id")
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")

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

    principal = models.CharField(
        _("principal"), max_length=40, help_text=_("Whose key it is: no other principal's collides with it.")
    )
    key = models.CharField(_("key"), max_length=255)
    body_digest = models.CharField(
        _("body digest"), max_length=64, help_text=_("SHA-256 of the body, to tell a repetition from a reuse.")
    )
    alarm = models.ForeignKey(Alarm, null=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("alarm"))
    created_at = models.DateTimeField(_("created at"), db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["principal", "key"], name="each_key_once_per_principal"),)
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")

    def __str__(self) -> str:
        return _("%(key)s of %(principal)s") % {"key": self.key, "principal": self.principal}


class AlarmMessageQuerySet(models.QuerySet["AlarmMessage"]):
    def answerable(self, now: datetime | Now) -> AlarmMessageQuerySet:
        """Recipients whose alarm is open and whose time is not over."""
        return self.filter(deadline__gt=now, alarm__closed_at=None)


class AlarmMessage(models.Model):
    """One recipient of an alarm."""

    alarm = models.ForeignKey(
        Alarm, on_delete=models.PROTECT, related_name="alarm_messages", db_index=False, verbose_name=_("alarm")
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="alarm_messages", verbose_name=_("person"))
    message_id = models.UUIDField(_("message id"), default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    # Empty for recipients from before there were codes.
    code = models.CharField(
        _("code"), max_length=12, db_default=AnswerCode(), editable=False, help_text=_("Of the answer page.")
    )
    response = models.BooleanField(_("response"), null=True)
    responded_at = models.DateTimeField(_("responded at"), null=True)
    first_sent_at = models.DateTimeField(
        _("first sent at"), null=True, help_text=_("When the first message left: their time starts.")
    )
    deadline = models.DateTimeField(_("deadline"), help_text=_("Until when they can answer."))
    escalating = models.BooleanField(
        _("escalating"),
        default=True,
        db_default=True,
        help_text=_("Until an answer, the time out or the closing ends the escalation."),
    )
    planned_at = models.DateTimeField(_("planned at"), null=True)

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
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")

    def __str__(self) -> str:
        return _("%(person)s in alarm %(alarm)d") % {"person": self.user, "alarm": self.alarm_id}

    @property
    def state(self) -> str:
        return STATES[self.response]


class Feedback(models.Model):
    """The history of answers; the one in force stands on the AlarmMessage."""

    alarm_message = models.ForeignKey(
        AlarmMessage, on_delete=models.CASCADE, related_name="feedback", verbose_name=_("recipient")
    )
    response = models.BooleanField(_("response"))
    source = models.CharField(_("source"), max_length=400, help_text=_("How the answer came."))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        ordering = ("created_at", "id")
        verbose_name = _("answer")
        verbose_name_plural = _("answers")

    def __str__(self) -> str:
        return str(_("positive") if self.response else _("negative"))


class WrongCode(models.Model):
    """How often an address has asked for an answer page that there is not, within a minute."""

    address = models.CharField(max_length=45, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.address
