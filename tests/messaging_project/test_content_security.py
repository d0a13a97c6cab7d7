"""What browsers are told that an answer may not do. That every page of the admin works all the same, and says nothing
of it in the console, is tested in test_desk_pages.py."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
from django.test import Client

from tests.factories import OrganizationFactory, admin

pytestmark = pytest.mark.django_db

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGES = ("/admin/login/", "/admin/", "/admin/second-factor/", "/admin/nothing/", "/api/docs", "/a/0123456789ab")


def directives(answer: Any) -> dict[str, set[str]]:
    parts = (part.split() for part in answer["Content-Security-Policy"].split(";") if part.strip())
    return {name: set(sources) for name, *sources in parts}


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(admin(OrganizationFactory(), is_staff=True))
    return client


def test_what_is_no_page_loads_nothing_runs_nothing_and_is_framed_nowhere(desk: Client) -> None:
    for path in ("/api/v1/user", "/api/v1/nothing", "/api/v1/msg/list", "/api/schema", "/health/live", "/", "/nothing"):
        answer = desk.get(path)
        assert answer["Content-Security-Policy"] == NOTHING, path
        assert (answer["X-Content-Type-Options"], answer["X-Frame-Options"]) == ("nosniff", "DENY"), path


@pytest.mark.parametrize("path", PAGES)
def test_of_a_page_nothing_comes_from_elsewhere_and_no_script_stands_in_it(desk: Client, path: str) -> None:
    answer = desk.get(path, headers={"Accept": "text/html"})
    found = directives(answer)
    assert found["default-src"] == {"'none'"}
    assert {"'none'"} == found["frame-ancestors"] == found["base-uri"]
    assert "form-action" in found
    allowed = {"'none'", "'self'", "data:"} | ({"'unsafe-eval'"} if path.startswith("/admin/") else set())
    styles = found.pop("style-src", set())
    assert set().union(*found.values()) <= allowed
    assert styles <= {"'self'", "'unsafe-inline'"}
    page = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=.application/json)[^>]*>", page)
    assert not re.search(r"<[^>]+\son\w+=", page)


def test_no_answer_uses_what_is_not_needed_nor_tells_others_where_one_was(desk: Client) -> None:
    for path in (*PAGES, "/api/v1/user"):
        answer = desk.get(path)
        for name in ("camera", "microphone", "geolocation"):
            assert f"{name}=()" in answer["Permissions-Policy"], path
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}, path


def test_files_of_pages_are_what_they_are_said_to_be(client: Client) -> None:
    with closing(client.get("/static/messaging_project/icon.svg")) as answer:
        assert (answer.status_code, answer["X-Content-Type-Options"]) == (200, "nosniff")
