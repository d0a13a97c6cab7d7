"""The tally of a sender: what it has counted since it last wrote that down, which it does with its heartbeat. What a
sender that is killed had not written is not counted."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from math import inf
from typing import Concatenate, ParamSpec

from alarms.counting import BOUNDS, BUCKETS, DEVICE_MESSAGES, DUE_TO_SENT, GATEWAY_ERRORS, STATES, SUM, Key, count
from alarms.models import DeviceMessage
from alarms.sending.outcomes import Result

logger = logging.getLogger(__name__)

Status = DeviceMessage.Status
# As a number: to compare with a member of an enumeration takes long.
SENT = int(Status.SENT)

P = ParamSpec("P")


def harmless(method: Callable[Concatenate[Tally, P], None]) -> Callable[Concatenate[Tally, P], None]:
    """Whatever goes wrong here ends no sender; it is logged once. What is wrong with the database the next statement of
    the sender finds out."""

    @wraps(method)
    def tried(tally: Tally, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            method(tally, *args, **options)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".strip().split("\n")[0]
            if reason != tally.trouble:
                logger.warning("cannot count for the metrics: %s", reason)
            tally.trouble = reason

    return tried


class Tally:
    def __init__(self) -> None:
        self.trouble = ""
        self._counts: Counter[Key] = Counter()

    @harmless
    def claimed(self, messages: Iterable[tuple[str, int]]) -> None:
        """Count what was claimed, by its way and the status that it got with that."""
        for (way, status), number in Counter(messages).items():
            if status != Status.SCHEDULED:
                self._counts[DEVICE_MESSAGES, way, STATES[status]] += number

    @harmless
    def written(self, results: Iterable[tuple[Result, int | None]]) -> None:
        """Count what became of attempts, with the status of each message now, None if that was no longer the sender's
        to write."""
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        for result, status in results:
            if status == SENT and result.error is None and result.delivery.due is not None:
                seconds[result.delivery.way].append(result.at.timestamp() - result.delivery.due)
            else:
                self._add(result, status)
        for way, each in seconds.items():
            self._counts[DEVICE_MESSAGES, way, "sent"] += len(each)
            self._observe(way, each)

    def _add(self, result: Result, status: int | None) -> None:
        """Count what is not just sent, which nearly everything is."""
        counts, way = self._counts, result.delivery.way
        if result.error is not None:
            counts[GATEWAY_ERRORS, way, result.error.kind] += 1
        elif status is not None:
            counts[DEVICE_MESSAGES, way, "sent"] += 1
            if status in (Status.SCHEDULED, Status.FAILED):
                counts[GATEWAY_ERRORS, way, "receipt"] += 1
            if result.delivery.due is not None:
                self._observe(way, [result.at.timestamp() - result.delivery.due])
        if status in (Status.FAILED, Status.CANCELLED):
            counts[DEVICE_MESSAGES, way, STATES[status]] += 1

    def _observe(self, way: str, seconds: list[float]) -> None:
        seconds = sorted(max(0.0, each) for each in seconds)
        below = 0
        for bound, name in zip((*BUCKETS, inf), BOUNDS, strict=True):
            within = bisect_right(seconds, bound)
            if within > below:
                self._counts[DUE_TO_SENT, way, name] += within - below
                below = within
        self._counts[DUE_TO_SENT, way, SUM] += round(sum(seconds) * 1_000_000)

    @harmless
    def write(self) -> None:
        """Write down what was counted. If that fails it is done the next time: then what was written all the same, as
        only the answer was lost, is there twice."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            count(counts, at_once=True)
        except Exception:
            self._counts.update(counts)
            raise
        self.trouble = ""


TALLY = Tally()
"""Of this process, which has one sender."""
