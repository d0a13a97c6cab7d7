"""What is no valid HTTP never reaches Django: it is answered in JSON all the same, and not logged, as it may hold a
token."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging_project.errors import MESSAGES
from tests.processes import Processes, service, until

TOKEN = "ga_org_0123456789"

BROKEN = {
    "an address that is too long": (b"GET /" + b"x" * 5000 + b" HTTP/1.1", b"", 414),
    "an address of the inbox that is too long": (b"GET /api/v1/msg/" + b"x" * 5000 + b" HTTP/1.1", b"", 414),
    "a header without a colon": (b"GET / HTTP/1.1", b"API-TOKEN " + TOKEN.encode(), 400),
    "a header with a null byte": (b"GET / HTTP/1.1", b"API-TOKEN: " + TOKEN.encode() + b"\x00", 400),
    "too many headers": (b"GET / HTTP/1.1", b"\r\n".join(b"X%d: a" % number for number in range(200)), 431),
    "10,000 headers": (b"GET / HTTP/1.1", b"\r\n".join(b"X%d: a" % number for number in range(10_000)), 431),
    "headers of 2 MiB": (b"GET / HTTP/1.1", b"\r\n".join([b"X: " + b"a" * 8000] * 260), 431),
    "a header that is too long": (b"GET / HTTP/1.1", b"API-TOKEN: " + TOKEN.encode() * 1000, 431),
    "a request line that is none": (TOKEN.encode(), b"", 400),
    "another version of HTTP": (b"GET / HTTP/9.9", b"", 400),
    "a length that is no number": (b"POST /api/v1/alarm HTTP/1.1", b"Content-Length: abc", 400),
    "two lengths": (b"POST /api/v1/alarm HTTP/1.1", b"Content-Length: 1\r\nContent-Length: 2", 400),
    "a broken chunk": (b"POST /api/v1/alarm HTTP/1.1", b"Transfer-Encoding: chunked\r\n\r\nzz", 400),
}


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with service(tmp_path) as processes:
        processes.start("web")
        until(processes.alive)
        yield processes


def ask(port: int, line: bytes, header: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\r\n".join([line, b"Host: localhost", header, b"", b""]))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer, answer.read()


def test_what_is_no_valid_http_is_answered_in_json_and_nothing_of_it_is_logged(web: Processes) -> None:
    for name, (line, header, status) in BROKEN.items():
        answer, content = ask(web.port, line, header)
        assert (answer.status, answer.getheader("Content-Type")) == (status, "application/json"), name
        error = json.loads(content)
        assert error["success"] is False
        assert error["error"]
        assert TOKEN not in content.decode()
    # Where the service is, no header says.
    for header in (b"SCRIPT_NAME: /elsewhere", b"PATH_INFO: /elsewhere", b"REMOTE_ADDR: 8.8.8.8"):
        assert ask(web.port, b"GET /health/live HTTP/1.1", header)[0].status == 200, header
    assert TOKEN not in web.log("web")
    assert web.alive()


def test_a_head_has_the_headers_of_a_get_and_no_body_and_warns_of_nothing(web: Processes) -> None:
    for path in ("/health/live", "/api/v1/user", "/api/docs", "/static/messaging_project/docs.js"):
        answers = []
        for method in ("GET", "HEAD"):
            server = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
            server.request(method, path)
            answer = server.getresponse()
            answers.append((answer.status, answer.getheader("Content-Length"), answer.getheader("Content-Type")))
            content = answer.read()
            server.close()
        assert answers[0] == answers[1], path
        assert content == b""
    assert "WARNING" not in web.log("web")


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "HTTP: the request line"), (414, "4094 bytes"), (431, "4094 bytes"), (500, "unexpected")],
)
def test_what_the_server_itself_answers_says_whose_mistake_it_is(status: int, error: str) -> None:
    from messaging_project.wsgi import write_error

    near, far = socket.socketpair()
    with near, far:
        write_error(near, status, "Reason", "more than 4094 bytes")
        answer = http.client.HTTPResponse(far)
        answer.begin()
        content = json.loads(answer.read())
    assert answer.status == status
    assert content["message"] == MESSAGES[status]
    assert error in content["error"]
