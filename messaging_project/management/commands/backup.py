from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations

from messaging_project import database
from messaging_project.backing_up import back_up
from messaging_project.serving import served


class Command(BaseCommand):
    help = "Write all that the service keeps into a file, whether or not it runs. Keep that as safe as the service."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a zip, which must not be there yet")

    @no_translations
    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        with served():
            database.wait(seconds=10, migrated=False)
            rows = back_up(file)["rows"]
        self.stdout.write(f"{file}: {sum(rows.values())} rows of {len(rows)} tables.")
