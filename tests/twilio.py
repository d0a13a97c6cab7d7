"""Twilio, as far as the service sees it: it takes messages and calls, and asks back with a signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from aiohttp import web
from django.conf import settings
from rest_framework.test import APIClient

from tests.sinks import HttpSink

ACCOUNT, TOKEN = "AC00112233", "twilio's token"
VOICE = "/api/v1/inbound/twilio/voice"


def sign(url: str, form: dict[str, str], token: str = TOKEN) -> str:
    """Return X-Twilio-Signature for a form in which no name stands twice."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def ask(path: str, form: dict[str, str], *, token: str = TOKEN, signature: str | None = None) -> Any:
    """Return the answer of the service to Twilio."""
    form = {"AccountSid": ACCOUNT, **form}
    signature = sign(f"{settings.BASE_URL}{path}", form, token) if signature is None else signature
    return APIClient(raise_request_exception=False).post(
        path,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )


def twiml(answer: Any) -> Element:
    """Return the TwiML of an answer."""
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/xml")
    return parsed(answer.content)


def parsed(content: bytes) -> Element:
    document = ElementTree.fromstring(content)  # noqa: S314 - ours
    assert document.tag == "Response"
    return document


def spoken(document: Element) -> list[str]:
    """Return what is said, one after the other."""
    return [element.text or "" for element in document.iter("Say")]


@dataclass(frozen=True)
class Order:
    """What Twilio was asked to do."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class Refusal:
    status: int
    code: int
    headers: dict[str, str] = field(default_factory=dict)


class TwilioSink(HttpSink):
    """Speaks the part of Twilio's API that sends; `refusals` says to which numbers it does not."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.refusals: dict[str, Refusal] = {}
        super().__init__()

    def gateway(self, scheme: str, sender: str = "%2B4930123456") -> str:
        host = self.url.removeprefix("http://")
        return f"{scheme}://{ACCOUNT}:{urlencode({'': TOKEN})[1:].replace('+', '%20')}@{host}/{sender}?scheme=http"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        self.orders.append(Order(request.path, dict(request.headers), form))
        if refusal := self.refusals.get(form["To"]):
            told = {
                "code": refusal.code,
                "message": f"The number {form['To']} is not valid",
                "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
                "status": refusal.status,
            }
            return web.json_response(told, status=refusal.status, headers=refusal.headers)
        return web.json_response({"sid": "SM0123", "status": "queued"}, status=201)


def ask_over_http(url: str, form: dict[str, str], *, signature: str | None = None) -> tuple[int, bytes]:
    """Ask a running service, at a URL that it has told."""
    form = {"AccountSid": ACCOUNT, **form}
    request = urllib.request.Request(
        url,
        data=urlencode(form).encode(),
        headers={"X-Twilio-Signature": sign(url, form) if signature is None else signature},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
