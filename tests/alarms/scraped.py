"""What stands at /metrics, read as Prometheus does."""

from __future__ import annotations

import urllib.request
from collections import Counter

from django.test import Client
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from alarms.sending.tally import TALLY

Series = tuple[str, ...]
"""The name of a sample, then the values of its labels in the order of their names."""


def series_of(sample: Sample) -> Series:
    return sample.name, *(value for _name, value in sorted(sample.labels.items()))


class Scraped:
    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))
        self.values: dict[Series, float] = {}
        for family in self.families:
            for sample in family.samples:
                series = series_of(sample)
                assert series not in self.values, "a series stands there twice"
                self.values[series] = sample.value

    def __getitem__(self, series: Series | str) -> float:
        return self.values[(series,) if isinstance(series, str) else series]

    @property
    def names(self) -> set[str]:
        return {name for name, *_labels in self.values}

    def rising(self) -> dict[Series, float]:
        """Return what may never fall."""
        return {
            series_of(sample): sample.value
            for family in self.families
            if family.type in {"counter", "histogram"}
            for sample in family.samples
        }

    def since(self, before: Scraped) -> dict[Series, float]:
        """Return by how much everything has risen that may not fall; what did not rise is left out."""
        risen = {series: value - before[series] for series, value in self.rising().items()}
        assert not [series for series, more in risen.items() if more < 0], "something fell"
        return {series: more for series, more in risen.items() if more}


def scrape() -> Scraped:
    """Ask the web process of this test, after what it has counted as a sender was written down."""
    TALLY.write()
    answer = Client().get("/metrics")
    assert answer.status_code == 200, answer.content
    return Scraped(answer.content.decode())


def scrape_at(url: str) -> Scraped:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        return Scraped(answer.read().decode())


def of(values: dict[Series, float], name: str) -> Counter[Series]:
    """Return the values of a name by their labels."""
    return Counter({series[1:]: value for series, value in values.items() if series[0] == name})
