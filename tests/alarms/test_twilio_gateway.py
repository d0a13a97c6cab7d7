"""What Twilio is asked to send, and what its answers mean."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, LoopGateway
from tests.alarms.test_texts import to
from tests.sinks import refusing_port
from tests.twilio import ACCOUNT, TOKEN, VOICE, Order, Refusal, TwilioSink, parsed, spoken

SMS = to(address="+4915112345678", code="0123456789ab", attempt=3)
CALL = to(address="+4915112345678", code="0123456789ab", way="call", language="de")
ALL_CLEAR = to(address="+4915112345678", code="", kind=1, way="call", language="de")
TEST = to(address="+4915112345678", code="", kind=2, way="call")


@pytest.fixture
def twilio() -> Iterator[TwilioSink]:
    sink = TwilioSink()
    yield sink
    sink.close()


@pytest.fixture(autouse=True)
def callbacks(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = TOKEN
    settings.BASE_URL = "https://alarm.example"


def send(url: str, delivery: Delivery) -> GatewayError | None:
    async def once() -> GatewayError | None:
        gateway = gateways.build(url)
        assert isinstance(gateway, LoopGateway)
        try:
            await gateway.send(delivery)
        except GatewayError as error:
            return error
        finally:
            await gateway.close()
        return None

    return asyncio.run(once())


def ordered(twilio: TwilioSink, delivery: Delivery, *, sender: str = "%2B4930123456") -> Order:
    assert send(twilio.gateway(f"twilio+{delivery.way}", sender), delivery) is None
    return twilio.orders[-1]


def status_callback(order: Order) -> tuple[str, dict[str, list[str]]]:
    url = urlsplit(order.form["StatusCallback"])
    return f"{url.scheme}://{url.netloc}{url.path}", parse_qs(url.query)


# What it gets


def test_an_sms_is_a_message_of_the_account(twilio: TwilioSink) -> None:
    order = ordered(twilio, SMS)
    assert order.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert order.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(order.headers["Authorization"].removeprefix("Basic ")).decode() == f"{ACCOUNT}:{TOKEN}"
    assert set(order.form) == {"To", "From", "Body", "StatusCallback"}
    assert (order.form["To"], order.form["From"]) == ("+4915112345678", "+4930123456")
    assert order.form["Body"].startswith("ALARM Feuerwehr\nBrand <b>& Rauch</b>\nzweite Zeile\n")
    assert order.form["Body"].endswith("\nhttps://alarm.example/a/0123456789ab")
    where, query = status_callback(order)
    assert where == "https://alarm.example/api/v1/inbound/twilio/status"
    assert query == {"key": [SMS.idempotency_key], "attempt": ["3"]}


@pytest.mark.parametrize(
    ("sender", "name", "value"),
    [
        ("+4930123456", "From", "+4930123456"),
        ("Feuerwehr", "From", "Feuerwehr"),
        ("MG01", "MessagingServiceSid", "MG01"),
    ],
)
def test_a_sender_is_a_number_a_name_or_a_messaging_service(
    twilio: TwilioSink, sender: str, name: str, value: str
) -> None:
    form = ordered(twilio, SMS, sender=sender).form
    assert form[name] == value
    assert ("From" in form) is not ("MessagingServiceSid" in form)


def test_a_call_asks_what_to_say(twilio: TwilioSink) -> None:
    order = ordered(twilio, CALL)
    assert order.path == f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    assert set(order.form) == {"To", "From", "Url", "StatusCallback"}
    assert order.form["Url"] == f"https://alarm.example{VOICE}/0123456789ab"


@pytest.mark.parametrize(("delivery", "language"), [(ALL_CLEAR, "de-DE"), (TEST, "en-GB")])
def test_what_nobody_answers_is_said_twice_and_nothing_is_asked(
    twilio: TwilioSink, delivery: Delivery, language: str
) -> None:
    form = ordered(twilio, delivery).form
    assert "Url" not in form
    document = parsed(form["Twiml"].encode())
    first, second = spoken(document)
    assert first == second
    assert ("ENTWARNUNG Feuerwehr\nBrand <b>" if delivery is ALL_CLEAR else "TEST Feuerwehr\n") in first
    assert {element.get("language") for element in document.iter("Say")} == {language}
    assert document.find("Gather") is None


@pytest.mark.parametrize("character", ["&", "x", "\x00", "ä"])
def test_what_is_sent_along_to_be_said_is_never_too_long(twilio: TwilioSink, character: str) -> None:
    form = ordered(twilio, to(code="", kind=1, way="call", message=character * 960, event=character * 255)).form
    assert len(form["Twiml"]) <= 4000
    first, second = spoken(parsed(form["Twiml"].encode()))
    assert first == second
    assert first.startswith("ALL-CLEAR Feuerwehr")


def test_no_receipt_is_asked_for_a_test(twilio: TwilioSink) -> None:
    assert "StatusCallback" not in ordered(twilio, TEST).form
    assert "StatusCallback" in ordered(twilio, ALL_CLEAR).form


def test_where_callbacks_could_not_be_verified_none_is_asked_for_but_the_alarm_goes_out(
    twilio: TwilioSink, settings: Any
) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert set(ordered(twilio, SMS).form) == {"To", "From", "Body"}
    form = ordered(twilio, CALL).form
    assert set(form) == {"To", "From", "Twiml"}
    assert "Brand" in spoken(parsed(form["Twiml"].encode()))[1]
    # An organization's own account signs with its own token.
    own = to(way="call", gateways_of=5)
    assert set(ordered(twilio, own).form) == {"To", "From", "Url", "StatusCallback"}


# What its answers mean


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [(400, 21211, True), (401, 20003, True), (404, 20404, True), (429, 20429, False), (500, 20500, False)],
)
def test_a_refusal_is_told_by_its_codes_and_never_by_its_words(
    twilio: TwilioSink, status: int, code: int, permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    twilio.refusals[SMS.address] = Refusal(status, code, {"Retry-After": "7"})
    error = send(twilio.gateway("twilio+sms"), SMS)
    assert error is not None
    assert (error.reason, error.permanent) == (f"HTTP {status}, Twilio {code}", permanent)
    assert error.retry_after == 7.0
    assert "12345678" not in caplog.text + repr(error)
    assert TOKEN not in caplog.text


def test_nobody_listening_is_temporary() -> None:
    with refusing_port() as port:
        error = send(f"twilio+call://{ACCOUNT}:t@127.0.0.1:{port}/+4930?scheme=http", CALL)
    assert error is not None
    assert (error.reason, error.permanent) == ("no connection: ClientConnectorError", False)


# What no gateway can be made of


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "api.twilio.com/+4930",
        "AC1@api.twilio.com/+4930",
        "AC1:secret@api.twilio.com",
        "AC1:secret@api.twilio.com/",
        "AC1:secret@/+4930",
        ":secret@api.twilio.com/+4930",
        "A/C1:secret@api.twilio.com/+4930",
        "AC1:secret@api.twilio.com:port/+4930",
        "AC1:secret@api.twilio.com/+4930?scheme=http",
        "AC1:secret@127.0.0.1.evil.example/+4930?scheme=http",
        "AC1:secret@127.0.0.1/+4930?scheme=ftp",
        "AC1:secret@api.twilio.com/+4930?region=de1",
    ],
)
@pytest.mark.parametrize("scheme", ["twilio+sms", "twilio+call"])
def test_a_url_that_misses_something_is_told_at_the_start_and_not_repeated(scheme: str, rest: str) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        gateways.build(f"{scheme}://{rest}")
    assert "secret" not in str(raised.value)
    assert "evil" not in str(raised.value)


def test_it_is_shown_by_its_name_alone() -> None:
    assert gateways.build("twilio+sms://AC1:secret@api.twilio.com/+4930").label == "Twilio"
