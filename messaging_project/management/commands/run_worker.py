from __future__ import annotations

import argparse
import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app

from alarms import tasks
from alarms.hooks import QUEUE as HOOKS
from messaging_project import database

# These have places of their own: a long job holds up none of another kind.
PLACES = {"upkeep": 2, "inbox": 2, HOOKS: 2, tasks.WATCH: 1}
# What of these failed is done by the next tick; their jobs are not worth keeping.
TICKS = {"upkeep", HOOKS, tasks.WATCH}


class Command(BaseCommand):
    help = (
        "Run the jobs: planning, upkeep, the e-mails of the inbox and outgoing hooks. Any number may run, on any number"
        " of machines."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=6,
            help="alarm jobs at once, besides upkeep, inbox and hooks (default: 6)",
        )

    def handle(self, *args: Any, concurrency: int, **options: Any) -> None:
        database.wait(seconds=3600, migrated=True)
        with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
            asyncio.run(work(concurrency))


async def work(concurrency: int) -> None:
    """Work until a signal comes or one of the workers ends (its connection was cut: the supervisor starts anew)."""
    loop = asyncio.get_running_loop()
    places = {"alarms": concurrency} | PLACES
    # The default has too few threads on a small machine for all places.
    loop.set_default_executor(ThreadPoolExecutor(sum(places.values()) + 2))
    async with app.open_async():
        # What went wrong while there was none is found at once.
        await tasks.audit.configure().defer_async(timestamp=int(time.time()))
        workers = [
            asyncio.create_task(
                app.run_worker_async(
                    name=queue,
                    queues=[queue],
                    concurrency=count,
                    delete_jobs="always" if queue in TICKS else "successful",
                    install_signal_handlers=False,
                )
            )
            for queue, count in places.items()
        ]
        stop = asyncio.create_task(stopped(loop))
        await asyncio.wait([*workers, stop], return_when=asyncio.FIRST_COMPLETED)
        for task in (*workers, stop):
            task.cancel()
        await asyncio.gather(*workers, stop, return_exceptions=True)


async def stopped(loop: asyncio.AbstractEventLoop) -> None:
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    await event.wait()
