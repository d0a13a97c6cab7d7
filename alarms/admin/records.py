"""What was sent and answered, row by row, in the admin: to be read only."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from alarms.desk.alarm_marks import ANSWERS, REASONS, SOURCES, WAYS, Mark, of_message
from alarms.health import resting_text
from alarms.models import STATES, AlarmMessage, DeviceMessage, Feedback, IdempotencyKey, Sender
from alarms.upkeep import SENDER_DEAD_AFTER
from messaging_project.admin import ReadOnly
from organizations.desk import Desk, DeskInline, OfSuperusers, of_organization

ALIVE = {
    True: Mark("positive", pgettext_lazy("state of a sender", "at work")),
    False: Mark("negative", pgettext_lazy("state of a sender", "no heartbeat")),
}
MARKS = {"all": ("alarms/desk/alarm.css",)}


def tried_gateways(message: DeviceMessage) -> SafeString:
    """Return the attempts that failed, a line each."""
    return format_html_join(
        mark_safe("<br>"),
        "{} {}: {}",
        (
            (
                date_format(localtime(datetime.fromisoformat(each["at"])), "H:i:s"),
                each["gateway"],
                REASONS.get(each["reason"], each["reason"]),
            )
            for each in message.tried
        ),
    )


def moment(at: datetime) -> SafeString:
    """Return a time to the second."""
    local = localtime(at)
    day, time = date_format(local, "SHORT_DATE_FORMAT"), date_format(local, "H:i:s")
    return format_html('<span class="alarm-moment">{} {}</span>', day, time)


class MessageColumns:
    """What the row of a message to a device says in words."""

    @admin.display(description=_("status"), ordering="status")
    def state(self, message: DeviceMessage) -> str:
        return str(of_message(message))

    @admin.display(description=_("way of alarm"), ordering="way")
    def over(self, message: DeviceMessage) -> str:
        return str(WAYS.get(message.way, message.way))

    @admin.display(description=pgettext_lazy("column", "due"), ordering="due_at")
    def due(self, message: DeviceMessage) -> SafeString:
        return moment(message.due_at)

    @admin.display(description=pgettext_lazy("column", "sent"), ordering="sent_at")
    def sent(self, message: DeviceMessage) -> SafeString | None:
        return moment(message.sent_at) if message.sent_at else None

    @admin.display(description=pgettext_lazy("column", "last change"), ordering="changed_at")
    def changed(self, message: DeviceMessage) -> SafeString:
        return moment(message.changed_at)

    @admin.display(description=pgettext_lazy("column", "reason"))
    def why(self, message: DeviceMessage) -> str:
        return str(REASONS.get(message.reason, message.reason))

    @admin.display(description=pgettext_lazy("column", "tried"))
    def tried_gateways(self, message: DeviceMessage) -> str:
        return tried_gateways(message)


class AnswerColumns:
    """What the row of an answer says in words."""

    @admin.display(description=pgettext_lazy("column", "answer"), ordering="response")
    def answer(self, feedback: Feedback) -> str:
        return str(ANSWERS[STATES[feedback.response]])

    @admin.display(description=pgettext_lazy("column", "how it came"), ordering="source")
    def how(self, feedback: Feedback) -> str:
        return str(SOURCES.get(feedback.source, feedback.source))


class DeviceMessageInline(MessageColumns, ReadOnly, DeskInline[DeviceMessage, AlarmMessage]):
    model = DeviceMessage
    fields = (
        "kind",
        "turn",
        "over",
        "device_name",
        "address",
        "state",
        "due",
        "sent",
        "changed",
        "attempts",
        "why",
        "tried_gateways",
    )
    readonly_fields = ("over", "state", "due", "sent", "changed", "why", "tried_gateways")


class FeedbackInline(AnswerColumns, ReadOnly, DeskInline[Feedback, AlarmMessage]):
    model = Feedback
    fields = ("answer", "how", "created_at")
    readonly_fields = ("answer", "how")


@admin.register(AlarmMessage)
class AlarmMessageAdmin(ReadOnly, Desk[AlarmMessage]):
    belongs_to = "alarm__organization"
    links = ("alarm",)
    list_display = ("user", "alarm", "answer", "responded_at", "first_sent_at", "deadline", "escalating")
    list_filter = ("response", "escalating", "deadline", of_organization("alarm__organization"))
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
        "answer",
        "responded_at",
        "first_sent_at",
        "deadline",
        "escalating",
        "planned_at",
    )
    readonly_fields = ("answer",)

    class Media:
        css = MARKS

    @admin.display(description=pgettext_lazy("column", "answer"), ordering="response")
    def answer(self, recipient: AlarmMessage) -> str:
        if recipient.response is not None:
            return str(ANSWERS[recipient.state])
        closed_at, now = recipient.alarm.closed_at, timezone.now()
        if recipient.planned_at is not None and recipient.deadline <= (closed_at or now):
            return str(ANSWERS["timed_out"])
        return str(ANSWERS["unanswered" if closed_at else "unknown"])


@admin.register(DeviceMessage)
class DeviceMessageAdmin(MessageColumns, ReadOnly, Desk[DeviceMessage]):
    # The way along which there are indexes.
    belongs_to = "alarm_message__alarm__organization"
    links = ("alarm",)
    list_display = (
        "alarm_message",
        "over",
        "device_name",
        "address",
        "state",
        "when",
        "why",
        "tried_gateways",
    )
    list_filter = ("status", "kind", "receipt", "way", "due_at", of_organization("alarm_message__alarm__organization"))
    # Not the device: its row may be gone, and a join would hide the message then.
    list_select_related = ("alarm_message__user",)
    ordering = ("-alarm_message_id", "turn", "id")
    search_fields = ("device_name", "address", "alarm_message__user__login")
    show_full_result_count = False

    class Media:
        css = MARKS

    @admin.display(description=pgettext_lazy("column", "when"), ordering="changed_at")
    def when(self, message: DeviceMessage) -> SafeString:
        """When its turn comes; once it has come, when it became what it is."""
        return moment(message.due_at if message.status == DeviceMessage.Status.SCHEDULED else message.changed_at)


@admin.register(Feedback)
class FeedbackAdmin(AnswerColumns, ReadOnly, Desk[Feedback]):
    belongs_to = "alarm_message__alarm__organization"
    list_display = ("created_at", "alarm_message", "answer", "how")
    list_filter = ("response", "created_at", of_organization("alarm_message__alarm__organization"))
    list_select_related = ("alarm_message__user",)
    ordering = ("-created_at", "-id")
    search_fields = ("source", "alarm_message__user__login")
    show_full_result_count = False

    class Media:
        css = MARKS


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly, OfSuperusers[IdempotencyKey]):
    list_display = ("created_at", "principal", "key", "alarm")
    list_select_related = ("alarm",)
    ordering = ("-created_at",)
    search_fields = ("=key", "=principal")
    show_full_result_count = False


@admin.register(Sender)
class SenderAdmin(ReadOnly, OfSuperusers[Sender]):
    list_display = ("__str__", "alive", "started_at", "heartbeat_at", "resting_gateways")

    class Media:
        css = MARKS

    @admin.display(description=_("heartbeat"))
    def alive(self, sender: Sender) -> str:
        return str(ALIVE[timezone.now() - sender.heartbeat_at < timedelta(seconds=SENDER_DEAD_AFTER)])

    @admin.display(description=_("resting gateways"))
    def resting_gateways(self, sender: Sender) -> str:
        return (
            "; ".join(f"{resting_text(each)}: {each['gateway']}" for each in sender.resting)
            or self.get_empty_value_display()
        )
