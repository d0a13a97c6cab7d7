"""The database of the release before is upgraded while that is at work, and this version goes on with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.messaging_project.load import FILL, Load, load
from tests.messaging_project.release import Release, ask, database, to
from tests.messaging_project.releases import SECRET_KEY
from tests.processes import ROOT, service, until
from tests.sinks import HttpSink

NAME = "messaging_of_the_release"
WAITS = "Somebody else is at a table that it needs"
# How long nobody may be kept waiting: seconds.
LONG = 2.0
SMS_OF_ANNA = "+493023125001"


@dataclass
class Upgraded:
    release: Release
    url: str
    load: Load
    said: str
    asked_while_it_waited: int

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url, "SECRET_KEY": SECRET_KEY}

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        environment = os.environ | self.environment | environment
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def upgraded(postgres: None) -> Iterator[Upgraded]:
    """The database of the last release, with 100,000 rows more, after `manage.py upgrade` to the release after this."""
    release = Release()
    with database(NAME) as url:
        with to(NAME) as connection:
            release.restore(connection)
            for statement in FILL:
                connection.execute(statement)  # type: ignore[call-overload]
            leave_a_broken_index(connection)
        with load(lambda: to(NAME)) as seen:
            said, asked = upgrade(url, seen)
        yield Upgraded(release, url, seen, said, asked)


def leave_a_broken_index(connection: psycopg.Connection[Any]) -> None:
    """Leave what an upgrade leaves that is killed as it builds an index."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY next_release_address ON alarms_devicemessage (address)")


