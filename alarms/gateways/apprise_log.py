"""What came of a call of Apprise. Its plugins answer yes or no; the rest is only in logs, which hold topics, numbers
and tokens: nothing of them goes to ours."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# The loggers of Apprise and of what its plugins send with. The settings of the log name none of them: set up a second
# time, as a WSGI application does, they would put this ear off.
LOGGERS = ("apprise", "urllib3", "requests", "smpp", "smpplib", "oauthlib", "requests_oauthlib", "slixmpp", "paho")
# urllib3 notes the status of each answer, whatever code of its own a plugin tells instead: '... "POST /path HTTP/1.1"
# 404 12', of which these are the arguments from the end.
ANSWERS = "urllib3.connectionpool"
ANSWER = '%s://%s:%s "%s %s %s" %s %s'
NO_CONNECTION = re.compile("connection", re.IGNORECASE)

Event = int | str
"""The HTTP status of an answer, or what a plugin complained of."""


class Ear(logging.Handler):
    """Hears what this thread's calls log, and keeps it from everybody else.

    It stays where it is put: handlers that come and go with each call, as those of Apprise's results do, miss some of
    what is logged while another thread takes its own away.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._of_thread = threading.local()

    def put(self) -> None:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.handlers = [self]
            logger.setLevel(logging.WARNING)
        logging.getLogger(ANSWERS).setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        heard: list[Event] | None = getattr(self._of_thread, "heard", None)
        if heard is None:
            return
        if record.name == ANSWERS:
            if record.msg == ANSWER and isinstance(record.args, tuple):
                heard.append(int(str(record.args[-2])))
        elif record.levelno >= logging.WARNING:
            heard.append(record.getMessage())

    @contextmanager
    def listening(self) -> Iterator[Sequence[Event]]:
        """Hear what is logged by this thread, oldest first."""
        heard: list[Event] = []
        self._of_thread.heard = heard
        try:
            yield heard
        finally:
            self._of_thread.heard = None


def failed_with(heard: Sequence[Event]) -> int | None:
    """Return the HTTP status that a call failed with, 0 where there was no connection or no answer in time, None where
    nobody told.

    The last word counts: a plugin may have asked for other things before. A service that says no with a 2xx says it in
    words of its own.
    """
    for event in reversed(heard):
        if isinstance(event, int):
            return event if event >= 300 else None
        if NO_CONNECTION.search(event):
            return 0
    return None


EAR = Ear()
EAR.put()
