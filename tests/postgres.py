"""The PostgreSQL of a test run: the one that DATABASE_URL names, else an embedded one in a folder of its own.

A plugin named in pyproject.toml, as the settings are read before any conftest.py.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

EMBEDDED = not os.environ.get("DATABASE_URL")
if EMBEDDED:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="messaging-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
os.environ.setdefault("SECRET_KEY", "tests-only-" + "0123456789abcdef" * 4)
# A file .env beside manage.py, or what the developer has exported, is not what is tested.
for name in list(os.environ):
    if name.startswith(("ANYMAIL_", "GATEWAY_", "EMAIL_", "DEFAULT_", "INBOX_", "JWT_", "TWILIO_")) or name in {
        "BASE_URL",
        "PORT",
        "TIME_ZONE",
        "LANGUAGE_CODE",
        "LOCALE_PATHS",
        "PHONE_REGION",
        "ENCRYPTION_KEYS",
        "MESSAGES_PER_MINUTE",
        "NUM_PROXIES",
    }:
        del os.environ[name]

SERVE = "import sys, pathlib; from messaging_project.embedded_postgres import run; run(pathlib.Path(sys.argv[1]))"


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """A running PostgreSQL that the settings point at."""
    if not EMBEDDED:
        yield
        return
    data_dir = os.environ["DATA_DIR"]
    log_path = Path(data_dir) / "postgres.log"
    with log_path.open("w") as log:
        server = subprocess.Popen([sys.executable, "-c", SERVE, data_dir], stdout=log, stderr=log)
    try:
        wait_until_it_answers(server, log_path)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def wait_until_it_answers(server: subprocess.Popen[bytes], log_path: Path) -> None:
    from django.db import connections

    parameters = connections.create_connection("default").get_connection_params()
    parameters = {name: parameters[name] for name in ("dbname", "user", "host") if name in parameters}
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(**parameters).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.05)
