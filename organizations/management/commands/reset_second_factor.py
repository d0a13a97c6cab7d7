from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from organizations import second_factor
from organizations.models import User


class Command(BaseCommand):
    help = "Take the second factor from somebody who has lost it: app, recovery codes and every session of theirs end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login", help="the person's login")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(login=options["login"]).first()
        if user is None:
            raise CommandError(f"There is no person with the login {options['login']!r}.")
        removed = second_factor.remove(user_id=user.pk)
        self.stdout.write(f"{user.login} {'has no second factor any more' if removed else 'had no second factor'}.")
