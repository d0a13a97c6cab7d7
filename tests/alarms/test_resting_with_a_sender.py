"""A gateway that keeps failing is left alone while another is there: with a real sender and real gateways."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.utils import timezone

from alarms.gateways import owned
from alarms.models import DeviceMessage, Sender
from organizations.models import Organization
from tests import factories
from tests.processes import Processes, service, until
from tests.sinks import HttpSink

SENT = DeviceMessage.Status.SENT


class Gateways:
    """What the sink answers at a path, 200 unless it is said otherwise, and to whom else than to others."""

    def __init__(self, sink: HttpSink) -> None:
        self.sink = sink
        self.status: dict[str, int] = {}
        self.held: set[str] = set()

    async def answer(self, request: web.Request, _before: int) -> web.StreamResponse:
        while request.path in self.held:
            await asyncio.sleep(0.02)
        address = (await request.json())["address"]
        status = self.status.get(f"{request.path} {address}", self.status.get(request.path, 200))
        return web.Response(status=status)

    def message(self, organization: Organization | None = None, **fields: Any) -> DeviceMessage:
        """Return a message to a device of its own that is due now."""
        alarm = factories.AlarmFactory(organization=organization or factories.OrganizationFactory())
        created: DeviceMessage = factories.DeviceMessageFactory(alarm_message__alarm=alarm, **fields)
        self.sink.behaviours[created.address] = self.answer
        return created

    def paths(self, *messages: DeviceMessage) -> Counter[str]:
        """Return how many of these messages came to each path."""
        addresses = {message.address for message in messages}
        return Counter(post.path for post in self.sink.posts if post.json["address"] in addresses)


@pytest.fixture
def gateways(http_sink: HttpSink) -> Gateways:
    return Gateways(http_sink)


@pytest.fixture
def sender(transactional_db: None, tmp_path: Path, http_sink: HttpSink) -> Iterator[Processes]:
    """A sender that is not started yet."""
    with service(tmp_path, GATEWAY_SMS=f"{http_sink.url}/first {http_sink.url}/second") as running:
        yield running


def sent(*messages: DeviceMessage) -> bool:
    return DeviceMessage.objects.filter(pk__in=[m.pk for m in messages], status=SENT).count() == len(messages)


def resting() -> list[dict[str, Any]]:
    return [gateway for row in Sender.objects.all() for gateway in row.resting]


def rest(gateways: Gateways, sender: Processes, message: Callable[[], DeviceMessage]) -> datetime:
    """Start a sender, let a gateway that fails fail 5 times, and return until when it rests."""
    messages = [message() for _ in range(5)]
    sender.start("sender")
    until(lambda: sent(*messages) and resting())
    [gateway] = resting()
    assert sorted(gateways.paths(*messages).values()) == [5, 5]
    return datetime.fromisoformat(gateway["until"])


def test_it_gets_nothing_for_30_seconds_and_it_is_said_that_it_rests(gateways: Gateways, sender: Processes) -> None:
    organization, other = (factories.OrganizationFactory() for _ in range(2))
    url = gateways.sink.url.replace("127.0.0.1", "localhost")
    owned.bring(organization=organization, way="sms", urls=f"{url}/own-first {url}/own-second?token=hunter2")
    own = partial(gateways.message, organization, gateways_of=organization.pk)
    gateways.status["/own-first"] = 503
    began = timezone.now()
    rests_until = rest(gateways, sender, own)
    assert timedelta(seconds=30) < rests_until - began
    assert rests_until < timezone.now() + timedelta(seconds=30)
    [told] = resting()
    assert told == {
        "way": "sms",
        "organization": organization.pk,
        "gateway": "localhost",
        "place": 0,
        "reason": "HTTP 503",
        "until": rests_until.isoformat(),
    }
    # The service's own gateways are other ones, although they are at the same server.
    mine, others = [own() for _ in range(50)], [gateways.message(other) for _ in range(5)]
    until(lambda: sent(*mine, *others))
    assert gateways.paths(*others) == {"/first": 5}
    tried = [post for post in gateways.sink.posts if post.path == "/own-first" and post.at < rests_until.timestamp()]
    assert len(tried) == 5
    assert gateways.paths(*mine)["/own-second"] == 50
    straight = DeviceMessage.objects.filter(pk__in=[message.pk for message in mine], attempts=1, tried=[])
    assert straight.count() == 50 - gateways.paths(*mine)["/own-first"]


def test_after_the_rest_one_message_tries_it_and_when_it_is_taken_all_go_there(
    gateways: Gateways, sender: Processes
) -> None:
    gateways.status["/first"] = 503
    rests_until = rest(gateways, sender, gateways.message)
    gateways.held.add("/first")
    gateways.status["/first"] = 200
    until(lambda: timezone.now() > rests_until)
    messages = [gateways.message() for _ in range(20)]
    until(lambda: gateways.paths(*messages) == {"/first": 1, "/second": 19})
    assert len(resting()) == 1
    more = [gateways.message() for _ in range(5)]
    until(lambda: sent(*more))
    assert gateways.paths(*more) == {"/second": 5}
    gateways.held.clear()
    until(lambda: sent(*messages))
    until(lambda: resting() == [])
    later = [gateways.message() for _ in range(10)]
    until(lambda: sent(*later))
    assert gateways.paths(*later) == {"/first": 10}
    log = sender.log("sender")
    assert log.count("gateway keeps failing") == log.count("gateway takes messages again") == 1


def test_what_the_others_have_refused_for_good_goes_to_the_one_that_rests(
    gateways: Gateways, sender: Processes
) -> None:
    gateways.status["/first"] = 503
    rests_until = rest(gateways, sender, gateways.message)
    message = gateways.message(address="+491510")
    gateways.status["/second +491510"] = 404
    gateways.status["/first +491510"] = 200
    until(lambda: sent(message))
    message.refresh_from_db()
    assert [post.path for post in gateways.sink.of("+491510")] == ["/second", "/first"]
    assert [entry["reason"] for entry in message.tried] == ["HTTP 404"]
    assert message.sent_at is not None
    assert message.sent_at < rests_until


def test_where_all_fail_they_go_on_and_nothing_waits_for_a_rest(gateways: Gateways, sender: Processes) -> None:
    gateways.status |= {"/first": 503, "/second": 503}
    messages = [gateways.message() for _ in range(12)]
    sender.start("sender")
    until(lambda: gateways.paths(*messages) == {"/first": 12, "/second": 12})
    until(lambda: resting())
    gateways.status.clear()
    until(lambda: sent(*messages), seconds=25)


def test_an_only_gateway_goes_on_and_is_not_said_to_rest(
    gateways: Gateways, transactional_db: None, tmp_path: Path
) -> None:
    gateways.status["/only"] = 503
    messages = [gateways.message() for _ in range(12)]
    with service(tmp_path, GATEWAY_SMS=f"{gateways.sink.url}/only") as sender:
        sender.start("sender")
        until(lambda: DeviceMessage.objects.filter(status=0, attempts=1).count() == 12)
        started = Sender.objects.get().heartbeat_at
        until(lambda: Sender.objects.get().heartbeat_at > started)
        assert resting() == []
        gateways.status.clear()
        until(lambda: sent(*messages), seconds=25)


def test_what_the_one_that_stands_in_does_not_take_is_not_tried_there_over_and_over(
    gateways: Gateways, sender: Processes
) -> None:
    gateways.status["/second"] = 503
    rest(gateways, sender, partial(gateways.message, gateway=1))
    busy = gateways.message(address="+491510")
    gateways.status["/first +491510"] = 503
    # Others are taken all the while, so that the first has no 5 failures in a row.
    soon = timezone.now()
    others = [gateways.message(due_at=soon + timedelta(milliseconds=20 * number)) for number in range(250)]
    until(lambda: sent(*others))

    def is_settled() -> bool:
        busy.refresh_from_db()
        return busy.status != DeviceMessage.Status.SENDING

    until(is_settled)
    # The first attempt, and those 5, 15 and 45 s later.
    assert 1 <= busy.attempts == len(busy.tried) < 10
    assert len(gateways.sink.of("+491510")) < 10


def test_what_the_gateway_before_it_did_not_take_is_not_held_against_a_new_one(
    gateways: Gateways, sender: Processes
) -> None:
    organization = factories.OrganizationFactory()
    url = gateways.sink.url
    own = partial(gateways.message, organization, gateways_of=organization.pk)
    owned.bring(organization=organization, way="sms", urls=f"{url}/old {url}/second")
    gateways.held.add("/old")
    gateways.status["/old"] = 503
    messages = [own() for _ in range(6)]
    sender.start("sender")
    until(lambda: gateways.paths(*messages) == {"/old": 6})
    owned.bring(organization=organization, way="sms", urls=f"{url}/new {url}/second")

    def is_followed() -> bool:
        message = own()
        until(lambda: gateways.paths(message))
        return gateways.paths(message) == {"/new": 1}

    until(is_followed)
    gateways.held.clear()
    until(lambda: sent(*messages))
    later = [own() for _ in range(10)]
    until(lambda: sent(*later))
    assert gateways.paths(*later) == {"/new": 10}
    assert resting() == []
