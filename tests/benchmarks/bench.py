"""The bench as a process of its own, and what there is of it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil

from tests.processes import ROOT, until


class BenchRun:
    """A command that runs the bench, and what belongs to it."""

    def __init__(self, terminal: Path, *command: str | Path) -> None:
        self._terminal = terminal
        with terminal.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        self.folder = until(self._folder, what="the folder of the bench")

    @property
    def said(self) -> str:
        return self._terminal.read_text()

    def _folder(self) -> Path | None:
        """Return the folder of the bench, which its processes are told of."""
        assert self.process.poll() is None, self.said
        for process in psutil.Process(self.process.pid).children(recursive=True):
            if ".bench-" in (data := _environment(process).get("DATA_DIR", "")):
                return Path(data).parent
        return None

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work in the folder or with it."""
        return [" ".join(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"]) if self._owns(each)]

    def _owns(self, process: psutil.Process) -> bool:
        return str(self.folder) in _environment(process).get("DATA_DIR", "") or str(self.folder) in _place(process)

    def end(self, number: signal.Signals) -> int:
        """Interrupt it and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """End what a failed test has left."""
        if self.process.poll() is None:
            self.end(signal.SIGTERM)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        found: dict[str, str] = process.environ()
    except psutil.Error:
        return {}
    return found


def _place(process: psutil.Process) -> str:
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""
