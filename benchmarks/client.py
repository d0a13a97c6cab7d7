"""A client that makes requests as fast as the service answers, and notes how long each took."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Address = tuple[str, int]
PATIENCE = 60.0
"""How long an answer may take, in seconds."""


@dataclass(frozen=True)
class Load:
    seconds: float
    latencies: list[float]
    """Of each request, in seconds."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    @property
    def p99(self) -> float:
        """The seconds within which 99 of 100 requests are answered."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


class RefusedError(Exception):
    """The service did not answer a request with a 2xx."""


def request(method: str, path: str, *, headers: dict[str, str], body: object = None) -> bytes:
    """Return a request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Client(asyncio.Protocol):
    """Makes a request over its one connection, waits for the answer, makes the next."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], until: float) -> None:
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The last answer, once there are no more requests."""
        self._requests, self._latencies, self._until = requests, latencies, until
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        asked = next(self._requests, None) if time.monotonic() < self._until else None
        if asked is None:
            self.done.set_result(self._answer)
            return
        self._answer = b""
        self._asked_at = time.monotonic()
        self._transport.write(asked)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, content = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        _name, found, length = head.lower().partition(b"\r\ncontent-length:")
        if not found or len(content) < int(length.partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self.done.set_exception(RefusedError(self._answer.decode()))
            return
        self._latencies.append(time.monotonic() - self._asked_at)
        self._ask()

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RefusedError(f"the connection ended: {error}"))


async def run(address: Address, requests: Iterator[bytes], *, clients: int, seconds: float) -> tuple[bytes, Load]:
    """Make requests; return the last answer of one of the clients, and what all of them noted."""
    loop, latencies = asyncio.get_running_loop(), list[float]()
    begin = time.monotonic()
    connected: list[Client] = []
    try:
        for _client in range(clients):
            made = await loop.create_connection(lambda: Client(requests, latencies, begin + seconds), *address)
            connected.append(made[1])
        async with asyncio.timeout(seconds + PATIENCE):
            answers = await asyncio.gather(*(client.done for client in connected))
        return answers[0], Load(time.monotonic() - begin, latencies)
    finally:
        for client in connected:
            client.close()


def load(address: Address, requests: Iterator[bytes], *, clients: int = 8, seconds: float = 3600.0) -> Load:
    """Make requests until there are no more, or the time is over.

    Raises: RefusedError for any answer but a 2xx.
    """
    return asyncio.run(run(address, requests, clients=clients, seconds=seconds))[1]


def ask(address: Address, asked: bytes) -> Any:
    """Make one request and return the JSON of its answer.

    Raises: RefusedError for any answer but a 2xx.
    """
    answer, _load = asyncio.run(run(address, iter([asked]), clients=1, seconds=1.0))
    return json.loads(answer.partition(b"\r\n\r\n")[2])
