"""docs/operation.md, line by line, as an operator follows it: to the disaster in the middle of an alarm, and on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import environ
import psycopg
import pytest

from messaging_project.embedded_postgres import database_url
from tests.messaging_project.release import ask
from tests.messaging_project.systemctl import Machine
from tests.processes import ROOT, until
from tests.sinks import HttpSink, free_port

PAGE = (ROOT / "docs" / "operation.md").read_text()
SECTION = re.compile(r"^## (.+)\n((?:(?!^## ).*\n?)*)", re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = {title: BLOCK.findall(text) for title, text in SECTION.findall(PAGE)}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".data", ".bench*", ".*_cache", ".hypothesis", ".env", "tests")
# What is of the whole machine, and not of the service.
AROUND = """
set -euo pipefail
useradd() { :; }
chown() { :; }
install() { command install --directory "${@: -1}"; }
sudo() { shift 2; env -i PATH="$PATH" "$@"; }
systemctl() { (cd %(root)s; %(python)s -m tests.messaging_project.systemctl %(units)s "$@"); }
curl() { command curl --silent --show-error --fail --retry 60 --retry-all-errors --retry-delay 1 "$@"; }
cd %(code)s
%(manage)s
"""
PASSWORD = "correct horse battery staple"


class Operator:
    """Somebody who does what stands on the page, on a machine that is a folder."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        self.code, self.units = folder / "opt/alarm-messaging", folder / "etc/systemd/system"
        self.machine = Machine(self.units)
        shutil.copytree(ROOT, self.code, ignore=NOT_COPIED)
        (self.code / ".venv").symlink_to(ROOT / ".venv")
        self.units.mkdir(parents=True)
        ways = "\n".join(f"GATEWAY_{way}={gateway}" for way in ("APP", "SMS", "CALL"))
        self._places = {
            "GATEWAY_SMS=https://gateway.example.org/sms": ways,
            "https://alarm.example.org": self.url,
            "127.0.0.1:8000": self.url.removeprefix("http://"),
            # One of each is enough here.
            "WEB_WORKERS=2": "WEB_WORKERS=1",
            "alarm-messaging-sender@2.service": "",
            **{f"{place}/": f"{folder}{place}/" for place in ("/opt", "/etc", "/var")},
        }
        for unit in (self.code / "docs" / "systemd").rglob("*.*"):
            if unit.is_file():
                unit.write_text(self.here(unit.read_text()))
        [manage] = re.findall(r"^manage\(\) .*$", PAGE, re.MULTILINE)
        around = {"root": ROOT, "python": sys.executable, "units": self.units, "code": self.code}
        self._around = AROUND % (around | {"manage": self.here(manage)})

    def here(self, text: str) -> str:
        for named, place in self._places.items():
            text = re.sub(rf"(?<![\w.]){re.escape(named)}", place, text)
        return text

    def does(self, script: str, said: str = "") -> str:
        """Run what stands there; return what came of it.

        Args:
            said: what is typed.
        """
        done = subprocess.run(
            ["bash", "-c", self._around + self.here(script)],
            input=said, capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        log = self.units / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def healthy(self) -> None:
        self.does("curl http://127.0.0.1:8000/health")

    def loses_everything(self) -> None:
        """But for the backups, as on another machine."""
        self.machine.lose()
        shutil.rmtree(self.folder / "var/lib/alarm-messaging")
        self.does("install --directory /var/lib/alarm-messaging")


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    sink = HttpSink()
    yield sink
    sink.close()


@pytest.fixture
def operator(tmp_path: Path, sink: HttpSink) -> Iterator[Operator]:
    operator = Operator(tmp_path, sink.url)
    yield operator
    operator.machine.lose()


def raise_alarm(operator: Operator, token: str) -> int:
    """Raise an alarm for Anna: to her app at once, the rest when `time_comes`."""
    anna = ask(operator.url, token, "GET", "/users?organization=1")[1][0]["id"]
    order = {"organizationID": 1, "message": "Smoke in the museum", "alarmResources": {"users": [anna]}}
    status, alarm = ask(operator.url, token, "POST", "/alarm", order)
    assert status == 201, alarm
    return int(alarm["id"])


def time_comes(operator: Operator, alarm: int, way: str) -> None:
    """Make what Anna is to get over a way due."""
    config = environ.Env.db_url_config(database_url(operator.folder / "var/lib/alarm-messaging"))
    options = config.get("OPTIONS", {})
    with psycopg.connect(host=config["HOST"], user=config["USER"], dbname=config["NAME"], **options) as connection:
        done = connection.execute(
            "UPDATE alarms_devicemessage SET due_at = now() WHERE alarm_id = %s AND way = %s AND status = 0",
            [alarm, way],
        )
        assert done.rowcount == 1


def installed(operator: Operator) -> str:
    """Install the service and upgrade it; return a token of its organization, whose ways are an hour apart."""
    install, first_steps = BLOCKS["Install"]
    operator.does(install)
    assert "ok" in operator.does(first_steps, said=f"{PASSWORD}\n{PASSWORD}\n")
    operator.does("manage load_demo")
    token = operator.does('manage issue_api_token "Demo fire brigade" --name control').strip()
    hours = [{"wayofalarm": way, "delay": 3600} for way in ("app", "sms", "call")]
    plan = {"organizationID": 1, "escalations": hours}
    assert ask(operator.url, token, "POST", "/escalation/organization", plan)[0] == 200
    before = operator.machine.running()
    assert "Applied now: 0 migrations." in operator.does(BLOCKS["Upgrade"][0])
    after = operator.machine.running()
    assert {name for name in after if after[name] != before[name]} == set(before) - {"alarm-messaging-database.service"}
    operator.healthy()
    return token


def moved(operator: Operator, page: str) -> None:
    """Bring the service to another machine."""
    stop, backup, *move = page.splitlines(keepends=True)
    operator.does(f"{stop}{backup}")
    assert len(operator.machine.running()) == 0
    operator.loses_everything()
    operator.does("".join(move))
    operator.healthy()


def test_the_page_is_followed_and_nothing_is_lost_or_sent_twice(operator: Operator, sink: HttpSink) -> None:
    assert {title: len(blocks) for title, blocks in BLOCKS.items()} == {
        "Install": 2, "Upgrade": 1, "Shut down": 1, "Back up": 1, "Restore": 2, "Sizes": 0,
    }  # fmt: skip
    token = installed(operator)
    alarm = raise_alarm(operator, token)
    until(lambda: sink.posts, what="the first turn")
    operator.does(BLOCKS["Back up"][0])
    time_comes(operator, alarm, "sms")
    until(lambda: sink.posts[-1].json["way"] == "sms", what="something leaves after the backup")
    lost = raise_alarm(operator, token)
    until(lambda: sink.posts[-1].json["alarmID"] == lost)
    operator.loses_everything()
    left = [post.key for post in sink.posts]

    to_restore, to_move = BLOCKS["Restore"]
    told = operator.does(to_restore)
    assert f"\nalarm {alarm}: 2 messages\n" in told
    operator.healthy()
    assert ask(operator.url, token, "GET", f"/alarm/{alarm}")[1]["message"] == "Smoke in the museum"
    assert ask(operator.url, token, "GET", f"/alarm/{lost}")[0] == 404
    assert len(ask(operator.url, token, "GET", "/users?organization=1")[1]) == 4
    new = raise_alarm(operator, token)
    assert new > lost
    until(lambda: sink.posts[-1].json["alarmID"] == new)

    # In the middle of that one the service moves.
    moved(operator, to_move)
    time_comes(operator, new, "sms")
    until(lambda: sink.posts[-1].json["way"] == "sms", what="the alarm goes on after the move")
    keys = [post.key for post in sink.posts]
    assert keys[: len(left)] == left
    assert len(set(keys)) == len(keys), "something left twice"
    operator.does(BLOCKS["Shut down"][0])
    assert operator.machine.running() == {}
    assert "Traceback" not in operator.log()
