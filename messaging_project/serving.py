"""Serving the embedded database for as long as a command needs it, where the service does not run."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from messaging_project import database


def answers() -> bool:
    """Whether the database of the settings takes connections now."""
    try:
        connection.ensure_connection()
    except OperationalError:
        connection.close()
        return False
    return True


@contextmanager
def served() -> Iterator[None]:
    """Have the embedded database served, if it is that of the settings and nobody serves it.

    Raises: CommandError, in one line, where it does not start.
    """
    if not settings.EMBEDDED_DATABASE or answers():
        yield
        return
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "manage.py", "run_database"]
        server = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=said, stderr=said)  # noqa: S603
        try:
            _wait_for(server, said)
            yield
        finally:
            connection.close()
            server.send_signal(signal.SIGINT)
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """Return when the server answers; raise CommandError with its last words if it does not."""
    for _second in range(60):
        try:
            return database.wait(seconds=1, migrated=False)
        except CommandError:
            if server.poll() is not None:
                break
    said.seek(0)
    raise CommandError(said.read().decode(errors="replace").strip().rpartition("\n")[2].removeprefix("CommandError: "))
