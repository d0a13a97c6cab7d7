"""The buttons of the ntfy example in docs/gateways.md: what they ask for when pressed, and what comes of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways.base import ThreadGateway
from alarms.models import AlarmMessage
from tests import factories
from tests.alarms.any_sink import AnySink, Request, any_sink
from tests.alarms.test_gateway_documents import example
from tests.alarms.test_texts import DELIVERY


@dataclass
class Button:
    """An action of ntfy, as its server reads it from the header."""

    action: str = ""
    label: str = ""
    url: str = ""
    method: str = "POST"
    body: str = ""
    clear: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def buttons_of(header: str) -> list[Button]:
    """Read the short form: actions end with `;`, their parts with `,`; parts without `name=` go by their place."""
    buttons = []
    for action in header.split(";"):
        button = Button()
        for place, part in enumerate(action.split(",")):
            named = re.match(r"\s*([-.\w]+)\s*=\s*(.*)", part, re.DOTALL)
            name, value = named.groups() if named else (("action", "label", "url")[place], part.strip())
            if name.startswith("headers."):
                button.headers[name.removeprefix("headers.")] = value
            else:
                assert name in ("action", "label", "url", "method", "body", "clear")
                setattr(button, name, value == "true" if name == "clear" else value)
        buttons.append(button)
    return buttons


@pytest.fixture
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


def pushed(sink: AnySink, delivery: Delivery) -> Request:
    """Send with the documented example, whose server is the sink, and return what arrived."""
    url = example("actions=").replace("ntfys://push.example.org", f"ntfy://{sink.host}")
    gateway = gateways.build(url)
    assert isinstance(gateway, ThreadGateway)
    gateway.send(delivery)
    (request,) = sink.requests
    return request


ALARM = dataclasses.replace(DELIVERY, way="app", address="erna_0815")


def test_the_example_asks_for_two_buttons_that_answer(sink: AnySink, settings: Any) -> None:
    settings.BASE_URL = "https://alarm.example.org/alarms"
    request = pushed(sink, ALARM)
    assert (request.json["topic"], request.headers["x-priority"]) == ("erna_0815", "max")
    assert request.headers["x-tags"] == "rotating_light"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    url = "https://alarm.example.org/alarms/a/0123456789ab"
    assert buttons_of(request.headers["x-actions"]) == [
        Button("http", "I am coming", url, body="response=yes", clear=True, headers=form),
        Button("http", "I cannot", url, body="response=no", clear=True, headers=form),
    ]


def test_what_needs_no_answer_has_no_buttons(sink: AnySink) -> None:
    request = pushed(sink, dataclasses.replace(ALARM, kind=1, code=""))
    assert request.headers["x-priority"] == "max"
    assert not {"x-actions", "x-click"} & request.headers.keys()


@pytest.mark.django_db
@pytest.mark.parametrize(("pressed", "answered"), [(0, True), (1, False)])
def test_a_pressed_button_answers(sink: AnySink, client: Client, pressed: int, answered: bool) -> None:
    recipient: AlarmMessage = factories.AlarmMessageFactory()
    assert recipient.code
    request = pushed(sink, dataclasses.replace(ALARM, code=recipient.code))
    button = buttons_of(request.headers["x-actions"])[pressed]
    path = "/" + button.url.partition("://")[2].partition("/")[2]
    answer = client.generic(button.method, path, button.body, button.headers["Content-Type"])
    assert answer.status_code in (200, 303)
    recipient.refresh_from_db()
    assert recipient.response is answered
