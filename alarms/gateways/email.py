from __future__ import annotations

import smtplib
import threading
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, ThreadGateway


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
                connection = get_connection()
                connection.open()
                self._kept.connection = connection
            if not connection.send_messages([message]):
                raise GatewayError("the address is not valid", permanent=True)
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
            # The same for every attempt, so that a mail server or program can drop the repeat.
            "Message-ID": f"<{delivery.idempotency_key}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>",
            "Auto-Submitted": "auto-generated",
            "Content-Language": delivery.language,
            "X-Priority": "1",
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def failure(error: Exception) -> GatewayError:
    """Return what a failure means: a server's 5xx is for good, all else may pass. Addresses stay out of the reason."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((code for code, _text in error.recipients.values()), default=550)
        return GatewayError(f"recipient refused: SMTP {code}", permanent=code >= 500)
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPAuthenticationError):
        # Says nothing of the message: once the server or the settings are mended it can still leave.
        return GatewayError(f"{type(error).__name__}: SMTP {error.smtp_code}", permanent=False)
    if isinstance(error, smtplib.SMTPResponseException):
        return GatewayError(f"SMTP {error.smtp_code}", permanent=500 <= error.smtp_code < 600)
    # A certificate that is not valid is an OSError and a ValueError.
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return GatewayError(f"not a valid e-mail: {type(error).__name__}", permanent=True)
    return GatewayError(f"{type(error).__name__}", permanent=False)
