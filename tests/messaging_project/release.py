"""The database of a release as its operators have it (releases/make.py wrote it), as if it had been left just now."""

from __future__ import annotations

import gzip
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import connect, url_of

LATEST = max(Path(__file__).with_name("releases").glob("*.sql.gz"))
MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00\b")
MIGRATION = re.compile(r"^\t\(\d+, '(\w+)', '(\w+)', '", re.MULTILINE)


class Release:
    def __init__(self, path: Path = LATEST) -> None:
        facts, self._sql = gzip.decompress(path.read_bytes()).decode().split("\n", 1)
        self.facts: dict[str, Any] = json.loads(facts.removeprefix("-- "))
        """What a test has to know of it: tokens, ids, and the Idempotency-Keys that left before."""

    @property
    def migrations(self) -> set[tuple[str, str]]:
        """App and name of each that is applied."""
        return set(MIGRATION.findall(self._sql))

    def restore(self, connection: psycopg.Connection[Any]) -> None:
        """Write it into an empty database; all its times are moved, so that it was left at this moment."""
        later = datetime.now(UTC) - datetime.fromisoformat(self.facts["taken_at"])
        moved = MOMENT.sub(lambda found: (datetime.fromisoformat(found[0]) + later).isoformat(), self._sql)
        # Some of its settings are of the session.
        connection.execute(moved)  # type: ignore[call-overload]
        connection.execute("RESET ALL")


@contextmanager
def database(name: str) -> Iterator[str]:
    """An empty database on the server of this test run: its address, in the form that psycopg reads too."""
    with connect() as admin:
        admin.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        try:
            yield url_of(name)
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


def to(name: str) -> psycopg.Connection[Any]:
    return connect(dbname=name)


def ask(url: str, token: str, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Return status and JSON of a request with a token of either kind."""
    kind = "API-TOKEN" if token.startswith("ga_org") else "Personal-Access-Token"
    headers |= {kind: token, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/v1{path}", method=method, headers=headers, data=data)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
