"""The service, each process as supervisord.conf starts it, in a folder of its own."""

from __future__ import annotations

import configparser
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROC = Path("/proc")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], object], *, seconds: float = 60.0, every: float = 0.005, what: str) -> None:
    """Look every so many seconds. Raises: TimeoutError, which says what did not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def end(processes: Sequence[subprocess.Popen[bytes]], *, by: signal.Signals = signal.SIGTERM) -> None:
    for process in processes:
        process.send_signal(by)
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Service:
    """Starts and ends its processes; their output goes to `log`."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.log = folder / "service.log"
        self._running: dict[str, list[subprocess.Popen[bytes]]] = {}
        variables = {**os.environ, "PYTHON": sys.executable, "WEB_WORKERS": "2"}
        self._commands = configparser.ConfigParser(
            {"here": str(ROOT)} | {f"ENV_{name}": value.replace("%", "%%") for name, value in variables.items()}
        )
        self._commands.read(ROOT / "supervisord.conf")

    def start(self, name: str) -> None:
        command = shlex.split(self._commands[f"program:{name}"]["command"])
        with self.log.open("ab") as log:
            # Ctrl-C is for the bench alone, which ends its processes in their order.
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self._running.setdefault(name, []).append(process)

    def stop(self, name: str) -> None:
        """End the process of this name that was started last."""
        end([self._running[name].pop()])

    def pid(self, name: str) -> int:
        return self._running[name][0].pid

    def start_web(self) -> None:
        self.start("web")
        wait_for(self.answers, what="the web process answers")

    def answers(self) -> bool:
        host, port = self.address
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/health/live", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def said(self) -> str:
        """Return the end of what the processes wrote."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def close(self) -> None:
        """End all processes, the database last."""
        database = self._running.pop("database", [])
        end([process for processes in self._running.values() for process in processes])
        end(database, by=signal.SIGINT)
        self._running.clear()


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew, where the system has a /proc."""
    if PROC.is_dir():
        (PROC / str(pid) / "clear_refs").write_text("5")


def peak_memory(pid: int) -> float | None:
    """Return the most memory that a process has had at once, in MiB; None where the system has no /proc."""
    if not PROC.is_dir():
        return None
    status = (PROC / str(pid) / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
