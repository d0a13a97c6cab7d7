"""Posting: events leave for their hooks, and what the hooks answer comes back. Nothing here knows of the database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from django.utils import timezone

from alarms.gateways.http import seconds_to_wait, signature
from alarms.hooks.claiming import Attempt
from alarms.hooks.recording import rfc3339
from messaging_project import encryption, outbound
from messaging_project.masking import place_of

logger = logging.getLogger(__name__)

# So many under way at once in a worker.
PLACES = 256
TIMEOUT = 10.0  # seconds, for all of a try
READ_AT_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt."""

    attempt: Attempt
    at: datetime
    """When it began."""
    seconds: float
    status: int | None = None
    """None: no answer."""
    reason: str = ""
    """Why it failed, without anything of the URL; empty: it did not."""
    retry_after: float | None = None
    """The seconds that the hook asks for before the next attempt, if it does."""

    @property
    def delivered(self) -> bool:
        return not self.reason


class Failure(Exception):
    """No answer came."""


def body(attempt: Attempt) -> bytes:
    """Return what is sent, the same for every attempt of an event."""
    return json.dumps(
        {
            "id": attempt.event_id,
            "event": attempt.event,
            "alarmID": attempt.alarm_id,
            "organizationID": attempt.organization_id,
            "date": rfc3339(attempt.created_at),
            "data": json.loads(attempt.payload),
        }
    ).encode()


def headers(attempt: Attempt, content: bytes) -> dict[str, str]:
    """Return the headers that go with `content`.

    Raises: CannotDecrypt.
    """
    return {
        "Content-Type": "application/json",
        "Idempotency-Key": str(attempt.event_id),
        "X-Signature": signature(content, encryption.decrypt(attempt.secret)),
    }


def host(url: str) -> str:
    """Return what may be shown of a hook's URL in a log: the rest may hold a secret."""
    return urlsplit(url).hostname or ""


class Poster:
    """Posts from an event loop in a thread of its own, which is started when there is something to post.

    Args:
        report: takes each answer, called from that thread.
    """

    def __init__(self, report: Callable[[Answer], object]) -> None:
        self._report = report
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break off what is under way."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def post(self, attempts: Sequence[Attempt]) -> None:
        """Start attempts; each is reported once, unless it is broken off."""
        if not attempts:
            return
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # Names are looked up in threads: one that is not answered keeps nobody else's waiting.
            self._loop.set_default_executor(ThreadPoolExecutor(PLACES, thread_name_prefix="hook-names"))
            self._thread = threading.Thread(target=self._loop.run_forever, name="hooks", daemon=True)
            self._thread.start()
        self._loop.call_soon_threadsafe(self._start, attempts)

    def _start(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            task = asyncio.get_running_loop().create_task(self._attempt(attempt))
            # The loop itself keeps only weak references to its tasks.
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _attempt(self, attempt: Attempt) -> None:
        at, began = timezone.now(), time.monotonic()
        status, retry_after = None, None
        try:
            status, header = await self._post(attempt)
            reason = "" if 200 <= status < 300 else f"HTTP {status}"
            retry_after = seconds_to_wait(header)
        except Failure as failure:
            reason = str(failure)
        except Exception as error:
            # A fault of ours must not end the worker, nor hold up others. Its text may hold the URL.
            reason = type(error).__name__
            logger.error("unexpected error of hook=%d event=%d: %s", attempt.hook_id, attempt.event_id, place_of(error))
        self._report(Answer(attempt, at, round(time.monotonic() - began, 3), status, reason, retry_after))

    async def _post(self, attempt: Attempt) -> tuple[int, str | None]:
        """POST once; return the status and the header Retry-After.

        Raises: Failure.
        """
        session = self._session = self._session or new_session()
        content = body(attempt)
        try:
            async with session.post(
                attempt.url, data=content, headers=headers(attempt, content), allow_redirects=False
            ) as response:
                # Read so that the connection can be kept; the answer is the status, whatever becomes of the rest.
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with asyncio.timeout(1):
                        await response.content.read(READ_AT_MOST)
                return response.status, response.headers.get("Retry-After")
        except TimeoutError:
            raise Failure(f"no answer within {TIMEOUT:g} s") from None
        except encryption.CannotDecrypt as error:
            raise Failure(f"its secret cannot be read: {error}") from None
        except ValueError as error:
            raise Failure(f"not a URL: {type(error).__name__}") from None
        except (aiohttp.ClientError, OSError) as error:
            if outbound.was_refused(error):
                raise Failure(outbound.REFUSED) from None
            raise Failure(f"no connection: {type(error).__name__}") from None

    async def _close(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            # Connections under TLS end one turn of the loop later.
            await asyncio.sleep(0)


def new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # What is under way is bounded by the claim. A connection that is kept for long would be found closed.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2, socket_factory=outbound.socket_to),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
