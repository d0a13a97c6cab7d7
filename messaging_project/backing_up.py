"""Backing up: all that the service keeps goes into one file, while it goes on.

The file is a zip: `manifest.json`, `database.sql` (what pg_dump writes) and, where the service has made its secret key
itself, `secret_key`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from messaging_project import database, encryption
from messaging_project.embedded_postgres import MAJOR_VERSION, bin_dir

FORMAT = 1
MANIFEST, SCRIPT, KEY = "manifest.json", "database.sql", "secret_key"
PROBE = "What reads this reads the rest."

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname
"""


def back_up(path: Path) -> dict[str, Any]:
    """Write a backup, which its owner alone can read, and return its manifest. A file that is there is whole.

    Raises: CommandError, in one line.
    """
    if path.exists():
        raise CommandError(f"{path} is there already.")
    draft = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                manifest = _write(archive)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def row_counts() -> dict[str, int]:
    """Return how many rows each table has."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        counts = {}
        for table in tables:
            cursor.execute(sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(table)))
            counts[table] = cursor.fetchone()[0]
    return counts


def _write(archive: zipfile.ZipFile) -> dict[str, Any]:
    with _snapshot() as snapshot:
        manifest = {
            "format": FORMAT,
            "made_at": database.now().isoformat(timespec="seconds"),
            "migrations": sorted(MigrationRecorder(connection).applied_migrations()),
            "probe": encryption.encrypt(PROBE),
            "rows": row_counts(),
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        if key := _own_key():
            archive.writestr(KEY, key)
        _dump(archive, snapshot)
    return manifest


@contextmanager
def _snapshot() -> Iterator[str]:
    """Yield the name of the moment that is backed up: what is counted here is what pg_dump finds."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        yield cursor.fetchone()[0]


def _own_key() -> str | None:
    """Return the secret key if it is the one that lies in DATA_DIR: nobody else may have it."""
    path = settings.DATA_DIR / KEY
    own = settings.EMBEDDED_DATABASE and path.exists() and path.read_text() == settings.SECRET_KEY
    return settings.SECRET_KEY if own else None


def _dump(archive: zipfile.ZipFile, snapshot: str) -> None:
    command = [_pg_dump(), "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    with archive.open(SCRIPT, "w", force_zip64=True) as script, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=_libpq_environment(), stdout=subprocess.PIPE, stderr=said)  # noqa: S603
        with process:
            assert process.stdout is not None
            shutil.copyfileobj(process.stdout, script, 1 << 20)
        if process.returncode:
            said.seek(0)
            raise CommandError(f"pg_dump: {' '.join(said.read().decode(errors='replace').split())}")


def _pg_dump() -> str:
    """Return a pg_dump that knows the server: that of the embedded database, or, as this one knows no TLS, first the
    machine's."""
    ours, theirs = str(bin_dir() / "pg_dump"), shutil.which("pg_dump")
    server = connection.pg_version // 10_000  # type: ignore[attr-defined] # only where it is PostgreSQL
    if theirs and not settings.EMBEDDED_DATABASE:
        done = subprocess.run([theirs, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
        if (version := re.search(r"\d+", done.stdout)) and int(version[0]) >= server:
            return theirs
    if server > int(MAJOR_VERSION):
        raise CommandError(f"The database is PostgreSQL {server}: install its pg_dump, none here is new enough.")
    return ours


def _libpq_environment() -> dict[str, str]:
    """Return the variables that lead PostgreSQL's own programs to the database of the settings. Not as arguments, which
    every user of the machine could read."""
    parameters = connection.get_connection_params()
    names = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    known = {name: value for name, value in parameters.items() if name in names and name != "options"}
    options = pq.Conninfo.parse(make_conninfo(**known).encode())
    where = {o.envvar.decode(): o.val.decode() for o in options if o.envvar and o.val is not None}
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | where
