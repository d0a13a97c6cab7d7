"""Real servers on loopback that take what the service sends: an HTTP gateway and a mail server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port of 127.0.0.1 at which connections are refused, so that nobody else listens there meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@dataclass(frozen=True)
class Post:
    """A request that the HTTP sink got, with the time.time() at which it was there in full."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    json: dict[str, Any]

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


Behaviour = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
"""Answers a request; the number says how many came for the address before it."""


class HttpSink:
    """Takes POSTs; answers 200 unless an address has a behaviour of its own."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.behaviours: dict[str, Behaviour] = {}
        self.delay = 0.0
        self._counts: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    async def _start(self) -> str:
        application = web.Application()
        application.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        post = Post(time.time(), request.path, dict(request.headers), body, await request.json())
        self.posts.append(post)
        address = post.json["address"]
        before = self._counts.get(address, 0)
        self._counts[address] = before + 1
        if address in self.behaviours:
            return await self.behaviours[address](request, before)
        if self.delay:
            await asyncio.sleep(self.delay)
        return web.Response()

    async def _stop(self) -> None:
        await self._runner.cleanup()
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    def of(self, address: str) -> list[Post]:
        return [post for post in self.posts if post.json["address"] == address]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def answers(*statuses: int, **headers: str) -> Behaviour:
    """Answer with these statuses one after the other, then with the last for ever."""

    async def answer(_request: web.Request, before: int) -> web.StreamResponse:
        return web.Response(status=statuses[min(before, len(statuses) - 1)], headers=headers)

    return answer


async def hangs_first(_request: web.Request, before: int) -> web.StreamResponse:
    if before == 0:
        await asyncio.sleep(60)
    return web.Response()


async def closes_first(request: web.Request, before: int) -> web.StreamResponse:
    if before == 0 and request.transport is not None:
        request.transport.close()
    return web.Response()


@dataclass
class Mail:
    at: float
    to: str
    message: EmailMessage
    content: bytes
    """As it came."""


@dataclass
class MailSink:
    """A mail server that keeps what it gets and counts the connections it came over."""

    mails: list[Mail] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """What RCPT TO of an address is answered."""
    connections: int = 0
    port: int = field(default_factory=free_port)
    _transports: list[asyncio.BaseTransport] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        sink = self

        class CountingSmtp(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                sink.connections += 1
                sink._transports.append(transport)
                super().connection_made(transport)  # type: ignore[no-untyped-call]

        self._controller.factory = lambda: CountingSmtp(self, enable_SMTPUTF8=True)  # type: ignore[method-assign]
        self._controller.start()

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        content = envelope.original_content or b""
        self.mails += [Mail(time.time(), address, message, content) for address in envelope.rcpt_tos]
        return "250 OK"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """Close all connections, as a server does with those that have been idle for long."""
        for transport in self._transports:
            self._controller.loop.call_soon_threadsafe(transport.close)

    def close(self) -> None:
        self._controller.stop()
