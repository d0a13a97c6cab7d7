"""Keeps what Apprise sends for an organization to addresses that it may reach (`messaging_project.outbound`).

Its plugins connect by many libraries, each in its own way, and follow what servers tell them. All of them end at the
sockets of Python, so that is where it is checked: for those who ask for it, everybody else's connections are as before.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from messaging_project import outbound


@dataclass
class Guard:
    refused: bool = False
    """Whether a connection was not made."""


# Apprise hands the context on to the threads of its pools.
GUARD: ContextVar[Guard | None] = ContextVar("apprise_guard", default=None)


@contextmanager
def guarded() -> Iterator[Guard]:
    """Connect to nothing meanwhile that an organization may not reach: what tries gets a NotAllowed (an OSError)."""
    guard = Guard()
    token = GUARD.set(guard)
    try:
        yield guard
    finally:
        GUARD.reset(token)


def checked(sock: socket.socket, address: Any) -> Any:
    """Return where a socket may connect to: a name is resolved here, once, and not again by the connection.

    Raises: NotAllowed, OSError.
    """
    guard = GUARD.get()
    if guard is None:
        return address
    try:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            raise outbound.NotAllowed
        host, port = address[:2]
        resolved = socket.getaddrinfo(host, port, sock.family, sock.type, sock.proto)[0][-1]
        outbound.check(str(resolved[0]))
    except outbound.NotAllowed:
        guard.refused = True
        raise
    return resolved


_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_sendto, _sendmsg = socket.socket.sendto, socket.socket.sendmsg
_start = threading.Thread.start


def connect(sock: socket.socket, address: Any) -> None:
    _connect(sock, checked(sock, address))


def connect_ex(sock: socket.socket, address: Any) -> int:
    return _connect_ex(sock, checked(sock, address))


def sendto(sock: socket.socket, data: Any, *flags_and_address: Any) -> int:
    *flags, address = flags_and_address
    return int(_sendto(sock, data, *(*flags, checked(sock, address))))


def sendmsg(sock: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
    return _sendmsg(sock, buffers, ancdata, flags, None if address is None else checked(sock, address))


def start(thread: threading.Thread) -> None:
    """What somebody starts who is guarded is guarded too."""
    if GUARD.get() is not None:
        vars(thread)["run"] = partial(copy_context().run, thread.run)
    _start(thread)


def put() -> None:
    for method in (connect, connect_ex, sendto, sendmsg):
        setattr(socket.socket, method.__name__, method)
    setattr(threading.Thread, "start", start)  # noqa: B010 - its signature says `self` where ours does not
