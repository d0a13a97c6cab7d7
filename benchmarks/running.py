"""One run: the service is started, its figures are taken and told."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from alarms.models import Alarm, Sender
from benchmarks import figures
from benchmarks.bench import Bench
from benchmarks.people import team
from benchmarks.service import Service, wait_for
from benchmarks.sink_client import Sink
from benchmarks.sizes import Sizes
from messaging_project import database


def run(parts: Mapping[str, str], *, folder: Path, sink: Sink, sizes: Sizes, port: int, output: Path) -> None:
    """Measure parts, each a function of a module of this package, and write the figures into the folder `output`."""
    # What this process does itself is no part of the service.
    logging.disable(logging.WARNING)
    begin = time.monotonic()
    service = Service(folder, port=port)
    try:
        bench = prepared(service, sink, sizes)
        print(figures.HEADER, flush=True)
        for part, module in parts.items():
            getattr(import_module(f"benchmarks.{module}"), part)(bench)
    except Exception:
        print(service.said(), file=sys.stderr)
        raise
    finally:
        service.close()
    figures.write(bench.figures, output)
    missed = "; ".join(each.name for each in bench.figures if each.reached is False) or "none"
    print(f"{len(bench.figures)} figures in {time.monotonic() - begin:.0f} s, written to {output}")
    print(f"Marks missed: {missed}")


def prepared(service: Service, sink: Sink, sizes: Sizes) -> Bench:
    """Start the service with its people."""
    service.start("database")
    database.wait(seconds=60, migrated=False)
    call_command("migrate", verbosity=0)
    recipients = sizes.recipients
    groups = tuple({10, 10 * sizes.small_alarms, recipients, sizes.many_recipients})
    everybody = team("Bench", people=max(groups), groups=groups)
    over = Alarm.objects.create(
        organization_id=everybody.id,
        message="Over",
        raised_by="bench",
        starts_at=timezone.now(),
        closed_at=timezone.now(),
        response_timeout=900,
        organization_escalation=False,
    )
    bench = Bench(
        service,
        sink,
        sizes,
        everybody,
        hanging=team("Hanging", people=recipients, groups=(recipients,), hanging=True),
        mails=team("Mails", people=sizes.mails, groups=(sizes.mails,), way="email"),
        nobodys=over.pk,
    )
    with connection.cursor() as cursor:
        # Else autovacuum does it while the first figures are measured.
        cursor.execute("VACUUM ANALYZE")
    service.start("worker")
    service.start("sender")
    service.start_web()
    wait_for(Sender.objects.exists, what="the sender is at work")
    return bench
