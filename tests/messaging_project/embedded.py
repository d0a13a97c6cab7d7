"""The embedded PostgreSQL, started for real as its supervisor starts it, as root (where the tests are) and not."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest

from messaging_project import embedded_postgres
from messaging_project.embedded_postgres import database_url

ROOT = os.geteuid() == 0
# Of another system user there are only tests where one can become it.
root_only = pytest.mark.skipif(not ROOT, reason="only root can act as another system user")
NOBODY = pwd.getpwnam("nobody")
REPOSITORY = Path(embedded_postgres.__file__).parents[1]
PATIENCE = 30.0  # seconds

# An ordinary user's start: modules and binaries are found before root is left, as nobody may not enter root's home.
STARTER = """
import os, sys
from pathlib import Path
from messaging_project import embedded_postgres as postgres
uid, data_dir = int(sys.argv[1]), Path(sys.argv[2])
if uid != os.geteuid():
    binaries = postgres._binaries_for(postgres.pwd.getpwuid(uid))
    postgres.bin_dir = lambda: binaries
    os.setgroups([])
    os.setgid(postgres.pwd.getpwuid(uid).pw_gid)
    os.setuid(uid)
postgres.LOCK_WAIT = float(sys.argv[3])
try:
    postgres.run(data_dir)
except postgres.EmbeddedPostgresError as error:
    sys.exit(str(error))
"""

Start = Callable[..., "Server"]


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Be another user, for the kernel and for the peer of a socket, for a moment."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


class Server:
    def __init__(self, data_dir: Path, uid: int, lock_wait: float) -> None:
        self.data_dir, self.uid = data_dir, uid
        command = [sys.executable, "-c", STARTER, str(uid), str(data_dir), str(lock_wait)]
        # A supervisor's root may be in groups, which the server must not inherit.
        groups: dict[str, Any] = {"extra_groups": [0, 1]} if ROOT else {}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, **groups)

    def config(self) -> dict[str, Any]:
        with acting_as(self.uid):
            return environ.Env.db_url_config(database_url(self.data_dir))

    def connect(self, as_uid: int | None = None, user: str = "messaging") -> psycopg.Connection[Any]:
        """Connect to the running server; raises psycopg.OperationalError."""
        config = self.config()
        with acting_as(self.uid if as_uid is None else as_uid):
            options = config.get("OPTIONS", {})
            return psycopg.connect(host=config["HOST"], dbname=config["NAME"], user=user, autocommit=True, **options)

    def ready(self) -> "Server":
        """Wait until the server takes connections."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                assert not self.ended_within(0.05), self.process.communicate()[1]
            else:
                return self

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def query(self, sql: str) -> list[Any]:
        with self.connect() as connection:
            return [row[0] for row in connection.execute(sql).fetchall()]

    def execute(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def refusal(self) -> str:
        """Wait for a start that fails, and return what it said."""
        said = self.process.communicate(timeout=PATIENCE)[1]
        assert self.process.returncode == 1
        return said


def make_database_folder(path: Path) -> None:
    """Make an empty folder that belongs to the user whom PostgreSQL runs as."""
    path.mkdir(parents=True)
    account = embedded_postgres._database_account()
    os.chown(path, account.pw_uid, account.pw_gid)
