"""What this app holds about people: their inbox, and what they have sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from inbox.models import InboxMessage, Message
from organizations.person_data.parts import Fate, Part, Person, Scope, Section, fields_of

PERSONAL = {
    "inbox.InboxMessage.user": "goes",
    "inbox.Message.sender": "stays: the number alone",
}
WORDS = "what somebody has written belongs to those who got it; what nobody has any more goes"
NOT_PERSONAL = {
    "inbox.Message.text": WORDS,
    "inbox.Message.translations": WORDS,
    "inbox.Message.parameters": WORDS,
    "inbox.Message.alarm_id": "the number of an alarm",
}

# What only this person had goes with their copy. What tells of an alarm may still come to others.
ERASE_INBOX = """
    WITH gone AS (
        DELETE FROM inbox_inboxmessage WHERE user_id = %(user)s RETURNING message_id
    )
    DELETE FROM inbox_message m USING gone
    WHERE m.id = gone.message_id AND m.sender_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM inbox_inboxmessage other WHERE other.message_id = m.id AND other.user_id <> %(user)s
    )
"""


def messages_in(scope: Scope) -> QuerySet[Message]:
    """Return the messages that somebody may see: of a correspondence only what the desk shows them anyway."""
    from inbox.admin import of_inbox

    messages = Message.objects.all()
    return messages if scope.organizations is None else messages.filter(of_inbox(scope.organizations))


def sections(person: Person, scope: Scope) -> Iterator[Section]:
    inbox = InboxMessage.objects.filter(user=person.pk, message__in=messages_in(scope))
    got = inbox.select_related("message__sender").order_by("pk")
    yield Section("inbox", _("Messages in their inbox"), Fate.GOES, got, received)
    sent = messages_in(scope).filter(sender=person.pk).order_by("pk")
    yield Section("sent_messages", _("Messages that they sent, with their text"), Fate.STAYS, sent)


def received(row: InboxMessage) -> dict[str, Any]:
    sender = str(row.message.sender) if row.message.sender else None
    return {**fields_of(row), "message": {**fields_of(row.message), "sender": sender}}


def erase(person: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ERASE_INBOX, {"user": person.pk})


PART = Part(sections=sections, erase=erase, personal=PERSONAL, not_personal=NOT_PERSONAL)
