"""What a message looks like that goes through the real plugins of Apprise, at a real server."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from django.utils import translation

from alarms import gateways, texts
from alarms.gateways.base import GatewayError, ThreadGateway
from tests.alarms.any_sink import AnySink, any_sink
from tests.alarms.test_texts import DELIVERY
from tests.processes import ROOT

TEXT = "Brand :fire: in {{app_title}} 100% *a* _b_ `c` <d> & \\n \\u00e4 {0} $HOME Übung 🔥 https://x.example/?a=b&c=d"
ALARM = dataclasses.replace(DELIVERY, way="app", address="erna", message=TEXT)
ALL_CLEAR = dataclasses.replace(ALARM, kind=1, code="", message="It is over.")
TEST = dataclasses.replace(ALARM, kind=2, code="")


@pytest.fixture
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


def built(url: str) -> ThreadGateway:
    gateway = gateways.build(url)
    assert isinstance(gateway, ThreadGateway)
    return gateway


def test_an_app_gets_headline_and_text_and_the_address_of_the_answer_page(sink: AnySink, settings: Any) -> None:
    settings.BASE_URL = "https://alarm.example.org"
    built(f"json://{sink.host}/push/{{address}}?+X-To={{address}}&:to={{address}}").send(ALARM)
    (request,) = sink.requests
    assert (request.method, request.target) == ("POST", "/push/erna")
    assert request.headers["x-to"] == "erna"
    assert request.headers["user-agent"] == "Alarm"
    assert request.json == {
        "version": "1.0",
        "title": "ALARM Feuerwehr",
        "message": "\n".join([*texts.plain(ALARM).splitlines()[1:], "https://alarm.example.org/a/0123456789ab"]),
        "attachments": [],
        "type": "failure",
        "to": "erna",
    }


@pytest.mark.parametrize("way", ["sms", "pager"])
def test_what_has_no_headline_of_its_own_gets_one_text(sink: AnySink, way: str) -> None:
    delivery = dataclasses.replace(ALARM, way=way)
    built(f"json://{sink.host}/{{address}}").send(delivery)
    assert (sink.requests[0].json["title"], sink.requests[0].json["message"]) == ("", texts.written(delivery))


def test_a_call_is_not_told_the_address_of_the_answer_page(sink: AnySink) -> None:
    delivery = dataclasses.replace(ALARM, way="call")
    built(f"json://{sink.host}/{{address}}").send(delivery)
    assert sink.requests[0].json["message"] == texts.plain(delivery)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("json", lambda request: request.json["message"]),
        ("form", lambda request: parse_qs(request.body.decode())["message"][0]),
        ("ntfy", lambda request: request.json["message"]),
        ("gotify", lambda request: request.json["message"]),
        ("signal", lambda request: request.json["message"]),
        ("bark", lambda request: request.json["body"]),
    ],
)
def test_the_text_arrives_as_it_was_written(sink: AnySink, plugin: str, said: Any) -> None:
    source = "+493012345678/" if plugin == "signal" else ""
    address = "+491512345678" if plugin == "signal" else "erna"
    built(f"{plugin}://{sink.host}/{source}{{address}}?emojis=yes").send(dataclasses.replace(ALARM, address=address))
    assert TEXT in said(sink.requests[0])


def test_a_service_that_wants_html_gets_the_text_escaped(sink: AnySink, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = built("tgram://123456789:AAEhBOweik9ad9r_QXMENQjcrGbqCr4K-bc/{address}")
    plugin = type(gateway._looked_at("123456789"))  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin, "notify_url", f"http://{sink.host}/bot")
    gateway.send(dataclasses.replace(ALARM, address="-1001234567890"))
    (request,) = sink.requests
    assert request.json["chat_id"] == -1001234567890
    assert "*a* _b_ `c` &lt;d&gt; &amp; \\n" in request.json["text"].replace("\xa0", " ").replace("&nbsp;", " ")


@pytest.mark.parametrize("plugin", ["json", "form", "gotify"])
def test_a_long_text_is_neither_cut_nor_split(sink: AnySink, plugin: str) -> None:
    text = "A" + "ä" * 958 + "Z"
    built(f"{plugin}://{sink.host}/{{address}}").send(dataclasses.replace(ALARM, way="sms", message=text))
    (request,) = sink.requests
    assert text in (request.json["message"] if plugin != "form" else unquote_plus(request.body.decode()))


def test_an_sms_of_960_characters_goes_to_the_provider_in_one_piece(
    sink: AnySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = built("seven://0123456789abcdef0123456789abcdef/{address}")
    plugin = type(gateway._looked_at("+491512345678"))  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin, "notify_url", f"http://{sink.host}/sms")
    delivery = dataclasses.replace(ALARM, way="sms", address="+491512345678", message="x" * 960)
    gateway.send(delivery)
    (request,) = sink.requests
    assert request.json["to"] == "+491512345678"
    assert request.json["text"] == texts.written(delivery)


@pytest.mark.parametrize(("delivery", "kind"), [(ALARM, "failure"), (ALL_CLEAR, "success"), (TEST, "info")])
def test_services_that_raise_and_end_alerts_are_told_what_it_is(sink: AnySink, delivery: Any, kind: str) -> None:
    built(f"json://{sink.host}/{{address}}").send(delivery)
    assert sink.requests[0].json["type"] == kind


@pytest.mark.parametrize("query", ["?click={answerURL}&priority=max", "?priority=max&click={answerURL}"])
@pytest.mark.parametrize(("delivery", "clicks"), [(ALARM, True), (ALL_CLEAR, False), (TEST, False)])
def test_what_needs_no_answer_leaves_out_what_leads_to_it(
    sink: AnySink, query: str, delivery: Any, clicks: bool
) -> None:
    built(f"ntfy://{sink.host}/{{address}}{query}").send(delivery)
    (request,) = sink.requests
    assert request.headers["x-priority"] == "max"
    assert request.headers.get("x-click") == (delivery.answer_url if clicks else None)
    assert "{answerURL}" not in str(request)


def test_the_text_is_in_the_language_of_the_recipient(sink: AnySink) -> None:
    gateway = built(f"json://{sink.host}/{{address}}")
    with translation.override("en"):
        gateway.send(dataclasses.replace(ALARM, language="de"))
    assert "Bitte antworten bis" in sink.requests[0].json["message"]


def test_no_picture_is_fetched_from_elsewhere(sink: AnySink) -> None:
    built(f"ntfy://{sink.host}/{{address}}?image=yes").send(ALARM)
    assert "x-icon" not in sink.requests[0].headers
    assert "github" not in str(sink.requests[0])


WATCH = """
import dataclasses, sys
import django
django.setup()
from alarms import gateways
from tests.alarms.any_sink import any_sink
from tests.alarms.test_apprise import ALARM
written = []
with any_sink() as sink:
    urls = (f"json://{sink.host}/{{address}}?store=yes", f"matrix://token@{sink.host}/{{address}}?store=yes")
    found = [gateways.build(url) for url in urls]
    watch = lambda event, details: event == "open" and details[2] & 3 and written.append(details[0])
    sys.addaudithook(watch)
    for gateway in found:
        try:
            gateway.send(ALARM)
        except gateways.base.GatewayError:
            assert gateway.label == "Matrix"
    assert len(sink.requests) > 1
print("written:", written)
"""


def test_nothing_is_kept_on_disk() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["written: []"], done.stderr


def test_an_address_that_the_service_does_not_know_is_no_valid_one(sink: AnySink) -> None:
    with pytest.raises(GatewayError) as raised:
        built(f"ntfy://{sink.host}/{{address}}").send(dataclasses.replace(ALARM, address="erna einsatz"))
    assert (raised.value.reason, raised.value.permanent) == ("ntfy: the address is not valid", True)
    assert not raised.value.asked
    assert sink.requests == []
