"""Whether the time of requests and of the claim hangs on how much there is in the tables."""

from __future__ import annotations

import time
from statistics import median

from django.db import transaction

from alarms.models import DeviceMessage
from alarms.sending.claim import claim
from benchmarks.asking import requests
from benchmarks.bench import Bench
from benchmarks.figures import compare
from benchmarks.people import empty, fill, fill_inbox
from benchmarks.service import wait_for


def full_tables(bench: Bench) -> None:
    """The endpoints beside their bare views, then they and the claim before and after the tables are full."""
    sizes = bench.sizes
    empty()
    fill(of=bench.team, device_messages=sizes.recipients)
    fill_inbox(of=bench.team, messages=sizes.inbox_before)
    before, claimed_before = requests(bench, tables="8 clients"), claims(bench)
    fill(of=bench.team, device_messages=sizes.device_messages)
    fill_inbox(of=bench.team, messages=sizes.inbox_messages - sizes.inbox_before)
    after, claimed_after = requests(bench, tables="8 clients, tables full"), claims(bench)
    few = f"with {sizes.recipients:,} device messages"
    for name, times in before.items():
        # Each beside the bare view at its time: the machine's mood is not the tables' doing.
        bench.note(compare(f"{name}, tables full: time of a request", "x bare", after[name], few, times, at_most=1.3))
    bench.note(compare("claim of 256, tables full", "ms", claimed_after, few, claimed_before, at_most=1.3))


def claims(bench: Bench) -> float:
    """Return the milliseconds of a claim of 256 of the messages of an alarm. Nothing of it is kept."""
    bench.service.stop("sender")
    raised = bench.raise_alarm(bench.team, group=bench.sizes.recipients)
    due = DeviceMessage.objects.filter(alarm=raised.alarm_id, status=DeviceMessage.Status.SCHEDULED)
    wait_for(lambda: due.count() == bench.sizes.recipients, what="the alarm is planned")
    took = []
    for _round in range(bench.sizes.claims):
        with transaction.atomic():
            begin = time.monotonic()
            claim(sender_id=0, free={("app", 0, 0): 256})
            took.append((time.monotonic() - begin) * 1000)
            transaction.set_rollback(True)
    bench.service.start("sender")
    bench.rest([raised.alarm_id])
    return median(took)
