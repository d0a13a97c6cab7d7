"""Runs the service, lets the tool ask, and tells what came of it."""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from django.conf import settings
from django.core.management import call_command

from benchmarks.service import Service, wait_for
from messaging_project import database
from tests.messaging_project.conformance import PRINCIPALS, Examination, examined
from tests.messaging_project.conformance_world import make_world, state_of

PROCESSES = ("database", "web", "worker", "sender")
# In no log of a service that was only asked for things, whatever they were; but of two who add the same at once,
# PostgreSQL refuses one.
UNFORESEEN = re.compile(
    r"^(?!.*duplicate key value violates unique constraint).*(?:Traceback|\b(?:ERROR|CRITICAL|FATAL|PANIC)\b).*$", re.M
)
LINES = 40
LINKS = re.compile(r"API Links: +(.*covered)")


class Count(NamedTuple):
    operation: str
    phase: str
    status: int


class Outcome:
    """What was asked for, and what was wrong."""

    def __init__(self) -> None:
        self.counts = Counter[Count]()
        self.wrong: list[str] = []

    @property
    def cases(self) -> int:
        return sum(self.counts.values())

    def by_operation(self) -> Iterator[str]:
        """Yield lines of a table."""
        phases = sorted({count.phase for count in self.counts})
        yield f"{'operation':52}" + "".join(f"{phase:>10}" for phase in phases) + "  answers"
        for operation in sorted({count.operation for count in self.counts}):
            of_it = {count: number for count, number in self.counts.items() if count.operation == operation}
            cells = [sum(number for count, number in of_it.items() if count.phase == phase) for phase in phases]
            statuses = Counter[int]()
            for count, number in of_it.items():
                statuses[count.status] += number
            answers = " ".join(f"{status}:{number}" for status, number in sorted(statuses.items()))
            yield f"{operation:52}" + "".join(f"{cell:10}" for cell in cells) + f"  {answers}"
        totals = [sum(number for count, number in self.counts.items() if count.phase == phase) for phase in phases]
        yield f"{'all':52}" + "".join(f"{total:10}" for total in totals)


def fuzz(folder: Path, arguments: argparse.Namespace) -> bool:
    """Return whether anything was wrong."""
    say(f"seed {arguments.seed}, at least {arguments.cases} cases")
    began, outcome = time.monotonic(), Outcome()
    with running(folder) as service:
        start, number = service.log.stat().st_size, 0
        while outcome.cases < arguments.cases:
            for principal in arguments.principals or PRINCIPALS:
                ask(principal, number, folder, arguments, outcome)
            number += 1
        outcome.wrong += trouble_of(service, start)
        say("\n".join(outcome.by_operation()))
        say(f"seed {arguments.seed}: {outcome.cases} cases in {time.monotonic() - began:.0f} s")
        say("\n\n".join(outcome.wrong) or "Nothing was wrong.")
        if outcome.wrong and arguments.stay:
            say(f"The service stays up at {settings.BASE_URL} until Ctrl-C.")
            signal.pause()
    return bool(outcome.wrong)


def ask(principal: str, number: int, folder: Path, arguments: argparse.Namespace, outcome: Outcome) -> None:
    """Let the tool ask in a world of its own. What does not hang on the seed is asked for the first time only."""
    world = make_world()
    before = state_of(world.elsewhere)
    examination = Examination(
        examples=arguments.examples,
        scenarios=3 * arguments.examples,
        phases="fuzzing,stateful" if number else "examples,coverage,fuzzing,stateful",
        seed=arguments.seed + number,
    )
    tool = examined(world, principal, settings.BASE_URL, folder, examination)
    told = f"as {principal}, seed {examination.seed}, phases {examination.phases}"
    counts = {Count(*key): times for *key, times in json.loads((folder / "counts.json").read_text())}
    outcome.counts.update(counts)
    links = "".join(LINKS.findall(tool.stdout))
    say(f"{told}: {sum(counts.values())} cases, links {links}: {'FAILED' if tool.returncode else 'passed'}")
    if tool.returncode:
        outcome.wrong.append(f"== {told}\n{failures_of(tool)}")
    if state_of(world.elsewhere) != before:
        outcome.wrong.append(f"== {told}: something of another organization was changed")


def failures_of(tool: subprocess.CompletedProcess[str]) -> str:
    """Return the part of the tool's output that tells what failed, with lines of curl."""
    _before, line, failures = tool.stdout.partition("= FAILURES =")
    return (line + failures if line else tool.stdout[-8000:]) + tool.stderr[-4000:]


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """The service, as its supervisor starts it, in a database of its own."""
    service = Service(folder, port=int(settings.BIND.rpartition(":")[2]))
    try:
        service.start("database")
        database.wait(seconds=60, migrated=False)
        call_command("migrate", verbosity=0)
        for name in PROCESSES[1:]:
            service.start(name)
        wait_for(service.answers, what="the web process answers")
        yield service
    except BaseException:
        say(service.said())
        raise
    finally:
        service.close()


def trouble_of(service: Service, start: int) -> list[str]:
    """Return what is wrong with the service after all, and with its log from `start` on."""
    ended = [name for name in PROCESSES if psutil.Process(service.pid(name)).status() == psutil.STATUS_ZOMBIE]
    wrong = [f"== {name} has ended" for name in ended]
    log = service.log.read_bytes()[start:].decode(errors="replace")
    if lines := [*UNFORESEEN.finditer(log)]:
        beginning = log[lines[0].start() :].splitlines()[:LINES]
        wrong.append(f"== {len(lines)} lines of the log, from the first on\n" + "\n".join(beginning))
    return wrong


def say(text: str) -> None:
    print(text, flush=True)
