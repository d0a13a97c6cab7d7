from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations

from alarms.holding import Held
from messaging_project.restoring import Backup, restore


class Command(BaseCommand):
    help = (
        "Bring a backup into an empty database, while the service is stopped. What was to leave when it was made is"
        " held back: it may have left since."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument(
            "--resume", action="store_true", help="hold nothing back: nothing has run since the backup was made"
        )

    @no_translations
    def handle(self, *args: Any, file: Path, resume: bool, **options: Any) -> None:
        backup = Backup(file)
        held = restore(backup, resume=resume, say=self.stdout.write)
        rows = backup.manifest["rows"]
        self.stdout.write(f"Restored: {sum(rows.values())} rows of {len(rows)} tables, as of {backup.made_at}.")
        for line in lines(held) if held else ():
            self.stdout.write(line)


def lines(held: Held) -> list[str]:
    """Return what is held back, for whoever has to decide whether to raise it again."""
    found = [f"alarm {alarm_id}: {count} messages" for alarm_id, count in held.messages.items()]
    found += [f"alarm {alarm_id}: its start has passed, it is closed" for alarm_id in held.scheduled]
    if held.recipients:
        found.append(f"{held.recipients} recipients who were not planned yet")
    if held.hook_events:
        found.append(f"{held.hook_events} events that hooks were to be told of")
    if held.copies:
        found.append(f"{held.copies} copies of the inbox by e-mail")
    return (
        ["Held back, as they may have left since. Look whether to raise these alarms again:", *found] if found else []
    )
