"""The pump: a sender's main loop. It claims what is due, hands it out, writes what became of it, and sleeps until the
next is due, something is planned or a result comes in."""

from __future__ import annotations

import dataclasses
import logging
import selectors
import threading
import time
from collections import Counter, defaultdict, deque

import psycopg
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from alarms.delivery import Delivery
from alarms.sending import DEVICE_MESSAGES, presence
from alarms.sending.claim import Pool, claim, next_due_in
from alarms.sending.lines import Lines
from alarms.sending.outcomes import Result
from alarms.sending.resting import Conditions, detours, rested, shares
from alarms.sending.results import Turn, write
from alarms.sending.waker import Waker

logger = logging.getLogger(__name__)

# What comes close together, results and alarms, is written and taken up together: no sooner than so many seconds after
# the last time.
GATHER = 0.02
# How long a stopping sender waits for what is on the wire: seconds.
GRACE = 12.0
# Leases are renewed for what has been under way for so many seconds, up to
RENEW_AFTER = 5.0
# so many: no gateway takes that long, so whatever hangs is left to hang and its message is taken up anew.
ABANDON_AFTER = 60.0
# What is under way for so long hangs: seconds.
HANGS_AFTER = 1.0
# Before what could not be written is tried again: seconds.
LOCKED_PAUSE = 0.05


