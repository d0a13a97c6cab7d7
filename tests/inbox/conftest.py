"""What several tests of the inbox share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from inbox.models import InboxMessage, Message
from organizations.models import Organization, User
from tests.factories import OrganizationFactory, member


def compiled(folder: Path, language: str, **messages: str) -> Path:
    """Write a compiled catalog into a folder for LOCALE_PATHS, and return that."""
    catalog = Catalog(locale=language)
    for key, text in messages.items():
        catalog.add(key, text)
    file = folder / language / "LC_MESSAGES" / "django.mo"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as binary:
        write_mo(binary, catalog)
    return folder


@pytest.fixture
def brigade(db: None) -> Organization:
    organization: Organization = OrganizationFactory()
    return organization


@pytest.fixture
def anna(brigade: Organization) -> User:
    """A member of the brigade, who sends."""
    return member(brigade, login="anna", first_name="Anna", last_name="Example")


@pytest.fixture
def ben(brigade: Organization) -> User:
    """A member of the brigade, who gets what is sent."""
    return member(brigade, login="ben", first_name="Ben", last_name="Example")


@pytest.fixture
def send(as_user: Callable[[User], APIClient]) -> Callable[..., Any]:
    """Sends a message as a user: `send(anna, toUserId=[7])`."""

    def post(sender: User, /, **fields: object) -> Any:
        body = {"message": "Drill at eight"} | fields
        return as_user(sender).post("/api/v1/msg/send", body, format="json")

    return post


@pytest.fixture
def inbox_of(as_user: Callable[[User], APIClient]) -> Callable[[User], list[dict[str, Any]]]:
    """Reads all messages of a user, the newest first."""

    def read(user: User) -> list[dict[str, Any]]:
        answer = as_user(user).get("/api/v1/msg/list")
        assert answer.status_code == 200, answer.content
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    return read


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Moves the clock of the service to a time."""

    def move(to: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: to)

    return move


@pytest.fixture
def stored(db: None) -> Callable[[], list[dict[str, Any]]]:
    """Reads all that the inbox has written: compared with what was there before, it tells whether anything changed."""

    def read() -> list[dict[str, Any]]:
        rows = [model.objects.order_by("pk").values() for model in (Message, InboxMessage, ProcrastinateJob)]
        return [row for found in rows for row in found]

    return read


@pytest.fixture
def refused() -> Callable[..., str]:
    """Checks that an answer is an error in the dialect of the inbox, and returns what it says to people."""

    def check(answer: Any, status: int, code: str, *, about: str = "") -> str:
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"].startswith("application/json")
        body = answer.json()
        assert body.keys() == {"messages", "responseInfo"}
        assert body["messages"] == []
        info = body["responseInfo"]
        assert info.keys() == {"responseCode", "responseMessage", "property"}
        assert (info["responseCode"], info["property"]) == (code, about), info
        assert info["responseMessage"]
        return str(info["responseMessage"])

    return check
