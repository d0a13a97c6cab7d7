"""Outlets: where deliveries leave the sender's main thread and their results come back."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from django.utils import timezone

from alarms.delivery import Delivery
from alarms.gateways.base import Gateway, GatewayError, LoopGateway, ThreadGateway
from alarms.sending.results import Result

logger = logging.getLogger(__name__)

IDLE_AFTER = 5.0  # seconds

Report = Callable[[Result], None]
"""Takes a result; called from any thread."""


class Outlet(ABC):
    """One gateway of one way, with its share of connections."""

    def __init__(self, gateway: Gateway, report: Report) -> None:
        self.since = time.monotonic()
        self.gateway = gateway
        self.report = report

    @abstractmethod
    def submit(self, deliveries: Sequence[Delivery]) -> None:
        """Start to send; each delivery is reported once."""

    @abstractmethod
    def abandon(self, device_message_id: int) -> None:
        """Make up for a delivery that has been under way for far too long: its place is given to others."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. What is still under way is not waited for."""


def unforeseen(delivery: Delivery, error: Exception) -> GatewayError:
    """A fault of ours must not end a sender, nor lose the message."""
    logger.error(
        "unexpected error of a gateway: alarm=%d device_message=%d",
        delivery.alarm_id,
        delivery.device_message_id,
        exc_info=error,
    )
    return GatewayError(type(error).__name__, permanent=False)


class ThreadOutlet(Outlet):
    """Runs a ThreadGateway: a thread a connection, started when it is needed."""

    gateway: ThreadGateway

    def __init__(self, gateway: ThreadGateway, report: Report) -> None:
        super().__init__(gateway, report)
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        # Another thread is already in the place of the one that hangs on such a message.
        self._abandoned: set[int] = set()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def abandon(self, device_message_id: int) -> None:
        self._abandoned.add(device_message_id)
        self._start_thread()

    def submit(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if len(self._threads) < self.gateway.connections:
                self._start_thread()
            self._waiting.put(delivery)

    def _run(self) -> None:
        busy = False
        while True:
            try:
                # A thread that holds nothing waits for ever; one that may hold a connection lets go of it in time.
                delivery = self._waiting.get(timeout=IDLE_AFTER if busy else None)
            except queue.Empty:
                self.gateway.idle()
                busy = False
                continue
            if delivery is None:
                self.gateway.idle()
                return
            busy = True
            self.report(Result(delivery, self.gateway.label, error=self._attempt(delivery), at=timezone.now()))
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
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, deliveries: Sequence[Delivery]) -> None:
        self._loop.call_soon_threadsafe(self._start, deliveries)

    def _start(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            task = self._loop.create_task(self._attempt(delivery))
            # The loop itself keeps only weak references to its tasks.
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def abandon(self, device_message_id: int) -> None:
        """Nothing to do: a delivery holds up no other here."""

    async def _attempt(self, delivery: Delivery) -> None:
        error: GatewayError | None = None
        try:
            await self.gateway.send(delivery)
        except GatewayError as refused:
            error = refused
        except Exception as fault:
            error = unforeseen(delivery, fault)
        self.report(Result(delivery, self.gateway.label, error=error, at=timezone.now()))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.gateway.close(), self._loop).result(timeout=5.0)
