"""`make run` and the README, as somebody new would use them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql

from messaging_project.embedded_postgres import database_url
from tests.alarms.hooks import hook_sink
from tests.processes import ROOT, until
from tests.sinks import free_port

TOKEN = re.compile(r"ga_(?:org|pat)_[0-9a-f]{64}")


def command_of(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty where it has ended since it was listed."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


class Service:
    """What `make run` starts, with its terminal."""

    def __init__(self, data_dir: Path, terminal: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._terminal = terminal
        inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SECRET_KEY"}}
        self.environment = inherited | {"DATA_DIR": str(data_dir), "PORT": str(self.port)} | environment
        with terminal.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "run"], cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def said(self) -> str:
        return self._terminal.read_text()

    def healthy(self) -> bool:
        assert self.process.poll() is None, self.said
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def family(self) -> dict[str, psutil.Process]:
        """Return the supervised processes by their part."""
        supervisor = next(
            child
            for child in psutil.Process(self.process.pid).children()
            if "supervisor.supervisord" in child.cmdline()
        )
        parts = {"run_worker": "worker", "send_messages": "sender", "gunicorn": "web", "postgres": "database"}
        return {
            part: child
            for child in supervisor.children()
            for word, part in parts.items()
            if any(word in argument for argument in command_of(child))
        }

    def interrupt(self) -> list[psutil.Process]:
        """Press Ctrl-C; return what has not ended."""
        everyone = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)
        _gone, alive = psutil.wait_procs(everyone, timeout=20)
        return list(alive)

    def close(self) -> None:
        if self.process.poll() is None:
            self.interrupt()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def first_start(data_dir: Path) -> Iterator[Service]:
    service = Service(data_dir, data_dir / "terminal")
    try:
        until(lambda: "The service is up." in service.said and service.healthy(), what="make run is healthy")
        yield service
    finally:
        service.close()


def readme_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_demo_alarm_goes_out_way_by_way(first_start: Service) -> None:
    sent = re.compile(r"log: (\w+) to Anna's")
    until(lambda: len(sent.findall(first_start.said)) == 4, what="Anna's four messages")
    assert sent.findall(first_start.said) == ["app", "email", "sms", "call"]
    assert "Traceback" not in first_start.said


def test_the_first_start_prints_an_address_a_login_both_tokens_and_a_curl_line(first_start: Service) -> None:
    said = first_start.said
    assert f"Admin: {first_start.url}/admin/" in said
    assert re.search(r"Log in as: +admin / \S{16}", said)
    assert {token[:6] for token in TOKEN.findall(said)} == {"ga_org", "ga_pat"}
    assert re.search(r"curl -X POST .*/api/v1/alarm .*alarmResources", said)


def test_every_command_of_the_readme_works_as_printed(first_start: Service, tmp_path: Path) -> None:
    until(lambda: "alarm raised: alarm=1 " in first_start.said)
    lead, *blocks = readme_blocks()
    assert lead == "make run\nmake test\n"
    token, user_token = re.findall(r"^  (ga_\S+)$", first_start.said, re.MULTILINE)
    script = "\n".join(
        ["set -euo pipefail", 'curl() { command curl --silent --show-error --fail "$@"; echo; }', *blocks]
    )
    for name, value in {"URL": first_start.url, "TOKEN": token, "USER_TOKEN": user_token}.items():
        script, count = re.subn(rf"(^| ){name}=\S+", rf"\g<1>{name}={value}", script, flags=re.MULTILINE)
        assert count == 1, f"the README does not say once what {name} is"
    script = script.replace(".venv/bin/python", sys.executable).replace("members.csv", str(tmp_path / "members.csv"))
    curl_line = re.search(r"^ +(curl -X POST .*)$", first_start.said, re.MULTILINE)
    assert curl_line is not None
    with hook_sink() as hook:
        assert "https://dispatch.example/" in script
        done = subprocess.run(
            ["bash", "-c", script.replace("https://dispatch.example", hook.url)],
            cwd=ROOT,
            env=first_start.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # The secret of the hook.
        assert "Encrypted with the first key: 1\n" in done.stdout
        raised = subprocess.run(["bash", "-c", f"{curl_line[1]} --fail"], capture_output=True, check=False)
        assert raised.returncode == 0, raised.stderr
        until(lambda: [post.json["event"] for post in hook.posts] == ["alarm.raised"], what="the hook is told")
    for shown in (token, user_token):
        assert shown not in first_start.said.replace(f"  {shown}\n", "").replace(curl_line[1], "")


def test_the_readme_lists_every_setting() -> None:
    settings = "".join(path.read_text() for path in (ROOT / "messaging_project").glob("*settings.py"))
    read = set(re.findall(r"\b(?:env\.\w+|integer|secret|by_way|os\.environ\.get)\(\s*\"([A-Z_]+)\"", settings))
    assert {"PORT", "JWT_KEY", "PHONE_REGION", "ENCRYPTION_KEYS"} <= read
    table = re.findall(r"^\| (`[A-Z].*?) \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    listed = {name for row in table for name in re.findall(r"`([A-Z_]+)`", " ".join(row))}
    # What `make run` sets for itself.
    assert read - listed == {"GATEWAY_DEFAULT"}


@pytest.mark.parametrize("part", ["web", "worker", "sender", "database"])
def test_what_is_killed_comes_back_by_itself(first_start: Service, part: str) -> None:
    killed = first_start.family()[part]
    killed.kill()
    until(lambda: part in (family := first_start.family()) and family[part].pid != killed.pid, what=f"a new {part}")
    until(first_start.healthy, what="health after the kill")


def test_ctrl_c_ends_everything_and_the_next_start_has_the_data(
    first_start: Service, data_dir: Path, tmp_path: Path
) -> None:
    token = TOKEN.search(first_start.said)
    assert token is not None
    assert first_start.interrupt() == []
    second = Service(data_dir, tmp_path / "terminal")
    try:
        until(lambda: "The service is up." in second.said and second.healthy())
        request = urllib.request.Request(f"{second.url}/api/v1/alarm/1", headers={"API-TOKEN": token.group()})
        with urllib.request.urlopen(request) as answer:
            assert b"Demo alarm" in answer.read()
        assert not TOKEN.search(second.said)
        assert "Log in as" not in second.said
    finally:
        second.close()


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "manage.py", "run_service"],
            cwd=ROOT,
            env=os.environ | {"DATA_DIR": str(tmp_path), "BIND": bind},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert (
        done.stderr.strip() == f"CommandError: Cannot listen at {bind}: Address already in use. Set PORT to a free one."
    )


def test_with_a_database_url_nothing_of_the_embedded_database_is_started(postgres: None, tmp_path: Path) -> None:
    ours = os.environ.get("DATABASE_URL") or database_url(Path(os.environ["DATA_DIR"]))
    base, _slash, name = ours.partition("?")[0].rpartition("/")
    from django.db import connections

    parameters = connections.create_connection("default").get_connection_params()
    parameters = {key: parameters[key] for key in ("dbname", "user", "host", "password", "port") if key in parameters}
    other = sql.Identifier("messaging_of_make_run")
    with psycopg.connect(**parameters, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(other))
        service = Service(
            tmp_path, tmp_path / "terminal", DATABASE_URL=f"{base}/messaging_of_make_run", SECRET_KEY="x" * 50
        )
        try:
            until(lambda: "The service is up." in service.said and service.healthy(), what=name)
            assert set(service.family()) == {"web", "worker", "sender"}
            assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
            for process in service.family().values():
                assert not any("pginstall" in file.path for file in process.memory_maps())
        finally:
            service.close()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(other))
