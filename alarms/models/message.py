"""What goes to each device, over which gateways, and who sends it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from alarms.counting import counted
from alarms.models.alarm import Alarm, AlarmMessage
from organizations.models import Device, Organization, Way

CANCEL = f"""
    WITH cancelled AS (
        UPDATE alarms_devicemessage SET status = 5, changed_at = %(now)s, reason = %(reason)s
        WHERE alarm_message_id = ANY(%(recipients)s::bigint[])
            -- Scheduled. As in alarms/answering.py.
            AND status < 1
        RETURNING way, status
    ), {counted("cancelled")}
    SELECT
"""  # noqa: S608 - made of constants


class DeviceMessageManager(models.Manager["DeviceMessage"]):
    def cancel(self, recipients: Collection[int], *, reason: str, now: datetime) -> None:
        """Cancel what has not left for recipients; what a sender has taken up is not touched. Lock them before."""
        with connection.cursor() as cursor:
            cursor.execute(CANCEL, {"recipients": list(recipients), "reason": reason, "now": now})


class DeviceMessage(models.Model):
    """What one device gets in one turn. These rows are the queue of the senders."""

    class Kind(models.IntegerChoices):
        ALARM = 0, _("Alarm")
        ALL_CLEAR = 1, _("All-clear")
        # Never stored: what a device gets that is tried out.
        TEST = 2, _("Test")

    class Status(models.IntegerChoices):
        """Contract 4."""

        SCHEDULED = 0, _("Scheduled")
        SENDING = 1, _("Sending")
        SENT = 2, _("Sent")
        DELIVERED = 3, _("Delivered")
        FAILED = 4, _("Failed")
        CANCELLED = 5, _("Cancelled")

    class Receipt(models.TextChoices):
        """What a gateway says later of a message that it took."""

        FAILED = "failed", _("Failed")
        DELIVERED = "delivered", _("Delivered")
        READ = "read", _("Read")

    alarm_message = models.ForeignKey(
        AlarmMessage,
        on_delete=models.CASCADE,
        related_name="device_messages",
        db_index=False,
        verbose_name=_("recipient"),
    )
    # Kept here too, so that the claim can take turns between alarms without a join.
    alarm = models.ForeignKey(
        Alarm,
        on_delete=models.PROTECT,
        related_name="device_messages",
        db_index=False,
        db_constraint=False,
        verbose_name=_("alarm"),
    )
    # Read at planning, so that later edits do not touch this alarm; the row may go, which counts as deactivated.
    device = models.ForeignKey(
        Device,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("device"),
    )
    device_name = models.CharField(_("device name"), max_length=100)
    address = models.CharField(_("address"), max_length=255)
    way = models.CharField(_("way of alarm"), max_length=5, choices=Way.choices)
    kind = models.PositiveSmallIntegerField(_("kind"), choices=Kind.choices, default=Kind.ALARM, db_default=Kind.ALARM)
    turn = models.PositiveSmallIntegerField(_("turn"))
    status = models.PositiveSmallIntegerField(_("status"), choices=Status.choices, default=Status.SCHEDULED)
    due_at = models.DateTimeField(_("due at"), help_text=_("When its turn comes, or its next attempt."))
    first_due_at = models.DateTimeField(
        _("first due at"), null=True, help_text=_("When its turn came, once a sender has taken it up.")
    )
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    gateways_of = models.BigIntegerField(
        _("gateways of"),
        default=0,
        db_default=0,
        help_text=_("The organization whose own gateways it uses, 0: the service's."),
    )
    gateway = models.PositiveSmallIntegerField(
        _("gateway"), default=0, db_default=0, help_text=_("Which of the way's gateways is next, from 0.")
    )
    refused = models.PositiveIntegerField(
        _("refused"), default=0, db_default=0, help_text=_("The gateways that have refused it for good, a bit each.")
    )
    tried = models.JSONField(
        _("tried"), default=list, db_default=[], help_text=_("The attempts that failed: which gateway, when and why.")
    )
    sent_at = models.DateTimeField(_("sent at"), null=True, help_text=_("When a gateway took it first."))
    receipt = models.CharField(
        _("receipt"), max_length=9, choices=Receipt.choices, blank=True, default="", db_default=""
    )
    sender_id = models.BigIntegerField(_("sender id"), null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    reason = models.TextField(_("reason"), default="", db_default="", help_text=_("Why it failed or was cancelled."))

    objects = DeviceMessageManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["alarm_message", "turn", "device"], name="each_device_once_per_turn"),
        )
        indexes = (
            # Written in this way, only the claim finds it, and the claim no other (alarms/sending/claim.py).
            models.Index(
                fields=["way", "gateways_of", "gateway", "alarm", "due_at"],
                condition=Q(Exact(F("status") + 0, 0)),
                name="messages_to_claim",
            ),
            models.Index(fields=["due_at"], condition=Q(status=0), name="messages_next_due"),
            models.Index(fields=["lease_until"], condition=Q(status=1), name="messages_under_way"),
            # What the home of the admin shows: the last hour's, and what failed.
            models.Index(fields=["sent_at"], condition=Q(sent_at__isnull=False), name="messages_sent"),
            models.Index(fields=["changed_at"], condition=Q(status=4), name="messages_failed"),
        )
        ordering = ("alarm_message_id", "turn", "id")
        verbose_name = _("device message")
        verbose_name_plural = _("device messages")

    def __str__(self) -> str:
        parts = {"way": self.get_way_display(), "device": self.device_name, "turn": self.turn}
        return _("%(way)s to %(device)s, turn %(turn)d") % parts


class Sender(models.Model):
    """A running sender process and its heartbeat."""

    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("pid"))
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("heartbeat at"), db_default=Now(), db_index=True)
    last_starts = models.JSONField(
        _("last starts"),
        default=dict,
        help_text=_("When each way's gateway last started to send something, in seconds since the epoch."),
    )

    resting = models.JSONField(
        _("resting"),
        default=list,
        db_default=[],
        help_text=_("The gateways that it leaves alone for a while, as they keep failing."),
    )

    class Meta:
        ordering = ("id",)
        verbose_name = _("sender")
        verbose_name_plural = _("senders")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class OrganizationGateway(models.Model):
    """The gateways that an organization brings for a way, in place of the service's."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="gateways", verbose_name=_("organization")
    )
    way = models.CharField(_("way of alarm"), max_length=5, choices=Way.choices)
    urls = models.TextField(_("URLs"), editable=False, help_text=_("Encrypted: a URL, or several separated by spaces."))
    summary = models.CharField(_("summary"), max_length=400, editable=False, help_text=_("What may be shown of them."))
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["organization", "way"], name="one_gateway_per_organization_and_way"),
        )
        ordering = ("organization_id", "way")
        verbose_name = _("own gateway")
        verbose_name_plural = _("own gateways")

    def __str__(self) -> str:
        return _("%(way)s of %(organization)s") % {
            "way": self.get_way_display(),
            "organization": self.organization,
        }


class DeviceRate(models.Model):
    """When a device of a way that is throttled was last sent something (setting MESSAGES_PER_MINUTE)."""

    # No reference: who deletes a device does not wait for a sender.
    device_id = models.BigIntegerField(primary_key=True)
    taken = ArrayField(models.DateTimeField(), help_text="Within a minute of the last, oldest first.")
    granted = models.PositiveIntegerField(help_text="How many were let through the last time.")
    per_minute = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"device {self.device_id}"
