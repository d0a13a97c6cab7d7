from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.processes import ROOT

LOG = """
import django, logging
django.setup()
logging.getLogger("alarms.raising").info("alarm raised: alarm=%d", 5)
"""


def lines(**environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOG],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()


def test_an_event_is_a_line() -> None:
    (line,) = lines()
    assert line.endswith("INFO alarms.raising: alarm raised: alarm=5")


def test_an_event_is_a_line_of_json_where_that_is_asked_for() -> None:
    (line,) = lines(LOG_JSON="on")
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == ("INFO", "alarms.raising", "alarm raised: alarm=5")
    assert "time" in event
