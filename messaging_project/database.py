"""The database: waiting for it, saying in one line that it is not there, and its clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

POLL = 0.2  # seconds


def where() -> str:
    """Say which database is meant, without a password."""
    if settings.EMBEDDED_DATABASE:
        return f"the embedded database in {settings.DATA_DIR} (is `make run` running?)"
    database = settings.DATABASES["default"]
    return f"the database {database['NAME']} at {database['HOST'] or 'localhost'} (DATABASE_URL)"


def wait(*, seconds: float, migrated: bool) -> None:
    """Return as soon as the database answers and, if `migrated`, has every migration.

    Raises: CommandError, in one line, if that takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.ensure_connection()
            if not migrated or migrations_applied():
                return
            reason = "its migrations are not applied"
        except OperationalError:
            reason = "it does not answer"
            connection.close()
        if time.monotonic() > deadline:
            raise CommandError(f"Cannot use {where()}: {reason}.")
        time.sleep(POLL)


def migrations_applied() -> bool:
    """Whether the database has every migration of this version; once so, it stays so while this process lives."""
    try:
        return _migrations_applied()
    except LookupError:
        return False


@cache
def _migrations_applied() -> bool:
    # Raising keeps "not yet" out of the cache.
    if not _migrations() <= MigrationRecorder(connection).applied_migrations().keys():
        raise LookupError("migrations are missing")
    return True


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """Return app and name of each migration of this version, looked for once: whoever waits for them asks again and
    again, and is not to take the upgrade its time."""
    graph = MigrationLoader(None).graph
    return frozenset(each for leaf in graph.leaf_nodes() for each in graph.forwards_plan(leaf))


def now() -> datetime:
    """Return the time by the database's clock: what is due is decided by it, so what is planned is too, whatever the
    clocks of the machines that web, worker and sender run on say."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@contextmanager
def alone(what: str, key: int = 0) -> Iterator[bool]:
    """Let nobody else do the same meanwhile; yields whether nobody else is at it.

    A lock of the database session, for what may not be done in a transaction, as mails leave; it ends with the process.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, %s))", [what, key])
        if not cursor.fetchone()[0]:
            yield False
            return
        try:
            yield True
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, %s))", [what, key])


def array(values: Iterable[object]) -> str:
    """Return numbers, times (ISO 8601) or plain words as an array, to be cast to its type in the statement. For a list,
    psycopg takes ten times as long."""
    return f"{{{','.join(map(str, values))}}}"
