"""The real processes of the service, started against the test database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import psutil
from django.db import connection

from tests.postgres import url_of
from tests.sinks import free_port

ROOT = Path(__file__).resolve().parent.parent


T = TypeVar("T")


def until(condition: Callable[[], T], *, seconds: float = 60.0, what: str = "") -> T:
    """Return what `condition` returns as soon as that is true; fail after some time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)


def url_of_the_test_database() -> str:
    """The address of the database of this test run, for other processes."""
    return url_of(connection.settings_dict["NAME"])


class Processes:
    """Starts, kills and in the end stops processes of the service; their output is kept."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.environment = (
            os.environ
            | {
                "DATABASE_URL": url_of_the_test_database(),
                "DJANGO_SETTINGS_MODULE": "messaging_project.settings",
                "PYTHONUNBUFFERED": "1",
                "THROTTLE_TOKEN": "0",
                "THROTTLE_ADDRESS": "0",
            }
            | environment
        )
        self._folder = folder
        self._running: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._logs: list[IO[bytes]] = []
        self.port = free_port()
        self.web_options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        commands = {
            "sender": ["manage.py", "send_messages"],
            "worker": ["manage.py", "run_worker"],
            "web": [
                *("-m", "gunicorn", "messaging_project.wsgi", "--bind", f"127.0.0.1:{self.port}"),
                *("--worker-class", "messaging_project.web_worker.WebWorker", "--threads", "8", "--keep-alive", "15"),
                *("--no-control-socket", "--log-level", "warning", *self.web_options),
            ],
        }
        for name in names:
            log = (self._folder / f"{name}.log").open("ab")
            self._logs.append(log)
            process = subprocess.Popen(
                [sys.executable, *commands[name]], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
            self._running.setdefault(name, []).append(process)

    def kill(self, name: str) -> None:
        """End the longest running process of this name as a power cut would."""
        process = self._running[name].pop(0)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def restart_ended(self, name: str) -> None:
        """Start anew what has ended by itself, as a supervisor would."""
        for process in [process for process in self._running[name] if process.poll() is not None]:
            self._running[name].remove(process)
            self.start(name)

    def stop(self, name: str) -> int:
        """End a process as a supervisor would, and return its exit code."""
        process = self._running[name].pop(0)
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def alive(self) -> bool:
        return self._answers_ok("/health/live")

    def web_answers_by_its_own_workers(self) -> bool:
        """Whether the last web process that was started answers, and not workers of one before it; one that has ended
        is started again."""
        self.restart_ended("web")
        return bool(psutil.Process(self._running["web"][-1].pid).children()) and self.alive()

    def healthy(self) -> bool:
        return self._answers_ok("/health")

    def _answers_ok(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def start_all(self) -> None:
        self.start("web", "worker", "sender")
        until(self.healthy, what="the service is healthy")

    def close(self) -> None:
        everyone = [process for processes in self._running.values() for process in processes]
        for process in everyone:
            process.send_signal(signal.SIGTERM)
        for process in everyone:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        for log in self._logs:
            log.close()


@contextmanager
def service(folder: Path, **environment: str) -> Iterator[Processes]:
    """Processes of the service, which are ended."""
    processes = Processes(folder, **environment)
    try:
        yield processes
    finally:
        processes.close()
