"""What is wrong with the settings is said when a process starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from inbox.retention import MAX_MONTHS


@register
def check_retention(**_options: Any) -> list[CheckMessage]:
    months = settings.INBOX_RETENTION_MONTHS
    if 1 <= months <= MAX_MONTHS:
        return []
    return [Error(f"INBOX_RETENTION_MONTHS: {months} is not from 1 to {MAX_MONTHS} months", id="inbox.E001")]
