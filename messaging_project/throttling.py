"""Throttles: no token, and no address that cannot say who asks, takes what others need (contract 2: 429)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from messaging_project.addresses import network_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Buckets:
    """Token buckets of this process: each key may take so many in a minute, at once or bit by bit.

    In memory, as a query for each request would cost more than it saves.
    """

    # Beyond so many keys those are forgotten that are full again, or all.
    MOST = 10_000

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # What is left of each key's, and since when it has not been filled up.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, *, per_minute: int) -> int:
        """Take one; return 0, or in how many seconds there is one again."""
        now = self._clock()
        with self._lock:
            left, since = self._left.get(key, (per_minute, now))
            left = min(per_minute, left + (now - since) * per_minute / 60)
            wait = 0 if left >= 1 else math.ceil((1 - left) * 60 / per_minute)
            self._left[key] = (left if wait else left - 1), now
            if len(self._left) > self.MOST:
                young = {each: held for each, held in self._left.items() if now - held[1] < 60}
                self._left = young if len(young) <= self.MOST // 2 else {}
        return wait


buckets = Buckets()


class TokenThrottle(BaseThrottle):
    """At most THROTTLE_TOKEN requests a minute with one token, and as many again that change something: whoever asks
    too often can still raise an alarm and answer it."""

    _wait = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        per_minute: int = settings.THROTTLE_TOKEN
        # Only who speaks with a token or a JWT has something to be known by.
        if not per_minute or not request.auth:
            return True
        kind = "reads" if request.method in SAFE_METHODS else "writes"
        self._wait = buckets.take(f"{kind} {name_of(request)}", per_minute=per_minute)
        return not self._wait

    def wait(self) -> float:
        return self._wait


def name_of(request: Request) -> str:
    """Return what tells a token from all others; a JWT is its user's, who may have a new one each minute."""
    token = request.auth if hasattr(request.auth, "pk") else request.user
    return f"{type(token).__name__} {token.pk}"


def too_many_strangers(request: HttpRequest | Request) -> int:
    """Count a request that did not say who asks, or lied; return how many seconds its address should wait, 0: none.

    Whoever shares the address and has a valid token is let through all the same.
    """
    per_minute: int = settings.THROTTLE_ADDRESS
    if not per_minute:
        return 0
    return buckets.take(f"address {network_of(getattr(request, '_request', request))}", per_minute=per_minute)
