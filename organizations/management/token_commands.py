"""What the commands about tokens share (contract 8)."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from organizations.authors import by_command
from organizations.models import ApiToken, Organization, PersonalAccessToken, User

AnyToken = ApiToken | PersonalAccessToken
MODELS: tuple[type[AnyToken], ...] = (ApiToken, PersonalAccessToken)
MAX_DAYS = 36_500


def days(text: str) -> timedelta:
    if not (text.isdecimal() and len(text) <= len(str(MAX_DAYS)) and 1 <= int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {MAX_DAYS} is needed, not {text!r}")
    return timedelta(days=int(text))


def find_token(prefix: str) -> AnyToken:
    """Return the one token that `prefix` names. No error repeats it: it may be a whole token, pasted."""
    if not prefix:
        raise CommandError("The prefix is empty.")
    found: list[AnyToken] = []
    for model in MODELS:
        found.extend(model._default_manager.filter(prefix__startswith=prefix)[:2])
    if not found:
        raise CommandError("There is no token with this prefix.")
    if len(found) > 1:
        raise CommandError("Several tokens begin like this: give more of the prefix.")
    return found[0]


class IssueCommand(BaseCommand):
    """Issues a token and prints it, alone, on standard output: it cannot be had again."""

    model: ClassVar[type[AnyToken]]
    # The field of `model` that says for whom the token speaks; also the name of the argument.
    owner: ClassVar[str]
    owner_help: ClassVar[str]

    def find_owner(self, text: str) -> Organization | User | None:
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(self.owner, help=self.owner_help)
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--expires-in-days", type=days, metavar="DAYS", help="without it the token never expires")

    def handle(self, *args: Any, **options: Any) -> None:
        text, name, lifetime = options[self.owner], options["name"], options["expires_in_days"]
        owner = self.find_owner(text)
        if owner is None:
            raise CommandError(f"There is no {self.owner} {text!r}.")
        if not owner.is_active:
            raise CommandError(f"The {self.owner} {text!r} is inactive.")
        try:
            self.model._meta.get_field("name").clean(name, None)
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}") from error
        expires_at = timezone.now() + lifetime if lifetime else None
        with by_command(self):
            _row, token = self.model.issue(name=name, expires_at=expires_at, **{self.owner: owner})
        self.stdout.write(token)
