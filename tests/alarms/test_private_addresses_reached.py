"""Hooks and gateways of organizations do not get to private addresses, whatever they are called and by whatever way."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
import requests

from alarms import gateways, testing
from alarms.delivery import Delivery
from alarms.gateways import apprise_guard
from alarms.gateways.base import GatewayError, LoopGateway, ThreadGateway
from alarms.hooks.delivering import deliver
from tests.alarms.hooks import events_of, hook_at, tries
from tests.alarms.test_texts import DELIVERY

REFUSED = "its address is not allowed: private network"
SMS = dataclasses.replace(DELIVERY, address="+491512345678")
NUMBER, TOPIC, MAIL = SMS.address, "ernaeinsatz", "erna@example.org"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Inside:
    """A server at every address of this machine that notes at which of them it is reached."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.answer = OK
        self._listener = socket.create_server(("0.0.0.0", 0), backlog=64)  # noqa: S104 - loopback's many addresses
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                self.reached.append(connection.getsockname()[0])
                with connection, contextlib.suppress(OSError):
                    # Who speaks another language than HTTP may wait for us to begin.
                    connection.settimeout(0.2)
                    with contextlib.suppress(TimeoutError):
                        connection.recv(65536)
                    connection.sendall(self.answer)

    def redirects_to(self, url: str) -> None:
        head = f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.answer = head.encode()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def inside() -> Iterator[Inside]:
    server = Inside()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_is_allowed(settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have names under .example stand for addresses: each look-up gives the next one, and then the last for ever."""
    lookup = socket.getaddrinfo

    def stand_for(*addresses: str) -> None:
        left = list(addresses)

        def resolve(host: Any, *rest: Any, **others: Any) -> Any:
            if not str(host).endswith(".example"):
                return lookup(host, *rest, **others)
            return lookup(left.pop(0) if len(left) > 1 else left[0], *rest, **others)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return stand_for


def send(url: str, address: str = NUMBER, *, guarded: bool = True) -> str:
    """Send over a gateway; return why it did not take the message, and that this is for good."""
    gateway = gateways.build(url, guarded=guarded)
    delivery = dataclasses.replace(DELIVERY, address=address)
    try:
        if isinstance(gateway, LoopGateway):
            asyncio.run(in_the_loop(gateway, delivery))
        else:
            assert isinstance(gateway, ThreadGateway)
            gateway.send(delivery)
    except GatewayError as error:
        return f"{error.reason} (for good)" if error.permanent else error.reason
    return "sent"


async def in_the_loop(gateway: LoopGateway, delivery: Delivery) -> None:
    try:
        await gateway.send_in_time(delivery)
    finally:
        await gateway.close()


# One for each way in which Apprise's plugins connect: requests, in its pool of threads too, smtplib, sockets.
URLS = {
    "http://HOST/sms": NUMBER,
    "twilio+sms://AC1:token@HOST/+4930?scheme=http": NUMBER,
    "json://HOST/{address}": TOPIC,
    "json://HOST/{address}?timeout=5": TOPIC,
    "ntfy://HOST/{address}": TOPIC,
    "matrix://token@HOST/{address}?e2ee=no": "#erna:example.org",
    "mailto://alarm:secret@mail.org:PORT?smtp=localhost&to={address}": MAIL,
    "smpp://alarm:secret@HOST/493012345678/{address}": NUMBER,
}


@pytest.mark.parametrize("url", URLS)
def test_a_gateway_of_an_organization_reaches_no_private_address(inside: Inside, settings: Any, url: str) -> None:
    address = URLS[url]
    url = url.replace("HOST", "localhost:PORT").replace("PORT", str(inside.port))
    told = send(url, address)
    assert told.endswith(f"{REFUSED} (for good)")
    assert "127.0.0.1" not in told
    assert inside.reached == []
    # It was this that kept it away: those of the service are not asked, and others not where it is allowed.
    assert REFUSED not in send(url, address, guarded=False)
    first = len(inside.reached)
    assert first > 0
    settings.ALLOWED_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1")]
    assert REFUSED not in send(url, address)
    assert len(inside.reached) > first


def test_a_test_of_a_device_is_guarded_too(inside: Inside) -> None:
    for url in (f"http://localhost:{inside.port}/", f"json://127.0.0.1:{inside.port}/{{address}}"):
        gateway = gateways.build(url, guarded=True)
        assert testing.attempt(gateway, SMS).endswith(REFUSED)
        assert inside.reached == []


@pytest.mark.django_db
def test_a_hook_reaches_no_private_address_however_it_is_written(inside: Inside, names: Callable[..., None]) -> None:
    names("127.0.0.1")
    hosts = ["inside.example", "localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "[::]", "0.0.0.0"]  # noqa: S104
    # Not all of these are hosts to aiohttp.
    odd = ["localhost.", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0"]
    hooks = {hook_at(f"http://{host}:{inside.port}/alarms"): host for host in (*hosts, *odd)}
    events = {events_of(hook)[0].pk: host for hook, host in hooks.items()}
    deliver()
    told = {events[event]: reason for event, status, reason in tries() if status is None and reason}
    assert {told[host] for host in hosts} == {REFUSED}
    assert set(told) == {*hosts, *odd}
    assert inside.reached == []


@pytest.mark.django_db
def test_a_name_that_stands_for_something_else_a_moment_later_gets_nowhere(
    inside: Inside, names: Callable[..., None], settings: Any
) -> None:
    settings.ALLOWED_NETWORKS = [ip_network("127.0.0.2/32")]
    own = [f"http://inside.example:{inside.port}/", f"json://inside.example:{inside.port}/{{address}}"]
    for url in own:
        names("127.0.0.2", "127.0.0.1")
        assert send(url) == "sent"
        names("127.0.0.1", "127.0.0.2")
        send(url)
    names("127.0.0.2", "127.0.0.1")
    events_of(hook_at(f"http://inside.example:{inside.port}/"), 2)
    deliver()
    with apprise_guard.guarded(), socket.socket() as connection:
        names("127.0.0.2", "127.0.0.1")
        connection.connect(("inside.example", inside.port))
        assert connection.getpeername()[0] == "127.0.0.2"
    assert set(inside.reached) == {"127.0.0.2"}


@pytest.mark.django_db
def test_a_redirect_is_not_followed_to_a_private_address(inside: Inside, settings: Any) -> None:
    settings.ALLOWED_NETWORKS = [ip_network("127.0.0.2/32")]
    inside.redirects_to(f"http://127.0.0.1:{inside.port}/")
    assert send(f"http://127.0.0.2:{inside.port}/") == "HTTP 302 (for good)"
    assert send(f"json://127.0.0.2:{inside.port}/{{address}}").startswith("JSON: HTTP 302")
    events_of(hook_at(f"http://127.0.0.2:{inside.port}/"))
    deliver()
    assert [(status, reason) for _event, status, reason in tries()] == [(302, "HTTP 302")]
    # Nor by a library that follows it by itself.
    with apprise_guard.guarded() as guard, pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.2:{inside.port}/", timeout=5)
    assert guard.refused
    assert inside.reached == ["127.0.0.2"] * 4


def test_no_kind_of_socket_gets_around_it(inside: Inside) -> None:
    address = ("127.0.0.1", inside.port)
    tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ipv6, unix = socket.socket(socket.AF_INET6), socket.socket(socket.AF_UNIX)
    ways: dict[str, Callable[[], object]] = {
        "TCP": lambda: socket.create_connection(address),
        "connect_ex": lambda: tcp.connect_ex(address),
        "UDP": lambda: udp.sendto(b"x", address),
        "UDP with flags": lambda: udp.sendto(b"x", 0, address),
        "sendmsg": lambda: udp.sendmsg([b"x"], [], 0, address),
        "a connected UDP": lambda: udp.connect(address),
        "IPv6": lambda: ipv6.connect(("::1", inside.port)),
        "IPv4 as IPv6": lambda: ipv6.connect(("::ffff:127.0.0.1", inside.port)),
        "a file": lambda: unix.connect("/run/docker.sock"),
        "asyncio": lambda: asyncio.run(asyncio.open_connection(*address)),
    }
    with tcp, udp, ipv6, unix:
        for name, way in ways.items():
            with apprise_guard.guarded() as guard, pytest.raises(OSError, match=REFUSED):
                way()
            assert guard.refused, name
        assert inside.reached == []
        # Nothing of it is left.
        udp.sendto(b"x", address)
        socket.create_connection(address).close()


def test_a_thread_of_whoever_is_guarded_is_guarded_and_no_other(inside: Inside) -> None:
    outcomes: dict[str, object] = {}

    def connect(name: str) -> None:
        try:
            socket.create_connection(("127.0.0.1", inside.port)).close()
            outcomes[name] = "connected"
        except OSError as error:
            outcomes[name] = str(error)

    go_on = threading.Event()
    other = threading.Thread(target=lambda: go_on.wait(30) and connect("other"))
    other.start()
    with apprise_guard.guarded() as guard:
        guarded = threading.Thread(target=connect, args=("guarded",))
        guarded.start()
        guarded.join()
        go_on.set()
        other.join()
    assert outcomes == {"guarded": REFUSED, "other": "connected"}
    assert guard.refused