def upgrade(url: str, seen: Load) -> tuple[str, int]:
    """Upgrade while somebody is at a table for long; return what was said, and how much was asked meanwhile."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "tests.messaging_project.next_release.settings",
        "PYTHONUNBUFFERED": "1",
    }
    said = []
    with ExitStack() as stack:
        reader = stack.enter_context(to(NAME))
        with reader.transaction():
            reader.execute("SELECT FROM alarms_devicemessage LIMIT 1")
            command = [sys.executable, "manage.py", "upgrade", "--seconds", "120"]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if WAITS in line:
                    break
            asked = seen.count
            until(lambda: seen.count > asked + 100 or seen.failures)
            asked = seen.count - asked
        said += process.stdout
        process.stdout.close()
        assert process.wait(60) == 0, "".join(said)
    return "".join(said), asked


def test_nobody_is_kept_waiting_while_it_is_upgraded(upgraded: Upgraded) -> None:
    assert upgraded.load.failures == []
    assert max(upgraded.load.longest.values()) < LONG, upgraded.load.longest
    assert upgraded.load.held, "no lock was seen at all"
    assert upgraded.load.longest_lock() < LONG, upgraded.load.held


def test_what_gets_no_lock_is_tried_again_and_the_others_go_on(upgraded: Upgraded) -> None:
    assert upgraded.said.count(WAITS) == 1
    assert upgraded.asked_while_it_waited >= 100


def test_it_says_what_it_has_done_and_what_to_do(upgraded: Upgraded) -> None:
    first, *_others, done, order = upgraded.said.splitlines()
    missing = first.removeprefix("To be applied: ").split(", ")
    assert {"next_release.0001_columns", "next_release.0002_indexes"} <= set(missing)
    assert done == f"The database has all that this version needs. Applied now: {len(missing)} migrations."
    assert order == "Start anew what runs, in this order: the workers, the senders, the web processes."
    again = upgraded.manage("upgrade")
    assert again.returncode == 0
    assert "Applied now: 0 migrations." in again.stdout
    with to(NAME) as connection:
        valid = (
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indexrelid::regclass::text LIKE %s"
        )
        found = {name for (name,) in connection.execute(valid, ["next_release%"])}
    assert found == {"next_release_changed_at", "next_release_address"}


def test_the_alarm_that_runs_goes_on_and_all_that_there_was_is_there(upgraded: Upgraded, tmp_path: Path) -> None:
    facts, sink = upgraded.release.facts, HttpSink()
    ways = {f"GATEWAY_{way}": f"{sink.url}/gateway" for way in ("APP", "PAGER", "SMS", "CALL")}
    with service(tmp_path, **upgraded.environment, **ways) as processes:
        processes.start_all()
        until(lambda: facts["hanging"] in {post.key for post in sink.posts}, what="what was on the wire")
        until(lambda: sink.of(SMS_OF_ANNA), what="the next turn")
        assert {post.json["alarmID"] for post in sink.posts} == {facts["running"]}
        tokens_work(processes.url, facts)
        what_was_there_is_there(processes.url, facts)
        before = len(sink.of(SMS_OF_ANNA))
        status, _alarm = ask(processes.url, facts["api_token"], "POST", "/alarm", facts["order"])
        assert status == 201
        until(lambda: len(sink.of("anna-phone")) == 1, what="a new alarm")
        assert len(sink.of(SMS_OF_ANNA)) == before
        keys = [post.key for post in sink.posts]
    sink.close()
    assert not set(facts["sent"]) & set(keys), "something went out again"
    assert "Traceback" not in "".join(processes.log(name) for name in ("web", "worker", "sender"))


def tokens_work(url: str, facts: dict[str, Any]) -> None:
    assert [ask(url, token, "GET", "/user")[0] for token in facts["personal_tokens"]] == [200, 200, 200]
    assert [ask(url, token, "GET", "/organizations")[0] for token in facts["ended_tokens"]] == [401, 401]


def what_was_there_is_there(url: str, facts: dict[str, Any]) -> None:
    token, anna = facts["api_token"], facts["personal_tokens"][0]
    running = ask(url, token, "GET", f"/alarm/{facts['running']}")[1]
    assert (running["message"], running["closed"]) == ("Smoke in the museum", False)
    assert ask(url, token, "GET", f"/alarm/{facts['scheduled']}")[1]["closed"] is False
    closed = ask(url, token, "GET", f"/alarm/{facts['closed']}")[1]
    assert (closed["closed"], closed["feedbackQuantity"]["positive"]) == (True, 1)
    # The key of the request that raised it.
    again = ask(url, token, "POST", "/alarm", facts["order"], **{"Idempotency-Key": facts["key"]})
    assert (again[0], again[1]["id"]) == (200, facts["running"])
    assert [len(ask(url, anna, "GET", f"/msg/list{query}")[1]["messages"]) for query in ("", "?unread=true")] == [2, 1]
    answer = {"alarmID": facts["running"], "userID": ask(url, anna, "GET", "/user")[1]["id"], "response": True}
    assert ask(url, anna, "POST", "/messaging/feedback", answer)[0] == 200


def test_what_was_encrypted_is_read(upgraded: Upgraded) -> None:
    done = upgraded.manage("rotate_encryption", ENCRYPTION_KEYS=f"a new key of enough randomness,{SECRET_KEY}")
    assert done.stdout == "Encrypted with the first key: 2\n", done.stderr


def test_of_two_upgrades_one_waits(upgraded: Upgraded) -> None:
    with to(NAME) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('upgrade', 0))")
        waiting = upgraded.manage("upgrade", "--seconds", "0")
    assert waiting.returncode == 1
    assert waiting.stderr.startswith("CommandError: Cannot upgrade the database ")
    assert waiting.stderr.endswith(": another is upgrading it.\n")


# Stands for the supervisor, which is the parent of what it starts.
SUPERVISOR = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(47))
subprocess.run([sys.executable, "manage.py", "prepare_service"])
"""


def test_a_database_that_is_newer_is_refused_in_one_line_and_make_run_ends(upgraded: Upgraded) -> None:
    with to(NAME) as connection:
        newer = "INSERT INTO django_migrations (app, name, applied) VALUES ('alarms', '9999_to_come', now())"
        connection.execute(newer)
    refused = "The database is of a newer version, which has alarms.9999_to_come: nothing was changed.\n"
    done = upgraded.manage("upgrade")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"CommandError: {refused}")
    environment = os.environ | upgraded.environment | {"SUPERVISOR_PROCESS_NAME": "prepare"}
    command = [sys.executable, "-c", SUPERVISOR]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 47, ended.stderr
