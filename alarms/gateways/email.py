from __future__ import annotations

import re
import secrets
import smtplib
import threading
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend
from django.core.mail.message import sanitize_address
from django.utils.html import escape

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.base import FOUND_CLOSED, GatewayError, ThreadGateway
from messaging_project import mail

# What goes out with a mail, where a mail service is used, and comes back with its receipts.
METADATA_KEY = "idempotencyKey"

# What needs no encoding in a header.
PLAIN_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
# Stand in the e-mails that are kept for what is the recipient's; no text has these words.
ADDRESS, KEY = f"{secrets.token_hex(8)}@example.org", secrets.token_hex(8)
DATE = secrets.token_hex(8).encode()


class EmailGateway(ThreadGateway):
    """`email:` sends through Django's e-mail backend (EMAIL_URL). A thread keeps its connection for many messages."""

    connections = 8

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._kept = threading.local()
        self._pattern = lru_cache(maxsize=256)(pattern)

    def send(self, delivery: Delivery) -> None:
        kept, began = getattr(self._kept, "connection", None) is not None, time.monotonic()
        try:
            try:
                self._send(delivery)
            except (smtplib.SMTPServerDisconnected, ConnectionError):
                # A time out is one of these, too.
                if not kept or time.monotonic() - began > FOUND_CLOSED:
                    raise
                # The server has closed the kept connection: that says nothing of this message.
                self._send(delivery)
        except Exception as error:
            # Django's backends have no common error: each provider's raises its own.
            raise failure(error) from error

    def _send(self, delivery: Delivery) -> None:
        connection: BaseEmailBackend | None = getattr(self._kept, "connection", None)
        try:
            if connection is None:
                connection = get_connection(**options())
                connection.open()
                self._kept.connection = connection
            if isinstance(connection, SmtpBackend) and connection.connection and (content := self._ready(delivery)):
                connection.connection.sendmail(envelope_from(settings.DEFAULT_FROM_EMAIL), [delivery.address], content)
            elif not connection.send_messages([compose(delivery)]):
                raise GatewayError("the address is not valid", permanent=True, asked=False)
        except smtplib.SMTPRecipientsRefused:
            raise  # The connection is as good as before.
        except Exception:
            self.idle()
            raise

    def _ready(self, delivery: Delivery) -> bytes | None:
        """Return the e-mail of an alarm as a mail server gets it, composed once for all who read the same: else that
        took nearly as long as to send it. None where it has to be composed for this one."""
        url = delivery.answer_url
        pattern = self._pattern(texts.shared_email(delivery), delivery.language)
        if not pattern or escape(url) != url or not PLAIN_ADDRESS.fullmatch(delivery.address):
            return None
        return (
            pattern.replace(ADDRESS.encode(), delivery.address.encode())
            .replace(KEY.encode(), delivery.idempotency_key.encode())
            .replace(DATE, formatdate(localtime=settings.EMAIL_USE_LOCALTIME).encode())
            .replace(texts.ANSWER_URL.encode(), url.encode())
        )

    def idle(self) -> None:
        connection: BaseEmailBackend | None = getattr(self._kept, "connection", None)
        self._kept.connection = None
        if connection is not None:
            try:
                connection.close()
            except (OSError, smtplib.SMTPException):
                return  # It was broken: there is nothing left to close.


def compose(delivery: Delivery) -> EmailMultiAlternatives:
    """Return the e-mail of an alarm: plain text and HTML."""
    return _compose(texts.email(delivery), delivery.address, delivery.idempotency_key, delivery.language)


def _compose(text: texts.Email, address: str, key: str, language: str) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=text.subject,
        body=text.plain,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={
            "Message-ID": mail.message_id(key),
            "Auto-Submitted": "auto-generated",
            "Content-Language": language,
            "X-Priority": "1",
        },
    )
    message.attach_alternative(text.html, "text/html")
    # Comes back with receipts, from a mail service that django-anymail sends by; a mail server does not get it.
    message.metadata = {METADATA_KEY: key}  # type: ignore[attr-defined]
    return message


def pattern(text: texts.Email, language: str) -> bytes:
    """Return an e-mail with stand-ins for what is the recipient's; empty where an encoding hides one of them."""
    content: bytes = _compose(text, ADDRESS, KEY, language).message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
    content = re.sub(rb"^Date: .*?$", b"Date: " + DATE + b"\r", content, count=1, flags=re.MULTILINE)
    answers = (text.plain + text.html).count(texts.ANSWER_URL)
    found = [content.count(stand_in) for stand_in in (texts.ANSWER_URL.encode(), ADDRESS.encode(), KEY.encode(), DATE)]
    return content if found == [answers, 1, 1, 1] else b""


@lru_cache(maxsize=8)
def envelope_from(address: str) -> str:
    return str(sanitize_address(address, settings.DEFAULT_CHARSET))


def options() -> dict[str, Any]:
    """Return the options of a connection: a mail service that cannot do all of what we ask for (give the key back with
    its receipts, say) sends the message all the same, and hangs no longer than a mail server may."""
    if not settings.EMAIL_BACKEND.startswith("anymail."):
        return {}
    return {"ignore_unsupported_features": True, "timeout": settings.EMAIL_TIMEOUT}


def failure(error: Exception) -> GatewayError:
    """Return what a failure means; addresses stay out of the reason."""
    if isinstance(error, GatewayError):
        return error
    reason, permanent = mail.failure(error)
    # Backends find that an e-mail is not valid while they make it up. Of the network, an OSError may be a ValueError.
    asked = isinstance(error, OSError) or not isinstance(error, ValueError)
    return GatewayError(reason, permanent=permanent, asked=asked)
