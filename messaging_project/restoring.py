"""Restoring a backup into an empty database. What may have left since it was made does not leave again."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from alarms.holding import Held, hold
from inbox.models import InboxMessage
from messaging_project import database, encryption
from messaging_project.backing_up import FORMAT, KEY, MANIFEST, SCRIPT, row_counts
from messaging_project.masking import Secret
from messaging_project.serving import answers, served
from messaging_project.upgrading import Say, refuse_newer, upgrade

# So many numbers are left out behind the last of each table: whoever was told of what is lost since the backup, by its
# number, is not to mistake it for something new.
GAP = 1_000_000

COPY = re.compile(rb"COPY .* FROM stdin;\n")
# For psql, or for a newer server than this may be.
NOT_FOR_ALL = re.compile(rb"\\|SET transaction_timeout = ")
IS_EMPTY = """
    SELECT NOT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
    )
"""
LEAVE_A_GAP = f"""
    SELECT setval(
        format('%I.%I', schemaname, sequencename)::regclass, least(coalesce(last_value, 0) + {GAP}, max_value)
    ) FROM pg_sequences WHERE schemaname = 'public'
"""  # noqa: S608 - made of a constant


class Backup:
    """A file that `back_up` wrote."""

    def __init__(self, path: Path) -> None:
        """Raises: CommandError where it is none."""
        try:
            self._archive = zipfile.ZipFile(path)
            self.manifest: dict[str, Any] = json.loads(self._archive.read(MANIFEST))
            if self.manifest["format"] != FORMAT:
                raise CommandError(f"{path} is of another version, which writes them in another form.")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise CommandError(f"{path} is no backup of this service.") from error
        self.made_at: str = self.manifest["made_at"]
        refuse_newer([(app, name) for app, name in self.manifest["migrations"]], what=str(path))

    def key(self) -> str | None:
        """Return the secret key that this service is to have from now on, None where it has one of its own.

        Raises: CommandError where what is encrypted in the backup could not be read.
        """
        key = self._archive.read(KEY).decode() if KEY in self._archive.namelist() else ""
        takes = bool(key) and settings.EMBEDDED_DATABASE and not os.environ.get("SECRET_KEY")
        if takes:
            # As the next process will read it.
            if settings.ENCRYPTION_KEYS == [settings.SECRET_KEY]:
                settings.ENCRYPTION_KEYS = [Secret(key)]
            settings.SECRET_KEY = Secret(key)
        try:
            encryption.decrypt(self.manifest["probe"])
        except encryption.CannotDecrypt as error:
            where = f" (`unzip -p FILE {KEY}` prints it)" if key else ""
            raise CommandError(f"It was made with another SECRET_KEY or ENCRYPTION_KEYS: set those{where}.") from error
        return key if takes else None

    def script(self) -> IO[bytes]:
        return io.BufferedReader(self._archive.open(SCRIPT), 1 << 20)  # type: ignore[type-var]


def restore(backup: Backup, *, resume: bool, say: Say) -> Held | None:
    """Bring a backup into the empty database of the settings, all or nothing, and upgrade it to this version; return
    what is held back, as it may have left since. With `resume` nothing is: all goes on as it was.

    Raises: CommandError, in one line.
    """
    key = backup.key()
    if settings.EMBEDDED_DATABASE and answers():
        raise CommandError("The service runs: stop it, and restore into an empty DATA_DIR.")
    with served():
        with connection.cursor() as cursor:
            cursor.execute(IS_EMPTY)
            if not cursor.fetchone()[0]:
                where = "DATA_DIR" if settings.EMBEDDED_DATABASE else "DATABASE_URL"
                raise CommandError(f"There is something in the database ({where}): a backup goes into an empty one.")
        if key is not None:
            keep_key(key)
        try:
            with transaction.atomic(), backup.script() as script, connection.cursor() as cursor:
                run(script, cursor)
                # The script has left its mark on the session.
                cursor.execute("RESET search_path")
                if row_counts() != backup.manifest["rows"]:
                    raise CommandError("Not all rows of the backup came: nothing was restored.")
                held = None if resume else hold_all(cursor)
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"Nothing was restored: {str(error).strip().splitlines()[0]}") from error
        finally:
            connection.close()
        upgrade(seconds=600, say=say)
        with connection.cursor() as cursor:
            tables = sql.SQL(", ").join(map(sql.Identifier, row_counts()))
            cursor.execute(sql.SQL("ANALYZE {}").format(tables))
    return held


def keep_key(key: str) -> None:
    path = settings.DATA_DIR / KEY
    draft = path.with_name(f"{KEY}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(key)
    draft.replace(path)


def run(script: IO[bytes], cursor: CursorWrapper) -> None:
    """Run what pg_dump wrote, as psql does."""
    statements: list[bytes] = []
    for line in script:
        if COPY.fullmatch(line):
            cursor.execute(b"".join(statements).decode())
            statements.clear()
            with cursor.copy(line.decode()) as copy:
                for row in script:
                    if row == b"\\.\n":
                        break
                    copy.write(row)
        elif not NOT_FOR_ALL.match(line):
            statements.append(line)
    cursor.execute(b"".join(statements).decode())


def hold_all(cursor: CursorWrapper) -> Held:
    now = database.now()
    cursor.execute(LEAVE_A_GAP)
    copies = InboxMessage.objects.filter(copy_wanted=True, copy_settled_at=None).update(copy_settled_at=now)
    return replace(hold(now=now), copies=copies)
