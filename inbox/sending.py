"""Sending a message: one statement writes it into the inboxes of all its recipients, however many there are."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from procrastinate.types import JSONDict
from rest_framework.exceptions import ValidationError

from inbox import tasks
from inbox.models import InboxMessage, Message
from messaging_project.api import listed
from organizations.models import Organization, User

logger = logging.getLogger(__name__)

# Few enough for a job to end soon.
COPIES_PER_JOB = 100

# Of the users and groups, those that are not of the organizations.
UNKNOWN = """
    SELECT
        array(
            SELECT DISTINCT id FROM unnest(%(users)s::bigint[]) AS u (id)
            WHERE NOT EXISTS (
                SELECT FROM organizations_membership m
                WHERE m.user_id = u.id AND m.organization_id = ANY(%(organizations)s::bigint[])
            )
        ),
        array(
            SELECT DISTINCT id FROM unnest(%(groups)s::bigint[]) AS g (id)
            WHERE NOT EXISTS (
                SELECT FROM organizations_group o
                WHERE o.id = g.id AND o.organization_id = ANY(%(organizations)s::bigint[])
            )
        )
"""

# Answers how many got it, the id of the sender's own, and the first and last id of each job's copies by e-mail. By
# arrays and not by joins, so that no plan depends on how many the statistics believe there are.
INSERT_INBOX_MESSAGES = """
    WITH recipients AS (
        SELECT u.id, u.inbox_to_email AND u.email <> '' AS wants_copy
        FROM organizations_user u
        WHERE u.is_active AND u.id = ANY(array(
            SELECT unnest(%(users)s::bigint[])
            UNION
            SELECT m.user_id FROM organizations_membership m WHERE m.id = ANY(array(
                SELECT g.membership_id FROM organizations_group_memberships g
                WHERE g.group_id = ANY(%(groups)s::bigint[])
            ))
        ))
        -- Nobody of them is deleted meanwhile.
        FOR KEY SHARE OF u
    ), written AS (
        INSERT INTO inbox_inboxmessage (message_id, user_id, instant_until, copy_wanted)
        SELECT %(message)s, id, %(instant_until)s, wants_copy FROM recipients ORDER BY id
        RETURNING id, user_id, copy_wanted
    ), copies AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(copies_per_job)s AS job FROM written WHERE copy_wanted
    )
    SELECT
        (SELECT count(*) FROM written),
        (SELECT id FROM written WHERE user_id = %(sender)s),
        array(SELECT ARRAY[min(id), max(id)] FROM copies GROUP BY job ORDER BY job)
"""

INSERT_ALARM_MESSAGES = """
    INSERT INTO inbox_inboxmessage (message_id, user_id)
    SELECT m.id, u.id FROM inbox_message m, organizations_user u
    WHERE m.alarm_id = %(alarm)s AND u.id = ANY(%(users)s::bigint[]) AND u.is_active
    ORDER BY u.id FOR KEY SHARE OF u
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class MessageOrder:
    """What is to be sent to whom, of which only the shape is checked."""

    text: str
    translations: Mapping[str, str] = field(default_factory=dict)
    """Texts by language tag (texts.language_tag)."""
    parameters: Sequence[str] = ()
    users: Sequence[int] = ()
    groups: Sequence[int] = ()
    instant_minutes: int | None = None


@dataclass(frozen=True)
class Sent:
    message: Message
    recipients: int
    own: InboxMessage
    """The one in the sender's inbox; where the sender is no recipient, one that is not stored."""


def send(*, order: MessageOrder, sender: User, organizations: QuerySet[Organization], now: datetime) -> Sent:
    """Send a message to users and groups of these organizations, each user once. The number of queries does not grow
    with the recipients.

    Raises: ValidationError that names the ids which are not theirs, or says that nobody is left. Nothing is sent then.
    """
    # As the API tells it: in whole seconds.
    sent_at = now.replace(microsecond=0)
    with transaction.atomic():
        check_recipients(order, organizations)
        message = Message.objects.create(
            sender=sender,
            text=order.text,
            translations=dict(order.translations),
            parameters=list(order.parameters),
            sent_at=sent_at,
        )
        minutes = order.instant_minutes
        instant_until = None if minutes is None else sent_at + timedelta(minutes=minutes)
        with connection.cursor() as cursor:
            cursor.execute(
                INSERT_INBOX_MESSAGES,
                {
                    "users": list(order.users),
                    "groups": list(order.groups),
                    "message": message.pk,
                    "instant_until": instant_until,
                    "sender": sender.pk,
                    "copies_per_job": COPIES_PER_JOB,
                },
            )
            recipients, own, copies = cursor.fetchone()
        if not recipients:
            asked = "toGroupId" if order.groups else "toUserId"
            raise ValidationError({asked: "No recipient is left: nobody active is among them."})
        defer_copies(message, copies)
    logger.info("message sent: message=%d user=%d recipients=%d", message.pk, sender.pk, recipients)
    return Sent(message, recipients, InboxMessage(pk=own or 0, message=message, instant_until=instant_until))


def check_recipients(order: MessageOrder, organizations: QuerySet[Organization]) -> None:
    """Raise a ValidationError that names the ids which are not of these organizations."""
    with connection.cursor() as cursor:
        theirs = list(organizations.values_list("pk", flat=True))
        cursor.execute(UNKNOWN, {"users": list(order.users), "groups": list(order.groups), "organizations": theirs})
        users, groups = cursor.fetchone()
    problems = {}
    if users:
        problems["toUserId"] = f"There are no users {listed(users)}."
    if groups:
        problems["toGroupId"] = f"There are no groups {listed(groups)}."
    if problems:
        raise ValidationError(problems)


def defer_copies(message: Message, ranges: Iterable[tuple[int, int]]) -> None:
    jobs: list[JSONDict] = [{"message_id": message.pk, "first_id": first, "last_id": last} for first, last in ranges]
    if jobs:
        tasks.mail_copies.batch_defer(*jobs)


def announce_alarm(
    *, alarm_id: int, organization: Organization, text: str, parameters: Sequence[str], now: datetime
) -> None:
    """Write the message that tells of an alarm; `tell_of_alarm` puts it into inboxes."""
    Message.objects.create(
        alarm_id=alarm_id,
        organization=organization,
        type=Message.Type.CRITICAL,
        text=text,
        parameters=list(parameters),
        sent_at=now,
    )


def tell_of_alarm(*, alarm_id: int, user_ids: Collection[int]) -> None:
    """Put what `announce_alarm` has written, if anything, into the inboxes of the active ones of these users."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ALARM_MESSAGES, {"alarm": alarm_id, "users": list(user_ids)})
