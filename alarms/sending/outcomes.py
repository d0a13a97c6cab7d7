"""Outcomes: what became of an attempt, what is to become of its message, and which gateway comes next."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, HeldUp
from alarms.sending import MAY_LEAVE_UNTIL

# SQL, of a message m and what its sender writes of it, a row: a receipt says that the gateway has failed what it took,
# and was there before the sender's word.
FAILED_SINCE = "row.outcome = 'sent' AND m.receipt = 'failed'"
# That word is the first of the attempt (a late one reopens nothing): the message becomes what it becomes where the
# receipt comes after it (alarms/receipts.py),
OVERTAKEN = f"m.status = 1 AND {FAILED_SINCE}"
# and goes to the next gateway.
GOES_ON = f"{OVERTAKEN} AND row.following >= 0 AND {MAY_LEAVE_UNTIL} > now()"


FIRST_RETRY = 5.0  # seconds
LONGEST_RETRY = 300.0  # seconds


class Outcome(NamedTuple):
    """What is to become of a message after an attempt."""

    outcome: str
    """sent, failed or again."""
    gateway: int
    """The place of the gateway that is asked next."""
    refused: int
    wait: float
    """Seconds until then."""
    reason: str
    following: int = -1
    """Of what was sent, the place of the gateway that gets it if a receipt says that this one has failed it; -1: none
    does."""


def not_refused(refused: int, *, gateways: int) -> list[int]:
    """Return the places of the gateways of a line that have not refused a message for good."""
    return [place for place in range(gateways) if not refused >> place & 1]


def next_place(gateway: int, *, refused: int, gateways: int) -> int:
    """Return the place of the gateway that gets what this one has failed after it took it; -1: all have."""
    left = not_refused(refused | 1 << gateway, gateways=gateways)
    return next((place for place in left if place > gateway), left[0] if left else -1)


def backoff(attempt: int, gateways: int, retry_after: float | None) -> float:
    """Return the seconds to the next attempt: 5, 15, 45... and up to a fifth more, so that those who failed together
    do not come back together; at least what the gateway asked for."""
    rounds = (attempt - 1) // gateways
    wait = min(FIRST_RETRY * 3.0 ** min(rounds, 10), LONGEST_RETRY) * random.uniform(1.0, 1.2)  # noqa: S311
    # More than a year is not waited for, and could not be written as a time.
    return max(wait, min(retry_after or 0.0, 366 * 86400.0))


@dataclass(slots=True)
class Result:
    """What became of one attempt."""

    delivery: Delivery
    label: str
    """What the gateway is called."""
    at: datetime
    error: GatewayError | None = None

    def outcome(self, gateways: int) -> Outcome:
        """Return what follows where the way has so many gateways: the next one at once, and after the last a while
        later the first again, of those that have not refused the message for good (contract 7)."""
        gateway, refused = self.delivery.gateway, self.delivery.refused
        if self.error is None:
            following = next_place(gateway, refused=refused, gateways=gateways)
            return Outcome("sent", gateway, refused, 0.0, "", following)
        if isinstance(self.error, HeldUp):
            return Outcome("again", gateway, refused, 0.0, self.error.reason)
        if not gateways:
            # The line is gone meanwhile: upkeep moves what is left to the service's.
            return Outcome("again", 0, 0, 0.0, self.error.reason)
        if self.error.permanent:
            refused |= 1 << gateway
        left = not_refused(refused, gateways=gateways)
        if not left:
            return Outcome("failed", gateway, refused, 0.0, self.error.reason)
        after = [place for place in left if place > max(gateway, self.delivery.in_place_of)]
        if after:
            return Outcome("again", after[0], refused, 0.0, self.error.reason)
        # What a gateway asks for is for itself.
        asked_for = self.error.retry_after if left[0] == gateway else None
        wait = backoff(self.delivery.attempt, gateways, asked_for)
        return Outcome("again", left[0], refused, wait, self.error.reason)
