from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from organizations.models import ApiToken, PersonalAccessToken, Token


class Command(BaseCommand):
    help = "Revoke the token with this prefix (see list_tokens). Revoking it twice is no error."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the prefix or a beginning of it that only one token has")

    def handle(self, *args: Any, **options: Any) -> None:
        token = self.token(options["prefix"])
        already = token.revoked_at is not None
        token.revoke()
        self.stdout.write(f"{token.prefix} {'was revoked before' if already else 'is revoked'}.")

    def token(self, prefix: str) -> Token:
        """Return the one token that `prefix` names. No error repeats it: it may be a whole token, pasted."""
        if not prefix:
            raise CommandError("The prefix is empty.")
        found: list[Token] = []
        for model in (ApiToken, PersonalAccessToken):
            found.extend(model._default_manager.filter(prefix__startswith=prefix)[:2])
        if not found:
            raise CommandError("There is no token with this prefix.")
        if len(found) > 1:
            raise CommandError("Several tokens begin like this: give more of the prefix.")
        return found[0]
