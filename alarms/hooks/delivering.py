"""Delivering: takes up what is due, posts it, writes what became of it, and so on, until nothing is left to do."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from alarms.hooks import outcomes
from alarms.hooks.claiming import Attempt, claim, release
from alarms.hooks.posting import PLACES, Answer, Poster

# Seconds after which is asked again what is due and whether to stop, while hooks are waited for.
POLL = 0.5
# Seconds for which a worker that is to end waits for what is under way.
LAST_WAIT = 3.0

# In a worker one job delivers: another that comes meanwhile leaves a note (None) here and ends.
_news: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
_delivering = threading.Lock()


def deliver(*, stop: Callable[[], bool] = lambda: False) -> None:
    """Tell hooks of what is due until nothing is, or `stop` says so. May run any number of times at once, in any number
    of workers."""
    _news.put(None)
    # Looked at again after the lock is given back: a note that came in between is nobody else's.
    while not _news.empty() and _delivering.acquire(blocking=False):
        try:
            _deliver(stop)
        finally:
            _delivering.release()


def _deliver(stop: Callable[[], bool]) -> None:
    under_way: set[Attempt] = set()
    until: float | None = None
    with Poster(_news.put) as poster:
        while True:
            # Notes are taken before the claim, which finds what they are about.
            _write(_arrived(wait=bool(under_way)), under_way)
            if until is None and stop():
                until = time.monotonic() + LAST_WAIT
            if until is None:
                claimed = claim(free=PLACES - len(under_way))
                under_way.update(claimed)
                poster.post(claimed)
            if not under_way or (until is not None and time.monotonic() > until):
                break
    if under_way:
        # What has come while the rest was broken off.
        _write(_arrived(wait=False), under_way)
        release(under_way)


def _write(answers: Sequence[Answer], under_way: set[Attempt]) -> None:
    if answers:
        outcomes.write(answers)
        under_way.difference_update(answer.attempt for answer in answers)


def _arrived(*, wait: bool) -> list[Answer]:
    """Return the answers that are there; if `wait`, as soon as there is one, a note or nothing for a while."""
    arrived: list[Answer] = []
    try:
        news = _news.get(timeout=POLL) if wait else _news.get_nowait()
        while True:
            if news is not None:
                arrived.append(news)
            news = _news.get_nowait()
    except queue.Empty:
        return arrived
