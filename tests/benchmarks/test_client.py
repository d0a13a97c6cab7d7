"""The bench's client, against a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest

from benchmarks.client import Address, RefusedError, ask, load, request
from tests.sinks import refusing_port


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and what it was told; /silence closes the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/silence":
            self.close_connection = True
            return
        told = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        content = json.dumps({"told": told, "token": self.headers.get("API-TOKEN")}).encode()
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        # In two pieces, as answers come that are long.
        self.wfile.write(content[:5])
        self.wfile.flush()
        self.wfile.write(content[5:])

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_connection: object) -> None:
        """A client that was refused leaves while others are still answered."""


@pytest.fixture
def server() -> Iterator[Address]:
    with Server(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield "127.0.0.1", running.server_port
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 201])
def test_an_answer_is_read_whole(server: Address, status: int) -> None:
    asked = request("POST", f"/{status}", headers={"API-TOKEN": "secret"}, body={"message": "Übung"})
    answer = ask(server, asked)
    assert (json.loads(answer["told"]), answer["token"]) == ({"message": "Übung"}, "secret")


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_any_other_answer_ends_the_bench(server: Address, status: int) -> None:
    with pytest.raises(RefusedError, match=f"{status} "):
        ask(server, request("GET", f"/{status}", headers={}))
    good, bad = (request("GET", path, headers={}) for path in ("/200", f"/{status}"))
    with pytest.raises(RefusedError, match=f"{status} "):
        load(server, iter([good, good, bad, *repeat(good, 20)]), clients=2)


def test_no_answer_ends_the_bench(server: Address) -> None:
    with pytest.raises(RefusedError, match="the connection ended"):
        load(server, iter([request("GET", "/silence", headers={})]), clients=1)


def test_nobody_there_ends_the_bench() -> None:
    with refusing_port() as port, pytest.raises(ConnectionRefusedError):
        ask(("127.0.0.1", port), request("GET", "/200", headers={}))


@pytest.mark.parametrize("clients", [1, 8])
def test_clients_share_the_requests_and_note_how_long_each_took(server: Address, clients: int) -> None:
    found = load(server, repeat(request("GET", "/200", headers={}), 40), clients=clients)
    assert len(found.latencies) == 40
    assert 0 < min(found.latencies) <= found.p99 <= max(found.latencies) < found.seconds
    assert found.rate == pytest.approx(40 / found.seconds)


def test_requests_end_when_their_time_is_over(server: Address) -> None:
    found = load(server, repeat(request("GET", "/200", headers={})), clients=2, seconds=0.05)
    assert found.seconds >= 0.05
    assert found.latencies
