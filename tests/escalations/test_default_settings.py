"""The settings DEFAULT_ESCALATION and DEFAULT_RESPONSE_TIMEOUT keep to the bounds of contracts 3 and 5, which is said
when a process starts: with what is out of them no alarm would be sent as it should, or none raised."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks


def told(setting: str) -> list[str]:
    """Return what is said against a setting."""
    return [found.msg for found in run_checks() if found.msg.startswith(f"{setting}: ")]


@pytest.mark.parametrize("seconds", [-1, 0, 9, 86401, 2**31])
def test_a_default_timeout_out_of_bounds_is_told_at_the_start(settings: Any, seconds: int) -> None:
    settings.DEFAULT_RESPONSE_TIMEOUT = seconds
    (said,) = told("DEFAULT_RESPONSE_TIMEOUT")
    assert str(seconds) in said


@pytest.mark.parametrize("entries", [[], [("sms", 60)] * 21], ids=["none", "21"])
def test_a_default_escalation_of_no_entries_or_too_many_is_told_at_the_start(
    settings: Any, entries: list[tuple[str, int]]
) -> None:
    settings.DEFAULT_ESCALATION = entries
    assert len(told("DEFAULT_ESCALATION")) == 1


@pytest.mark.parametrize("seconds", [10, 900, 86400])
def test_nothing_is_said_of_defaults_within_the_bounds(settings: Any, seconds: int) -> None:
    settings.DEFAULT_RESPONSE_TIMEOUT = seconds
    for count in (1, 20):
        settings.DEFAULT_ESCALATION = [("sms", 86400)] * count
        assert told("DEFAULT_RESPONSE_TIMEOUT") == told("DEFAULT_ESCALATION") == []
