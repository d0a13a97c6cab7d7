"""Retention (contract 6): messages older than INBOX_RETENTION_MONTHS are purged in batches, every night by a job and at
any time by `manage.py purge_messages`."""

from __future__ import annotations

import calendar
import io
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from croniter import croniter
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from inbox import retention, tasks
from inbox.models import InboxMessage, Message
from organizations.models import User
from tests.factories import InboxMessageFactory, MessageFactory, UserFactory
from tests.processes import ROOT, service, until, url_of_the_test_database

pytestmark = pytest.mark.django_db

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now(db: None) -> datetime:
    """The time of the database, which stands still in the transaction of a test."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def months_before(moment: datetime, months: int) -> datetime:
    """Return the same day and time so many months before, or the last day of that month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))


def sent(at: datetime, *users: User, **fields: Any) -> Message:
    """Return a message in the inboxes of these users, or in that of a new one."""
    message: Message = MessageFactory(sent_at=at)
    for user in users or (UserFactory(),):
        InboxMessageFactory(message=message, user=user, **fields)
    return message


def in_inboxes() -> set[Message]:
    return {row.message for row in InboxMessage.objects.select_related("message")}


def run(*arguments: str) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("purge_messages", *arguments, stdout=out)
    return out.getvalue()


# What is old


@pytest.mark.parametrize("months", [1, 2, 3, 6, 11, 12, 13, 24, 120])
def test_months_are_those_of_the_calendar(now: datetime, months: int) -> None:
    boundary = months_before(now, months)
    younger = {sent(boundary + HOUR), sent(now)}
    for moment in (boundary - SECOND, boundary - 400 * DAY):
        sent(moment)
    assert retention.purge(months=months) == 2
    assert in_inboxes() == set(Message.objects.all()) == younger


def test_read_and_unread_messages_are_purged_alike_and_from_all_inboxes(now: datetime) -> None:
    anna, ben = UserFactory.create_batch(2)
    for read_at in (None, now):
        sent(now - 800 * DAY, anna, ben, read_at=read_at)
        sent(now - 30 * DAY, anna, ben, read_at=read_at)
    assert retention.purge(months=12) == 4
    left = InboxMessage.objects.values_list("user", "read_at", "message__sent_at")
    assert set(left) == {(user.pk, read_at, now - 30 * DAY) for user in (anna, ben) for read_at in (None, now)}


def test_the_senders_and_readers_stay(now: datetime) -> None:
    message = sent(now - 800 * DAY, UserFactory(login="reader"))
    assert (retention.purge(months=12), Message.objects.count()) == (1, 0)
    assert set(User.objects.values_list("login", flat=True)) == {message.sender.login, "reader"}


def test_what_nobody_has_any_more_goes_too_but_not_while_inboxes_may_still_be_filled(now: datetime) -> None:
    of_two_days_ago, of_an_hour_ago = MessageFactory(sent_at=now - 2 * DAY), MessageFactory(sent_at=now - HOUR)
    kept_by_one = sent(now - 2 * DAY, *UserFactory.create_batch(2))
    kept_by_one.inbox_messages.first().delete()
    assert retention.purge(months=12) == 0
    assert not Message.objects.filter(pk=of_two_days_ago.pk).exists()
    assert set(Message.objects.all()) == {of_an_hour_ago, kept_by_one}


def test_a_purge_of_what_is_purged_or_of_nothing_changes_nothing(now: datetime) -> None:
    assert retention.purge(months=1) == 0
    sent(now - 800 * DAY)
    kept = sent(now)
    assert [retention.purge(months=12) for _ in range(2)] == [1, 0]
    assert in_inboxes() == {kept}


# In batches


@pytest.mark.parametrize(("batch", "step"), [(1, 1), (2, 1), (2, 3), (3, 2), (6, 7), (7, 1), (1000, 1), (1, 1000)])
def test_more_than_a_batch_goes_in_batches_of_that_size(
    now: datetime, monkeypatch: pytest.MonkeyPatch, batch: int, step: int
) -> None:
    monkeypatch.setattr(retention, "BATCH", batch)
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", step)
    users = UserFactory.create_batch(3)
    # The ids say nothing of the age.
    ages = [800, 1, 800, 800, 1, 1, 800, 800, 800]
    messages = [sent(now - days * DAY, *users) for days in ages]
    told: list[int] = []
    assert retention.purge(months=12, progress=told.append) == sum(told) == 18
    assert max(told) <= batch
    assert in_inboxes() == set(Message.objects.all()) == {messages[place] for place in (1, 4, 5)}
    assert InboxMessage.objects.count() == 9


def test_each_batch_is_a_statement_and_a_transaction_of_its_own(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 5)
    for _ in range(4):
        sent(now - 800 * DAY, *UserFactory.create_batch(3))
    with CaptureQueriesContext(connection) as captured:
        assert retention.purge(months=12) == 12
    statements = [each["sql"].replace('"', "").strip() for each in captured]
    assert len([sql for sql in statements if sql.startswith("DELETE FROM inbox_inboxmessage")]) == 3
    assert not [sql for sql in statements if "SAVEPOINT" in sql]


# The command


def test_the_command_takes_the_months_of_the_setting_unless_it_is_told_others(now: datetime, settings: Any) -> None:
    settings.INBOX_RETENTION_MONTHS = 6
    ages = {months: sent(months_before(now, months) - HOUR) for months in (2, 5, 7, 13)}
    run()
    assert in_inboxes() == {ages[2], ages[5]}
    run("--older-than-months", "3")
    assert in_inboxes() == {ages[2]}
    run("--older-than-months=1200")
    assert in_inboxes() == {ages[2]}


