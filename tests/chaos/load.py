"""The clients: they ask what the plan has, again where the answer is unclear, and keep what they were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp

from tests.chaos.evidence import Alarm, Answer, Asked, Closing, Note, Order, now
from tests.chaos.plan import AlarmOrder, AnswerOrder, NoteOrder, Plan
from tests.chaos.world import World

TIMEOUT = 12.0  # seconds
AGAIN_AFTER = 0.4  # seconds
# How long after the last request clients go on to ask for what was not answered clearly.
INSISTS = 20.0  # seconds


class Reply(NamedTuple):
    asked: Asked
    body: Any


class Api:
    def __init__(self, url: str, world: World) -> None:
        self.world = world
        self._root, self._url = url, f"{url}/api/v1"
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT), connector=aiohttp.TCPConnector(limit=64)
        )

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Reply:
        """Ask once; a status of None means that no whole answer came."""
        at = now()
        try:
            async with self._session.request(method, f"{self._url}{path}", headers=headers, json=body) as answer:
                said = json.loads(await answer.read())
                alarm_id = said.get("id", 0) if isinstance(said, dict) else 0
                return Reply(Asked(at, now(), answer.status, alarm_id), said)
        except (aiohttp.ClientError, OSError, ValueError):
            return Reply(Asked(at, now(), None), None)

    def of_team(self, name: str) -> dict[str, str]:
        return {"API-TOKEN": self.world.team_tokens[name]}

    def of_user(self, login: str) -> dict[str, str]:
        return {"Personal-Access-Token": self.world.user_tokens[login]}

    async def is_healthy(self) -> bool:
        try:
            async with self._session.get(f"{self._root}/health") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def close(self) -> None:
        await self._session.close()


class Load:
    def __init__(self, plan: Plan, api: Api) -> None:
        self.alarms: list[Alarm] = []
        self.answers: list[Answer] = []
        self.closings: list[Closing] = []
        self.notes: list[Note] = []
        self.odd: list[str] = []
        """Answers that no client expects."""
        self._plan = plan
        self._api = api
        self._world = api.world

    async def run(self) -> None:
        """Ask all that is planned; returns when everything is answered, or the clients have given up."""
        self._began = now()
        async with asyncio.TaskGroup() as tasks:
            for alarm in self._plan.alarms:
                tasks.create_task(self._raise(alarm, tasks))
            for note in self._plan.notes:
                tasks.create_task(self._send(note))

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - now()))

    async def _insist(self, order: Order, method: str, path: str, headers: Mapping[str, str], body: object) -> None:
        """Ask until the answer is clear, or it is too late."""
        while True:
            asked, said = await self._api.ask(method, path, headers, body)
            order.asked.append(asked)
            is_clear = not asked.is_unclear and asked.status != 429
            if is_clear and not asked.is_acknowledged and not is_over(order, asked):
                self.odd.append(f"{method} {path} {order.mark}: {asked.status} {said}")
            if is_clear or now() > self._began + self._plan.seconds + INSISTS:
                return
            await asyncio.sleep(AGAIN_AFTER)

    async def _raise(self, order: AlarmOrder, tasks: asyncio.TaskGroup) -> None:
        team = self._plan.team(order.team)
        await self._until(self._began + order.at)
        begins, ends = now() + order.starts_in, now() + order.starts_in + order.ends_in
        alarm = Alarm(
            mark=order.mark,
            team=order.team,
            recipients=order.recipients(team),
            is_scheduled=order.starts_in > 0,
            ends_at=ends if order.ends_in else None,
        )
        self.alarms.append(alarm)
        body = self._body(order, begins, ends)
        headers = self._api.of_team(order.team) | {"Idempotency-Key": f"{self._plan.seed} {order.mark}"}
        await self._insist(alarm, "POST", "/alarm", headers, body)
        if (acknowledged := alarm.acknowledged) is None:
            return
        for answer in order.answers:
            tasks.create_task(self._answer(order, answer, acknowledged.alarm_id, max(begins, now()) + answer.after))
        if order.closed_after:
            tasks.create_task(self._close(order, acknowledged.alarm_id, now() + order.closed_after))
        if order.repeated_after:
            await asyncio.sleep(order.repeated_after)
            await self._insist(alarm, "POST", "/alarm", headers, body)

    def _body(self, order: AlarmOrder, begins: float, ends: float) -> dict[str, object]:
        resources: dict[str, object] = {"allUsers": True}
        if order.users:
            resources = {"users": [self._world.users[login] for login in order.users]}
        elif order.group:
            resources = {"units": [self._world.groups[order.team, order.group]]}
        body: dict[str, object] = {
            "organizationID": self._world.teams[order.team],
            "message": f"Smoke in the harbour [{order.mark}]",
            "alarmResources": resources,
        }
        if order.starts_in:
            body["startTime"] = rfc3339(begins)
        if order.ends_in:
            body["scheduledEndTime"] = rfc3339(ends)
        return body

    async def _answer(self, order: AlarmOrder, wanted: AnswerOrder, alarm_id: int, at: float) -> None:
        await self._until(at)
        answer = Answer(order.mark, login=wanted.login, response=wanted.response)
        self.answers.append(answer)
        of_team, of_user = self._api.of_team(order.team), self._api.of_user(wanted.login)
        body = {"alarmID": alarm_id, "userID": self._world.users[wanted.login], "response": wanted.response}
        await self._insist(answer, "POST", "/messaging/feedback", of_user if wanted.by_user else of_team, body)

    async def _close(self, order: AlarmOrder, alarm_id: int, at: float) -> None:
        await self._until(at)
        closing = Closing(order.mark)
        self.closings.append(closing)
        await self._insist(closing, "PATCH", f"/alarm/{alarm_id}", self._api.of_team(order.team), {})

    async def _send(self, order: NoteOrder) -> None:
        """Send a message to inboxes, once: whoever repeats it has sent two."""
        await self._until(self._began + order.at)
        note = Note(order.mark, recipients=order.recipients(self._plan.team(order.team)))
        self.notes.append(note)
        body = {
            "message": f"Drill at seven [{order.mark}]",
            "toUserId": [self._world.users[login] for login in order.users],
            "toGroupId": [self._world.groups[order.team, order.group]] if order.group else [],
        }
        asked, said = await self._api.ask("POST", "/msg/send", self._api.of_user(order.sender), body)
        note.asked.append(asked)
        if asked.status != 201 and not asked.is_unclear:
            self.odd.append(f"POST /msg/send {order.mark}: {asked.status} {said}")


def is_over(order: Order, asked: Asked) -> bool:
    """Whether it may be that a request was refused as it came too late. Of answers, the check finds that out."""
    if isinstance(order, Alarm) and order.ends_at is not None:
        return asked.status == 400 and asked.done_at > order.ends_at
    return isinstance(order, Answer) and asked.status == 409


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
