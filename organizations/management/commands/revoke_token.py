from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from organizations.authors import by_command
from organizations.management.token_commands import find_token


class Command(BaseCommand):
    help = "Revoke the token with this prefix (see list_tokens). Revoking it twice is no error."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the prefix or a beginning of it that only one token has")

    def handle(self, *args: Any, **options: Any) -> None:
        token = find_token(options["prefix"])
        already = token.revoked_at is not None
        with by_command(self):
            token.revoke()
        self.stdout.write(f"{token.prefix} {'was revoked before' if already else 'is revoked'}.")