def test_by_default_messages_of_more_than_12_months_go(now: datetime, settings: Any) -> None:
    assert settings.INBOX_RETENTION_MONTHS == 12
    kept, _gone = (sent(months_before(now, 12) + difference) for difference in (HOUR, -HOUR))
    assert "1 " in run()
    assert in_inboxes() == {kept}


def test_a_dry_run_says_how_many_and_deletes_nothing(now: datetime) -> None:
    users = UserFactory.create_batch(7)
    old, young = sent(now - 150 * DAY, *users), sent(now, *users)
    for arguments, count in (((), "0"), (("--older-than-months", "3"), "7")):
        assert run("--dry-run", *arguments).split()[0] == count
    assert in_inboxes() == {old, young}
    assert InboxMessage.objects.count() == 14


MALFORMED = ["0", "-1", "x", "", "1.5", "1e1", " ", "12 months", "1201", "9" * 400, "nan", "--dry-run"]


@pytest.mark.parametrize("months", MALFORMED)
def test_months_that_are_none_are_refused_in_one_line_and_nothing_is_purged(now: datetime, months: str) -> None:
    old = sent(now - 4000 * DAY)
    with pytest.raises(CommandError) as refused:
        run("--older-than-months", months)
    (line,) = str(refused.value).splitlines()
    assert "--older-than-months" in line
    assert in_inboxes() == {old}


@pytest.mark.parametrize("arguments", [("12",), ("--older-than", "x"), ("--older-than-months",), ("--months", "3")])
def test_arguments_that_there_are_not_are_refused(now: datetime, arguments: Sequence[str]) -> None:
    old = sent(now - 4000 * DAY)
    with pytest.raises(CommandError):
        run(*arguments)
    assert in_inboxes() == {old}


# As a shell runs it


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url_of_the_test_database()}


@pytest.fixture
def shell(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def purge(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "purge_messages", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=False
        )

    return purge


def test_in_a_shell_it_prints_a_line_and_no_bar_where_there_is_no_terminal(now: datetime, shell: Any) -> None:
    sent(now - 200 * DAY, *UserFactory.create_batch(3))
    kept = sent(now)
    purged = shell(INBOX_RETENTION_MONTHS="3")
    assert (purged.returncode, purged.stderr) == (0, ""), purged.stderr
    (line,) = purged.stdout.splitlines()
    assert {"3", "messages"} <= set(line.split())
    assert in_inboxes() == {kept}


def test_what_is_wrong_is_told_without_a_traceback_and_nothing_is_purged(now: datetime, shell: Any) -> None:
    old = sent(now - 4000 * DAY)
    for arguments, variables, named in (
        (["--older-than-months", "0"], {}, "--older-than-months"),
        ([], {"INBOX_RETENTION_MONTHS": "0"}, "INBOX_RETENTION_MONTHS"),
        (["--older-than-months", "3"], {"INBOX_RETENTION_MONTHS": "a year"}, "INBOX_RETENTION_MONTHS"),
    ):
        refused = shell(*arguments, **variables)
        assert refused.returncode != 0
        assert refused.stdout == ""
        assert [line for line in refused.stderr.splitlines() if named in line and "usage" not in line], refused.stderr
        assert "Traceback" not in refused.stderr
    assert in_inboxes() == {old}


def test_on_a_terminal_there_is_a_bar(now: datetime, environment: dict[str, str]) -> None:
    sent(now - 800 * DAY, *UserFactory.create_batch(3))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "manage.py", "purge_messages"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        # Linux tells the end of a terminal's output by an error.
        with suppress(OSError):
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0, shown
    assert b"100%|" in shown
    assert b"3/3" in shown
    assert not InboxMessage.objects.exists()


# The job and the setting


def test_the_job_runs_once_a_day() -> None:
    (periodic,) = [each for each in app.periodic_registry.periodic_tasks.values() if each.task is tasks.purge_messages]
    assert app.tasks[periodic.task.name] is tasks.purge_messages
    ticks = croniter(periodic.cron, timezone.now())
    days = [ticks.get_next(datetime) for _ in range(40)]
    assert {later - earlier for earlier, later in pairwise(days)} == {DAY}


@pytest.mark.django_db(transaction=True)
def test_a_worker_purges_what_is_older_than_the_setting_says(now: datetime, tmp_path: Path) -> None:
    kept, _gone = (sent(months_before(now, 3) + difference) for difference in (HOUR, -HOUR))
    for _ in range(2):
        tasks.purge_messages.defer(timestamp=0)
    with service(tmp_path, INBOX_RETENTION_MONTHS="3") as running:
        running.start("worker")
        until(lambda: not ProcrastinateJob.objects.filter(task_name="inbox.purge_messages").exists(), what="both jobs")
    assert in_inboxes() == {kept}
    assert Message.objects.count() == 1


@pytest.mark.parametrize(("months", "told"), [(-1, 1), (0, 1), (1, 0), (12, 0), (1200, 0), (1201, 1), (10**10, 1)])
def test_a_setting_out_of_bounds_is_told_at_the_start(settings: Any, months: int, told: int) -> None:
    settings.INBOX_RETENTION_MONTHS = months
    said = [found.msg for found in run_checks() if found.msg.startswith("INBOX_RETENTION_MONTHS: ")]
    assert len(said) == told
    assert all(str(months) in each for each in said)
