"""Reading an inbox: what its owner sees of a message and of who has sent it (contract 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from inbox.models import InboxMessage, InboxMessageQuerySet, Message, is_instant
from organizations.models import Group, Organization, User

State = tuple[int, datetime | None]
"""Of an inbox message, its id and how long it is instant."""


@dataclass(frozen=True)
class Query:
    """What of an inbox is asked for."""

    unread: bool = False
    limit: int | None = None
    before: int | None = None
    """Only messages with smaller ids."""

    def of(self, user: User) -> InboxMessageQuerySet:
        """Return the messages asked for, newest first."""
        found = InboxMessage.objects.of(user)
        if self.unread:
            found = found.unread()
        if self.before is not None:
            found = found.filter(pk__lt=self.before)
        return found[: self.limit]


def etag(state: Iterable[State], *, query: Query, reader: User, now: datetime) -> str:
    """Return the tag of what a reader gets for a query. What else is told of a message does not change.

    Weak: it is about what the answer says, not about its bytes.
    """
    rows = list(state)
    instant = sum(is_instant(until, now) for _pk, until in rows)
    digest = hashlib.sha256(repr((query, reader.pk, reader.language, [pk for pk, _until in rows], instant)).encode())
    return f'W/"{digest.hexdigest()[:32]}"'


def current_etag(query: Query, *, reader: User, now: datetime) -> str:
    """Return the tag of a list without reading its messages."""
    return etag(query.of(reader).values_list("pk", "instant_until"), query=query, reader=reader, now=now)


def rendered(messages: Sequence[InboxMessage], *, reader: User, now: datetime) -> list[dict[str, Any]]:
    """Return messages, which come with what was sent, as their reader sees them. Takes one query for all senders."""
    senders = visible_senders({each.message.sender_id for each in messages}, reader=reader)
    return [
        {
            "id": each.pk,
            "fieldName": "",
            "message": each.message.wording(reader.language),
            "type": each.message.type,
            "timestamp": int(each.message.sent_at.timestamp()),
            "image": "",
            "isInstantMessage": is_instant(each.instant_until, now),
            "sender": senders.get(each.message.sender_id) or service(each.message),
        }
        for each in messages
    ]


def visible_senders(ids: Iterable[int | None], *, reader: User) -> dict[int | None, dict[str, Any]]:
    """Return who has sent something, each with the groups that the reader may see: those of common organizations."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    groups = Group.objects.filter(
        memberships__user=OuterRef("pk"), organization__in=Organization.objects.of(reader)
    ).order_by("pk")
    fields = {name: name for name in ("id", "name", "description")}
    users = (
        User.objects.filter(pk__in=wanted)
        .order_by()
        .annotate(visible_groups=ArraySubquery(groups.values(group=JSONObject(**fields))))
    )
    return {user.pk: sender(user, user.visible_groups) for user in users}


def sender(user: User, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": user.pk,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "description": user.description,
        "email": user.email,
        "groups": groups,
        "login": user.login,
    }


def service(message: Message) -> dict[str, Any]:
    """Return who has sent what nobody has: an organization, whose alarm it tells of."""
    name = message.organization.name if message.organization else ""
    return sender(User(pk=0, last_name=name), [])


def mark_read(*, user: User, ids: Sequence[int], now: datetime) -> list[InboxMessage]:
    """Mark messages as read; return those of them that are the user's, whenever they were read."""
    own = InboxMessage.objects.of(user).filter(pk__in=ids)
    own.unread().order_by().update(read_at=now)
    return list(own)
