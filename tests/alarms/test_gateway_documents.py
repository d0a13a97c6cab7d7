"""docs/gateways.md: every example of it is read by the real Apprise, or by our own gateways, and does what it says."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.checks import run_checks
from django.core.mail import get_connection

from alarms import gateways, texts
from alarms.gateways.apprise import AppriseGateway
from alarms.gateways.base import ThreadGateway
from organizations.models import Way
from tests.alarms.any_sink import AnySink, any_sink
from tests.alarms.test_texts import DELIVERY
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "gateways.md").read_text()
EXAMPLES = [
    (setting.removeprefix("GATEWAY_").lower(), value)
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for setting, value in re.findall(r'^(\w+)="(.*)"$', block, re.MULTILINE)
    if setting.startswith("GATEWAY_")
]
URLS = [(way, url) for way, value in EXAMPLES for url in value.split()]

NUMBERS = ("+491512345678", "+491519876543")
NAMES = ("erna_0815", "otto_4711")
# The service that each example is for, two addresses of it, and where a plugin keeps whom it sends to.
SERVICES: dict[str, tuple[str, tuple[str, str], str]] = {
    "ntfys": ("ntfy", NAMES, "topics"),
    "gotifys": ("Gotify", ("AKuiR1Db6q7mJ_2", "A9xWv0fLk3Zp.1y"), "token"),
    "pover": ("Pushover", ("uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "uZ8xKp2nV5bT7rLw3mYc6hJd9sFgAe"), "user_key"),
    "matrixs": ("Matrix", ("!OGEhHVWSdvArJzumhm:example.org", "!abcDEFghiJKLmnoPQR:example.org"), "rooms"),
    "tgram": ("Telegram", ("123456789", "-1001234567890"), "targets"),
    "signal": ("Signal API", ("+491512345678", "group.YWJjZGVmZ2hpamts"), "targets"),
    "mmosts": ("Mattermost", ("alarm-1", "alarm-2"), "targets"),
    "slack": ("Slack", ("#alarm", "+U01ABCDEF"), "channels"),
    "jsons": ("JSON", NUMBERS, "payload_extras"),
    "smpp": ("SMPP", NUMBERS, "targets"),
    "twilio": ("Twilio", NUMBERS, "targets"),
    "msgbird": ("MessageBird", NUMBERS, "targets"),
    "sns": ("AWS Simple Notification Service (SNS)", NUMBERS, "phone"),
    "smseagles": ("SMS Eagle", NUMBERS, "target_phones"),
    "seven": ("seven", NUMBERS, "targets"),
    "vonage": ("Vonage", NUMBERS, "targets"),
    "forms": ("Form", ("1234567", "7654321"), "payload_extras"),
    "dapnet": ("Dapnet", ("DL1ABC", "DK2XYZ"), "targets"),
}
OWN = {"log": "log", "email": "email", "https": "pager.example.org", "twilio+sms": "Twilio", "twilio+call": "Twilio"}


def scheme_of(url: str) -> str:
    return url.partition(":")[0]


def test_every_way_has_examples_and_every_service_one() -> None:
    assert {way for way, _url in URLS} == set(Way.values)
    assert {scheme_of(url) for _way, url in URLS} == (SERVICES.keys() | OWN.keys()) - {"log"}


@pytest.mark.parametrize(("way", "value"), EXAMPLES)
def test_an_example_is_a_setting_that_nothing_is_wrong_with(settings: Any, way: str, value: str) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {way: value.split()}
    assert [found.msg for found in run_checks() if found.id == "alarms.E001"] == []


@pytest.mark.parametrize("url", [url for _way, url in URLS if scheme_of(url) in OWN])
def test_our_own_gateways_read_their_examples(url: str) -> None:
    assert gateways.build(url).label == OWN[scheme_of(url)]


@pytest.mark.parametrize("url", sorted({url for _way, url in URLS if scheme_of(url) not in OWN}))
def test_apprise_reads_the_others_and_sends_to_the_address(url: str) -> None:
    label, addresses, kept_in = SERVICES[scheme_of(url)]
    gateway = gateways.build(url)
    assert isinstance(gateway, AppriseGateway)
    assert gateway.label == label
    found = []
    for address in addresses:
        plugin = gateway._looked_at(address)
        assert plugin is not None
        assert len(plugin) == 1
        assert gateway._place.holds(plugin, address)
        found.append(str(getattr(plugin, kept_in)))
        assert address.lstrip("+#") in found[-1]
    assert found[0] != found[1]


def test_the_mail_service_of_the_example_is_one_that_there_is(settings: Any) -> None:
    named = dict(re.findall(r'^((?:ANYMAIL|EMAIL)_\w+)="(.*)"$', PAGE, re.MULTILINE))
    settings.ANYMAIL = {name.removeprefix("ANYMAIL_"): named.pop(name) for name in list(named) if "ANYMAIL" in name}
    backend = get_connection(named.pop("EMAIL_BACKEND"))
    assert backend.server_token == "01234567-89ab-cdef-0123-456789abcdef"
    assert settings.ANYMAIL["WEBHOOK_SECRET"] == "alarm:a-long-secret"
    assert named == {}


@pytest.fixture
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


def sent(url: str, sink: AnySink, way: str, address: str) -> Any:
    """Send an alarm with an example whose server is the sink, and return it with what arrived."""
    plain = re.sub(r"^(\w+)s://((?:[^@/]*@)?)[^/]*", rf"\g<1>://\g<2>{sink.host}", url)
    gateway = gateways.build(plain)
    assert isinstance(gateway, ThreadGateway)
    delivery = dataclasses.replace(DELIVERY, way=way, address=address)
    gateway.send(delivery)
    (request,) = sink.requests
    return delivery, request


def example(part: str) -> str:
    (url,) = {url for _way, url in URLS if part in url}
    return url


def test_sipgate_gets_the_json_that_it_wants(sink: AnySink) -> None:
    delivery, request = sent(example("api.sipgate.com"), sink, "sms", "+491512345678")
    assert (request.method, request.target) == ("POST", "/v2/sessions/sms")
    assert request.json == {"smsId": "s0", "recipient": "+491512345678", "message": texts.written(delivery)}
    secret = b"token-AB12CD:01234567-89ab-cdef-0123-456789abcdef"
    assert request.headers["authorization"] == f"Basic {base64.b64encode(secret).decode()}"
    assert request.headers["content-type"] == "application/json"


def test_a_flow_for_teams_gets_its_signature_in_the_url_and_the_rest_in_json(sink: AnySink) -> None:
    delivery, request = sent(example("logic.azure.com"), sink, "app", "erna@example.org")
    path, _question, query = request.target.partition("?")
    assert path == "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    assert parse_qs(query) == {
        "api-version": ["2016-06-01"],
        "sp": ["/triggers/manual/run"],
        "sv": ["1.0"],
        "sig": ["AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"],
    }
    assert request.json["to"] == "erna@example.org"
    assert request.json["url"] == delivery.answer_url
    assert (request.json["title"], request.json["message"]) == texts.titled(delivery)


def test_a_transmitter_of_pagers_gets_a_form(sink: AnySink) -> None:
    delivery, request = sent(example("transmitter.example.org"), sink, "pager", "1234567")
    assert (request.method, request.target) == ("POST", "/send")
    assert parse_qs(request.body.decode()) == {"ric": ["1234567"], "text": [texts.written(delivery)]}
