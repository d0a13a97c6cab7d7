"""What the API tells and the database has, when the run is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from typing import Any

import psycopg

from tests.chaos.evidence import Evidence, Listed, Recipient, Row, Told
from tests.chaos.load import Api, Load
from tests.chaos.plan import Plan
from tests.chaos.sinks import MARK, Sinks

AT_ONCE = 8
PAGE = 50

MARKED = r"substring(a.message FROM '\[(.*)\]')"
# What is alike is one row: ten thousand of a device that never got anything.
ROWS = f"""
    SELECT min(m.id), {MARKED}, u.login, m.device_name, m.way, m.turn, m.status, m.attempts, m.reason,
        extract(epoch FROM min(m.due_at))::float8, extract(epoch FROM min(m.changed_at))::float8, count(*)
    FROM alarms_devicemessage m
    JOIN alarms_alarmmessage r ON r.id = m.alarm_message_id
    JOIN alarms_alarm a ON a.id = r.alarm_id
    JOIN organizations_user u ON u.id = r.user_id
    GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, CASE WHEN m.attempts > 0 THEN m.id END
"""  # noqa: S608 - made of constants
RECIPIENTS = f"""
    SELECT {MARKED}, u.login, r.message_id::text, r.planned_at IS NOT NULL, r.escalating,
        extract(epoch FROM r.deadline)::float8, r.response
    FROM alarms_alarmmessage r
    JOIN alarms_alarm a ON a.id = r.alarm_id
    JOIN organizations_user u ON u.id = r.user_id
"""  # noqa: S608 - made of constants
HISTORY = f"""
    SELECT {MARKED}, u.login, f.response
    FROM alarms_feedback f
    JOIN alarms_alarmmessage r ON r.id = f.alarm_message_id
    JOIN alarms_alarm a ON a.id = r.alarm_id
    JOIN organizations_user u ON u.id = r.user_id
    ORDER BY f.id
"""  # noqa: S608 - made of constants
# Periodic jobs come and go for ever; one that is held by a worker that is dead does not.
LEFT = """
    SELECT format('job %s of %s: %s, %s attempts', j.id, j.task_name, j.status, j.attempts)
    FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status IN ('failed', 'aborting', 'aborted')
        OR j.status = 'doing' AND coalesce(w.last_heartbeat < now() - interval '15 s', true)
        OR j.status IN ('todo', 'doing')
            AND NOT EXISTS (SELECT FROM procrastinate_periodic_defers p WHERE p.task_name = j.task_name)
    UNION ALL
    SELECT format('alarm %s was not raised', id) FROM alarms_alarm
    WHERE pending_resources IS NOT NULL AND closed_at IS NULL
"""
AUDITED = "SELECT kind, total::int FROM alarms_audit WHERE total > 0 ORDER BY kind"
BUSY = f"""
    SELECT (SELECT count(*) FROM alarms_devicemessage WHERE status IN (0, 1))
        + (SELECT count(*) FROM alarms_alarmmessage WHERE escalating OR planned_at IS NULL)
        + (SELECT count(*) FROM ({LEFT}) found)
"""  # noqa: S608 - made of constants


async def answers(database: Mapping[str, Any]) -> bool:
    """Whether the database can be connected to."""
    try:
        async with await psycopg.AsyncConnection.connect(**database):
            return True
    except psycopg.OperationalError:
        return False


async def is_settled(database: Mapping[str, Any]) -> bool:
    """Whether nothing is under way or to come."""
    try:
        async with await psycopg.AsyncConnection.connect(**database, autocommit=True) as connection:
            return await (await connection.execute(BUSY)).fetchone() == (0,)
    except psycopg.OperationalError:
        return False


async def collect(plan: Plan, load: Load, sinks: Sinks, api: Api, database: Mapping[str, Any]) -> Evidence:
    evidence = Evidence(
        teams=plan.teams,
        users=api.world.logins,
        alarms=load.alarms,
        answers=load.answers,
        closings=load.closings,
        notes=load.notes,
        odd=load.odd,
        requests=sinks.requests,
    )
    async with await psycopg.AsyncConnection.connect(**database, autocommit=True) as connection:

        async def rows(statement: str) -> list[tuple[Any, ...]]:
            return await (await connection.execute(statement)).fetchall()

        evidence.rows = [Row(*row) for row in await rows(ROWS)]
        evidence.recipients = [Recipient(*row) for row in await rows(RECIPIENTS)]
        evidence.history = [(mark, login, response) for mark, login, response in await rows(HISTORY)]
        evidence.left = [text for (text,) in await rows(LEFT)]
        evidence.audited = dict(await rows(AUDITED))
    teller = Teller(api, plan)
    evidence.listed = [alarm for team in plan.teams for alarm in await teller.alarms(team.name)]
    evidence.told = await teller.statuses(evidence.listed, evidence.recipients)
    evidence.inboxes = await teller.inboxes()
    return evidence


class Teller:
    """Asks the API."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._api = api
        self._teams = {person.login: team.name for team in plan.teams for person in team.people}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def _get(self, path: str, headers: Mapping[str, str]) -> Any:
        """Return what is told; the chaos is over, so that has to be told within a few tries."""
        async with self._free:
            for _attempt in range(20):
                asked, said = await self._api.ask("GET", path, headers)
                if asked.status == 200:
                    return said
                await asyncio.sleep(0.5)
        raise RuntimeError(f"GET {path}: {asked.status} {said}")

    async def alarms(self, team: str) -> list[Listed]:
        found: list[Listed] = []
        while True:
            path = f"/alarms?organization={self._api.world.teams[team]}&limit={PAGE}&offset={len(found)}"
            said = await self._get(path, self._api.of_team(team))
            found += map(self._listed, said["alarms"])
            if len(found) >= said["totalAlarms"] or not said["alarms"]:
                return found

    def _listed(self, alarm: dict[str, Any]) -> Listed:
        logins = self._api.world.logins
        responses = {logins[each["userID"]]: each["response"] for each in alarm["feedback"]}
        mark = MARK.search(alarm["message"])
        return Listed(alarm["id"], mark[1] if mark else alarm["message"], responses)

    async def statuses(self, listed: list[Listed], recipients: list[Recipient]) -> dict[tuple[str, str], Told]:
        """Return what is told of each recipient."""
        ids = {alarm.mark: alarm.id for alarm in listed}
        whose = [(each.mark, each.login) for each in recipients if each.mark in ids]
        tasks: list[Awaitable[Told]] = [self._status(ids[mark], login) for mark, login in whose]
        return dict(zip(whose, await asyncio.gather(*tasks), strict=True))

    async def _status(self, alarm_id: int, login: str) -> Told:
        team, user_id = self._teams[login], self._api.world.users[login]
        organization_id = self._api.world.teams[team]
        path = f"/messagestatus/{alarm_id}?organization_id={organization_id}&user_id={user_id}"
        said = await self._get(path, self._api.of_team(team))
        return Counter((each["type"], each["name"], each["status"]) for each in said["devices"])

    async def inboxes(self) -> dict[str, Counter[str]]:
        logins = list(self._teams)
        said = await asyncio.gather(*(self._get("/msg/list", self._api.of_user(login)) for login in logins))
        found = [[MARK.search(each["message"]) for each in inbox["messages"]] for inbox in said]
        return {login: Counter(mark[1] for mark in marks if mark) for login, marks in zip(logins, found, strict=True)}
