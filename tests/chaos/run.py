"""One run: the service is started, loaded and struck; then it is left in peace, and looked at."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

from messaging_project import database
from tests.chaos import collecting, report, world
from tests.chaos.evidence import Evidence, Span, now
from tests.chaos.havoc import Havoc
from tests.chaos.load import Api, Load
from tests.chaos.plan import Plan, longest
from tests.chaos.rules import check
from tests.chaos.sinks import Sinks
from tests.chaos.supervisor import Supervisor

WORKERS, SENDERS = 2, 3
# How long it may take beyond the longest escalation until nothing is left to do: seconds.
PATIENCE = 60.0
TICK = 0.05  # seconds
STALL = 0.15  # seconds
PROBE_EVERY = 0.2  # seconds
KEPT = ("requests", "alarms", "answers", "closings", "notes", "rows", "recipients")


def run(plan: Plan, *, folder: Path, port: int) -> bool:
    """Return whether the run has found nothing wrong; tells what it has done and found."""
    # What this process does itself is no part of the service.
    logging.disable(logging.WARNING)
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    supervisor = Supervisor(folder)
    try:
        reached = start_database(supervisor)
        call_command("migrate", verbosity=0)
        made = world.make(plan.teams)
        connection.close()
        struck = asyncio.run(Run(plan, supervisor, made, reached, port).play())
    finally:
        supervisor.close()
    violations = check(struck.evidence)
    struck.keep(folder)
    report.tell(struck, violations)
    return not violations


def start_database(supervisor: Supervisor) -> Mapping[str, Any]:
    """Start it, as durable as a crash asks for that is not the machine's; return how to connect as one who may cut the
    connections of others."""
    supervisor.add("database", "database", {})
    database.wait(seconds=60, migrated=False)
    parameters = connection.get_connection_params()
    reached = {name: parameters[name] for name in ("dbname", "host", "port", "requirepeer") if name in parameters}
    reached["user"] = "postgres"
    with psycopg.connect(**reached, autocommit=True) as superuser:
        # What is written is with the system when a process dies; it need not be on the disk.
        superuser.execute("ALTER SYSTEM SET fsync = off")
        superuser.execute("SELECT pg_reload_conf()")
        assert superuser.execute("SHOW synchronous_commit").fetchone() == ("on",)
    return reached


class Run:
    def __init__(
        self, plan: Plan, supervisor: Supervisor, made: world.World, reached: Mapping[str, Any], port: int
    ) -> None:
        self.plan = plan
        self.supervisor = supervisor
        self.sinks = Sinks(plan, slots=SENDERS + 1)
        self.havoc = Havoc(plan, supervisor, self.sinks, reached)
        self.evidence = Evidence()
        self.settled_in = 0.0
        self.is_healthy = False
        self._made = made
        self._reached = reached
        self._url = f"http://127.0.0.1:{port}"
        self._stalls: list[Span] = []
        self._outages: list[Span] = []

    async def play(self) -> Run:
        await self.sinks.start()
        api = Api(self._url, self._made)
        load = Load(self.plan, api)
        try:
            self._start()
            async with beside(self.supervisor.watch()), beside(self._keep_time()), beside(self._keep_outages()):
                await self._wait(api, 60.0)
                self.sinks.begin()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(load.run())
                    tasks.create_task(self._strike())
                await self._settle(api)
                self.evidence = await collecting.collect(self.plan, load, self.sinks, api, self._reached)
                self.evidence.stalls, self.evidence.outages = self._stalls, self._outages
                self.evidence.pauses = {
                    str(slot): self.supervisor.places[f"sender-{slot}"].pauses for slot in range(SENDERS)
                }
        finally:
            await api.close()
            await self.sinks.close()
        return self

    def _start(self) -> None:
        for slot in range(SENDERS):
            self.supervisor.add(f"sender-{slot}", "sender", self.sinks.settings(slot))
        for number in range(WORKERS):
            self.supervisor.add(f"worker-{number}", "worker", self.sinks.settings(SENDERS))
        self.supervisor.add("web", "web", self.sinks.settings(SENDERS))

    async def _wait(self, api: Api, seconds: float) -> None:
        deadline = now() + seconds
        while not await api.is_healthy():
            if now() > deadline:
                raise TimeoutError(f"the service is not healthy within {seconds:g} s")
            await asyncio.sleep(0.2)

    async def _strike(self) -> None:
        """Strike as it is planned; then let everything be well, while clients still ask for what is not clear."""
        began = now()
        await self.havoc.run()
        await asyncio.sleep(max(0.0, began + self.plan.seconds - now()))
        await self.havoc.stop()
        self.sinks.behave()

    async def _settle(self, api: Api) -> None:
        """Wait until every escalation is over and nothing is left to do, or it takes too long."""
        began = now()
        while now() < began + longest(self.plan) + PATIENCE:
            if await collecting.is_settled(self._reached) and await api.is_healthy():
                break
            # Minutes may lie between two tries; nobody has to wait for them here.
            await self.havoc.press()
            await asyncio.sleep(1.0)
        self.is_healthy = await api.is_healthy()
        self.settled_in = now() - began

    async def _keep_time(self) -> None:
        """Note when this process, which tells when something came, did not get on."""
        while True:
            at = now()
            await asyncio.sleep(TICK)
            if now() - at > TICK + STALL:
                self._stalls.append((at + TICK, now()))

    async def _keep_outages(self) -> None:
        """Note when the database did not answer."""
        while True:
            since = now()
            while not await collecting.answers(self._reached):
                await asyncio.sleep(TICK)
            if now() - since > STALL:
                self._outages.append((since, now()))
            await asyncio.sleep(PROBE_EVERY)

    def keep(self, folder: Path) -> None:
        """Write down what is known, to follow it up."""
        (folder / "strikes.txt").write_text("\n".join(self.havoc.told) + "\n")
        found: dict[str, Iterable[Any]] = {
            "plan": (*self.plan.alarms, *self.plan.notes, *self.plan.spells),
            **{name: getattr(self.evidence, name) for name in KEPT},
        }
        for name, records in found.items():
            lines = (json.dumps(asdict(each), default=sorted) for each in records)
            (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something for ever meanwhile; raises at the end what has ended it before."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
