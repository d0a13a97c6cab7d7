from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations

from messaging_project import database
from messaging_project.upgrading import upgrade


class Command(BaseCommand):
    help = (
        "Bring the database to this version, while the one before it still runs. Once, whatever the number of machines."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--seconds", type=int, default=600, help="how long to go on while others hold what it needs (default: 600)"
        )

    @no_translations
    def handle(self, *args: Any, seconds: int, **options: Any) -> None:
        database.wait(seconds=60, migrated=False)
        applied = upgrade(seconds=seconds, say=self.stdout.write)
        self.stdout.write(f"The database has all that this version needs. Applied now: {len(applied)} migrations.")
        self.stdout.write("Start anew what runs, in this order: the workers, the senders, the web processes.")
