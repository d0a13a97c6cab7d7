"""What CI makes of known vulnerabilities: findings fail it, and that nobody could be asked is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.alarms.any_sink import AnySink, Request, any_sink, says
from tests.sinks import refusing_port

FOUND = {
    "id": "GHSA-1",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}],
        }
    ],
}
WELL, BAD = {"name": "a", "version": "1", "vulns": []}, {"name": "b", "version": "2"}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AnySink]:
    """A service that knows vulnerabilities, of two packages that are asked for."""
    (tmp_path / "requirements.txt").write_text("django==5.2\nsegno==1.6.6\n")
    monkeypatch.setattr(audit, "FILES", (str(tmp_path / "requirements.txt"),))
    with any_sink() as sink:
        yield sink


def ask(url: str) -> int:
    return audit.main("--vulnerability-service", "osv", "--osv-url", url)


def test_a_known_vulnerability_fails_and_is_named(osv: AnySink, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        return says(200, {"vulns": [FOUND]} if request.json["package"]["name"] == "django" else {})(request)

    osv.answer = answer
    assert ask(f"http://{osv.host}/v1/query") == 1
    assert capsys.readouterr().out == (
        "django 5.2: GHSA-1, mended in 9.9\n2 packages audited, 1 vulnerabilities known\n"
    )


def test_what_is_written_down_not_to_reach_us_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"GHSA-1": "a part that is not used"})
    assert audit.command("x")[-3:] == ["--ignore-vuln", "GHSA-1", "x"]


def test_that_nobody_can_be_asked_is_said_and_fails_nothing(osv: AnySink, capsys: pytest.CaptureFixture[str]) -> None:
    with refusing_port() as port:
        assert ask(f"http://127.0.0.1:{port}/v1/query") == 0
    assert capsys.readouterr().out.startswith("NOT AUDITED: ")


def test_what_goes_wrong_in_another_way_fails(
    osv: AnySink, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "FILES", ("/nowhere.txt",))
    assert ask(f"http://{osv.host}/v1/query") == 1
    assert "nowhere.txt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("packages", "last", "is_well"),
    [
        ([WELL], "1 packages audited, 0 vulnerabilities known", True),
        ([WELL, SKIPPED], "not audited: c", True),
        ([SKIPPED, SKIPPED], "NOT AUDITED: the service that knows vulnerabilities has no word of any package", True),
        ([BAD | {"vulns": [{"id": "X", "fix_versions": []}]}, SKIPPED], "not audited: c", False),
    ],
)
def test_what_was_not_audited_is_said(packages: list[dict[str, Any]], last: str, is_well: bool) -> None:
    lines, well = audit.verdict(packages)
    assert (lines[-1], well) == (last, is_well)
