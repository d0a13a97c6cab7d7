"""Resting: a gateway that keeps failing is left alone for a while, where another can take its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alarms.gateways.owned import Line
from alarms.sending.claim import Pool

# So many failures in a row, and
FAILURES = 5
# so long it rests. After that one message at a time tries it, until one is taken.
REST = timedelta(seconds=30)


@dataclass(slots=True)
class Condition:
    """How one gateway has been doing."""

    failures: int = 0
    """In a row."""
    rests_until: datetime | None = None
    """Set from the fifth failure to the next success."""
    reason: str = ""


class Conditions:
    """How the gateways of a sender are doing. Each sender finds out for itself."""

    def __init__(self) -> None:
        self._of: dict[Pool, Condition] = {}

    def note(self, pool: Pool, reason: str | None, *, now: datetime) -> bool:
        """Note what became of an attempt (`reason` is None where it was taken); return whether a rest begins or ends
        with it."""
        if reason is None:
            return self._of.pop(pool, Condition()).rests_until is not None
        condition = self._of.setdefault(pool, Condition())
        condition.failures += 1
        condition.reason = reason
        is_resting = condition.rests_until is not None and condition.rests_until > now
        if condition.failures < FAILURES or is_resting:
            return False
        condition.rests_until = now + REST
        return True

    def forget(self, pool: Pool) -> None:
        """The gateway is another one now."""
        self._of.pop(pool, None)

    def resting(self) -> dict[Pool, Condition]:
        """Return the gateways that rest, or have rested and not taken anything since."""
        return {pool: condition for pool, condition in self._of.items() if condition.rests_until is not None}


def detours(pool: Pool, sizes: Mapping[Line, int], resting: Mapping[Pool, Condition]) -> list[Pool]:
    """Return where the messages of a gateway that rests may go instead: the others of its line that do not rest, in the
    order in which they are tried from there. None: it does not rest, or has to go on, as nobody can stand in."""
    way, owner, place = pool
    if pool not in resting:
        return []
    size = sizes[way, owner]
    following = [(way, owner, (place + step) % size) for step in range(1, size)]
    return [other for other in following if other not in resting]


def shares(free: Mapping[Pool, int], sizes: Mapping[Line, int], resting: Mapping[Pool, Condition]) -> dict[Pool, int]:
    """Return how many messages to take up for each gateway, of the connections that are free: those of one that rests
    share the connections of the one that stands in."""
    stand_in = {pool: others[0] for pool in free if (others := detours(pool, sizes, resting))}
    sharers = Counter(stand_in.values())
    shared = {}
    for pool in free:
        used = stand_in.get(pool, pool)
        shared[pool] = -(-free[used] // (1 + sharers[used]))
    return shared


def rested(condition: Condition, *, now: datetime) -> bool:
    """Whether a gateway has rested, so that one message may try it."""
    return condition.rests_until is not None and condition.rests_until <= now
