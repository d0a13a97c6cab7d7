"""Clients that send or read a byte now and then, or nothing at all: they hold up nobody, and are cut in the end."""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from messaging_project.incoming import LONGEST_BODY
from organizations.models import ApiToken
from tests import factories
from tests.client import Client
from tests.processes import Processes, service, until

# As many threads as `make run` has.
AS_RUN = ("--workers", "2", "--threads", "4")
# Seconds that a request may take to come.
PATIENCE = 10
HEAD = b"Host: localhost\r\nConnection: close\r\n"
POST = b"POST /api/v1/alarm HTTP/1.1\r\nContent-Type: application/json\r\n" + HEAD
LARGE = "/static/drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js.map"
# How slow clients begin. What they send then is a byte now and then; but who reads slowly sends nothing.
SLOW: dict[str, bytes] = {
    "nothing": b"",
    "a request line": b"G",
    "a header": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "headers": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n",
    "a body": POST + b'Content-Length: 1000\r\n\r\n{"message": "',
    "a streamed body": POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{",
    "the length of a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n",
    "a form": b"POST /admin/login/ HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    + HEAD
    + b"Content-Length: 1000\r\n\r\nusername=",
    "a file": b"POST /admin/login/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    + HEAD
    + b"Content-Length: 1000000\r\n\r\n--x\r\n",
    "an answer": f"GET {LARGE} HTTP/1.1\r\n".encode() + HEAD + b"\r\n",
}
BYTES = {"headers": b"a: b\r\n", "the length of a chunk": b"0"}
OF_EACH = 12


@contextmanager
def web_with(folder: Path, *options: str) -> Iterator[Processes]:
    with service(folder) as processes:
        processes.web_options = options
        processes.start("web")
        until(processes.alive)
        yield processes
        said = processes.log("web")
        assert not [word for word in ("Traceback", "ERROR", "CRITICAL", "[WARNING]") if word in said], said


def connected(port: int, *, room: int | None = None) -> socket.socket:
    client = socket.socket()
    if room:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    return client


def is_open(client: socket.socket) -> bool:
    """Whether the service still waits, and has said nothing."""
    readable, _writable, _broken = select.select([client], [], [], 0)
    return not readable


def everything(client: socket.socket) -> bytes:
    """Return what the service has said until it hung up."""
    content = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            content += piece
    return content


@contextmanager
def trickling(clients: list[tuple[str, socket.socket]]) -> Iterator[None]:
    """Each goes on with a byte now and then, until the end."""
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.5):
            for kind, client in clients:
                if kind not in ("nothing", "an answer"):
                    with suppress(OSError):
                        client.send(BYTES.get(kind, b" "))

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_however_many_are_slow_others_are_answered_and_the_slow_ones_are_cut(
    transactional_db: None, tmp_path: Path
) -> None:
    organization = factories.OrganizationFactory()
    factories.member(organization, ways=("app",))
    with web_with(tmp_path, *AS_RUN, "--keep-alive", str(PATIENCE)) as web, ExitStack() as stack:
        clients = []
        for kind, beginning in SLOW.items():
            for _ in range(OF_EACH):
                client = stack.enter_context(connected(web.port, room=2048 if kind == "an answer" else None))
                client.sendall(beginning)
                clients.append((kind, client))
        with trickling(clients):
            began = time.monotonic()
            Client(web.url, organization).raise_alarm(organization)
            for _ in range(10):
                assert web.alive()
            # They are still there; nobody had to wait until they were cut.
            assert time.monotonic() - began < PATIENCE
            for kind, client in clients:
                assert kind == "an answer" or is_open(client), kind
            said = [(kind, everything(client)) for kind, client in clients if kind != "an answer"]
        for kind, content in said:
            assert content == b"" if kind == "nothing" else is_too_late(content), (kind, content)
        until(lambda: not held(web), what="nobody is left")
        whole = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        stack.callback(whole.close)
        # Who did not read gets what was on the way, and not the rest.
        assert len(everything(clients[-1][1])) < len(fetched(whole, LARGE))


def held(web: Processes) -> list[Any]:
    """Return the connections of clients that the service has."""
    open_ones = [each for each in psutil.net_connections("tcp") if each.pid and each.status == psutil.CONN_ESTABLISHED]
    return [each for each in open_ones if each.laddr.port == web.port]


def is_too_late(content: bytes) -> bool:
    head, _line, body = content.partition(b"\r\n\r\n")
    error = json.loads(body)
    return head.startswith(b"HTTP/1.1 408 ") and error["success"] is False and "in time" in error["error"]


def fetched(server: http.client.HTTPConnection, path: str) -> bytes:
    server.request("GET", path)
    return server.getresponse().read()


def test_where_there_are_too_many_connections_the_one_that_waits_longest_makes_room(
    transactional_db: None, tmp_path: Path
) -> None:
    with web_with(tmp_path, "--worker-connections", "10", "--keep-alive", "600") as web, ExitStack() as stack:
        kept = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        stack.callback(kept.close)
        assert fetched(kept, "/health/live")
        clients = [stack.enter_context(connected(web.port)) for _ in range(40)]
        for client in clients[20:]:
            client.sendall(SLOW["a body"])
        assert web.alive()
        assert everything(clients[0]) == b""
        assert is_open(clients[-1])


