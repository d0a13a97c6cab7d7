from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from messaging_project.log_settings import Console
from tests.processes import ROOT, until

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


class Written(io.StringIO):
    """Keeps what comes, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.fixture
def console() -> Iterator[Console]:
    """The handler of the logger "sender", which writes pieces."""
    handler = Console()
    handler.setStream(Written())
    logging.getLogger("sender").addHandler(handler)
    yield handler
    logging.getLogger("sender").removeHandler(handler)


def test_lines_that_are_written_together_come_in_one_piece_and_hold_up_nobody_elses(console: Console) -> None:
    logger, pieces = logging.getLogger("sender"), console.stream.pieces
    with console.together():
        logger.warning("one")
        threading.Thread(target=logger.warning, args=["another thread's"]).start()
        until(lambda: pieces)
        logger.warning("two")
        assert "".join(pieces).split() == ["another", "thread's"]
    logger.warning("three")
    assert pieces[-2:] == ["one\ntwo\n", "three\n"]


def log_and_fail(console: Console) -> None:
    with console.together():
        logging.getLogger("sender").warning("one")
        raise ZeroDivisionError


def test_what_is_logged_before_something_goes_wrong_is_written(console: Console) -> None:
    with pytest.raises(ZeroDivisionError):
        log_and_fail(console)
    assert console.stream.pieces == ["one\n"]
