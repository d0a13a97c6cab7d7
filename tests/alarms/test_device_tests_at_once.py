"""Devices that are tested at the same moment, while a gateway takes its time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from aiohttp import web
from django.db import connection
from rest_framework.test import APIClient

from organizations.models import Device, Organization, User
from tests.dialect import refused
from tests.factories import DeviceFactory, OrganizationFactory, member
from tests.processes import until
from tests.sinks import HttpSink

pytestmark = pytest.mark.django_db(transaction=True)

AsUser = Callable[[User], APIClient]


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def slow(http_sink: HttpSink, settings: Any) -> Callable[[str], threading.Event]:
    """Makes the gateway answer an address only when the event is set."""
    settings.GATEWAYS = settings.GATEWAYS | {"sms": [http_sink.url]}

    def hold(address: str) -> threading.Event:
        released = threading.Event()

        async def answer(_request: web.Request, _before: int) -> web.StreamResponse:
            while not released.is_set():
                await asyncio.sleep(0.01)
            return web.Response()

        http_sink.behaviours[address] = answer
        return released

    return hold


@contextmanager
def under_way(client: APIClient, device: Device, http_sink: HttpSink, released: threading.Event) -> Iterator[list[int]]:
    """Test a device in another thread; what is done meanwhile is done while the gateway has not answered."""
    statuses: list[int] = []

    def run() -> None:
        statuses.append(client.post(f"/api/v1/device/{device.pk}/test").status_code)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: http_sink.of(device.address))
        yield statuses
    finally:
        released.set()
        thread.join(60)


def test_of_two_tests_of_a_device_one_is_sent_and_nobody_waits_for_it(
    as_user: AsUser, brigade: Organization, slow: Any, http_sink: HttpSink
) -> None:
    device = DeviceFactory(user=member(brigade))
    client, path = as_user(device.user), f"/api/v1/device/{device.pk}"
    with under_way(client, device, http_sink, slow(device.address)) as statuses:
        assert refused(client.post(f"{path}/test"), 429)
        # No transaction holds the device while its message is on its way.
        assert client.patch(path, {"name": "Changed meanwhile"}, format="json").status_code == 200
        assert client.delete(path).status_code == 204
        assert statuses == []
    assert statuses == [200]
    assert len(http_sink.posts) == 1


def test_slow_gateways_do_not_take_all_threads_of_a_web_process(
    as_user: AsUser, brigade: Organization, slow: Any, http_sink: HttpSink
) -> None:
    devices = [DeviceFactory(user=member(brigade)) for _ in range(3)]
    clients = [as_user(device.user) for device in devices]
    with ExitStack() as stack:
        for client, device in zip(clients[:2], devices[:2], strict=True):
            stack.enter_context(under_way(client, device, http_sink, slow(device.address)))
        third = f"/api/v1/device/{devices[2].pk}/test"
        busy = clients[2].post(third)
        assert refused(busy, 429)
        assert int(busy.headers["Retry-After"]) > 0
    # It has not used up its minute.
    assert clients[2].post(third).json()["status"] == 2
