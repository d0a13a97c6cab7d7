from __future__ import annotations

import smtplib
import threading
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, ThreadGateway
from messaging_project import mail

# What goes out with a mail, where a mail service is used, and comes back with its receipts.
METADATA_KEY = "idempotencyKey"


class EmailGateway(ThreadGateway):
    """`email:` sends through Django's e-mail backend (EMAIL_URL). A thread keeps its connection for many messages."""

    connections = 8

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._kept = threading.local()

    def send(self, delivery: Delivery) -> None:
        message = compose(delivery)
        kept = getattr(self._kept, "connection", None) is not None
        try:
            try:
                self._send(message)
            except (smtplib.SMTPServerDisconnected, ConnectionError):
                if not kept:
                    raise
                # The server has closed the kept connection: that says nothing of this message.
                self._send(message)
        except Exception as error:
            # Django's backends have no common error: each provider's raises its own.
            raise failure(error) from error

    def _send(self, message: EmailMultiAlternatives) -> None:
        connection: BaseEmailBackend | None = getattr(self._kept, "connection", None)
        try:
            if connection is None:
                connection = get_connection(**options())
                connection.open()
                self._kept.connection = connection
            if not connection.send_messages([message]):
                raise GatewayError("the address is not valid", permanent=True, asked=False)
        except smtplib.SMTPRecipientsRefused:
            raise  # The connection is as good as before.
        except Exception:
            self.idle()
            raise

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
    subject, plain, html = texts.email(delivery)
    message = EmailMultiAlternatives(
        subject=subject,
        body=plain,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[delivery.address],
        headers={
            "Message-ID": mail.message_id(delivery.idempotency_key),
            "Auto-Submitted": "auto-generated",
            "Content-Language": delivery.language,
            "X-Priority": "1",
        },
    )
    message.attach_alternative(html, "text/html")
    # Comes back with receipts, from a mail service that django-anymail sends by; a mail server does not get it.
    message.metadata = {METADATA_KEY: delivery.idempotency_key}  # type: ignore[attr-defined]
    return message


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
