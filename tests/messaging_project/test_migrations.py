"""Migrations since the last release are such that the version before may go on: nothing that locks a table for long,
nothing that breaks what it reads or writes. Squawk knows most of what does; the rest is looked for here."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

from tests.messaging_project.release import Release

# Matters of taste, and what `manage.py upgrade` sees to.
LEFT_OUT = (
    "prefer-text-field", "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-robust-stmts",
    "prefer-identity", "prefer-timestamp-tz", "require-lock-timeout", "require-statement-timeout",
)  # fmt: skip
NEW_TABLE = re.compile(r'^CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)', re.MULTILINE)
TABLE = re.compile(r'(?:\bTABLE|\bON|\bREFERENCES|\bUPDATE|\bFROM) (?:ONLY )?"?(\w+)"?')
# An operation, as sqlmigrate writes it.
BLOCK = re.compile(r"^--\n-- (.*)\n--\n((?:(?!--\n).*\n)*)", re.MULTILINE)
STRONG = re.compile(r"^(ALTER TABLE|DROP|CREATE TRIGGER|LOCK)\b|\bREFERENCES\b", re.MULTILINE)
ROWS = re.compile(r"^\s*(UPDATE|DELETE|LOCK|CLUSTER|VACUUM|REINDEX)\b", re.MULTILINE | re.IGNORECASE)


def faults(files: list[Path]) -> Iterator[str]:
    """Yield what is wrong with migrations, given as SQL in the order in which they are applied. What a table holds that
    they make themselves is nobody's yet."""
    new: set[str] = set()
    squawk = [str(Path(sys.executable).with_name("squawk")), "--pg-version=15", "--reporter=json"]
    done = subprocess.run(
        [*squawk, f"--exclude={','.join(LEFT_OUT)}", *map(str, files)], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout or "[]")
    for file in files:
        sql = file.read_text()
        lines = sql.splitlines()
        new |= set(NEW_TABLE.findall(sql))
        for each in found:
            if each["file"] == str(file) and not is_new(lines[each["line"]], new):
                yield f"{file.name}: {each['rule_name']}: {lines[each['line']]}"
        yield from (f"{file.name}: rows or tables as a whole: {line}" for line in lines if ROWS.match(line))
        yield from (f"{file.name}: not the last thing: {what}" for what in too_early(sql, new))


def is_new(statement: str, new: set[str]) -> bool:
    tables = TABLE.findall(statement)
    return bool(tables) and tables[0] in new


def too_early(sql: str, new: set[str]) -> Iterator[str]:
    """Yield the operations of a transaction that lock a table which is in use, and that others follow which do not.
    Each of those takes Django its time, as the lock is held."""
    if not sql.startswith("BEGIN;"):
        return
    locking = [
        (what, bool(STRONG.search(statements)) and bool(set(TABLE.findall(statements)) - new))
        for what, statements in BLOCK.findall(sql)
    ]
    for number, (what, locks) in enumerate(locking):
        if locks and not all(later for _what, later in locking[number:]):
            yield what


@pytest.mark.django_db(transaction=True)  # as indexes are not built in one
def test_the_release_before_may_go_on_while_and_after_migrations_are_applied(tmp_path: Path) -> None:
    loader = MigrationLoader(connection)
    before = Release().migrations
    assert ("alarms", "0008_indexes_for_speed") in before
    files = []
    for app, name in ordered(loader, set(loader.disk_migrations) - before):
        sql = io.StringIO()
        call_command("sqlmigrate", app, name, no_color=True, stdout=sql)
        files.append(tmp_path / f"{app}.{name}")
        files[-1].write_text(sql.getvalue())
        migration = loader.disk_migrations[app, name]
        python = any(isinstance(operation, RunPython) for operation in migration.operations)
        assert not (migration.atomic and python), f"{app}.{name} may hold locks for as long as its Python takes"
    assert list(faults(files)) == []


def ordered(loader: MigrationLoader, names: set[tuple[str, str]]) -> list[tuple[str, str]]:
    plan = (each for leaf in loader.graph.leaf_nodes() for each in loader.graph.forwards_plan(leaf))
    return [each for each in dict.fromkeys(plan) if each in names]


CREATE = '--\n-- Create model New\n--\nCREATE TABLE "new" ("id" bigint NOT NULL PRIMARY KEY);\n'
ADD = '--\n-- Add field x to alarm\n--\nALTER TABLE "alarms_alarm" ADD COLUMN "x" {};\n'
ALTER = '--\n-- Alter\n--\nALTER TABLE "alarms_alarm" {};\n'
INDEX = '--\n-- Create index\n--\nCREATE INDEX {}"i" ON "{}" ("id");\n'


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        (CREATE + INDEX.format("", "new") + ADD.format("integer NULL"), []),
        (CREATE + '--\n-- Add\n--\nALTER TABLE "new" ADD COLUMN "x" integer NOT NULL;\n', []),
        (ADD.format("integer DEFAULT 0 NOT NULL"), []),
        (ADD.format("integer DEFAULT 0 NOT NULL") + CREATE, ["not the last thing"]),
        (CREATE + ADD.format("bigint NULL REFERENCES new (id)"), ["adding-foreign-key-constraint"]),
        (ADD.format("integer NOT NULL"), ["adding-required-field"]),
        (ADD.format("uuid DEFAULT gen_random_uuid() NOT NULL"), ["adding-field-with-default"]),
        (ALTER.format('ALTER COLUMN "x" DROP DEFAULT'), ["ban-drop-default"]),
        (ALTER.format('ALTER COLUMN "x" TYPE bigint'), ["changing-column-type"]),
        (ALTER.format('ALTER COLUMN "x" SET NOT NULL'), ["adding-not-nullable-field"]),
        (ALTER.format('DROP COLUMN "message" CASCADE'), ["ban-drop-column"]),
        (ALTER.format('RENAME COLUMN "message" TO "text"'), ["renaming-column"]),
        (ALTER.format('ADD CONSTRAINT "c" CHECK ("x" > 0)'), ["constraint-missing-not-valid"]),
        (ALTER.format('ADD CONSTRAINT "c" CHECK ("x" > 0) NOT VALID'), []),
        (INDEX.format("", "alarms_alarm"), ["require-concurrent-index-creation"]),
        (INDEX.format("CONCURRENTLY ", "alarms_alarm"), ["ban-concurrent-index-creation-in-transaction"]),
        ('DROP TABLE "alarms_feedback";\n', ["ban-drop-table"]),
        ("UPDATE alarms_alarm SET message = '';\n", ["rows or tables as a whole"]),
    ],
)
def test_what_the_release_before_would_not_survive_is_found(sql: str, rules: list[str], tmp_path: Path) -> None:
    file = tmp_path / "alarms.9999_of_a_test"
    file.write_text(f"BEGIN;\n{sql}COMMIT;\n")
    assert [fault.split(": ")[1] for fault in faults([file])] == rules
