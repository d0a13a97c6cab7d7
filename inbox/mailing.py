"""Copies by e-mail of what comes to an inbox, for those who want them (contract 6)."""

from __future__ import annotations

import logging
import smtplib
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from inbox.models import InboxMessage, InboxMessageQuerySet, Message
from messaging_project import mail
from messaging_project.database import alone

logger = logging.getLogger(__name__)

# News of yesterday helps nobody, and it stands in the inbox all the same.
GIVE_UP_AFTER = timedelta(days=1)
MAX_SUBJECT = 120


class CopiesLeft(Exception):
    """Some copies have not been sent; the job is to be tried again."""


def mail_copies(
    *, message_id: int, first_id: int, last_id: int, now: datetime, stop: Callable[[], bool] = lambda: False
) -> None:
    """Send the copies of the inbox messages with ids from `first_id` to `last_id` that are not settled yet, until
    `stop` says so; over one connection to the mail server, unless that hangs up.

    May run twice: each copy is settled as soon as the server has taken it, and only one run at a time sends.

    Raises: CopiesLeft.
    """
    waiting = InboxMessage.objects.filter(message_id=message_id, pk__range=(first_id, last_id)).wanting_a_copy()
    # A worker that was only held to be dead may go on.
    with alone("copies by e-mail", first_id) as is_alone:
        if not is_alone:
            raise CopiesLeft("another worker is sending these")
        # In another order each time: what one cannot be sent for is not in the way of the same others again.
        ids = deque(waiting.order_by("?").values_list("pk", flat=True))
        if not ids:
            return
        message = Message.objects.select_related("sender").get(pk=message_id)
        if now - message.sent_at > GIVE_UP_AFTER:
            logger.error("copies by e-mail given up: message=%d copies=%d", message_id, len(ids))
            waiting.update(copy_settled_at=Now())
            return
        total = len(ids)
        settled = send_all(message, waiting, ids, stop)
    logger.info("copies by e-mail: message=%d settled=%d left=%d", message_id, settled, total - settled)
    if settled < total:
        raise CopiesLeft(f"{total - settled} copies of message {message_id}")


def send_all(message: Message, waiting: InboxMessageQuerySet, ids: deque[int], stop: Callable[[], bool]) -> int:
    """Send copies, and return how many are settled.

    When the server hangs up, the others are sent over another connection, unless not one was settled over this.
    """
    settled = 0
    while ids and not stop():
        server: BaseEmailBackend = get_connection()
        try:
            server.open()
        except Exception as error:
            # Django's backends have no common error: each provider's raises its own.
            logger.warning("copies by e-mail: the mail server: %s", mail.failure(error).reason)
            break
        try:
            settled_now = send_over(server, message, waiting, ids, stop)
        finally:
            server.close()
        if not settled_now:
            break
        settled += settled_now
    return settled


def send_over(
    server: BaseEmailBackend, message: Message, waiting: InboxMessageQuerySet, ids: deque[int], stop: Callable[[], bool]
) -> int:
    """Take copies off `ids` and send them, as long as the server serves; return how many are settled."""
    settled = 0
    while ids and not stop():
        # Read when its turn has come: the batch may take minutes, and whoever is not active any more gets none.
        copy = waiting.filter(pk=ids.popleft()).select_related("user").first()
        if copy is not None:
            copy.message = message
            try:
                server.send_messages([compose(copy)])
            except Exception as error:
                if not is_over(error, copy):
                    if serves_nobody(error):
                        break
                    continue
            InboxMessage.objects.filter(pk=copy.pk).update(copy_settled_at=Now())
        settled += 1
    return settled


def is_over(error: Exception, copy: InboxMessage) -> bool:
    """Whether to try a copy again would be of no use."""
    reason, permanent = mail.failure(error)
    logger.warning("copy by e-mail: inbox_message=%d: %s", copy.pk, reason)
    # A server that refuses the service as the sender says nothing of the copy: that can be mended.
    return permanent and not isinstance(error, smtplib.SMTPSenderRefused)


def serves_nobody(error: Exception) -> bool:
    """Whether the server has not answered at all, or refuses whatever the service sends."""
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected | smtplib.SMTPSenderRefused)
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
