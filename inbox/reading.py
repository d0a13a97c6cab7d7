"""Reading an inbox: what its owner sees of a message and of who has sent it (contract 6). By SQL that is written once:
lists are polled, and the ORM takes longer to write the statements than PostgreSQL to answer them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection

from inbox import texts
from inbox.models import InboxMessage, is_instant
from organizations.models import User

STATES = "SELECT i.id, i.instant_until FROM inbox_inboxmessage i WHERE i.user_id = %(reader)s"
# Message by message (OFFSET 0): no statistics, however old, have the messages of everybody read for it.
RECEIVED = """
    SELECT i.id, i.instant_until, m.*
    FROM inbox_inboxmessage i CROSS JOIN LATERAL (
        SELECT m.sender_id, m.type, m.text, m.translations, m.parameters, m.sent_at,
            (SELECT o.name FROM organizations_organization o WHERE o.id = m.organization_id)
        FROM inbox_message m WHERE m.id = i.message_id
        OFFSET 0
    ) m
    WHERE i.user_id = %(reader)s
"""

# Arrays and not joins, so that no plan depends on how many members and groups the statistics believe there are.
SENDERS = """
    SELECT u.id, u.first_name, u.last_name, u.description, u.email, u.login, array(
        SELECT json_build_object('id', g.id, 'name', g.name, 'description', g.description)
        FROM organizations_group g
        WHERE g.id = ANY(array(
            SELECT j.group_id FROM organizations_group_memberships j
            WHERE j.membership_id = ANY(array(SELECT s.id FROM organizations_membership s WHERE s.user_id = u.id))
        )) AND g.organization_id = ANY(array(
            SELECT r.organization_id FROM organizations_membership r
            WHERE r.user_id = %(reader)s
                AND (SELECT o.is_active FROM organizations_organization o WHERE o.id = r.organization_id)
        ))
        ORDER BY g.id
    )
    FROM organizations_user u
    WHERE u.id = ANY(%(senders)s::bigint[])
"""


class Received(NamedTuple):
    """A message in an inbox."""

    id: int
    instant_until: datetime | None
    sender_id: int | None
    type: str
    text: str
    translations: Mapping[str, str]
    parameters: Sequence[str]
    sent_at: datetime
    organization: str | None
    """Whose alarm it tells of."""

    @classmethod
    def of(cls, row: InboxMessage) -> Received:
        """Return a message that is in no inbox, or was just put into one."""
        sent = row.message
        return cls(
            row.pk,
            row.instant_until,
            sent.sender_id,
            sent.type,
            sent.text,
            sent.translations,
            sent.parameters,
            sent.sent_at,
            sent.organization.name if sent.organization else None,
        )


@dataclass(frozen=True)
class Query:
    """What of an inbox is asked for."""

    unread: bool = False
    limit: int | None = None
    before: int | None = None
    """Only messages with smaller ids."""

    def rows(self, of: str, reader: User) -> list[Any]:
        """Return what `of`, STATES or RECEIVED, says of the messages asked for, newest first."""
        unread = " AND i.read_at IS NULL" if self.unread else ""
        before = "" if self.before is None else " AND i.id < %(before)s"
        with connection.cursor() as cursor:
            cursor.execute(
                f"{of}{unread}{before} ORDER BY i.id DESC LIMIT %(limit)s",
                {"reader": reader.pk, "before": self.before, "limit": self.limit},
            )
            rows: list[Any] = cursor.fetchall()
        return rows

    def received(self, reader: User) -> list[Received]:
        return loaded(self.rows(RECEIVED, reader))

    def etag(self, state: Iterable[tuple[int, datetime | None]], *, reader: User, now: datetime) -> str:
        """Return the tag of what a reader gets, of the ids of the messages and of how long they are instant. What else
        is told of a message does not change.

        Weak: it is about what the answer says, not about its bytes.
        """
        rows = list(state)
        instant = sum(is_instant(until, now) for _id, until in rows)
        digest = hashlib.sha256(repr((self, reader.pk, reader.language, [pk for pk, _until in rows], instant)).encode())
        return f'W/"{digest.hexdigest()[:32]}"'

    def current_etag(self, *, reader: User, now: datetime) -> str:
        """Return the tag of a list without reading its messages."""
        return self.etag(self.rows(STATES, reader), reader=reader, now=now)


def with_ids(ids: Sequence[int], *, reader: User) -> list[Received]:
    """Return those of these messages that are the reader's, newest first."""
    with connection.cursor() as cursor:
        statement = f"{RECEIVED} AND i.id = ANY(%(ids)s::bigint[]) ORDER BY i.id DESC"
        cursor.execute(statement, {"reader": reader.pk, "ids": list(ids)})
        return loaded(cursor.fetchall())


def loaded(rows: Iterable[Any]) -> list[Received]:
    """Return the messages of rows whose JSON is text still."""
    return [
        Received._make((*head, orjson.loads(translations), orjson.loads(parameters), sent_at, organization))
        for *head, translations, parameters, sent_at, organization in rows
    ]


def rendered(messages: Sequence[Received], *, reader: User, now: datetime) -> list[dict[str, Any]]:
    """Return messages as their reader sees them. Takes one query for all senders."""
    senders = visible_senders({each.sender_id for each in messages}, reader=reader)
    return [
        {
            "id": each.id,
            "fieldName": "",
            "message": texts.wording(each.text, each.translations, each.parameters, reader.language),
            "type": each.type,
            "timestamp": int(each.sent_at.timestamp()),
            "image": "",
            "isInstantMessage": is_instant(each.instant_until, now),
            "sender": senders.get(each.sender_id) or service(each),
        }
        for each in messages
    ]


def visible_senders(ids: Iterable[int | None], *, reader: User) -> dict[int | None, dict[str, Any]]:
    """Return who has sent something, each with the groups that the reader may see: those of common organizations."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SENDERS, {"reader": reader.pk, "senders": wanted})
        return {row[0]: sender(*row) for row in cursor.fetchall()}


def sender(
    pk: int, first_name: str, last_name: str, description: str, email: str, login: str, groups: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": pk,
        "firstName": first_name,
        "lastName": last_name,
        "description": description,
        "email": email,
        "groups": groups,
        "login": login,
    }


def service(message: Received) -> dict[str, Any]:
    """Return who has sent what nobody has: an organization, whose alarm it tells of."""
    return sender(0, "", message.organization or "", "", "", "", [])


def mark_read(*, user: User, ids: Sequence[int], now: datetime) -> list[Received]:
    """Mark messages as read; return those of them that are the user's, whenever they were read."""
    InboxMessage.objects.filter(user=user, pk__in=ids).unread().update(read_at=now)
    return with_ids(ids, reader=user)
