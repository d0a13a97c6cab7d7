"""Copies by e-mail of what comes to an inbox, for those who want them (contract 6)."""

from __future__ import annotations

import logging
import smtplib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from inbox.models import InboxMessage, InboxMessageQuerySet, Message
from messaging_project import mail

logger = logging.getLogger(__name__)

# News of yesterday helps nobody, and it stands in the inbox all the same.
GIVE_UP_AFTER = timedelta(days=1)
MAX_SUBJECT = 120
# Of one run; more than one only where the mail server hangs up.
MAX_CONNECTIONS = 5


class CopiesLeft(Exception):
    """Some copies have not been sent; the job is to be tried again."""


def mail_copies(*, message_id: int, first_id: int, last_id: int, now: datetime) -> None:
    """Send the copies of the inbox messages with ids from `first_id` to `last_id` that are not settled yet, over one
    connection to the mail server.

    May run twice: each copy is settled as soon as the server has taken it, and only one run at a time sends.

    Raises: CopiesLeft.
    """
    waiting = InboxMessage.objects.filter(message_id=message_id, pk__range=(first_id, last_id)).wanting_a_copy()
    with lock(first_id):
        ids = list(waiting.order_by("pk").values_list("pk", flat=True))
        if not ids:
            return
        if now - Message.objects.get(pk=message_id).sent_at > GIVE_UP_AFTER:
            logger.error("copies by e-mail given up: message=%d copies=%d", message_id, len(ids))
            waiting.update(copy_settled_at=now)
            return
        left = send_all(waiting, deque(ids), now=now)
    logger.info("copies by e-mail: message=%d sent=%d left=%d", message_id, len(ids) - left, left)
    if left:
        raise CopiesLeft(f"{left} copies of message {message_id}")


@contextmanager
def lock(key: int) -> Iterator[None]:
    """Let nobody else send the same copies meanwhile: a worker that was only held to be dead may go on.

    A lock of the database session, as no transaction may be open while mails leave; it ends with the process.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('copies by e-mail', %s))", [key])
        if not cursor.fetchone()[0]:
            raise CopiesLeft("another worker is sending these")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('copies by e-mail', %s))", [key])


def send_all(waiting: InboxMessageQuerySet, ids: deque[int], *, now: datetime) -> int:
    """Send copies, and return how many are left to be tried again.

    One connection takes all, unless the server hangs up: of what it did that for, nothing behind it is to wait.
    """
    left = 0
    for _number in range(MAX_CONNECTIONS):
        server: BaseEmailBackend = get_connection()
        try:
            server.open()
        except Exception as error:
            # Django's backends have no common error: each provider's raises its own.
            logger.warning("copies by e-mail: the mail server: %s", mail.failure(error).reason)
            break
        try:
            left += send_over(server, waiting, ids, now=now)
        finally:
            server.close()
        if not ids:
            break
    return left + len(ids)


def send_over(server: BaseEmailBackend, waiting: InboxMessageQuerySet, ids: deque[int], *, now: datetime) -> int:
    """Take copies off `ids` and send them, until the server answers no more; return how many failed for now."""
    left = 0
    while ids:
        # Read when its turn has come: the batch may take minutes, and whoever is not active any more gets none.
        copy = waiting.filter(pk=ids.popleft()).select_related("message__sender", "user").first()
        if copy is None:
            continue
        try:
            server.send_messages([compose(copy)])
        except Exception as error:
            if not is_over(error, copy):
                left += 1
                if is_silence(error):
                    break
                continue
        InboxMessage.objects.filter(pk=copy.pk).update(copy_settled_at=now)
    return left


def is_over(error: Exception, copy: InboxMessage) -> bool:
    """Whether to try a copy again would be of no use."""
    reason, permanent = mail.failure(error)
    logger.warning("copy by e-mail: inbox_message=%d: %s", copy.pk, reason)
    # A server that refuses the service as the sender says nothing of the copy: that can be mended.
    return permanent and not isinstance(error, smtplib.SMTPSenderRefused)


def is_silence(error: Exception) -> bool:
    """Whether the server has not answered at all."""
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError)


def compose(copy: InboxMessage) -> EmailMessage:
    """Return the e-mail, in the recipient's language. Plain text, as no markup means anything in a message."""
    sender, user = copy.message.sender, copy.user
    text = copy.message.wording(user.language)
    name = (sender.get_full_name() or sender.login) if sender else ""
    with translation.override(user.language):
        footer = _("A copy of what %(name)s has sent to your inbox.") % {"name": name}
    return EmailMessage(
        subject=" ".join(f"{name}: {text}".split())[:MAX_SUBJECT],
        body=f"{text}\n\n-- \n{footer}\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[user.email],
        reply_to=[sender.email] if sender and sender.email else None,
        headers={
            "Message-ID": mail.message_id(f"inbox-{copy.pk}"),
            "Auto-Submitted": "auto-generated",
            "Content-Language": user.language,
        },
    )
