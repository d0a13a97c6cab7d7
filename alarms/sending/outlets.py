"""Outlets: where deliveries leave the sender's main thread and their results come back."""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.conf import settings

from alarms.delivery import Delivery
from alarms.gateways.base import Gateway, GatewayError, HeldUp, LoopGateway, ThreadGateway, no_answer
from alarms.sending.outcomes import Result
from messaging_project.masking import place_of

logger = logging.getLogger(__name__)

IDLE_AFTER = 5.0  # seconds
# What a thread has taken up waits for no longer than this for those before it: seconds.
AHEAD = 0.05
MOST_AHEAD = 64
# How often what takes too long is looked for: seconds.
LATE_EVERY = 0.25

# What was claimed longer ago than so many seconds is not sent any more: a sender without a heartbeat for that long is
# held to be dead (alarms/upkeep.py). Nor is what has waited here for longer than a second (contract 4).
FRESH = 5.0
WAITS = 1.0

Report = Callable[[Result], None]
"""Takes a result; called from any thread."""


class Outlet(ABC):
    """One gateway of one way, with its share of connections."""

    def __init__(self, gateway: Gateway, report: Report) -> None:
        self.since = time.monotonic()
        self.gateway = gateway
        self.report = report

    @property
    def ahead(self) -> int:
        """How many messages it may have beside those that have a connection."""
        return 0

    @abstractmethod
    def submit(self, deliveries: Sequence[Delivery], taken_at: float) -> None:
        """Start to send what was claimed then (of the monotonic clock); each delivery is reported once."""

    @abstractmethod
    def abandon(self, device_message_id: int) -> None:
        """Make up for a delivery that has been under way for far too long: its place is given to others."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. What is still under way is not waited for."""


def fresh_until(taken_at: float) -> float:
    return min(taken_at + FRESH, time.monotonic() + WAITS)


def unforeseen(delivery: Delivery, error: Exception) -> GatewayError:
    """A fault of ours must not end a sender, nor lose the message. What it says may be a secret of the gateway."""
    logger.error(
        "unexpected error of a gateway: alarm=%d device_message=%d: %s",
        delivery.alarm_id,
        delivery.device_message_id,
        place_of(error),
    )
    return GatewayError(type(error).__name__, permanent=False, kind="fault")


class ThreadOutlet(Outlet):
    """Runs a ThreadGateway: a thread a connection, started when it is needed."""

    gateway: ThreadGateway

    def __init__(self, gateway: ThreadGateway, report: Report) -> None:
        super().__init__(gateway, report)
        self._waiting: queue.SimpleQueue[tuple[Delivery, float] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        # Another thread is already in the place of the one that hangs on such a message.
        self._abandoned: set[int] = set()
        # How long an attempt takes, the last ones counting most: seconds; 0.0: not known yet.
        self._takes = 0.0

    @property
    def ahead(self) -> int:
        """As many as are done in no time: a few threads that are quick would else wait for each claim."""
        if not self._takes:
            return 0
        return min(MOST_AHEAD, int(self.gateway.connections * AHEAD / self._takes))

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def abandon(self, device_message_id: int) -> None:
        self._abandoned.add(device_message_id)
        self._start_thread()

    def submit(self, deliveries: Sequence[Delivery], taken_at: float) -> None:
        until = fresh_until(taken_at)
        for delivery in deliveries:
            if len(self._threads) < self.gateway.connections:
                self._start_thread()
            self._waiting.put((delivery, until))

    def _run(self) -> None:
        busy = False
        while True:
            try:
                # A thread that holds nothing waits for ever; one that may hold a connection lets go of it in time.
                taken = self._waiting.get(timeout=IDLE_AFTER if busy else None)
            except queue.Empty:
                self.gateway.idle()
                busy = False
                continue
            if taken is None:
                self.gateway.idle()
                return
            busy = True
            delivery, until = taken
            began = time.monotonic()
            error = self._attempt(delivery) if began < until else HeldUp()
            if not isinstance(error, HeldUp):
                self._takes += (time.monotonic() - began - self._takes) * (0.1 if self._takes else 1.0)
            self.report(Result(delivery, self.gateway.label, error=error, at=datetime.now(UTC)))
            if delivery.device_message_id in self._abandoned:
                self._abandoned.discard(delivery.device_message_id)
                self._threads.remove(threading.current_thread())
                self.gateway.idle()
                return

    def _attempt(self, delivery: Delivery) -> GatewayError | None:
        try:
            self.gateway.send(delivery)
        except GatewayError as error:
            return error
        except Exception as error:
            return unforeseen(delivery, error)
        return None

    def close(self) -> None:
        for _thread in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(timeout=1.0)


class EventLoop:
    """One event loop in a thread of its own, shared by the LoopOutlets of a sender."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="event-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5.0)
        self.loop.close()


class LoopOutlet(Outlet):
    """Runs a LoopGateway in the shared event loop."""

    gateway: LoopGateway

    def __init__(self, gateway: LoopGateway, report: Report, events: EventLoop) -> None:
        super().__init__(gateway, report)
        self._loop = events.loop
        # When each began, the oldest first. The loop itself keeps only weak references to its tasks.
        self._running: dict[asyncio.Task[None], float] = {}
        self._looks_for_late = False

    def submit(self, deliveries: Sequence[Delivery], taken_at: float) -> None:
        self._loop.call_soon_threadsafe(self._start, deliveries, fresh_until(taken_at))

    def _start(self, deliveries: Sequence[Delivery], until: float) -> None:
        now = self._loop.time()
        if now > until:
            for delivery in deliveries:
                self.report(Result(delivery, self.gateway.label, error=HeldUp(), at=datetime.now(UTC)))
            return
        for delivery in deliveries:
            self._running[self._loop.create_task(self._attempt(delivery))] = now
        if not self._looks_for_late:
            self._end_late()

    def _end_late(self) -> None:
        """Cancel what takes too long, now and again as long as anything is under way."""
        late = self._loop.time() - settings.GATEWAY_TIMEOUT
        for task, _began in itertools.takewhile(lambda each: each[1] <= late, self._running.items()):
            task.cancel()  # ends in a later turn of the loop, so that nothing of this dictionary changes here
        self._looks_for_late = bool(self._running)
        if self._looks_for_late:
            self._loop.call_later(min(LATE_EVERY, settings.GATEWAY_TIMEOUT), self._end_late)

    def abandon(self, device_message_id: int) -> None:
        """Nothing to do: a delivery holds up no other here."""

    async def _attempt(self, delivery: Delivery) -> None:
        error: GatewayError | None = None
        try:
            await self.gateway.send(delivery)
        except GatewayError as refused:
            error = refused
        except asyncio.CancelledError:
            error = no_answer()
        except Exception as fault:
            error = unforeseen(delivery, fault)
        task = asyncio.current_task()
        assert task is not None
        del self._running[task]
        self.report(Result(delivery, self.gateway.label, error=error, at=datetime.now(UTC)))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.gateway.close(), self._loop).result(timeout=5.0)