# What a client may do that is in no hurry to be slow.


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with web_with(tmp_path, *AS_RUN) as processes:
        yield processes


def test_well_behaved_clients_notice_nothing(web: Processes) -> None:
    organization = factories.OrganizationFactory()
    token = ApiToken.issue(name="test", organization=organization)[1]
    for check in (keeps_alive, takes_many_at_once, waits_to_be_told, reads_slowly, sends_in_pieces, sends_a_file):
        with connected(web.port, room=2048 if check is reads_slowly else None) as client:
            assert check(client, token), check


def ask(method: str, path: str, token: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"API-TOKEN: {token}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answer(client: socket.socket) -> tuple[int, Any]:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read()


def keeps_alive(client: socket.socket, token: str) -> bool:
    for _ in range(20):
        client.sendall(ask("GET", "/api/v1/organizations", token))
        assert answer(client)[0] == 200
    return True


def takes_many_at_once(client: socket.socket, token: str) -> bool:
    """Requests that are sent before the answer to the one before, one of them longer than what is read at once."""
    body = b'{"timeout": 60, "unknown": "' + b"x" * 200_000 + b'"}'
    long = ask("POST", "/api/v1/messaging/feedback", token, f"Content-Length: {len(body)}", body=body)
    thread = threading.Thread(target=client.sendall, args=[ask("GET", "/health/live", token) * 2 + long * 2])
    thread.start()
    with client.makefile("rb") as stream:
        statuses = [status_of(stream) for _ in range(3)]
    thread.join()
    # What follows a body that was too long to be read to its end is not answered.
    return statuses[:2] == [200, 200] and statuses[2] == 415


def status_of(stream: Any) -> int:
    """Read an answer, and not a byte of the next."""
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) != b"\r\n":
        name, _colon, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)
    return status


def waits_to_be_told(client: socket.socket, token: str) -> bool:
    """`Expect: 100-continue`: the body is sent when the service says so, and not if it refuses at once."""
    kind = "Content-Type: application/json"
    client.sendall(ask("POST", "/api/v1/alarm", token, kind, "Content-Length: 2", "Expect: 100-Continue"))
    assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"{}")
    assert answer(client)[0] == 400
    client.sendall(ask("POST", "/api/v1/alarm", token, f"Content-Length: {LONGEST_BODY + 1}", "Expect: 100-continue"))
    return answer(client)[0] == 413


def reads_slowly(client: socket.socket, token: str) -> bool:
    client.sendall(ask("GET", LARGE, token, "Connection: close"))
    head, _line, begin = client.recv(1000).partition(b"\r\n\r\n")
    content = begin + everything(client)
    return f"Content-Length: {len(content)}".encode() in head and len(content) > 500_000


def sends_in_pieces(client: socket.socket, token: str) -> bool:
    for byte in ask("GET", "/api/v1/organizations", token):
        client.sendall(bytes([byte]))
    return answer(client)[0] == 200


def sends_a_file(client: socket.socket, token: str) -> bool:
    """One that may be imported."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = part + b"x" * (10 * 1024 * 1024) + b"\r\n--x--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x"
    client.sendall(ask("POST", "/admin/login/", token, kind, f"Content-Length: {len(body)}", body=body))
    # Nobody without the cookie of the form.
    return answer(client)[0] == 403


def test_a_body_that_nothing_could_need_is_refused_before_it_is_read(web: Processes) -> None:
    too_long = [f"Content-Length: {LONGEST_BODY + 1}"]
    forms = {
        "application/json": ("/api/v1/alarm", "/api/v1/msg/send", "/api/v1/messagestatus/receipt"),
        "application/x-www-form-urlencoded": ("/api/v1/inbound/twilio/sms", "/admin/login/", "/a/0123456789ab"),
        "multipart/form-data; boundary=x": ("/admin/login/", "/api/v1/msg/send", "/api/v1/alarm"),
    }
    for media_type, paths in forms.items():
        for path in paths:
            with connected(web.port) as client:
                client.sendall(ask("POST", path, "", f"Content-Type: {media_type}", *too_long))
                assert is_refused(path, answer(client)), (path, media_type)
            with connected(web.port) as client:
                # All of it, and more: who sends it still gets the answer.
                send(client, ask("POST", path, "", f"Content-Type: {media_type}", "Transfer-Encoding: chunked"))
                assert is_refused(path, answer(client)), (path, media_type)


def send(client: socket.socket, head: bytes) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with suppress(ConnectionError):
        for piece in (head, *[chunk] * (LONGEST_BODY // 0x100000 + 1)):
            client.sendall(piece)


def is_refused(path: str, answered: tuple[int, Any]) -> bool:
    status, error = answered[0], json.loads(answered[1])
    return status == 413 and ("responseInfo" in error) is path.startswith("/api/v1/msg/")
