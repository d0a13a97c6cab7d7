from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from organizations import logging_in


class Command(BaseCommand):
    help = "Let somebody try to log in again at once, whose attempts were too many. By itself it takes 15 minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login", help="the person's login")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Failed attempts forgotten: {logging_in.unlock(login=options['login'])}")
