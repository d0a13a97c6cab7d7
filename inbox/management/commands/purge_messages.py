from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from tqdm import tqdm

from inbox import retention


def months(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= retention.MAX_MONTHS:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be from 1 to {retention.MAX_MONTHS}")


class Command(BaseCommand):
    help = "Delete old messages from all inboxes. A job does so every night."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--older-than-months", type=months, metavar="N", help="default: INBOX_RETENTION_MONTHS (12)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: Any, older_than_months: int | None, dry_run: bool, **options: Any) -> None:
        limit = older_than_months or settings.INBOX_RETENTION_MONTHS
        count = retention.count_old(months=limit)
        if dry_run:
            self.stdout.write(f"{count} messages are older than {limit} months.")
            return
        # A bar on a terminal only.
        with tqdm(total=count, unit=" messages", disable=None) as bar:
            purged = retention.purge(months=limit, progress=bar.update)
        self.stdout.write(f"Purged {purged} messages older than {limit} months.")
