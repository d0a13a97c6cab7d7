"""The sink's process, and what it tells."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.client import ask, request
from benchmarks.service import wait_for

ROOT = Path(__file__).resolve().parent.parent


class Sink:
    def __init__(self, *, hangs: float = 10.0) -> None:
        """Start it; an address that hangs is answered after so many seconds."""
        command = [sys.executable, "-m", "benchmarks.sink", str(hangs)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._process.stdout is not None
        http, self.mail_port = map(int, self._process.stdout.readline().split())
        self.address = ("127.0.0.1", http)
        self.url = f"http://127.0.0.1:{http}/"

    def _ask(self, what: str) -> Any:
        return ask(self.address, request("GET", f"/{what}", headers={}))

    def count(self) -> int:
        """Return how many messages and mails came, repetitions too, but not those that hang."""
        return int(self._ask("count"))

    def forget(self) -> None:
        self._ask("forget")

    def times(self, alarm_id: int | str) -> list[float]:
        """Return when each address got its first message of an alarm ("mail": mail of any), in order."""
        return self.all_times().get(str(alarm_id), [])

    def all_times(self) -> dict[str, list[float]]:
        """Return by alarm when each address got its first message, in order (time.monotonic())."""
        found: dict[str, list[float]] = self._ask("times")
        return found

    def wait(self, recipients: Mapping[str, int], *, others: int = 0, seconds: float = 300.0) -> dict[str, list[float]]:
        """Return `all_times` once each of these alarms has reached exactly so many recipients, and others so many.

        Raises: TimeoutError where somebody is left out.
        """
        count, found = sum(recipients.values()) + others, dict[str, list[float]]()
        wait_for(lambda: self.count() >= count, seconds=seconds, every=0.05, what=f"{count} messages are at the sink")

        def everybody() -> bool:
            # A message that came twice was counted twice.
            found.update(self.all_times())
            return all(len(found.get(alarm, [])) == expected for alarm, expected in recipients.items())

        wait_for(everybody, seconds=seconds, every=0.05, what=f"exactly those {count} got theirs who should")
        return found

    def messages(self) -> list[tuple[dict[str, str], bytes]]:
        """Return headers and body of each message."""
        found = ((json.loads(body), body.encode()) for body in self._ask("messages"))
        return [
            ({"Content-Type": "application/json", "Idempotency-Key": f"{message['messageId']}-1"}, body)
            for message, body in found
        ]

    def mails(self) -> list[tuple[str, str, bytes]]:
        """Return sender, recipient and content of each mail."""
        found = (json.loads(each) for each in self._ask("messages"))
        return [(each["sender"], each["address"], each["content"].encode("latin-1")) for each in found]

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
