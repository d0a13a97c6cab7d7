"""Upgrading the database to this version, while the version before it goes on with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from messaging_project import database

# How long a statement waits for a lock. So long all others wait who come after it, even to read: it gives up before
# they notice, and before PostgreSQL looks for deadlocks (1 s) and might end one of theirs.
LOCK_WAIT = "400ms"
# Before it is tried again, so that who has waited gets through: seconds.
PAUSE = 1.0

# These wait for nothing that others would wait for behind them, and must not be broken off: what they leave is broken.
CONCURRENTLY = re.compile(r"^\s*(?:CREATE|DROP)\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b", re.IGNORECASE)
NEW_INDEX = re.compile(r"^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+\"?(\w+)", re.IGNORECASE)
IS_VALID = """
    SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname = %s AND pg_table_is_visible(c.oid)
"""

# The exit code of a command that finds a database, or a backup of one, that has migrations which this version does not
# know: to try again is of no use.
NEWER = 3

Say = Callable[[str], object]


def upgrade(*, seconds: float, say: Say) -> list[str]:
    """Apply the migrations of this version that are missing; return their names.

    Nobody waits long meanwhile: what gets no lock at once is given up and tried again. Whoever comes while another is
    at it waits for that one.

    Raises: CommandError, in one line, if that takes longer than `seconds`, or the database is of a newer version.
    """
    deadline = time.monotonic() + seconds
    while True:
        with database.alone("upgrade") as is_alone:
            if is_alone:
                return _upgrade(deadline, say)
        _pause(deadline, "another is upgrading it")


def refuse_newer(migrations: Collection[tuple[str, str]], *, what: str) -> None:
    """Raise CommandError (NEWER) if this version does not know one of these migrations, each an app and a name.

    Apps that this version does not have at all are nothing to it.
    """
    loader = MigrationLoader(None)
    known = set(loader.disk_migrations)
    known.update(replaced for each in loader.disk_migrations.values() for replaced in each.replaces)
    unknown = sorted(each for each in migrations if each[0] in loader.migrated_apps and each not in known)
    if unknown:
        names = ", ".join(f"{app}.{name}" for app, name in unknown)
        raise CommandError(f"{what} is of a newer version, which has {names}: nothing was changed.", returncode=NEWER)


def _upgrade(deadline: float, say: Say) -> list[str]:
    executor = MigrationExecutor(connection)
    refuse_newer(executor.loader.applied_migrations, what="The database")
    missing = [
        f"{migration.app_label}.{migration.name}"
        for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    if missing and executor.loader.applied_migrations:
        say(f"To be applied: {', '.join(missing)}")
    patiently = Patiently(deadline, say)
    with _waiting_for_locks(LOCK_WAIT), connection.execute_wrapper(patiently):
        while True:
            try:
                # Each migration is a transaction: this goes on with the one that was given up.
                call_command("migrate", interactive=False, verbosity=0)
            except OperationalError as error:
                patiently.wait(error)
            else:
                return missing


class Patiently:
    """Runs the statements of migrations that are no transaction, again where they got no lock. What has been done of
    such a migration when it was broken off is not done again."""

    def __init__(self, deadline: float, say: Say) -> None:
        self._deadline, self._say = deadline, say
        self._said = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if context["connection"].in_atomic_block:
            return execute(sql, params, many, context)
        while True:
            try:
                if not CONCURRENTLY.match(str(sql)):
                    return execute(sql, params, many, context)
                with _waiting_for_locks("0"):
                    new = NEW_INDEX.match(str(sql))
                    return None if new and _is_there(new[1]) else execute(sql, params, many, context)
            except OperationalError as error:
                self.wait(error)

    def wait(self, error: OperationalError) -> None:
        """Wait before what failed is tried again; raise the error if that is of no use."""
        if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            raise error
        if not self._said:
            self._said = True
            self._say("Somebody else is at a table that it needs: it is tried again until they let it go.")
        _pause(self._deadline, str(error).strip().partition("\n")[0])


def _is_there(index: str) -> bool:
    """Whether there is an index that is whole; what a build that was broken off has left is dropped."""
    with connection.cursor() as cursor:
        cursor.execute(IS_VALID, [index])
        found = cursor.fetchone()
        if found == (False,):
            cursor.execute(f"DROP INDEX CONCURRENTLY {connection.ops.quote_name(index)}")
    return bool(found == (True,))


@contextmanager
def _waiting_for_locks(at_most: str) -> Iterator[None]:
    """Wait so long for locks within; 0: for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [at_most])
        try:
            yield
        finally:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


def _pause(deadline: float, reason: str) -> None:
    if time.monotonic() > deadline:
        raise CommandError(f"Cannot upgrade {database.where()}: {reason}.")
    time.sleep(PAUSE)
