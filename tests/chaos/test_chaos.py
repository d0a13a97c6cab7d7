"""The service under chaos, for a short time; `make chaos` does it for longer, and each time with other chances."""

from __future__ import annotations

import re
import subprocess
import sys

import psutil

from tests.chaos.plan import STRIKES, plan
from tests.processes import ROOT

# In this time each kind of strike comes once, and none of the suite's runs differs from another by chance.
SEED, SECONDS = "suite", 20


def left_of(folder: str) -> list[str]:
    """Return the processes that still work in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if process.environ().get("DATA_DIR", "").startswith(folder):
                found.append(" ".join(process.info["cmdline"]))
        except psutil.Error:
            continue
    return found


def test_nothing_is_lost_or_late_or_left_behind() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seconds", str(SECONDS), "--seed", SEED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert "Violations: 0" in said
    told = dict(re.findall(r"'([\w ]+)': (\d+)", re.search(r"^strikes +(\{.*\})", said, re.MULTILINE)[1]))  # type: ignore[index]
    assert set(told) == set(STRIKES), said
    assert left_of(re.search(r"in (/\S+messaging-chaos-\S+)", said)[1]) == []  # type: ignore[index]


def test_a_seed_repeats_its_plan() -> None:
    assert plan("a", 30.0) == plan("a", 30.0)
    first, second = plan("a", 30.0), plan("b", 30.0)
    for part in ("teams", "alarms", "notes", "strikes", "spells"):
        assert getattr(first, part) != getattr(second, part)


def test_each_kind_of_strike_comes_in_the_short_run() -> None:
    assert {strike.kind for strike in plan(SEED, SECONDS).strikes} == set(STRIKES)
