"""The PostgreSQL of a test run: the one that DATABASE_URL names, else an embedded one in a folder of its own.

The processes of a run share it, and clone their databases from one that is migrated once.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

EMBEDDED = not os.environ.get("DATABASE_URL")
# The others are started by this one, and inherit its environment.
FIRST = "PYTEST_XDIST_WORKER" not in os.environ
if EMBEDDED and FIRST:
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
        "ALARM_RETENTION_MONTHS",
        "HEARTBEAT_URL",
        "HSTS_SECONDS",
        "HSTS_SUBDOMAINS",
        "SECOND_FACTOR",
        "SESSION_HOURS",
        "METRICS_TOKEN",
        "THROTTLE_ADDRESS",
        "THROTTLE_TOKEN",
    }:
        del os.environ[name]
# Where hooks and gateways of organizations are in the tests.
os.environ["ALLOWED_NETWORKS"] = "127.0.0.0/8,::1/128"
# Images often have this set: each of hundreds of processes would compile the whole service again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parent.parent
SERVE = "import sys, pathlib; from messaging_project.embedded_postgres import run; run(pathlib.Path(sys.argv[1]))"
# What is lost in a power cut is thrown away anyway.
CARELESS = ("fsync", "synchronous_commit", "full_page_writes")
PATIENCE = 120.0  # seconds
SHARED = pytest.StashKey[ExitStack]()


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Where there will be several processes: start the server for all, and migrate while they look for their tests."""
    if not FIRST or session.config.getoption("dist", "no") == "no" or session.config.option.collectonly:
        return (yield)
    stack = session.config.stash[SHARED] = ExitStack()
    if EMBEDDED:
        server = stack.enter_context(serving())
    else:
        drop_template()
        stack.callback(drop_template)
    yield
    if EMBEDDED:
        wait_until_it_answers(server)
    return make_template()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED in config.stash:
        config.stash[SHARED].close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """A running PostgreSQL that the settings point at."""
    if not FIRST:
        use_template()
        yield
    elif EMBEDDED:
        with serving() as server:
            wait_until_it_answers(server)
            yield
    else:
        yield


@contextmanager
def serving() -> Iterator[subprocess.Popen[bytes]]:
    data_dir = os.environ["DATA_DIR"]
    with log_path().open("w") as log:
        server = subprocess.Popen([sys.executable, "-c", SERVE, data_dir], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def log_path() -> Path:
    return Path(os.environ["DATA_DIR"]) / "postgres.log"


def connect(**others: Any) -> psycopg.Connection:
    """Return a connection to the database that the settings name, which no test uses."""
    from django.db import connections

    parameters = connections.create_connection("default").get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(**{name: parameters[name] for name in names if name in parameters} | others, autocommit=True)


def wait_until_it_answers(server: subprocess.Popen[bytes]) -> None:
    """Wait for an embedded server; it is the tests' own, and may be careless."""

    def made_careless() -> bool:
        assert server.poll() is None, log_path().read_text()
        with connect(user="postgres", dbname="postgres") as connection:
            for setting in CARELESS:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            # As the tests empty tables (tests/flushing.py).
            connection.execute("GRANT SET ON PARAMETER session_replication_role TO messaging")
        return True

    until_it_does(made_careless)


def until_it_does(work: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if work():
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {work.__name__}"
        time.sleep(0.05)


def url_of(name: str) -> str:
    """Return the address of a database of this server, for other processes."""
    from django.conf import settings

    from messaging_project import embedded_postgres

    of_settings = os.environ.get("DATABASE_URL") or embedded_postgres.database_url(settings.DATA_DIR)
    url, question, options = of_settings.partition("?")
    return f"{url.rpartition('/')[0]}/{name}{question}{options}"


def template() -> str:
    from django.conf import settings

    return f"test_{settings.DATABASES['default']['NAME']}_template"


def make_template() -> None:
    """Migrate a database, and mark it as a template when it is one."""
    with connect() as connection:
        connection.execute(f'CREATE DATABASE "{template()}"')
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=os.environ | {"DATABASE_URL": url_of(template())}, check=True)
        connection.execute(f'ALTER DATABASE "{template()}" IS_TEMPLATE true')


def drop_template() -> None:
    with connect() as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template()]).fetchone():
            connection.execute(f'ALTER DATABASE "{template()}" IS_TEMPLATE false')
            connection.execute(f'DROP DATABASE "{template()}"')


def use_template() -> None:
    """Let the test database be cloned, as soon as there is what from."""
    from django.db import connections

    def template_is_there() -> bool:
        with connect() as connection:
            is_one = "SELECT datistemplate FROM pg_database WHERE datname = %s"
            return connection.execute(is_one, [template()]).fetchone() == (True,)

    until_it_does(template_is_there)
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = template()
