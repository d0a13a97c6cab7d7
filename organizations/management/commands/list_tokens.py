from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from organizations.management.token_commands import AnyToken
from organizations.models import ApiToken, PersonalAccessToken

HEADER = ("PREFIX", "KIND", "OWNER", "NAME", "CREATED", "EXPIRES", "REVOKED", "LAST USED")


class Command(BaseCommand):
    help = "List the tokens, newest first, without what is secret about them. Times are UTC."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        tokens: list[AnyToken] = [
            *ApiToken.objects.select_related("organization"),
            *PersonalAccessToken.objects.select_related("user"),
        ]
        tokens.sort(key=lambda token: token.created_at, reverse=True)
        table = [HEADER, *map(cells, tokens)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())


def cells(token: AnyToken) -> tuple[str, ...]:
    owner = token.organization.name if isinstance(token, ApiToken) else token.user.login
    times = (token.created_at, token.expires_at, token.revoked_at, token.last_used_at)
    return (token.prefix, str(token._meta.verbose_name), one_line(owner), one_line(token.name), *map(moment, times))


def one_line(text: str) -> str:
    """Return `text` with what would break the table, or the terminal, left out."""
    return "".join(filter(str.isprintable, text))


def moment(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if time else "-"
