"""What was backed up is restored whole, into an empty database only, and nothing of it leaves a second time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from psycopg import sql

from messaging_project import encryption
from messaging_project.backing_up import FORMAT, back_up
from messaging_project.restoring import Backup
from tests.messaging_project.release import Release, database, to
from tests.messaging_project.releases import SECRET_KEY
from tests.processes import ROOT

# The service that was, and what it is restored to: to go on, and as it is after a disaster.
BEFORE, RESUMED, RESTORED = "messaging_before", "messaging_resumed", "messaging_restored"
# What the queue has to do with a job is no more than that it is done.
QUEUE = {"procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers"}


def manage(url: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


class World:
    """The database of the release before, its backup, and what came of that."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.release, self.file = Release(), folder / "backup.zip"
        self.urls = {name: stack.enter_context(database(name)) for name in (BEFORE, RESUMED, RESTORED)}
        with to(BEFORE) as connection:
            self.release.restore(connection)
            # As if the backup was made between the two.
            connection.execute("UPDATE alarms_alarm SET starts_at = now() WHERE id = %s", [self.missed])
            connection.execute(
                "UPDATE alarms_alarmmessage SET planned_at = NULL WHERE alarm_id = %s", [self.release.facts["closed"]]
            )
        self.backed_up = manage(self.urls[BEFORE], "backup", self.file)
        self.restored = manage(self.urls[RESTORED], "restore", self.file)
        self.resumed = manage(self.urls[RESUMED], "restore", "--resume", self.file)

    @property
    def missed(self) -> int:
        return int(self.release.facts["scheduled"])

    def rows(self, name: str, statement: str, *values: object) -> list[Any]:
        with to(name) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def world(postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("backup"))


def contents(name: str, columns: dict[str, list[str]]) -> dict[str, tuple[int, str]]:
    """Return of each table how many rows it has, and a digest of all that stands in these columns."""
    found = {}
    with to(name) as connection:
        for table, names in columns.items():
            row = sql.SQL("row({})::text").format(sql.SQL(", ").join(map(sql.Identifier, names)))
            digest = sql.SQL("SELECT count(*), md5(string_agg({row}, ';' ORDER BY {row})) FROM {table}")
            found[table] = connection.execute(digest.format(row=row, table=sql.Identifier(table))).fetchone()
    return found  # type: ignore[return-value]


def columns_of(world: World, name: str) -> dict[str, list[str]]:
    statement = """SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
        FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1"""
    return dict(world.rows(name, statement))


def test_everything_is_there_again(world: World) -> None:
    assert world.resumed.returncode == 0, world.resumed.stderr
    columns = columns_of(world, BEFORE)
    assert {"alarms_alarm", "organizations_apitoken", "inbox_message", "procrastinate_jobs"} <= columns.keys()
    before, after = contents(BEFORE, columns), contents(RESUMED, columns)
    # What this version adds.
    for table in ("django_migrations", "django_content_type", "auth_permission"):
        assert before.pop(table)[0] <= after.pop(table)[0]
    assert after == before
    assert sum(count for count, _digest in before.values()) > 200
    rows = sum(count for count, _digest in contents(BEFORE, columns).values())
    assert world.backed_up.stdout == f"{world.file}: {rows} rows of {len(columns)} tables.\n"
    assert world.resumed.stdout.splitlines()[-1].startswith(f"Restored: {rows} rows of {len(columns)} tables, as of 2")


def test_without_resume_every_row_is_there_too_and_nothing_is_left_to_leave(world: World) -> None:
    assert world.restored.returncode == 0, world.restored.stderr
    columns = {table: names for table, names in columns_of(world, BEFORE).items() if table not in QUEUE}
    before, after = contents(BEFORE, columns), contents(RESTORED, columns)
    changed = {table for table in before if before[table] != after[table]} - {
        "django_migrations",
        "django_content_type",
        "auth_permission",
    }
    assert {table for table in changed if before[table][0] != after[table][0]} == set()
    assert changed == {
        "alarms_alarm", "alarms_alarmmessage", "alarms_devicemessage", "alarms_hookevent", "inbox_inboxmessage",
    }  # fmt: skip
    left = {
        "SELECT count(*) FROM alarms_devicemessage WHERE status IN (0, 1)",
        "SELECT count(*) FROM alarms_alarmmessage WHERE escalating OR planned_at IS NULL",
        "SELECT count(*) FROM alarms_hookevent WHERE delivered_at IS NULL AND given_up_at IS NULL",
        "SELECT count(*) FROM inbox_inboxmessage WHERE copy_wanted AND copy_settled_at IS NULL",
        "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND task_name <> 'alarms.close'"
        " AND task_name <> 'alarms.start'",
    }
    for statement in left:
        assert world.rows(BEFORE, statement) != [(0,)], statement
        assert world.rows(RESTORED, statement) == [(0,)], statement
        assert world.rows(RESUMED, statement) == world.rows(BEFORE, statement), statement


