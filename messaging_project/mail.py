"""What a failure of Django's e-mail backends means."""

from __future__ import annotations

import smtplib
from typing import NamedTuple
from urllib.parse import urlsplit

from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from django.conf import settings


class Failure(NamedTuple):
    reason: str
    """For people, in one line, without an address."""
    permanent: bool
    """Trying again would be of no use."""


def failure(error: Exception) -> Failure:
    """Return what a failure means: a server's 5xx is for good, all else may pass."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((code for code, _text in error.recipients.values()), default=550)
        return Failure(f"recipient refused: SMTP {code}", permanent=code >= 500)
    if isinstance(error, AnymailRecipientsRefused):
        return Failure("recipient refused", permanent=True)
    if isinstance(error, AnymailAPIError) and error.status_code:
        # As with SMTP, what is wrong with the log-in says nothing of the message.
        temporary = error.status_code in {401, 403, 408, 425, 429} or error.status_code >= 500
        return Failure(f"HTTP {error.status_code}", permanent=not temporary)
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPAuthenticationError):
        # Says nothing of the message: once the server or the settings are mended it can still leave.
        return Failure(f"{type(error).__name__}: SMTP {error.smtp_code}", permanent=False)
    if isinstance(error, smtplib.SMTPResponseException):
        return Failure(f"SMTP {error.smtp_code}", permanent=500 <= error.smtp_code < 600)
    # A certificate that is not valid is an OSError and a ValueError.
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Failure(f"not a valid e-mail: {type(error).__name__}", permanent=True)
    return Failure(type(error).__name__, permanent=False)


def message_id(key: str) -> str:
    """Return the Message-ID of what `key` names, the same for every attempt: a mail server or program can drop the
    repeat."""
    return f"<{key}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"
