"""The pump: a sender's main loop. It claims what is due, hands it out, writes what became of it, and sleeps until the
next is due, something is planned or a result comes in."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections import deque

from django.db import InterfaceError, OperationalError, connection

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways.base import Gateway, LoopGateway, ThreadGateway
from alarms.sending import DEVICE_MESSAGES, presence
from alarms.sending.claim import Pool, claim, next_due_in, return_to_first_gateway
from alarms.sending.outlets import EventLoop, LoopOutlet, Outlet, ThreadOutlet
from alarms.sending.results import Result, lock_and_move_up, write
from organizations.models import Way

logger = logging.getLogger(__name__)

# Results that come close together are written together: seconds.
GATHER = 0.01
# How long a stopping sender waits for what is on the wire: seconds.
GRACE = 12.0
# Leases are renewed for what has been under way for so many seconds.
RENEW_AFTER = 5.0


class Waker:
    """Lets any thread end the main thread's wait."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        # Re-entrant, as a signal handler may wake the thread that is just clearing.
        self._lock = threading.RLock()
        self._set = False

    def wake(self) -> None:
        with self._lock:
            if not self._set:
                self._set = True
                self._writer.send(b"!")

    def clear(self) -> None:
        with self._lock:
            if self._set:
                self._set = False
                self.reader.recv(1)


class Pump:
    """One sender.

    Everything that touches the database runs in the thread that calls `run`; gateways run elsewhere and report.
    """

    def __init__(self) -> None:
        self._waker = Waker()
        self._results: deque[Result] = deque()
        self._events = EventLoop()
        self._outlets: dict[Pool, Outlet] = {
            (way, index): self._outlet(gateway)
            for way in Way.values
            for index, gateway in enumerate(gateways.of_way(way))
        }
        self._gateways = {way: len(gateways.of_way(way)) for way in Way.values}
        self._under_way: dict[Pool, dict[int, float]] = {pool: {} for pool in self._outlets}
        self._last_starts: dict[str, float] = {}
        self._notified = False
        self._listening = False
        self._stopping_since: float | None = None
        self._sender_id: int | None = None
        self._next_beat = 0.0

    def _outlet(self, gateway: Gateway) -> Outlet:
        if isinstance(gateway, LoopGateway):
            return LoopOutlet(gateway, self._report, self._events)
        assert isinstance(gateway, ThreadGateway)
        return ThreadOutlet(gateway, self._report)

    def stop(self) -> None:
        """Take up nothing more, let finish what is on the wire, and end. May be called from a signal handler."""
        self._stopping_since = self._stopping_since or time.monotonic()
        self._waker.wake()

    def _report(self, result: Result) -> None:
        self._results.append(result)
        self._waker.wake()

    def run(self) -> None:
        """Send until stopped. A lost database connection is waited out."""
        while not self._finished():
            try:
                self._connect()
                while not self._finished():
                    self._turn()
                if self._sender_id is not None:
                    presence.leave(self._sender_id)
            except (OperationalError, InterfaceError) as error:
                if self._listening:
                    logger.warning("the database is away: %s", str(error).strip().split("\n")[0])
                self._listening = False
                connection.close()
                self._pause()
        for outlet in self._outlets.values():
            outlet.close()
        self._events.close()

    def _pause(self) -> None:
        # No wake-up shortens this: results keep coming in while the database is away.
        threading.Event().wait(0.5)

    def _finished(self) -> bool:
        if self._stopping_since is None:
            return False
        nothing_left = not self._results and not any(self._under_way.values())
        return nothing_left or time.monotonic() - self._stopping_since > GRACE

    def _connect(self) -> None:
        connection.ensure_connection()
        raw = connection.connection
        raw.add_notify_handler(self._note)
        raw.execute(f"LISTEN {DEVICE_MESSAGES}")
        if self._sender_id is None:
            self._sender_id = presence.enter()
            return_to_first_gateway(self._gateways)
        self._listening = True
        self._next_beat = 0.0
        ways = ",".join(sorted({way for way, _index in self._outlets}))
        logger.info("sender is at work: sender=%d ways=%s", self._sender_id, ways)

    def _note(self, _notification: object) -> None:
        self._notified = True

    def _turn(self) -> None:
        """One round: write, beat, claim, wait."""
        assert self._sender_id is not None
        self._notified = False
        self._write_results()
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + presence.INTERVAL
            old = [id_ for pool in self._under_way.values() for id_, since in pool.items() if now - since > RENEW_AFTER]
            presence.beat(self._sender_id, last_starts=self._last_starts, under_way=old)
        if self._stopping_since is None and self._claim():
            # There may be more, and connections for it.
            return
        self._wait()

    def _write_results(self) -> None:
        batch: list[Result] = []
        while self._results:
            result = self._results.popleft()
            batch.append(result)
            self._under_way[result.delivery.way, result.delivery.gateway].pop(result.delivery.device_message_id, None)
        if not batch:
            return
        try:
            write(batch, gateways=self._gateways)
        except (OperationalError, InterfaceError):
            self._results.extendleft(reversed(batch))
            raise

    def _claim(self) -> int:
        """Claim and hand out what is due; return how many messages that were."""
        assert self._sender_id is not None
        free = {pool: outlet.gateway.connections - len(self._under_way[pool]) for pool, outlet in self._outlets.items()}
        claimed = claim(sender_id=self._sender_id, free=free)
        if claimed.dropped:
            lock_and_move_up(claimed.dropped)
        by_pool: dict[Pool, list[Delivery]] = {}
        now = time.monotonic()
        for delivery in claimed.deliveries:
            pool = (delivery.way, delivery.gateway)
            by_pool.setdefault(pool, []).append(delivery)
            self._under_way[pool][delivery.device_message_id] = now
            self._last_starts[delivery.way] = time.time()
        for pool, deliveries in by_pool.items():
            self._outlets[pool].submit(deliveries)
        return len(claimed.deliveries) + len(claimed.dropped)

    def _wait(self) -> None:
        """Sleep until a result or a notification comes in, the next message is due or a heartbeat is."""
        timeout = self._next_beat - time.monotonic()
        due_in = next_due_in()
        if due_in is not None:
            timeout = min(timeout, due_in)
        if self._notified or self._results:
            timeout = 0.0
        # What the server sent is read with the next query.
        readable, _writable, _failed = select.select(
            [self._waker.reader, connection.connection], [], [], max(0.0, timeout)
        )
        if self._waker.reader in readable:
            time.sleep(GATHER)
            self._waker.clear()
