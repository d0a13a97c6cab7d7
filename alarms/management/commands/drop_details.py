from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from alarms import retention
from inbox.management.commands.purge_messages import months


class Command(BaseCommand):
    help = (
        "Drop what each device got and each answer of old alarms; the alarms, their recipients and the answers in force"
        " stay. A job does so every night."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--older-than-months", type=months, metavar="N", help="default: ALARM_RETENTION_MONTHS (24)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: Any, older_than_months: int | None, dry_run: bool, **options: Any) -> None:
        limit = older_than_months or settings.ALARM_RETENTION_MONTHS
        if not limit:
            raise CommandError("ALARM_RETENTION_MONTHS is 0: all is kept. Say --older-than-months.")
        count = retention.count_old(months=limit)
        if dry_run:
            self.stdout.write(f"{count} device messages are of alarms older than {limit} months.")
            return
        # A bar on a terminal only.
        with tqdm(total=count, unit=" device messages", disable=None) as bar:
            dropped = retention.drop_details(months=limit, progress=bar.update)
        self.stdout.write(f"Dropped {dropped} device messages of alarms older than {limit} months.")
