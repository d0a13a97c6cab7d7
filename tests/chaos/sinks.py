"""Where everything goes: HTTP gateways and mail servers on loopback that misbehave as the plan has it, and note what
came when and what they answered."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
from collections import Counter
from collections.abc import Mapping
from email.message import EmailMessage
from functools import partial
from typing import NamedTuple

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.chaos.evidence import Request, now
from tests.chaos.people import GONE
from tests.chaos.plan import Plan, stream

MARK = re.compile(r"\[((?:alarm|depot|note)-\d+)\]")
# Of a hundred requests.
MOODS = {
    "200": 68,
    "slow": 8,
    "500": 5,
    "503": 3,
    "429": 5,
    "hang": 4,
    "cut": 4,
    "cut in the head": 2,
    "cut in the body": 1,
}
SLOWEST = 3.0  # seconds
# Longer than any gateway waits (contract 7).
HANGS = 13.0  # seconds
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"
HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


class Owner(NamedTuple):
    login: str
    device: str


class Sinks:
    """Runs in the event loop in which it is started."""

    def __init__(self, plan: Plan, *, slots: int) -> None:
        self.requests: list[Request] = []
        self.is_well = asyncio.Event()
        self._plan = plan
        self._slots = slots
        self._owners = _owners(plan)
        self._began: float | None = None
        self._came: Counter[str] = Counter()
        self._mail_servers: list[asyncio.Server] = []
        self._heard = {str(slot): asyncio.Event() for slot in range(slots)}

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/{slot}/{way}/{gateway}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self._port = self._runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        for slot in range(self._slots):
            factory = partial(SMTP, MailHandler(self, str(slot)), loop=loop, enable_SMTPUTF8=True)
            self._mail_servers.append(await loop.create_server(factory, "127.0.0.1", 0))

    def settings(self, slot: int) -> Mapping[str, str]:
        """Return the environment of a process that sends here, by which its requests are told from others'."""
        urls = {way: f"http://127.0.0.1:{self._port}/{slot}/{way}" for way in ("app", "pager", "sms", "call")}
        gateways = {f"GATEWAY_{way.upper()}": f"{url}/0" for way, url in urls.items()}
        mail_port = self._mail_servers[slot].sockets[0].getsockname()[1]
        return gateways | {
            # One way has another gateway, that is asked at once where the first one fails.
            "GATEWAY_PAGER": f"{urls['pager']}/0 {urls['pager']}/1",
            "GATEWAY_EMAIL": "email:",
            "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
        }

    def begin(self) -> None:
        """Misbehave from now on."""
        self._began = now()

    def behave(self) -> None:
        """Answer everybody well from now on, but for addresses that are gone."""
        self.is_well.set()

    async def hear(self, slot: str, seconds: float) -> None:
        """Wait until something comes from a process, for a while."""
        self._heard[slot].clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard[slot].wait(), seconds)

    def note(self, request: Request) -> tuple[str, float]:
        """Note a request, and return how it is to be answered, and how late, from 0.0 to 1.0."""
        self.requests.append(request)
        self._came[request.key] += 1
        self._heard[request.slot].set()
        return self._mood(request)

    def _mood(self, request: Request) -> tuple[str, float]:
        nth = self._came[request.key]
        rng = stream(self._plan.seed, f"{request.mark} {request.login} {request.way} {request.device} {nth}")
        [mood], fate = rng.choices(list(MOODS), list(MOODS.values())), rng.random()
        if self.is_well.is_set() or self._began is None:
            return "200", fate
        elapsed = request.at - self._began
        for spell in self._plan.spells:
            if spell.way == request.way and spell.begins <= elapsed < spell.ends:
                return spell.mood, fate
        return mood, fate

    def owner(self, address: str) -> Owner:
        return self._owners.get(address, Owner(address, ""))

    async def wait(self, seconds: float) -> None:
        """Wait, but not longer than everybody misbehaves."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.is_well.wait(), seconds)

    async def _take(self, asked: web.Request) -> web.StreamResponse:
        said = await asked.json()
        mark = MARK.search(said["text"])
        request = Request(
            at=now(),
            slot=asked.match_info["slot"],
            way=asked.match_info["way"],
            key=asked.headers["Idempotency-Key"],
            mark=mark[1] if mark else said["text"],
            login=self.owner(said["address"]).login,
            device=said["device"],
            alarm_id=said["alarmID"],
            user_id=said["userID"],
            message_id=said["messageId"],
            attempt=said["attempt"],
        )
        mood, fate = self.note(request)
        return await self._answer(asked, request, "410" if said["address"].startswith(GONE) else mood, fate)

    async def _answer(self, asked: web.Request, request: Request, mood: str, fate: float) -> web.StreamResponse:
        if mood == "slow":
            await self.wait(fate * SLOWEST)
        if mood in ("200", "slow", "cut in the body"):
            request.answered = "200"
        if mood == "cut in the body":
            _hang_up(asked, HALF_AN_ANSWER)
        elif mood == "hang":
            request.answered = "hang"
            await self.wait(HANGS)
            _hang_up(asked)
        elif mood.startswith("cut"):
            request.answered = "cut"
            await self.wait(fate * SLOWEST)
            _hang_up(asked, HALF_A_HEAD if mood == "cut in the head" else b"")
        if mood.isdigit():
            request.answered = mood
        headers = {"Retry-After": str(1 + int(fate * 3))} if mood == "429" else {}
        return web.Response(status=int(mood) if mood.isdigit() else 200, headers=headers)

    async def close(self) -> None:
        self.behave()
        await self._runner.cleanup()
        for server in self._mail_servers:
            server.close()


def _hang_up(asked: web.Request, last_words: bytes = b"") -> None:
    if asked.transport is not None:
        asked.transport.write(last_words)
        asked.transport.close()


def _owners(plan: Plan) -> dict[str, Owner]:
    """Return whose each address is."""
    owners = {
        device.address: Owner(person.login, device.name)
        for team in plan.teams
        for person in team.people
        for device in person.devices
    }
    copies = {mail_of(person.login): Owner(person.login, "") for team in plan.teams for person in team.people}
    return owners | copies


def mail_of(login: str) -> str:
    """Return the address to which somebody wants copies of their inbox."""
    return f"{login}@inbox.example"


class MailHandler:
    """Answers mails as the gateways are answered."""

    def __init__(self, sinks: Sinks, slot: str) -> None:
        self._sinks, self._slot = sinks, slot

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        message = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        text = message.get_body(("plain",))
        mark = MARK.search(text.get_content() if text else "")
        owner = self._sinks.owner(envelope.rcpt_tos[0])
        request = Request(
            at=now(),
            slot=self._slot,
            way="email",
            key=message["Message-ID"],
            mark=mark[1] if mark else message["Subject"],
            login=owner.login,
            device=owner.device,
        )
        mood, fate = self._sinks.note(request)
        return await self._answer(server, request, "410" if envelope.rcpt_tos[0].startswith(GONE) else mood, fate)

    async def _answer(self, server: SMTP, request: Request, mood: str, fate: float) -> str:
        if mood in ("200", "slow"):
            await self._sinks.wait(fate * SLOWEST if mood == "slow" else 0.0)
            request.answered = "200"
            return "250 OK"
        if mood == "hang" or mood.startswith("cut"):
            request.answered = "hang" if mood == "hang" else "cut"
            await self._sinks.wait(HANGS if mood == "hang" else fate * SLOWEST)
            server.transport.abort()
            return "421 Gone"
        request.answered = mood
        return "550 Nobody here" if mood == "410" else "451 Not now"
