"""The workers of the web process: gunicorn's with threads, but who is slow holds no thread.

A thread gets a request when it is there in full, and leaves what a client does not take of an answer at once to the
loop that waits for all clients. So however many send or read a byte now and then, or nothing, others are answered.
Whoever moves nothing for `--keep-alive` seconds (at least `PATIENCE`) is cut, and so is who takes longer than these,
and a second for each `RATE` bytes, for a request or an answer.
"""

from __future__ import annotations

import errno
import io
import resource
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Any

from gunicorn import http, util
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from messaging_project.incoming import MIB, Incoming

PIECE = 64 * 1024
PATIENCE, RATE = 10.0, 50 * 1024
# So long the end of a connection may take, so that its client reads the answer before (RFC 9112, 9.6).
LINGER = 2.0
# So much is kept at most of requests that are not there in full, with those that are not answered yet.
MOST_KEPT = 64 * MIB
# Open files that are no connections of clients.
OTHER_FILES = 64
SWEEP = 0.25
# Somebody else has taken the connection, it is gone, or there are too many files open for one more.
NOBODY = (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE)


class PatientSocket(socket.socket):
    """Waits for no client: `unsent` is what it has not taken yet."""

    unsent: bytearray

    def sendall(self, data: Any, flags: int = 0) -> None:
        sent = 0
        if not self.unsent:
            with suppress(BlockingIOError):
                sent = self.send(data, flags | socket.MSG_DONTWAIT)
        self.unsent += memoryview(data)[sent:]

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:  # type: ignore[override]
        file.seek(offset)
        content = file.read(-1 if count is None else count)
        self.sendall(content)
        return len(content)


