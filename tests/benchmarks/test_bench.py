"""`make bench`: every figure beside its limit, and nothing left behind."""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks import service
from benchmarks.large_alarm import memory
from tests.benchmarks.bench import BenchRun
from tests.processes import ROOT, until

README = ROOT / "benchmarks" / "README.md"


class Wanted(NamedTuple):
    """A figure that has to be told: what its name and what it stands beside say, and its mark."""

    name: str
    beside: str
    mark: str = ""
    limit: float | None = None
    """The limit, where the mark is a fixed value."""


ASKED = ("message status", "escalation", "alarm", "inbox list", "feedback")
WANTED = [
    Wanted("one sender, one alarm", "bare aiohttp", ">= 0.6"),
    Wanted("first message after the 201, idle, p50", "allowed", "<= 1", 50.0),
    Wanted("from the 201 to the last message", "bare aiohttp", "<= 1.7"),
    Wanted("two senders", "one sender", "by the cores"),
    Wanted("POST /alarm, 10 recipients", "INSERT"),
    Wanted("POST /alarm, 100 recipients", "INSERT", "<= 3"),
    *(Wanted(f"{name}, 8 clients", "a bare view, one query", ">= 0.45") for name in ASKED[:-1]),
    Wanted("feedback, 8 clients", "a bare view, one update", ">= 0.4"),
    *(Wanted(f"{name}, 8 clients: p99", "a bare view") for name in ASKED),
    Wanted("every tenth address hangs", "none hangs", ">= 0.5"),
    Wanted("e-mails", "smtplib, one connection", ">= 0.7"),
    *(Wanted(f"{name}, tables full", "with 100 device messages", "<= 1.3") for name in ASKED),
    Wanted("claim of 256, tables full", "with 100 device messages", "<= 1.3"),
    *(Wanted(f"peak memory of the {name}", "100 recipients", "<= 1.3") for name in ("sender", "worker")),
    *(Wanted(f"peak memory of the {name}", "allowed", "<= 1", 250.0) for name in ("sender", "worker")),
    Wanted("5 alarms of 10", "one of 50", ">= 0.5"),
    Wanted("small alarm behind one of 400: first message", "allowed", "<= 1", 1.0),
    Wanted("small alarm behind one of 400: first message", "alone, idle"),
    Wanted("message status while 400 are sent to: p99", "nothing is sent"),
]


class Told(NamedTuple):
    said: str
    machine: dict[str, Any]
    figures: list[dict[str, Any]]
    picture: bytes


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What a quick run tells, which has left nothing behind."""
    folder = tmp_path_factory.mktemp("bench")
    output = folder / "figures"
    make = ("make", "--no-print-directory", "bench", f"BENCH=--quick --output {output}")
    with closing(BenchRun(folder / "terminal", *make)) as run:
        assert run.folder.parent == ROOT
        assert run.process.wait(300) == 0, run.said
        assert run.processes() == []
        assert not run.folder.exists()
    assert {path.name for path in output.iterdir()} == {"bench.json", "bench.png"}
    written = json.loads((output / "bench.json").read_text())
    return Told(run.said, written["machine"], written["figures"], (output / "bench.png").read_bytes())


def mark_of(figure: dict[str, Any]) -> str:
    """Return the mark as the README writes it."""
    at_least, at_most = figure["at_least"], figure["at_most"]
    assert at_least is None or at_most is None
    return f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""


@pytest.mark.parametrize("wanted", WANTED, ids=lambda each: f"{each.name}, beside {each.beside}")
def test_every_figure_is_told_beside_its_limit(told: Told, wanted: Wanted) -> None:
    mark = wanted.mark
    if mark == "by the cores":
        mark = ">= 1.5" if told.machine["cores"] >= 6 else ""
    (figure, *_full) = [
        each
        for each in told.figures
        if each["name"].startswith(wanted.name) and wanted.beside in each["beside"] and mark_of(each) == mark
    ]
    assert figure["value"] >= 0
    assert figure["limit"] > 0
    assert figure["ratio"] == pytest.approx(figure["value"] / figure["limit"])
    assert figure["unit"]
    assert (figure["reached"] is None) == (mark == "")
    assert wanted.limit in (None, figure["limit"])


def test_the_table_has_a_line_for_each_figure(told: Told) -> None:
    header, *lines, _written, _missed = told.said.splitlines()[-len(told.figures) - 3 :]
    assert header.split() == ["figure", "value", "unit", "ratio", "mark", "limit", "of"]
    for line, figure in zip(lines, told.figures, strict=True):
        assert line.startswith(f"{figure['name']} ")
        assert f" {figure['ratio']:.2f} {mark_of(figure)}" in line
        assert line.endswith(figure["beside"])


def test_no_two_figures_have_one_name(told: Told) -> None:
    assert len({figure["name"] for figure in told.figures}) == len(told.figures)


def test_the_last_line_says_which_marks_were_missed(told: Told) -> None:
    missed = [figure["name"] for figure in told.figures if figure["reached"] is False]
    assert told.said.splitlines()[-1] == f"Marks missed: {'; '.join(missed) or 'none'}"


def test_the_picture_is_a_picture(told: Told) -> None:
    width, height = struct.unpack(">II", told.picture[16:24])
    assert told.picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert (width, height) > (800, 800)


def test_two_senders_are_told_with_the_number_of_cores(told: Told) -> None:
    (name,) = [each["name"] for each in told.figures if "two senders" in each["name"]]
    assert f"{told.machine['cores']} cores" in name


@pytest.fixture
def started(tmp_path: Path) -> Iterator[BenchRun]:
    command = (sys.executable, "-m", "benchmarks", "--quick", "--output", tmp_path / "figures", "first_message")
    with closing(BenchRun(tmp_path / "terminal", *command)) as run:
        yield run


def running(run: BenchRun, word: str) -> bool:
    return any(word in command for command in run.processes())


@pytest.mark.parametrize(
    ("number", "when"),
    [
        pytest.param(signal.SIGINT, "postgres", id="Ctrl-C, while it is prepared"),
        pytest.param(signal.SIGTERM, "send_messages", id="SIGTERM, when all of it runs"),
    ],
)
def test_an_interrupted_bench_leaves_nothing_behind(
    started: BenchRun, tmp_path: Path, number: signal.Signals, when: str
) -> None:
    until(lambda: running(started, when), what=when)
    assert started.end(number) == 128 + number, started.said
    assert started.processes() == []
    assert not started.folder.exists()
    assert not (tmp_path / "figures").exists()
    assert "Traceback" not in started.said


def test_where_the_system_tells_no_memory_its_figures_are_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "PROC", tmp_path / "proc")
    service.forget_peak(1)
    peaks = {process: service.peak_memory(1) for process in ("sender", "worker")}
    assert memory(peaks, peaks, recipients=10, many_recipients=100) == []
    assert re.findall("memory of the (sender|worker) is left out", capsys.readouterr().out) == ["sender", "worker"]


def answer(*arguments: str) -> tuple[int, str]:
    """Return the exit code of the bench and what it says."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_unknown_part_is_refused_before_anything_starts(tmp_path: Path) -> None:
    code, said = answer("nonsense", "--output", str(tmp_path / "figures"))
    assert (code, "there is no part nonsense" in said) == (2, True)
    assert not (tmp_path / "figures").exists()


def test_the_readme_names_every_part_and_only_those() -> None:
    _code, said = answer("--help")
    offered = re.search(r"what to measure: (.*?) \(default: all\)", " ".join(said.split()))
    assert offered is not None
    assert re.findall(r"^\| `(\w+)` \|", README.read_text(), re.MULTILINE) == offered[1].split(", ")
