"""A web process whose database is away says so: 503, in JSON, in the dialect of the path, without its address."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from tests.processes import service, until
from tests.sinks import free_port

TOKEN = "ga_org_" + "0" * 64

ASKED = [
    ("GET", "/api/v1/user", {"Personal-Access-Token": TOKEN}),
    ("POST", "/api/v1/alarm", {"API-TOKEN": TOKEN, "Content-Type": "application/json"}),
    ("GET", "/admin/", {"Cookie": "sessionid=" + "0" * 32}),
    ("GET", "/health", {}),
]


@pytest.mark.django_db(transaction=True)
def test_it_is_503_in_json_whatever_is_asked(tmp_path: Path) -> None:
    port = free_port()
    with service(tmp_path, DATABASE_URL=f"postgres://secret:secret@127.0.0.1:{port}/secret") as processes:
        processes.start("web")
        until(processes.alive)
        for method, path, headers in ASKED:
            server = http.client.HTTPConnection("127.0.0.1", processes.port, timeout=30)
            server.request(method, path, b"{}" if method == "POST" else None, headers)
            answer = server.getresponse()
            content = answer.read().decode()
            server.close()
            assert (answer.status, answer.getheader("Content-Type")) == (503, "application/json"), path
            assert "cannot be reached" in content
            assert "secret" not in content
            assert str(port) not in content
            assert json.loads(content).keys() in ({"success", "message", "error"}, {"status", "reasons", "warnings"})
        assert TOKEN not in processes.log("web")
        # What needs no database goes on.
        assert processes.alive()
