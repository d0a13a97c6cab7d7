"""What `make fuzz` makes of a log."""

from __future__ import annotations

import pytest

from tests.fuzz.running import UNFORESEEN


@pytest.mark.parametrize(
    ("line", "is_unforeseen"),
    [
        ("Traceback (most recent call last):", True),
        ("2026-11-23 04:08:33,857 ERROR django.request: Internal Server Error: /api/v1/hooks", True),
        ("[2026-11-23 04:08:33 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)", True),
        ("2026-11-23 04:05:31.035 UTC [26741] FATAL:  out of memory", True),
        ("2026-11-23 04:08:33,857 INFO alarms.gateways.log: sms to Phone: Fire / no error", False),
        ('2026-11-23 04:05:31.035 UTC [2] ERROR:  duplicate key value violates unique constraint "a"', False),
    ],
)
def test_a_line_that_nobody_foresaw_is_found(line: str, is_unforeseen: bool) -> None:
    assert bool(UNFORESEEN.search(f"all is well\n{line}\nall is well\n")) is is_unforeseen
