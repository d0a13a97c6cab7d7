from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from messaging_project import database
from organizations.models import User
from organizations.person_data.exporting import write_person
from organizations.person_data.parts import Scope


class Command(BaseCommand):
    help = "Print everything that the service holds about a person, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login", help="the person's login")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(login=options["login"]).first()
        if user is None:
            raise CommandError(f"There is no person with the login {options['login']!r}.")
        self.stdout.ending = ""
        write_person(self.stdout, user=user, scope=Scope(), now=database.now(), made_by="export_person")  # type: ignore[arg-type] # it writes
