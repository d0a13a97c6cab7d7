"""What happened, in the admin: to be read only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject, Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.timezone import localtime

# Pages of their own that belong to this app.
from alarms.gateways import admin as _gateways  # noqa: F401
from alarms.health import resting_text
from alarms.hooks import admin as _hooks  # noqa: F401
from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback, IdempotencyKey, Sender
from alarms.upkeep import SENDER_DEAD_AFTER
from messaging_project.admin import ModelAdmin, ReadOnly, TabularInline, list_link

# One pass over an alarm's recipients for all its numbers.
COUNTS = (
    AlarmMessage.objects.filter(alarm=OuterRef("pk"))
    .order_by()
    .values("alarm")
    .annotate(
        counts=JSONObject(
            recipients=Count("pk"),
            positive=Count("pk", filter=Q(response=True)),
            negative=Count("pk", filter=Q(response=False)),
            unknown=Count("pk", filter=Q(response=None)),
            answerable=Count("pk", filter=Q(deadline__gt=Now())),
        )
    )
    .values("counts")
)


@admin.register(Alarm)
class AlarmAdmin(ReadOnly, ModelAdmin[Alarm]):
    """Links to the recipients, of whom there may be thousands, instead of showing them inline."""

    list_display = (
        "id",
        "starts_at",
        "status",
        "recipients",
        "positive",
        "negative",
        "unknown",
        "event_name",
        "text",
        "organization",
    )
    list_display_links = ("id", "starts_at")
    list_filter = ("organization", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization",)
    date_hierarchy = "starts_at"
    search_fields = ("=id", "message", "event_name", "raised_by", "organization__name")
    show_full_result_count = False
    fields = (
        "organization",
        "event_name",
        "message",
        "raised_by",
        "starts_at",
        "scheduled_end_at",
        "closed_at",
        "status",
        "response_timeout",
        "organization_escalation",
        "pending_resources",
        "recipients",
        "positive",
        "negative",
        "unknown",
        "device_messages",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alarm]:
        return super().get_queryset(request).annotate(counts=Subquery(COUNTS))

    @admin.display(description="message")
    def text(self, alarm: Alarm) -> str:
        return Truncator(alarm.message).chars(60)

    @admin.display
    def status(self, alarm: Alarm) -> str:
        if alarm.pending_resources is not None:
            return "missed" if alarm.is_missed else "cancelled" if alarm.closed_at else "scheduled"
        if alarm.closed_at is not None:
            return "closed"
        return "open" if self._count(alarm, "answerable") else "time over"

    @admin.display
    def recipients(self, alarm: Alarm) -> str:
        return list_link(AlarmMessage, self._count(alarm, "recipients"), alarm__id__exact=alarm.pk)

    @admin.display
    def positive(self, alarm: Alarm) -> int:
        return self._count(alarm, "positive")

    @admin.display
    def negative(self, alarm: Alarm) -> int:
        return self._count(alarm, "negative")

    @admin.display
    def unknown(self, alarm: Alarm) -> int:
        return self._count(alarm, "unknown")

    @admin.display
    def device_messages(self, alarm: Alarm) -> str:
        return list_link(DeviceMessage, "device messages", alarm__id__exact=alarm.pk)

    @staticmethod
    def _count(alarm: Any, what: str) -> int:
        count: int = (alarm.counts or {}).get(what, 0)
        return count


def tried_gateways(message: DeviceMessage) -> SafeString:
    """Return the attempts that failed, a line each."""
    return format_html_join(
        mark_safe("<br>"),
        "{} {}: {}",
        (
            (date_format(localtime(datetime.fromisoformat(each["at"])), "H:i:s"), each["gateway"], each["reason"])
            for each in message.tried
        ),
    )


class DeviceMessageInline(ReadOnly, TabularInline[DeviceMessage, AlarmMessage]):
    model = DeviceMessage
    fields = (
        "kind",
        "turn",
        "way",
        "device_name",
        "address",
        "status",
        "receipt",
        "due_at",
        "sent_at",
        "changed_at",
        "attempts",
        "reason",
        "tried_gateways",
    )
    readonly_fields = ("tried_gateways",)

    @admin.display(description="tried")
    def tried_gateways(self, message: DeviceMessage) -> str:
        return tried_gateways(message)


class FeedbackInline(ReadOnly, TabularInline[Feedback, AlarmMessage]):
    model = Feedback
    fields = ("response", "source", "created_at")


@admin.register(AlarmMessage)
class AlarmMessageAdmin(ReadOnly, ModelAdmin[AlarmMessage]):
    list_display = ("user", "alarm", "state", "responded_at", "first_sent_at", "deadline", "escalating")
    list_filter = ("response", "escalating", "deadline", "alarm__organization")
    list_select_related = ("user", "alarm")
    # The newest alarm first, its recipients in their order; an index leads with the alarm.
    ordering = ("-alarm_id", "id")
    search_fields = ("=message_id", "user__login", "user__first_name", "user__last_name")
    show_full_result_count = False
    inlines = (DeviceMessageInline, FeedbackInline)
    fields = (
        "alarm",
        "user",
        "message_id",
        "state",
        "responded_at",
        "first_sent_at",
        "deadline",
        "escalating",
        "planned_at",
    )


@admin.register(DeviceMessage)
class DeviceMessageAdmin(ReadOnly, ModelAdmin[DeviceMessage]):
    list_display = (
        "id",
        "alarm_message",
        "way",
        "status",
        "turn",
        "due_at",
        "device_name",
        "address",
        "changed_at",
        "attempts",
        "reason",
        "receipt",
        "tried_gateways",
    )
    list_filter = ("status", "kind", "receipt", "way", "due_at", "alarm__organization")
    # Not the device: its row may be gone, and a join would hide the message then.
    list_select_related = ("alarm_message__user",)
    ordering = ("-alarm_message_id", "turn", "id")
    search_fields = ("device_name", "address", "alarm_message__user__login")
    show_full_result_count = False

    @admin.display(description="tried")
    def tried_gateways(self, message: DeviceMessage) -> str:
        return tried_gateways(message)


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, ModelAdmin[Feedback]):
    list_display = ("created_at", "alarm_message", "response", "source")
    list_filter = ("response", "created_at", "alarm_message__alarm__organization")
    list_select_related = ("alarm_message__user",)
    ordering = ("-created_at", "-id")
    search_fields = ("source", "alarm_message__user__login")
    show_full_result_count = False


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly, ModelAdmin[IdempotencyKey]):
    list_display = ("created_at", "principal", "key", "alarm")
    list_select_related = ("alarm",)
    ordering = ("-created_at",)
    search_fields = ("=key", "=principal")
    show_full_result_count = False


@admin.register(Sender)
class SenderAdmin(ReadOnly, ModelAdmin[Sender]):
    list_display = ("__str__", "started_at", "heartbeat_at", "alive", "resting_gateways")

    @admin.display(boolean=True)
    def alive(self, sender: Sender) -> bool:
        return timezone.now() - sender.heartbeat_at < timedelta(seconds=SENDER_DEAD_AFTER)

    @admin.display(description="resting gateways")
    def resting_gateways(self, sender: Sender) -> str:
        return (
            "; ".join(f"{resting_text(each)}: {each['gateway']}" for each in sender.resting)
            or self.get_empty_value_display()
        )
