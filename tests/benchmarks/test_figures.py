"""What the bench says of what it has measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import absolute, compare, line, number, write

AT_LEAST, AT_MOST = {"at_least": 0.6}, {"at_most": 1.7}


@pytest.mark.parametrize(
    ("value", "limit", "mark", "ratio", "reached", "said"),
    [
        (900.0, 1000.0, AT_LEAST, 0.9, True, "0.90 >= 0.6   reached"),
        (600.0, 1000.0, AT_LEAST, 0.6, True, "0.60 >= 0.6   reached"),
        (500.0, 1000.0, AT_LEAST, 0.5, False, "0.50 >= 0.6   MISSED"),
        (1.0, 1.0, AT_MOST, 1.0, True, "1.00 <= 1.7   reached"),
        (1.7, 1.0, AT_MOST, 1.7, True, "1.70 <= 1.7   reached"),
        (3.0, 1.0, AT_MOST, 3.0, False, "3.00 <= 1.7   MISSED"),
        (3.0, 1.0, {}, 3.0, None, "3.00  "),
    ],
)
def test_a_figure_is_held_against_its_mark(
    value: float, limit: float, mark: dict[str, float], ratio: float, reached: bool | None, said: str
) -> None:
    figure = compare("messages", "msg/s", value, "bare", limit, **mark)
    assert figure.ratio == pytest.approx(ratio)
    assert figure.reached is reached
    assert f" {said} " in line(figure)
    assert ("reached" in line(figure), "MISSED" in line(figure)) == (reached is True, reached is False)


@pytest.mark.parametrize(("value", "reached"), [(0.0, True), (49.9, True), (50.0, True), (50.1, False)])
def test_a_fixed_value_is_a_mark_and_the_limit_too(value: float, reached: bool) -> None:
    figure = absolute("first message", "ms", value, at_most=50.0)
    assert (figure.limit, figure.reached) == (50.0, reached)
    assert figure.ratio == pytest.approx(value / 50)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.01234, "0.0123"), (1.5, "1.5"), (12.345, "12.3"), (123.4, "123"), (54321.9, "54,322")],
)
def test_numbers_have_three_digits_or_are_whole(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_limit_of_nothing_ends_no_run() -> None:
    assert compare("first message", "ms", 2.0, "alone", 0.0, at_most=1.3).reached is False


def written(folder: Path, *marks: dict[str, float]) -> list[dict[str, Any]]:
    write([compare(f"figure {index}", "ms", 2.0, "bare", 1.0, **mark) for index, mark in enumerate(marks)], folder)
    found: list[dict[str, Any]] = json.loads((folder / "bench.json").read_text())["figures"]
    return found


def test_the_file_has_every_figure_with_its_mark_and_verdict(tmp_path: Path) -> None:
    first, second, third = written(tmp_path / "new", {"at_least": 0.6}, {"at_most": 1.7}, {})
    assert first == {
        "name": "figure 0",
        "unit": "ms",
        "value": 2.0,
        "limit": 1.0,
        "beside": "bare",
        "ratio": 2.0,
        "at_least": 0.6,
        "at_most": None,
        "reached": True,
    }
    assert (second["at_most"], second["reached"]) == (1.7, False)
    assert (third["at_least"], third["at_most"], third["reached"]) == (None, None, None)


def test_a_picture_is_drawn_even_where_nothing_has_a_mark(tmp_path: Path) -> None:
    written(tmp_path, {})
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
