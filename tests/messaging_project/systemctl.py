"""Does what docs/operation.md asks of systemctl where no systemd runs: starts and ends what the units say, as they say
it, but for their sandbox.

    python -m tests.messaging_project.systemctl FOLDER COMMAND [--now] UNIT...

FOLDER has the units; beside them it keeps who runs and what is enabled, and the logs.
"""

from __future__ import annotations

import os
import shlex
import signal
import string
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import psutil

TARGET = "alarm-messaging.target"
# What the others come after is started first, and ended last.
ORDER = ("database", "web", "worker", "sender")


class Machine:
    def __init__(self, units: Path) -> None:
        self._units, self._enabled = units, units / "enabled"

    def keys(self, name: str) -> dict[str, list[str]]:
        """Return the keys of a unit, those that all services have in common first."""
        file = self._units / (f"{name.split('@')[0]}@.service" if "@" in name else name)
        common = [] if name == TARGET else sorted(self._units.glob("alarm-messaging-.service.d/*.conf"))
        found = defaultdict(list)
        for path in (*common, file):
            for line in path.read_text().splitlines():
                key, equals, value = line.partition("=")
                if equals and not line.startswith("#"):
                    found[key].append(value)
        return found

    def pid_file(self, name: str) -> Path:
        return self._units / f"{name}.pid"

    def running(self) -> dict[str, psutil.Process]:
        found = {}
        for file in self._units.glob("*.pid"):
            try:
                process = psutil.Process(int(file.read_text()))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[file.stem] = process
            except psutil.NoSuchProcess:
                pass
        return dict(sorted(found.items(), key=lambda item: place(item[0])))

    def meant(self, names: Iterable[str]) -> list[str]:
        """Return the services that units stand for."""
        found: list[str] = []
        for name in names:
            if name == TARGET:
                found += " ".join(self.keys(TARGET)["Wants"]).split()
                found += self._enabled.read_text().split() if self._enabled.exists() else []
            else:
                found += [each for each in self.running() if fnmatch(each, name)] if "*" in name else [name]
        return sorted(set(found) - {TARGET}, key=place)

    def start(self, name: str) -> None:
        if name in self.running():
            return
        keys = self.keys(name)
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for file in (
            *" ".join(keys["Environment"]).split(),
            *Path(keys["EnvironmentFile"][-1]).read_text().splitlines(),
        ):
            variable, equals, value = file.partition("=")
            if equals:
                environment[variable] = value
        command = shlex.split(string.Template(keys["ExecStart"][-1]).substitute(environment))
        with (self._units / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=keys["WorkingDirectory"][-1], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self.pid_file(name).write_text(str(process.pid))

    def stop(self, name: str) -> None:
        if process := self.running().get(name):
            keys = self.keys(name)
            process.send_signal(signal.Signals[(keys["KillSignal"] or ["SIGTERM"])[-1]])
            deadline = time.monotonic() + float(keys["TimeoutStopSec"][-1])
            # Whose child it was has ended; until somebody has noted its end, it is there.
            while name in self.running():
                assert time.monotonic() < deadline, f"{name} takes longer to end than systemd waits"
                time.sleep(0.02)
        self.pid_file(name).unlink(missing_ok=True)

    def obey(self, command: str, *names: str) -> None:
        if command == "enable":
            with self._enabled.open("a") as file:
                print(*names, file=file)
        services = self.meant(names)
        if command in ("stop", "restart"):
            for service in reversed(services):
                self.stop(service)
        if command in ("start", "restart", "enable"):
            for service in services:
                self.start(service)

    def lose(self) -> None:
        """End everything as a power cut does."""
        families = [[process, *process.children(recursive=True)] for process in self.running().values()]
        # Nobody is to see the others end.
        for process in [each for family in reversed(families) for each in family]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while self.running():
            time.sleep(0.02)
        for file in self._units.glob("*.pid"):
            file.unlink()


def place(name: str) -> tuple[int, str]:
    return next(number for number, part in enumerate(ORDER) if part in name), name


if __name__ == "__main__":
    folder, command, *others = sys.argv[1:]
    Machine(Path(folder)).obey(command, *(name for name in others if name != "--now"))
