"""Outgoing hooks: whom an organization has told of its alarms."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from alarms.models.alarm import Alarm
from organizations.models import Organization

validate_url = RegexValidator(
    r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?)(:[0-9]{1,5})?([/?#][!-~]*)?\Z",
    _("Must be an http or https URL of ASCII characters, with a host and without user:password@."),
)


def validate_host(url: str) -> None:
    """Refuse what looks like a URL, but is nowhere."""
    try:
        if urlsplit(url).port != 0 and urlsplit(url).hostname:
            return
    except ValueError:
        pass
    raise ValidationError(_("Its host or port is none."))


class Hook(models.Model):
    """A URL that is told of what happens to an organization's alarms."""

    class Event(models.TextChoices):
        ALARM_RAISED = "alarm.raised", _("Alarm raised")
        FEEDBACK_GIVEN = "feedback.given", _("Feedback given")
        RECIPIENT_TIMED_OUT = "recipient.timed_out", _("Recipient timed out")
        MESSAGE_FAILED = "message.failed", _("Message failed")
        ALARM_CLOSED = "alarm.closed", _("Alarm closed")
        # Sent on demand, never registered for.
        TEST = "test", _("Test")

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="hooks", verbose_name=_("organization")
    )
    url = models.CharField(_("URL"), max_length=2000, validators=[validate_url, validate_host])
    events = ArrayField(models.CharField(max_length=20, choices=Event.choices), verbose_name=_("events"))
    secret = models.TextField(_("secret"), editable=False, help_text=_("Encrypted: signs what is sent."))
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ("organization_id", "id")
        verbose_name = _("hook")
        verbose_name_plural = _("hooks")

    def __str__(self) -> str:
        return _("hook %(id)s of %(organization)s") % {"id": self.pk, "organization": self.organization}


class HookEventQuerySet(models.QuerySet["HookEvent"]):
    def pending(self) -> HookEventQuerySet:
        """Events that their hook does not know of yet and is still to be told of."""
        return self.filter(delivered_at=None, given_up_at=None)


class HookEvent(models.Model):
    """Something that a hook is told. Those of one alarm go out in the order of their ids."""

    hook = models.ForeignKey(
        Hook, on_delete=models.CASCADE, related_name="hook_events", db_index=False, verbose_name=_("hook")
    )
    alarm = models.ForeignKey(
        Alarm,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text=_("None: a test."),
        verbose_name=_("alarm"),
    )
    event = models.CharField(_("event"), max_length=20, choices=Hook.Event.choices)
    payload = models.JSONField(_("payload"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), db_index=True)
    due_at = models.DateTimeField(_("due at"), db_default=Now(), help_text=_("When it is tried next."))
    lease_until = models.DateTimeField(_("lease until"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    given_up_at = models.DateTimeField(_("given up at"), null=True)

    objects = HookEventQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(
                fields=["hook", "alarm", "id"],
                condition=Q(delivered_at=None, given_up_at=None),
                name="hook_events_to_deliver",
            ),
            models.Index(
                fields=["hook"],
                condition=Q(alarm=None, delivered_at=None, given_up_at=None),
                name="hook_tests_to_deliver",
            ),
            models.Index(fields=["hook", "-id"], name="hook_events_of_a_hook"),
        )
        ordering = ("-id",)
        verbose_name = _("hook event")
        verbose_name_plural = _("hook events")

    def __str__(self) -> str:
        return f"{self.event} ({self.pk})"


class HookTry(models.Model):
    """An attempt to tell a hook of an event."""

    # The event's, kept here too, so that the last tries of a hook are found at once.
    hook = models.ForeignKey(
        Hook, on_delete=models.CASCADE, related_name="tries", db_index=False, verbose_name=_("hook")
    )
    hook_event = models.ForeignKey(
        HookEvent, on_delete=models.CASCADE, related_name="tries", verbose_name=_("hook event")
    )
    at = models.DateTimeField(_("at"))
    status = models.PositiveSmallIntegerField(
        _("status"), null=True, help_text=_("The HTTP status, if there was an answer.")
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, help_text=_("Why it failed."))
    seconds = models.FloatField(_("seconds"), help_text=_("How long it took."))

    class Meta:
        indexes = (models.Index(fields=["hook", "-id"], name="hook_tries_of_a_hook"),)
        ordering = ("-id",)
        verbose_name = _("hook try")
        verbose_name_plural = _("hook tries")

    def __str__(self) -> str:
        return str(self.status or self.reason)