class Received(Unreader):  # type: ignore[misc]
    """Gives the parser what was received, and never waits for more."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._source = io.BytesIO(data)

    def chunk(self, size_hint: int | None = None) -> bytes:
        return self._source.read(max(PIECE, size_hint or 0))

    def rest(self) -> bytes:
        """Return what was not read: the begin of what comes after the request."""
        content: bytes = self.take_buffered() + self._source.read()
        return content


class Connection(TConn):  # type: ignore[misc]
    """A client."""

    sock: PatientSocket

    def __init__(self, worker: WebWorker, client: socket.socket, *others: Any) -> None:
        patient = PatientSocket(client.family, client.type, client.proto, fileno=client.detach())
        patient.unsent = bytearray()
        super().__init__(worker.cfg, patient, *others)
        self.worker, self.incoming = worker, Incoming()
        # Since when a request is coming or an answer is leaving, how many bytes of it have, and when the last.
        self.since, self.moved, self.last = 0.0, 0, 0.0
        self.initialized = self.data_ready = True

    def begin(self) -> None:
        self.since = self.last = time.monotonic()
        self.moved = 0
        self.sock.setblocking(False)

    def move(self, size: int) -> None:
        self.moved += size
        self.last = time.monotonic()

    def is_late(self, now: float) -> bool:
        patience = max(PATIENCE, float(self.cfg.keepalive))
        return now - self.last > patience or now - self.since > patience + self.moved / RATE

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.linger(self)
        else:
            super().close()


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """Has its connections either received, in a thread, being answered, kept alive or ending."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError("TLS is for the proxy before the service: leave out the certificate.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Where the service is, no header says.
        self.cfg.set("forwarder_headers", "")
        self.worker_connections: int
        files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            self.worker_connections = min(self.worker_connections, files - OTHER_FILES)
            self.max_keepalived = self.worker_connections - self.cfg.threads
        self.receiving: dict[Connection, None] = {}
        self.answering: dict[Connection, Callable[[], None]] = {}
        self.ending: dict[Connection, float] = {}
        self.kept = 0
        self.next_sweep = 0.0

    # In

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in NOBODY:
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, client, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Wait for a request: the first of a connection or, as gunicorn calls this, the next."""
        began = conn.parser.unreader.rest() if conn.parser else b""
        conn.incoming = Incoming()
        conn.begin()
        self.receiving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_bytes, conn))
        if began:
            self.take(conn, began)
        else:
            # Mostly it is there already.
            self.on_bytes(conn, conn.sock)

    def on_bytes(self, conn: Connection, client: PatientSocket) -> None:
        try:
            data = client.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.take(conn, data)
        else:
            self.drop(conn)

    def take(self, conn: Connection, data: bytes) -> None:
        self.kept += len(data)
        conn.move(len(data))
        if conn.incoming.feed(data):
            del self.receiving[conn]
            self.poller.unregister(conn.sock)
            if conn.parser is None:
                conn.parser = http.get_parser(self.cfg, (), conn.client)
            conn.parser.unreader = Received(bytes(conn.incoming.data))
            conn.incoming.data.clear()
            super().enqueue_req(conn)
        elif conn.incoming.is_expected:
            conn.incoming.is_expected = False
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def drop(self, conn: Connection) -> None:
        """End a connection whose request has not come."""
        del self.receiving[conn]
        self.kept -= conn.moved
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def cut(self, conn: Connection) -> None:
        """Tell a client that its request does not come, and end the connection."""
        if conn.moved:
            with suppress(OSError):
                util.write_error(conn.sock, 408, "Request Timeout", "")
        self.drop(conn)

    def make_room(self) -> None:
        """Where there are too many connections, or too much is kept, let those go that wait the longest. Not while
        events are dispatched: the next of them might be theirs."""
        while self.ending and self.are_too_many():
            self.end(next(iter(self.ending)))
        if self.keepalived_conns and self.are_too_many():
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()
        while self.receiving and (self.are_too_many() or self.kept > MOST_KEPT):
            self.cut(next(iter(self.receiving)))

    def are_too_many(self) -> bool:
        return bool(self.nr_conns + len(self.ending) >= self.worker_connections)

    # Out

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        # Of a body that was cut, nobody knows where it ends.
        return not conn.incoming.is_cut and bool(super()._keepalive_after(conn, keepalive))

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Go on with a connection after its answer, once the client has taken that."""
        self.kept -= conn.moved
        after = partial(super().finish_request, conn, fs)
        # What the client has sent after its request.
        conn.parser.unreader.unread(conn.parser.unreader.rest())
        if not conn.sock.unsent:
            after()
            return
        conn.begin()
        self.answering[conn] = after
        self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self.on_room, conn))

    def on_room(self, conn: Connection, client: PatientSocket) -> None:
        try:
            sent = client.send(client.unsent[:MIB])
        except BlockingIOError:
            return
        except OSError:
            self.give_up(conn)
            return
        conn.move(sent)
        del client.unsent[:sent]
        if not client.unsent:
            self.poller.unregister(client)
            self.answering.pop(conn)()

    def give_up(self, conn: Connection) -> None:
        """End a connection whose answer is not taken."""
        del self.answering[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def linger(self, conn: Connection) -> None:
        """Say that nothing more comes, and read what the client has still sent: else it may lose the answer."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        self.ending[conn] = time.monotonic() + LINGER
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_late_bytes, conn))

    def on_late_bytes(self, conn: Connection, client: PatientSocket) -> None:
        with suppress(OSError):
            if client.recv(PIECE):
                return
        self.end(conn)

    def end(self, conn: Connection) -> None:
        del self.ending[conn]
        self.poller.unregister(conn.sock)
        conn.close()

    def is_parent_alive(self) -> bool:
        if super().is_parent_alive():
            return True
        # Nobody accepts here any more, but the next master has to be able to listen.
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        return False

    def murder_pending(self) -> None:
        """Called again and again, between events: end what has taken too long."""
        self.make_room()
        now = time.monotonic()
        if now < self.next_sweep:
            return
        self.next_sweep = now + SWEEP
        # Whoever stops the service does not wait for requests that have not begun.
        for conn in [conn for conn in self.receiving if conn.is_late(now) or not (self.alive or conn.moved)]:
            self.cut(conn)
        for conn in [conn for conn in self.answering if conn.is_late(now)]:
            self.give_up(conn)
        for conn in [conn for conn, deadline in self.ending.items() if deadline < now]:
            self.end(conn)