class Pump:
    """One sender.

    Everything that touches the database runs in the thread that calls `run`; gateways run elsewhere and report.
    """

    def __init__(self) -> None:
        self._waker = Waker()
        self._results: deque[Result] = deque()
        # Turns of which something can no longer reach anybody, to be looked at with the next write.
        self._over: list[Turn] = []
        self._write_again_at = 0.0
        self._lines = Lines(self._report)
        self._conditions = Conditions()
        self._under_way: defaultdict[Pool, dict[int, float]] = defaultdict(dict)
        self._last_starts: dict[str, float] = {}
        # Whether something has been planned since the last claim, and
        self._notified = False
        # whether that may have left something: what has become due since, or found no connection free.
        self._to_claim = True
        self._claimed_at = 0.0
        self._trouble = ""
        self._stopping_since: float | None = None
        self._sender_id: int | None = None
        self._next_beat = 0.0

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
            except (DatabaseError, psycopg.Error) as error:
                reason = str(error).strip().split("\n")[0]
                if reason != self._trouble:
                    logger.warning("trouble with the database, it is tried again: %s: %s", type(error).__name__, reason)
                self._trouble = reason
                connection.close()
                self._pause()
        self._lines.close()
        self._waker.close()

    def _pause(self) -> None:
        # No wake-up shortens this: results keep coming in while the database is away.
        threading.Event().wait(0.5)

    def _finished(self) -> bool:
        if self._stopping_since is None:
            return False
        nothing_left = not self._results and not self._over and not any(self._under_way.values())
        return nothing_left or time.monotonic() - self._stopping_since > GRACE

    def _connect(self) -> None:
        with connection.cursor() as cursor:
            connection.connection.add_notify_handler(self._hear)
            cursor.execute(f"LISTEN {DEVICE_MESSAGES}")
        if self._sender_id is None:
            self._sender_id = presence.enter()
        known = [id_ for pool in self._under_way.values() for id_ in pool]
        known += [result.delivery.device_message_id for result in self._results]
        presence.let_go(self._sender_id, under_way=known)
        self._trouble = ""
        self._to_claim = True
        self._next_beat = 0.0
        self._follow_gateways()
        ways = ",".join(sorted({way for way, _owner, _place in self._lines.outlets}))
        logger.info("sender is at work: sender=%d ways=%s", self._sender_id, ways)

    def _hear(self, _notification: object) -> None:
        self._notified = True

    def _turn(self) -> None:
        """One round: claim, write, beat, wait. What has a result leaves its connection to the next message, which is
        claimed before the result is written: the wire is not idle meanwhile."""
        began = time.monotonic()
        results = [self._results.popleft() for _result in range(len(self._results))]
        try:
            wanted = (self._notified or self._to_claim) and not self._stopping_since
            claimed = self._claim(done=results) if wanted else 0
        except (DatabaseError, psycopg.Error):
            self._results.extendleft(reversed(results))
            raise
        if time.monotonic() >= self._write_again_at:
            self._write_results(results)
        else:
            self._results.extendleft(reversed(results))
        if time.monotonic() >= self._next_beat:
            self._beat()
        self._wait(began, more=claimed > 0)

    def _follow_gateways(self) -> None:
        for pool in self._lines.refresh():
            self._conditions.forget(pool)

    def _beat(self) -> None:
        assert self._sender_id is not None
        now = time.monotonic()
        self._next_beat = now + presence.INTERVAL
        self._to_claim = True
        self._follow_gateways()
        for pool, under_way in self._under_way.items():
            for id_ in [id_ for id_, since in under_way.items() if now - since > ABANDON_AFTER]:
                del under_way[id_]
                if pool in self._lines.outlets:
                    self._lines.outlets[pool].abandon(id_)
        old = [id_ for pool in self._under_way.values() for id_, since in pool.items() if now - since > RENEW_AFTER]
        presence.beat(self._sender_id, last_starts=self._last_starts, resting=self._resting(), under_way=old)

    def _resting(self) -> list[dict[str, object]]:
        """Return the gateways that rest, or have rested and not taken anything since, for people."""
        return [
            {
                "way": pool[0],
                "organization": pool[1],
                "gateway": self._lines.outlets[pool].gateway.label,
                "place": pool[2],
                "reason": condition.reason,
                "until": condition.rests_until.isoformat() if condition.rests_until else "",
            }
            for pool, condition in self._conditions.resting().items()
            if pool in self._lines.outlets
        ]

    def _write_results(self, batch: list[Result]) -> None:
        over, self._over = self._over, []
        if not batch and not over:
            return
        try:
            later, self._over = write(batch, gateways=self._lines.sizes, over=over)
        except (DatabaseError, psycopg.Error):
            self._results.extendleft(reversed(batch))
            self._over = over
            raise
        to_come = set(map(id, later))
        for result in batch:
            started = self._under_way[pool_of(result.delivery)].pop(result.delivery.device_message_id, 0.0)
            if id(result) not in to_come:
                self._learn(result, started=started)
        self._results.extendleft(reversed(later))
        if later or self._over:
            self._write_again_at = time.monotonic() + LOCKED_PAUSE

    def _learn(self, result: Result, *, started: float) -> None:
        """Learn from an attempt how its gateway is doing, where there is another to stand in."""
        pool = pool_of(result.delivery)
        outlet = self._lines.outlets.get(pool)
        # What began before the gateway was changed says nothing of the new one.
        if outlet is None or started < outlet.since or self._lines.sizes[pool[:2]] == 1:
            return
        if result.error is not None and not result.error.asked:
            return
        reason = None if result.error is None else result.error.reason
        if not self._conditions.note(pool, reason, now=timezone.now()):
            return
        self._next_beat = 0.0  # so that others hear of it
        where = f"{result.delivery.way} gateway={result.label} place={pool[2]} organization={pool[1]}"
        if reason is None:
            logger.warning("gateway takes messages again: %s", where)
        else:
            logger.warning("gateway keeps failing, it rests while another is there: %s reason=%s", where, reason)

    def _free(self, done: list[Result]) -> dict[Pool, int]:
        """Return how many messages each gateway has connections for, which those that are done do not need any more.
        What hangs does not count, up to a gateway's patience: it holds up no other."""
        without = Counter(pool_of(result.delivery) for result in done)
        hangs_since = time.monotonic() - HANGS_AFTER
        free = {}
        for pool, outlet in self._lines.outlets.items():
            under_way = self._under_way[pool]
            hanging = sum(since < hangs_since for since in under_way.values())
            busy = len(under_way) - without[pool] - min(hanging, outlet.gateway.patience)
            free[pool] = outlet.gateway.connections + (0 if hanging else outlet.ahead) - max(0, busy)
        return free

    def _claim(self, *, done: list[Result]) -> int:
        """Claim and hand out what is due; return how many messages that were, with those that have to wait."""
        assert self._sender_id is not None
        free = self._free(done)
        self._notified, self._claimed_at = False, time.monotonic()
        claimed = claim(sender_id=self._sender_id, free=shares(free, self._lines.sizes, self._conditions.resting()))
        by_pool: dict[Pool, list[Delivery]] = {}
        now = time.monotonic()
        for delivery in map(self._directed, claimed.deliveries):
            pool = pool_of(delivery)
            by_pool.setdefault(pool, []).append(delivery)
            self._under_way[pool][delivery.device_message_id] = now
            self._last_starts[f"{delivery.way} {delivery.gateways_of}"] = time.time()
        for pool, deliveries in by_pool.items():
            self._lines.outlets[pool].submit(deliveries, self._claimed_at)
        self._over += claimed.dropped
        count = len(claimed.deliveries) + len(claimed.dropped) + len(claimed.waiting)
        self._to_claim = count > 0 or min(free.values(), default=1) <= 0
        return count

    def _directed(self, delivery: Delivery) -> Delivery:
        """Return a delivery with the gateway that it goes to: another than its turn has it while that one rests."""
        pool, resting = pool_of(delivery), self._conditions.resting()
        others = detours(pool, self._lines.sizes, resting)
        if others and rested(resting[pool], now=timezone.now()) and not self._under_way[pool]:
            return delivery  # One tries it.
        for way, owner, place in others:
            if not delivery.refused >> place & 1:
                return dataclasses.replace(
                    delivery, way=way, gateways_of=owner, gateway=place, in_place_of=delivery.gateway
                )
        return delivery

    def _wait(self, began: float, *, more: bool) -> None:
        """Sleep until a result or a notification comes in, the next message is due or a heartbeat is, but for so long
        since the turn began that what comes close together is done together. `more`: something due may be left."""
        gathered_at = began + GATHER
        left = self._results or self._over
        wake_at = min(self._next_beat, self._write_again_at) if left else self._next_beat
        if self._stopping_since:
            pass  # Nothing is taken up any more.
        elif more or self._notified:
            wake_at = min(wake_at, gathered_at)
        elif (due_in := next_due_in(since=time.monotonic() - self._claimed_at)) is not None:
            # Whatever else ends the wait, what has become due since the last claim is not overlooked.
            self._to_claim |= due_in <= 0
            wake_at = min(wake_at, time.monotonic() + due_in)
        # Not select(), which takes no descriptor above 1023.
        with selectors.PollSelector() as selector:
            selector.register(self._waker.reader, selectors.EVENT_READ)
            selector.register(connection.connection, selectors.EVENT_READ)
            ready = {key.fileobj for key, _events in selector.select(max(0.0, wake_at - time.monotonic()))}
        if ready:
            time.sleep(max(0.0, gathered_at - time.monotonic()))
        else:  # Something is due, or nobody has asked for a second.
            self._to_claim = True
        self._waker.clear()
        if connection.connection in ready:
            self._take_notifications()

    def _take_notifications(self) -> None:
        """Take what has come from the server: with the next query, what is claimed then would count as news."""
        server = connection.connection.pgconn
        server.consume_input()
        while server.notifies():
            pass
        self._notified = True


def pool_of(delivery: Delivery) -> Pool:
    return delivery.way, delivery.gateways_of, delivery.gateway
