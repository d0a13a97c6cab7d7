"""The units of systemd: understood, shut in, and in accord with what the processes need to end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest
from django.conf import settings

from alarms.sending.pump import GRACE
from tests.messaging_project.units import UNITS, in_place, install, read
from tests.processes import ROOT

# Of 10: at most so much is a service exposed to what it does not need.
EXPOSED = 2.0
SERVICES = {
    "database": "alarm-messaging-database.service",
    "web": "alarm-messaging-web.service",
    "worker": "alarm-messaging-worker@.service",
    "sender": "alarm-messaging-sender@.service",
}


@pytest.fixture(scope="module")
def analyze() -> str:
    """The path of systemd-analyze: always there in CI, which installs it."""
    path = shutil.which("systemd-analyze")
    if path is None:
        assert not os.environ.get("CI"), "CI has no systemd"
        pytest.skip("no systemd on this machine: its units are not looked at")
    return path


def test_systemd_understands_every_line(analyze: str, tmp_path: Path) -> None:
    files = install(tmp_path)
    assert {file.name for file in files} == {*SERVICES.values(), "alarm-messaging.target"}
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    command = [analyze, "verify", "--man=no", *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (tmp_path / "alarm-messaging-.service.d" / "typo.conf").write_text("[Service]\nNoNewPrivilegez=yes\n")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Unknown key" in done.stderr, "what is common to all is not read"


def test_a_service_can_do_little_that_it_need_not(analyze: str, tmp_path: Path) -> None:
    install(tmp_path)
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    for name in SERVICES.values():
        command = [analyze, "security", "--offline=true", f"--threshold={EXPOSED * 10:.0f}", "--no-pager"]
        done = subprocess.run(
            [*command, str(tmp_path / name)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Overall exposure level" in done.stdout


def supervised() -> dict[str, dict[str, str]]:
    parser = RawConfigParser(inline_comment_prefixes=(";",))
    parser.read(ROOT / "supervisord.conf")
    return {part: dict(parser[f"program:{part}"]) for part in SERVICES}


def test_systemd_runs_what_make_run_runs_and_gives_it_as_long_to_end() -> None:
    for part, name in SERVICES.items():
        unit, program = read(UNITS / name), supervised()[part]
        command = re.sub(r"%\(ENV_(\w+)\)s", r"${\1}", program["command"])
        python, *_arguments = unit["Service"]["ExecStart"].split()
        assert unit["Service"]["ExecStart"].replace(python, "${PYTHON}") == command
        assert unit["Service"]["TimeoutStopSec"] == program["stopwaitsecs"]
        assert unit["Service"].get("KillSignal", "SIGTERM") == f"SIG{program.get('stopsignal', 'TERM')}"
        assert unit["Service"]["Restart"] == "always"


def test_each_process_has_the_time_that_it_takes_to_end() -> None:
    until_killed = {part: int(program["stopwaitsecs"]) for part, program in supervised().items()}
    assert until_killed["sender"] > GRACE > settings.GATEWAY_TIMEOUT
    graceful = re.search(r"--graceful-timeout (\d+)", supervised()["web"]["command"])
    assert graceful is not None
    assert until_killed["web"] > int(graceful[1]) >= settings.GATEWAY_TIMEOUT
    assert until_killed["worker"] > 2 * settings.PROCRASTINATE_WORKER_DEFAULTS["shutdown_graceful_timeout"]


def test_every_place_that_a_unit_names_is_one_that_the_page_makes() -> None:
    page = (ROOT / "docs" / "operation.md").read_text()
    text = "".join(path.read_text() for path in UNITS.rglob("*") if path.is_file())
    places = set(re.findall(r"(?<![\w./])/(?:opt|etc|var)/[\w./-]+", text))
    assert {"/etc/alarm-messaging.env", "/var/lib/alarm-messaging"} <= places
    code = {place for place in places if place.startswith("/opt/alarm-messaging")}
    assert all(Path(in_place(place)).exists() for place in code)
    assert [place for place in places - code if place not in page] == []
