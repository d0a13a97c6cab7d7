"""What is wrong with the settings is said when a process starts."""

from __future__ import annotations

from pathlib import Path
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


@register
def check_catalogs(**_options: Any) -> list[CheckMessage]:
    missing = [folder for folder in settings.LOCALE_PATHS if not Path(folder).is_dir()]
    return [Error(f"LOCALE_PATHS: there is no folder {folder}", id="inbox.E002") for folder in missing]
