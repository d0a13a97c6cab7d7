"""Hooks for tests: a real server that is told, and rows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web
from django.db import connection
from django.db.models import F

from alarms.hooks.registering import EVENTS
from alarms.models import Alarm, Hook, HookEvent, HookTry
from messaging_project import encryption
from organizations.models import Organization
from tests.factories import AlarmFactory, OrganizationFactory
from tests.sinks import HttpSink, Post

ALL = [name for name, _label in EVENTS]
SECRET = "5ecre7" * 8


class HookSink(HttpSink):
    """Takes what hooks are told; answers 200 unless a path has a behaviour of its own."""

    def __init__(self) -> None:
        super().__init__()
        # Who asks for more than one at once waits for this, so that a test need not be fast.
        self.at_once: dict[str, int] = {}
        self.most_at_once: dict[str, int] = {}

    async def _take(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.posts.append(Post(time.time(), path, dict(request.headers), await request.read(), await request.json()))
        before = self._counts.get(path, 0)
        self._counts[path] = before + 1
        self.at_once[path] = self.at_once.get(path, 0) + 1
        self.most_at_once[path] = max(self.most_at_once.get(path, 0), self.at_once[path])
        try:
            return await self.behaviours[path](request, before) if path in self.behaviours else web.Response()
        finally:
            self.at_once[path] -= 1

    def told(self, path: str = "/hook") -> list[int]:
        """Return the ids of the events that came, in their order."""
        return [post.json["id"] for post in self.posts if post.path == path]


@contextmanager
def hook_sink() -> Iterator[HookSink]:
    sink = HookSink()
    try:
        yield sink
    finally:
        sink.close()


def hook_at(url: str, organization: Organization | None = None, **fields: Any) -> Hook:
    """Write a hook, of an organization of its own if none is given, that wants all events if none are given."""
    return Hook.objects.create(
        url=url,
        organization=organization or OrganizationFactory(),
        **{"events": ALL, "secret": encryption.encrypt(SECRET)} | fields,
    )


def events_of(hook: Hook, count: int = 1, *, alarm: Alarm | None = None, **fields: Any) -> list[HookEvent]:
    """Write events of one alarm, of its own if none is given."""
    alarm = alarm or AlarmFactory(organization=hook.organization)
    return [
        HookEvent.objects.create(hook=hook, alarm=alarm, **{"event": "alarm.raised", "payload": {}} | fields)
        for _ in range(count)
    ]


def age(span: timedelta) -> None:
    """Let so much time pass, for all events."""
    HookEvent.objects.update(
        created_at=F("created_at") - span, due_at=F("due_at") - span, lease_until=F("lease_until") - span
    )


def tries() -> list[tuple[int, int | None, str]]:
    """Return event, status and reason of every try, in their order."""
    return list(HookTry.objects.order_by("pk").values_list("hook_event", "status", "reason"))


def state(event: HookEvent) -> str:
    event.refresh_from_db()
    assert event.delivered_at is None or event.given_up_at is None
    return "delivered" if event.delivered_at else "given up" if event.given_up_at else "pending"


def expected_signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def hangs(_request: web.Request, _before: int) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def until_told(sink: HookSink, path: str, count: int = 1) -> None:
    """Wait, in a behaviour, until something else has come."""
    while len(sink.told(path)) < count:
        await asyncio.sleep(0.01)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Run something in a thread, which has a connection to the database of its own, while the block runs."""

    def work_and_close() -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work_and_close)
        yield
        done.result(30)


def in_another_connection(work: Callable[[], object]) -> None:
    with beside(work):
        pass
