"""What a gateway is: it hands one message to one address, or says why not and whether for good."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings

from alarms.delivery import Delivery

# What the errors of gateways are counted as (GatewayError.kind); a receipt may say later that a message has failed.
KINDS = ("refused", "unavailable", "no_answer", "no_connection", "address", "held_up", "fault", "receipt")

TEMPORARY = frozenset({408, 425, 429})

# A kept connection that the other side has closed is found so within so many seconds. What takes longer may have been
# taken: that is not tried again on another connection, but as other failures are, unless an answer stops it.
FOUND_CLOSED = 0.5


def is_permanent(status: int) -> bool:
    """Whether trying again would be of no use after this HTTP status (contract 7)."""
    return not (status in TEMPORARY or status >= 500)


class GatewayError(Exception):
    """A gateway did not take a message.

    Args:
        reason: for people, in one line, without an address or a secret.
        permanent: trying again would be of no use.
        retry_after: the seconds that the gateway asks for before the next attempt, if it does.
        asked: False where nothing left the house, as the address is not valid: that says nothing of the gateway.
        kind: a word for what it is counted as (KINDS), where that does not follow from the others.
    """

    def __init__(
        self, reason: str, *, permanent: bool, retry_after: float | None = None, asked: bool = True, kind: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after
        self.asked = asked
        self.kind = kind or ("address" if not asked else "refused" if permanent else "unavailable")


class HeldUp(GatewayError):
    """It did not leave in time, as the sender was stopped or its connections hang: it has to be claimed anew, as an
    answer may have come since."""

    def __init__(self) -> None:
        super().__init__("held up in the sender", permanent=False, asked=False, kind="held_up")


def no_answer() -> GatewayError:
    return GatewayError(f"no answer within {settings.GATEWAY_TIMEOUT} s", permanent=False, kind="no_answer")


class Gateway(ABC):
    """One entry of a `GATEWAY_*` setting."""

    connections: ClassVar[int]
    """How many deliveries one sender has under way at once."""
    patience: ClassVar[int] = 0
    """How many more there may be, of those that hang."""

    def __init__(self, url: str) -> None:
        # A plain text, where it is a Secret of the settings: libraries are quicker with those.
        self.url = str(url)
        self.scheme = urlsplit(self.url).scheme
        # What it is called where it is shown: nothing of the URL that may be a secret.
        self.label = self.scheme
        # Whether the URL names a file of the server, which it could tell: only who runs the server may bring it.
        self.reads_files = False
        # Whether an organization brings it: it may not reach what only this machine can.
        self.guarded = False


class ThreadGateway(Gateway):
    """A gateway that blocks: each of its connections is a thread of the sender."""

    @abstractmethod
    def send(self, delivery: Delivery) -> None:
        """Hand the message over.

        Raises: GatewayError.
        """

    def idle(self) -> None:
        """Let go of what this thread holds; called when it had nothing to do for some seconds."""


class LoopGateway(Gateway):
    """A gateway whose deliveries share the sender's event loop."""

    @abstractmethod
    async def send(self, delivery: Delivery) -> None:
        """Hand the message over. May take for ever: whoever calls cancels it after GATEWAY_TIMEOUT (a sender does that
        for all that are under way at once, as a timer for each takes a sixth of its time).

        Raises: GatewayError.
        """

    async def send_in_time(self, delivery: Delivery) -> None:
        """As `send`, but not for longer than GATEWAY_TIMEOUT."""
        try:
            async with asyncio.timeout(settings.GATEWAY_TIMEOUT):
                await self.send(delivery)
        except TimeoutError:
            raise no_answer() from None

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""


def masked(address: str) -> str:
    """Return an address as it may stand in a log: enough to recognize (at most a third), not enough to use."""
    local, at, domain = address.partition("@")
    shown = len(local) // 3
    if at:
        return f"{local[: min(shown, 1)]}***@{domain}"
    shown = min(shown, 4)
    return f"{local[: shown - shown // 2]}***{local[len(local) - shown // 2 :]}"
