"""What was measured, beside what it is measured against: one table, one JSON file, one picture."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

HEADER = f"{'figure':<62} {'value':>8} {'unit':<6} {'ratio':>7} {'mark':<8} {'':<8} {'limit':>8}  of"
CUT = 4.0
"""How many times better than its mark a figure is drawn at most."""


@dataclass(frozen=True)
class Figure:
    """A figure and its limit; both of one unit, measured in the same run. Marks are of the ratio of the two."""

    name: str
    unit: str
    value: float
    limit: float
    beside: str
    """What the limit is of."""
    at_least: float | None = None
    """The mark, where more is better."""
    at_most: float | None = None
    """The mark, where less is better."""

    @property
    def ratio(self) -> float:
        """The value as a part of the limit."""
        return self.value / max(self.limit, 1e-9)

    @property
    def mark(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    @property
    def better(self) -> float | None:
        """How many times better than its mark it is: 1 is just reached. None where there is no mark."""
        if self.at_least is not None:
            return self.ratio / self.at_least
        return None if self.at_most is None else self.at_most / max(self.ratio, 1e-9)

    @property
    def reached(self) -> bool | None:
        """None where there is no mark."""
        return None if self.better is None else self.better >= 1


def compare(
    name: str,
    unit: str,
    value: float,
    beside: str,
    limit: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    return Figure(name, unit, value, limit, beside, at_least, at_most)


def absolute(name: str, unit: str, value: float, *, at_most: float) -> Figure:
    """A figure whose mark is a fixed value, which is its limit too."""
    return Figure(name, unit, value, at_most, "what is allowed", at_most=1.0)


def number(value: float) -> str:
    """Return three digits, or a whole number from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(figure: Figure) -> str:
    """Return a figure's line of the table."""
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    return (
        f"{figure.name:<62} {number(figure.value):>8} {figure.unit:<6} {figure.ratio:>7.2f} {figure.mark:<8}"
        f" {verdict:<8} {number(figure.limit):>8}  {figure.beside}"
    )


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write(figures: list[Figure], folder: Path) -> None:
    """Write bench.json and bench.png."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": cores(), "system": platform.platform(), "python": platform.python_version()}
    rows = [asdict(each) | {"ratio": each.ratio, "reached": each.reached} for each in figures]
    (folder / "bench.json").write_text(json.dumps({"machine": machine, "figures": rows}, indent=1) + "\n")
    draw(figures, folder / "bench.png")


def draw(figures: list[Figure], path: Path) -> None:
    """Draw how many times better than its mark each figure is that has one."""
    # Not above: it takes a second, and the table is there without it.
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = [(each, each.better) for each in reversed(figures) if each.better is not None]
    plot, axes = pyplot.subplots(figsize=(11, 0.34 * len(shown) + 1.4), layout="constrained")
    bars = axes.barh(
        [each.name for each, _better in shown],
        [min(better, CUT) for _each, better in shown],
        color=["#15803d" if each.reached else "#b91c1c" for each, _better in shown],
    )
    axes.bar_label(bars, [f"{number(each.value)} {each.unit}" for each, _better in shown], padding=4, fontsize=8)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlim(0, CUT + 0.6)
    axes.set_xlabel(f"times better than the mark (1: just reached; cut at {CUT:g})")
    axes.tick_params(axis="y", labelsize=8)
    plot.savefig(path, dpi=120)
    pyplot.close(plot)
