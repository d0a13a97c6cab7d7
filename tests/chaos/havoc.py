"""What is done to the service while it works."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psutil
import psycopg

from tests.chaos.evidence import now
from tests.chaos.plan import Plan, Strike
from tests.chaos.sinks import Sinks
from tests.chaos.supervisor import Place, Supervisor

# Longer than a sender may be silent before it is held to be dead (5 s), and in a long run longer than its lease (20 s).
PAUSES = {60.0: (22.0, 26.0), 0.0: (6.0, 8.0)}
# A strike waits so long for the database to answer, and so long after the one before: seconds.
PATIENCE, PAUSE = 5.0, 0.4
# A sender is struck while it sends, if it does within so many seconds.
BUSY_WITHIN = 1.0

# All that is tried again later is tried again now: messages, and the jobs of workers. What is tried for the first time
# keeps its time: that is the alarm's plan. Rows that somebody holds are left alone.
PRESS = (
    """
    UPDATE alarms_devicemessage SET due_at = now() WHERE id IN (
        SELECT id FROM alarms_devicemessage WHERE status = 0 AND attempts > 0 AND due_at > now() FOR UPDATE SKIP LOCKED
    )
    """,
    """
    UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id IN (
        SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND attempts > 0 AND scheduled_at > now()
        FOR UPDATE SKIP LOCKED
    )
    """,
)
CLIENTS = """
    SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND usename = 'messaging' ORDER BY backend_start, pid
"""


class Havoc:
    def __init__(self, plan: Plan, supervisor: Supervisor, sinks: Sinks, database: Mapping[str, Any]) -> None:
        self.done: Counter[str] = Counter()
        self.cut = 0
        """How many connections."""
        self.pressed = 0
        """How many retries and jobs."""
        self.told: list[str] = []
        """What was done when."""
        self._plan = plan
        self._supervisor = supervisor
        self._sinks = sinks
        self._database = database
        self._pauses: set[asyncio.Task[bool]] = set()
        self._acts: dict[str, Callable[[Strike], Awaitable[str]]] = {
            "kill a sender": self._kill_a_sender,
            "kill a worker": lambda strike: self._kill("worker", strike),
            "kill a web worker": self._kill_web_worker,
            "kill the web master": lambda strike: self._kill("web", strike),
            "restart the database": lambda strike: self._end_database(strike, by=signal.SIGINT),
            "crash the database": lambda strike: self._end_database(strike, by=signal.SIGQUIT),
            "cut connections": self._cut_connections,
            "press the clock": self._press_the_clock,
            "pause a sender": self._pause_a_sender,
        }

    async def run(self) -> None:
        began = now()
        for strike in self._plan.strikes:
            await asyncio.sleep(max(PAUSE, began + strike.at - now()))
            told = await self._acts[strike.kind](strike)
            self.done[strike.kind] += bool(told)
            self.told.append(f"{now() - began:8.3f} {strike.kind}: {told or 'there was none'}")

    async def stop(self) -> None:
        """Let whoever is paused go on."""
        for task in self._pauses:
            task.cancel()
        await asyncio.gather(*self._pauses, return_exceptions=True)

    def _choose(self, program: str, strike: Strike) -> Place:
        places = self._supervisor.of(program)
        return places[int(strike.choice * len(places))]

    async def _kill(self, program: str, strike: Strike, by: signal.Signals = signal.SIGKILL) -> str:
        place = self._choose(program, strike)
        return f"{place.name} {by.name}" if self._supervisor.signal(place, by) else ""

    async def _busy_sender(self, strike: Strike) -> Place:
        """Return a sender, when something has just come from it: then it has more on its hands, most likely."""
        place = self._choose("sender", strike)
        await self._sinks.hear(place.name.partition("-")[2], BUSY_WITHIN)
        return place

    async def _kill_a_sender(self, strike: Strike) -> str:
        place = await self._busy_sender(strike)
        return place.name if self._supervisor.signal(place, signal.SIGKILL) else ""

    async def _end_database(self, strike: Strike, by: signal.Signals) -> str:
        """End it as an operator or a fault does, once it has answered since the last time: what is tried is not a
        database that never comes back."""

        async def answers(_connection: psycopg.AsyncConnection) -> str:
            return await self._kill("database", strike, by)

        return await self._in_database(answers)

    async def _kill_web_worker(self, strike: Strike) -> str:
        children = self._supervisor.children(self._choose("web", strike))
        if not children:
            return ""
        child = children[int(strike.choice * len(children))]
        try:
            child.kill()
        except psutil.NoSuchProcess:
            return ""
        return str(child.pid)

    async def _pause_a_sender(self, strike: Strike) -> str:
        place = await self._busy_sender(strike)
        least, most = next(span for seconds, span in PAUSES.items() if self._plan.seconds >= seconds)
        seconds = least + strike.choice * (most - least)
        if place.paused_since is not None or not place.is_running:
            return ""
        self._pauses.add(asyncio.create_task(self._supervisor.pause(place, seconds)))
        return f"{place.name} for {seconds:.1f} s"

    async def _cut_connections(self, strike: Strike) -> str:
        async def cut(connection: psycopg.AsyncConnection) -> str:
            pids = [pid for (pid,) in await (await connection.execute(CLIENTS)).fetchall()]
            few = min(len(pids), 1 + int(len(pids) * strike.choice))
            chosen = random.Random(strike.choice).sample(pids, few)  # noqa: S311 - nothing is to be kept secret
            for pid in chosen:
                await connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            self.cut += len(chosen)
            return f"{len(chosen)} of {len(pids)}"

        return await self._in_database(cut)

    async def _press_the_clock(self, _strike: Strike) -> str:
        return await self.press()

    async def press(self) -> str:
        """Let everything be tried again at once that is to be tried again later."""

        async def press(connection: psycopg.AsyncConnection) -> str:
            pressed = [(await connection.execute(statement)).rowcount for statement in PRESS]
            await connection.execute("NOTIFY device_messages")
            self.pressed += sum(pressed)
            return "{} messages, {} jobs".format(*pressed)

        return await self._in_database(press)

    async def _in_database(self, act: Callable[[psycopg.AsyncConnection], Awaitable[str]]) -> str:
        """Do something in the database, as soon as it is there."""
        deadline = now() + PATIENCE
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**self._database, autocommit=True) as connection:
                    return await act(connection)
            except psycopg.OperationalError:
                if now() > deadline:
                    return ""
                await asyncio.sleep(0.1)
