"""`/api/docs`: the API's document as a page, with nothing from elsewhere."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from django.test import Client

from messaging_project.openapi import DOCUMENT
from tests.browser import rendered
from tests.dialect import refused
from tests.processes import service, until


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/"])
def test_all_that_the_page_needs_comes_from_the_service_itself(client: Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert len(needed) >= 4
    for address in needed:
        assert address.startswith("/")
        with closing(client.get(address)) as answer:
            assert answer.status_code == 200, address
    assert "default-src 'none'" in page["Content-Security-Policy"]


def test_another_method_is_told_in_json(client: Client) -> None:
    for path in ("/api/docs", "/api/schema"):
        answer = client.post(path)
        assert refused(answer, 405, "method: POST")
        assert answer["Allow"] == "GET, HEAD"


@pytest.mark.django_db(transaction=True)
def test_a_browser_shows_every_operation(tmp_path: Path) -> None:
    with service(tmp_path) as processes:
        processes.start("web")
        until(processes.alive)
        page = rendered(f"{processes.url}/api/docs", tmp_path / "profile")
    shown = set(re.findall(r'id="operations-(?!tag-)\w+-(\w+)"', page))
    document = json.loads(DOCUMENT.read_text())
    assert shown == {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
