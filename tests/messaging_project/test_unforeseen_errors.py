"""Errors that nobody foresaw: in JSON, in the dialect of the path, without what is inside, and logged."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.db import DataError, InterfaceError, OperationalError
from rest_framework.test import APIClient

from organizations.models import User
from tests.dialect import refused
from tests.messaging_project.writes import World

pytestmark = pytest.mark.django_db

# One operation of each dialect, with something that it needs on its way.
NEEDED = {"/user": "organizations.views.OwnUserSerializer", "/msg/list": "inbox.views.parse_etags"}
each_dialect = pytest.mark.parametrize("path", list(NEEDED))


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


@each_dialect
@pytest.mark.parametrize("error", [RuntimeError, DataError, KeyError, RecursionError, UnicodeError, AssertionError])
def test_an_unexpected_error_is_500_in_json_without_details_and_is_logged(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    error: type[Exception],
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error("the inside: table organizations_user")

    monkeypatch.setattr(NEEDED[path], fail)
    response = world.get(path, Accept="text/html, */*")
    assert refused(response, 500)
    assert all(word not in response.content.decode() for word in ("inside", "Traceback", "organizations_user", ".py"))
    assert "the inside: table organizations_user" in caplog.text


@each_dialect
def test_an_answer_that_cannot_be_rendered_is_500_in_json(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("messaging_project.renderers.JSONRenderer.render", fail)
    response = world.get(path)
    assert refused(response, 500)
    assert "inside" not in response.content.decode()


@each_dialect
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_503_in_json_without_its_address(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    error: type[Exception],
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error("connection to 10.0.0.5 failed")

    monkeypatch.setattr(NEEDED[path], fail)
    response = world.get(path)
    assert refused(response, 503)
    assert "10.0.0.5" not in response.content.decode()
    assert any(record.levelno == logging.ERROR for record in caplog.records)