def test_what_is_held_back_is_told_and_on_record(world: World) -> None:
    running = world.release.facts["running"]
    held = "SELECT count(*) FROM alarms_devicemessage WHERE alarm_id = %s AND reason = 'restored from a backup'"
    [(count,)] = world.rows(RESTORED, held, running)
    [(recipients,)] = world.rows(BEFORE, "SELECT count(*) FROM alarms_alarmmessage WHERE planned_at IS NULL")
    [(events,)] = world.rows(
        BEFORE, "SELECT count(*) FROM alarms_hookevent WHERE delivered_at IS NULL AND given_up_at IS NULL"
    )
    told = world.restored.stdout.splitlines()
    assert told[-6:] == [
        "Held back, as they may have left since. Look whether to raise these alarms again:",
        f"alarm {running}: {count} messages",
        f"alarm {world.missed}: its start has passed, it is closed",
        f"{recipients} recipients who were not planned yet",
        f"{events} events that hooks were to be told of",
        "2 copies of the inbox by e-mail",
    ]
    assert not any("Held back" in line for line in world.resumed.stdout.splitlines())


def test_no_number_is_given_a_second_time(world: World) -> None:
    """Numbers that were given between the backup and the disaster are known to programs and people."""
    for table in ("alarms_alarm", "alarms_devicemessage", "organizations_user", "organizations_organization"):
        numbers = f"SELECT max(id), (SELECT nextval(pg_get_serial_sequence('{table}', 'id'))) FROM {table}"  # noqa: S608
        [(last, next_number)] = world.rows(RESTORED, numbers)
        assert next_number > last + 100_000
        [(last, next_number)] = world.rows(RESUMED, numbers)
        assert next_number <= last + 100


def test_a_backup_goes_into_an_empty_database_only(world: World) -> None:
    again = manage(world.urls[RESUMED], "restore", world.file)
    assert again.returncode == 1
    assert again.stderr == (
        "CommandError: There is something in the database (DATABASE_URL): a backup goes into an empty one.\n"
    )


def test_a_file_that_is_there_is_not_written_over_and_is_nobody_elses_to_read(world: World, tmp_path: Path) -> None:
    content = world.file.read_bytes()
    with pytest.raises(CommandError, match=f"^{world.file} is there already.$"):
        back_up(world.file)
    assert world.file.read_bytes() == content
    assert world.file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match=f"^{tmp_path / 'no' / 'file'}: No such file or directory$"):
        back_up(tmp_path / "no" / "file")


def test_a_secret_key_that_was_set_is_not_in_the_backup(world: World) -> None:
    with zipfile.ZipFile(world.file) as archive:
        assert archive.namelist() == ["manifest.json", "database.sql"]
        assert all(SECRET_KEY.encode() not in archive.read(name) for name in archive.namelist())


def written(folder: Path, **manifest: object) -> Path:
    file = folder / "backup.zip"
    with zipfile.ZipFile(file, "w") as archive:
        whole = {"format": FORMAT, "made_at": "", "migrations": [], "probe": encryption.encrypt("x"), "rows": {}}
        archive.writestr("manifest.json", json.dumps(whole | manifest))
        archive.writestr("secret_key", "the one of the service that was")
    return file


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    migrations = [("alarms", "0001_alarms_and_their_messages"), ("alarms", "9999_to_come"), ("unknown", "0001_initial")]
    with pytest.raises(CommandError, match=r"backup\.zip is of a newer version, which has alarms\.9999_to_come:"):
        Backup(written(tmp_path, migrations=migrations))


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is of another version"):
        Backup(written(tmp_path, format=FORMAT + 1))
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(CommandError, match="other is no backup of this service"):
        Backup(tmp_path / "other")
    with pytest.raises(CommandError, match="nowhere: No such file"):
        Backup(tmp_path / "nowhere")


def test_a_backup_whose_secrets_could_not_be_read_is_refused(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = Backup(written(tmp_path))
    assert backup.key() is None
    settings.ENCRYPTION_KEYS = ["another"]
    with pytest.raises(CommandError, match=r"made with another SECRET_KEY or ENCRYPTION_KEYS: set those \(`unzip -p"):
        backup.key()
    # A service that has none of its own takes that of the backup, here a wrong one.
    settings.EMBEDDED_DATABASE = True
    settings.ENCRYPTION_KEYS = [settings.SECRET_KEY]
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(CommandError, match="made with another"):
        backup.key()
