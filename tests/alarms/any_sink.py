"""A real server on loopback that takes whatever the plugins of Apprise send, and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    """Path and query, as they came."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, dict[str, str], bytes]


def says(status: int, content: object = None, **headers: str) -> Callable[[Request], Answer]:
    return lambda _request: (status, headers, b"" if content is None else json.dumps(content).encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Who hangs is not waited for.
    block_on_close = False
    request_queue_size = 64


class AnySink:
    """Takes any request; answers 200 with an empty object unless told otherwise."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = says(200, {})
        self.go_on = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                sink.requests.append(request)
                status, headers, content = sink.answer(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = take

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def hang(self, _request: Request) -> Answer:
        """Answer not before the sink is closed."""
        self.go_on.wait(60)
        return 200, {}, b"{}"

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextmanager
def any_sink(context: ssl.SSLContext | None = None) -> Iterator[AnySink]:
    sink = AnySink(context)
    try:
        yield sink
    finally:
        sink.close()
