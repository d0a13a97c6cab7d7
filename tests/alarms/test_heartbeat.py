"""The dead-man's switch: a monitor is called only while all is well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.checks import run_checks

from alarms import heartbeat
from tests.sinks import refusing_port


class Monitor:
    """Takes heartbeats, and stands for the service too: answers /health."""

    def __init__(self) -> None:
        self.beats = 0
        self.health = 200
        self.status = 200
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_beat = self.path == "/ping/a-secret"
                monitor.beats += is_beat
                self.send_response(monitor.status if is_beat else monitor.health)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def monitor(settings: Any) -> Iterator[Monitor]:
    found = Monitor()
    settings.BASE_URL, settings.HEARTBEAT_URL = found.url, f"{found.url}/ping/a-secret"
    yield found
    found.close()


def test_the_monitor_is_called_while_health_is_green(monitor: Monitor) -> None:
    assert heartbeat.beat()
    assert monitor.beats == 1


def test_the_monitor_hears_nothing_while_health_is_red(monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    monitor.health = 503
    assert not heartbeat.beat()
    assert monitor.beats == 0
    assert caplog.messages == ["no heartbeat, as BASE_URL/health does not say that all is well: HTTP 503"]


def test_the_monitor_hears_nothing_while_no_web_process_answers(
    monitor: Monitor, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with refusing_port() as port:
        settings.BASE_URL = f"http://127.0.0.1:{port}"
        assert not heartbeat.beat()
    assert monitor.beats == 0
    assert caplog.messages == ["no heartbeat, as BASE_URL/health does not say that all is well: ConnectionRefusedError"]


@pytest.mark.parametrize(("status", "reason"), [(404, "HTTP 404"), (500, "HTTP 500")])
def test_a_monitor_that_refuses_is_logged_without_its_address(
    monitor: Monitor, caplog: pytest.LogCaptureFixture, status: int, reason: str
) -> None:
    monitor.status = status
    assert not heartbeat.beat()
    assert caplog.messages == [f"the heartbeat was not taken by HEARTBEAT_URL: {reason}"]
    assert "a-secret" not in caplog.text


@pytest.mark.parametrize("url", ["ping.example", "ftp://ping.example", "file:///etc/passwd"])
def test_what_is_no_web_address_is_told_at_the_start(settings: Any, url: str) -> None:
    settings.HEARTBEAT_URL = url
    assert "alarms.E006" in {message.id for message in run_checks()}
