from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from organizations.authors import by_command
from organizations.management.token_commands import days, find_token
from organizations.rotating import CannotRotate, rotate, same_lifetime


class Command(BaseCommand):
    help = (
        "Issue a token of the same owner and name in place of the one with this prefix (see list_tokens) and print it,"
        " once. The old one goes on for TOKEN_OVERLAP_HOURS, never longer than it would have."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the prefix or a beginning of it that only one token has")
        parser.add_argument(
            "--expires-in-days", type=days, metavar="DAYS", help="without it the new token lives as long as the old one"
        )
        parser.add_argument("--at-once", action="store_true", help="the old token ends now")

    def handle(self, *args: Any, **options: Any) -> None:
        token, now, lifetime = find_token(options["prefix"]), timezone.now(), options["expires_in_days"]
        expires_at = now + lifetime if lifetime else same_lifetime(token, now)
        try:
            with by_command(self):
                _row, text = rotate(token=token, now=now, expires_at=expires_at, at_once=options["at_once"])
        except CannotRotate:
            raise CommandError(f"{token.prefix} is expired, revoked or replaced already: issue a new token.") from None
        self.stdout.write(text)
