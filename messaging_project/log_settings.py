"""What is logged: one line an event, on standard error."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS

from messaging_project.masking import masked

OURS = frozenset({"alarms", "escalations", "inbox", "messaging_project", "organizations"})
# What ends a line, drives a terminal or turns the direction of reading.
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def logging_of(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return the setting LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "messaging_project.log_settings.Line",
                "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                # Django adds the request, whose address may be that of an answer page: that is a secret.
                "reserved_attrs": [*RESERVED_ATTRS, "request"],
            },
        },
        "handlers": {
            "console": {
                "class": "messaging_project.log_settings.Console",
                "formatter": "json" if as_json else "line",
            },
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # A client's mistake is no event of the service.
            "django.request": {"level": "ERROR"},
            # A line a job and a tick of the sweep would bury the alarms.
            "procrastinate": {"level": "WARNING"},
        },
    }


class Line(logging.Formatter):
    """Writes an event as one line, whatever somebody's text holds that is logged with it: else it could look like other
    events, or make a terminal do something."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return CONTROLS.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record))


class Console(logging.StreamHandler[TextIO]):
    """Writes a line as it comes, or those of a thread together."""

    def __init__(self) -> None:
        super().__init__()
        self._held = threading.local()

    def format(self, record: logging.LogRecord) -> str:
        """What the service itself says has no secrets; what others say, and errors that nobody foresaw, may."""
        text = super().format(record)
        return masked(text) if record.exc_info or record.name.partition(".")[0] not in OURS else text

    def emit(self, record: logging.LogRecord) -> None:
        lines: list[str] | None = getattr(self._held, "lines", None)
        if lines is None:
            super().emit(record)
            return
        try:
            lines.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)

    @contextmanager
    def together(self) -> Iterator[None]:
        lines = self._held.lines = []
        try:
            yield
        finally:
            self._held.lines = None
            with self.lock or nullcontext():
                self.stream.write("".join(lines))
                self.flush()


@contextmanager
def written_together() -> Iterator[None]:
    """Write what this thread logs meanwhile in one go: each write for itself would hand over to another thread that has
    much to do, and wait for it."""
    with ExitStack() as stack:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, Console):
                stack.enter_context(handler.together())
        yield
