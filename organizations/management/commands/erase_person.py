from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from messaging_project import database
from organizations.authors import by_command
from organizations.deactivating import LastSuperuser
from organizations.models import User
from organizations.person_data.erasing import erase_person

WARNING = """\
This erases {person}: name, addresses, devices, memberships, tokens, inbox. Nothing more is sent to them. Their alarms
and answers stay, without a name. It cannot be undone.
Type the login to go on: """


class Command(BaseCommand):
    help = "Erase a person: names and addresses go, alarms and their counts stay. Erasing them twice is no error."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login", help="the person's login, or what is left of it: erased-<id>")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(login=options["login"]).first()
        if user is None:
            raise CommandError(f"There is no person with the login {options['login']!r}.")
        if not options["yes"] and self.asked(user) != user.login:
            raise CommandError("That is not the login: nothing was erased.")
        try:
            with by_command(self):
                is_new = erase_person(user_id=user.pk, now=database.now())
        except LastSuperuser:
            raise CommandError("This is the last active superuser: nothing was erased.") from None
        user.refresh_from_db()
        self.stdout.write(f"{user.login} {'is what is left' if is_new else 'was erased before'}.")

    def asked(self, user: User) -> str:
        try:
            return input(WARNING.format(person=user)).strip()
        except EOFError:
            raise CommandError("Nobody is there to ask: use --yes.") from None
