"""What is logged: one line an event, on standard error."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS


def logging_of(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return the setting LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
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


class Console(logging.StreamHandler[TextIO]):
    """Writes a line as it comes, or those of a thread together."""

    def __init__(self) -> None:
        super().__init__()
        self._held = threading.local()

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
