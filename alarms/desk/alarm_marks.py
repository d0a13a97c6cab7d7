"""The marks of the desk: a state in a colour and in a word."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from alarms.models import DeviceMessage
from organizations.models import Way

Word = str | Promise


class Mark(NamedTuple):
    colour: str
    """A class of desk.css or alarm.css."""
    word: Word

    def __str__(self) -> SafeString:
        """As HTML, for templates."""
        return format_html('<span class="desk-mark {}">{}</span>', self.colour, self.word)


ALARMS = {
    "open": Mark("waiting", pgettext_lazy("state of an alarm", "open")),
    "time over": Mark("over", pgettext_lazy("state of an alarm", "time over")),
    "closed": Mark("over", pgettext_lazy("state of an alarm", "closed")),
    "scheduled": Mark("sent", pgettext_lazy("state of an alarm", "scheduled")),
    "cancelled": Mark("over", pgettext_lazy("state of an alarm", "cancelled")),
    "missed": Mark("negative", pgettext_lazy("state of an alarm", "missed")),
}

ANSWERS = {
    "positive": Mark("positive", pgettext_lazy("state of a recipient", "positive")),
    "negative": Mark("negative", pgettext_lazy("state of a recipient", "negative")),
    "unknown": Mark("waiting", pgettext_lazy("state of a recipient", "no answer yet")),
    "timed_out": Mark("over", pgettext_lazy("state of a recipient", "timed out")),
    # Of an alarm that was closed before their time was over.
    "unanswered": Mark("waiting", pgettext_lazy("state of a recipient", "no answer")),
}

MESSAGES = {
    DeviceMessage.Status.SCHEDULED: Mark("over", pgettext_lazy("state of a message", "scheduled")),
    DeviceMessage.Status.SENDING: Mark("waiting", pgettext_lazy("state of a message", "sending")),
    DeviceMessage.Status.SENT: Mark("sent", pgettext_lazy("state of a message", "sent")),
    DeviceMessage.Status.DELIVERED: Mark("positive", pgettext_lazy("state of a message", "delivered")),
    DeviceMessage.Status.FAILED: Mark("negative", pgettext_lazy("state of a message", "failed")),
    DeviceMessage.Status.CANCELLED: Mark("over", pgettext_lazy("state of a message", "cancelled")),
}
READ = Mark("positive", pgettext_lazy("state of a message", "read"))

WAYS: dict[str, Word] = {
    Way.APP: _("App push"),
    Way.PAGER: _("Pager"),
    Way.SMS: _("SMS"),
    Way.CALL: _("Call"),
    Way.EMAIL: _("E-mail"),
}

# What is kept in English, as programs read it too.
REASONS: dict[str, Word] = {
    "answered": pgettext_lazy("why a message was cancelled", "answered before its turn"),
    "closed": pgettext_lazy("why a message was cancelled", "the alarm was closed before its turn"),
    "timed out": pgettext_lazy("why a message was cancelled", "the time was over before its turn"),
    "ended before it was planned": pgettext_lazy("why a message was cancelled", "answered or closed before its turn"),
    "deactivated or over": pgettext_lazy(
        "why a message was cancelled", "person or device deactivated, or the time was over"
    ),
    "recipient erased": pgettext_lazy("why a message was cancelled", "the recipient was erased"),
    "restored from a backup": pgettext_lazy("why a message was cancelled", "held back as a backup was restored"),
    "taken back from its sender": _("its sender stopped; it is sent again"),
    "its way has no gateway any more": _("its way of alarm has no gateway any more"),
    "its device gets no more in this minute": _("its device gets no more in this minute; it is sent later"),
    "receipt: failed": _("a receipt says that it failed"),
    # What a gateway had said of somebody who was erased since.
    "erased": _("erased with its recipient"),
}

SOURCES: dict[str, Word] = {
    "answer page": pgettext_lazy("how an answer came", "on the answer page"),
    "SMS": pgettext_lazy("how an answer came", "by SMS"),
    "call": pgettext_lazy("how an answer came", "by phone"),
    "Personal access token": pgettext_lazy("how an answer came", "with a personal access token"),
    "JWT": pgettext_lazy("how an answer came", "with a log-in of another service (JWT)"),
}


def of_message(message: DeviceMessage) -> Mark:
    """Return the mark of a message as it stands; what was read says so."""
    status = DeviceMessage.Status(message.status)
    if status is DeviceMessage.Status.DELIVERED and message.receipt == DeviceMessage.Receipt.READ:
        return READ
    return MESSAGES[status]
