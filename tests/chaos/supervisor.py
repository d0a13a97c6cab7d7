"""The processes of the service, each as supervisord.conf starts it and started anew when it ends."""

from __future__ import annotations

import asyncio
import configparser
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.service import ROOT, end
from tests.chaos.evidence import Span, now

LOOK_EVERY = 0.05  # seconds
# As long as supervisord takes to notice and to start anew, about.
RESTART_AFTER = 0.2  # seconds
# What `manage.py run_database` becomes, without Django: it is PostgreSQL that is tried, not how fast Python starts.
DATABASE = """
import os, pathlib
from messaging_project.embedded_postgres import run
run(pathlib.Path(os.environ["DATA_DIR"]))
"""


@dataclass
class Place:
    """One of the processes that are to run, by its name."""

    name: str
    program: str
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    paused_since: float | None = None
    pauses: list[Span] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    def __init__(self, folder: Path) -> None:
        self.places: dict[str, Place] = {}
        self.restarts: Counter[str] = Counter()
        """Of each program, how often it was started anew."""
        self._folder = folder
        self._is_closing = False

    def add(self, name: str, program: str, variables: Mapping[str, str]) -> None:
        """Start a process that is to run from now on."""
        place = self.places[name] = Place(name, program, dict(variables))
        self._start(place)

    def _start(self, place: Place) -> None:
        variables = {**os.environ, **place.variables}
        with (self._folder / f"{place.name}.log").open("ab") as log:
            # Ctrl-C is for the run alone, which ends its processes in their order.
            place.process = subprocess.Popen(
                command_of(place.program), cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True
            )

    async def watch(self) -> None:
        """Start anew whatever ends, until it is cancelled."""
        while True:
            for place in self.places.values():
                if not place.is_running and not self._is_closing:
                    self._ended(place)
                    await asyncio.sleep(RESTART_AFTER)
                    self._start(place)
                    self.restarts[place.program] += 1
            await asyncio.sleep(LOOK_EVERY)

    def _ended(self, place: Place) -> None:
        if place.paused_since is not None:
            place.pauses.append((place.paused_since, now()))
            place.paused_since = None

    def of(self, program: str) -> list[Place]:
        return [place for place in self.places.values() if place.program == program]

    def signal(self, place: Place, number: signal.Signals) -> bool:
        """Send a signal to a process; return whether it was there."""
        if place.process is None or place.process.poll() is not None:
            return False
        place.process.send_signal(number)
        return True

    async def pause(self, place: Place, seconds: float) -> bool:
        """Stop a process for some time, as a machine does that sleeps; return whether it was there."""
        process = place.process
        if place.paused_since is not None or not self.signal(place, signal.SIGSTOP):
            return False
        place.paused_since = now()
        try:
            await asyncio.sleep(seconds)
        finally:
            if place.process is process:
                self._resume(place)
        return True

    def _resume(self, place: Place) -> None:
        if self.signal(place, signal.SIGCONT):
            self._ended(place)

    def children(self, place: Place) -> list[psutil.Process]:
        """Return the processes that one has started, by their ids."""
        if place.process is None:
            return []
        try:
            return sorted(psutil.Process(place.process.pid).children(), key=lambda child: child.pid)
        except psutil.NoSuchProcess:
            return []

    def said(self, program: str, words: str) -> int:
        """Return how often the processes of a program have said something in their logs."""
        logs = [self._folder / f"{place.name}.log" for place in self.of(program)]
        return sum(log.read_text(errors="replace").count(words) for log in logs)

    def close(self) -> None:
        """End all processes, the database last."""
        self._is_closing = True
        for place in self.places.values():
            self._resume(place)
        databases = [place.process for place in self.of("database") if place.process is not None]
        others = [place.process for place in self.places.values() if place.process is not None]
        end([process for process in others if process not in databases])
        end(databases, by=signal.SIGINT)
        for orphan in self._orphans():
            orphan.kill()

    def _orphans(self) -> Iterator[psutil.Process]:
        """Yield what has outlived the process that had started it: a web worker whose master was killed."""
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("DATA_DIR") == os.environ["DATA_DIR"]:
                    yield process
            except psutil.Error:
                continue


def command_of(program: str) -> list[str]:
    """Return the command of a program of supervisord.conf."""
    if program == "database":
        return [sys.executable, "-c", DATABASE]
    variables = {**os.environ, "PYTHON": sys.executable, "WEB_WORKERS": "2"}
    commands = configparser.ConfigParser(
        {"here": str(ROOT)} | {f"ENV_{name}": value.replace("%", "%%") for name, value in variables.items()}
    )
    commands.read(ROOT / "supervisord.conf")
    return shlex.split(commands[f"program:{program}"]["command"])
