"""Twilio: SMS, and calls that read the alarm aloud and ask for the answer."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import aiohttp
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import translation

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.http import PostingGateway, check_port
from alarms.inbound import twiml
from alarms.models import DeviceMessage

API = "2010-04-01"
# What Twilio asks of us.
CALLBACKS = "/api/v1/inbound/twilio"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Of its own errors, which begin with it; the rest names the number.
ERROR_CODE = re.compile(rb'"code": ?([0-9]{4,6})\b')
# As long as what is said may be where it is sent along.
LONGEST_TWIML = 4000


def voice_url(code: str) -> str:
    """Return where Twilio asks what to say to a recipient; without a code to whoever calls."""
    return f"{settings.BASE_URL}{CALLBACKS}/voice{code and f'/{code}'}"


class TwilioGateway(PostingGateway):
    """`twilio+sms://ACCOUNT_SID:AUTH_TOKEN@api.twilio.com/FROM` and `twilio+call://...`; FROM is a number, or the id of
    a messaging service (MG...). `?scheme=http` reaches a server on this machine.

    Twilio knows no idempotency key: a repeat after an answer that was lost is a second SMS or call.
    """

    connections = 64

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.label = "Twilio"
        parts = urlsplit(url)
        self.account, self.token = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._host = unquote(parts.path).strip("/"), parts.hostname or ""
        if not (re.fullmatch("[A-Za-z0-9]+", self.account) and self.token and self._host and self._sender):
            raise ImproperlyConfigured(f"write it as {self.scheme}://ACCOUNT_SID:AUTH_TOKEN@api.twilio.com/FROM")
        host = parts.netloc.rpartition("@")[2]
        check_port(url)
        self._is_call = self.scheme == "twilio+call"
        resource = "Calls" if self._is_call else "Messages"
        self._endpoint = f"{_scheme(parts.query, self._host)}://{host}/{API}/Accounts/{self.account}/{resource}.json"
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(self.account, self.token),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    async def send(self, delivery: Delivery) -> None:
        body = urlencode(self._call(delivery) if self._is_call else self._message(delivery)).encode()
        await self.post(self._endpoint, body, self._headers)

    def told(self, content: bytes) -> str:
        found = ERROR_CODE.search(content)
        return f", Twilio {found[1].decode()}" if found else ""

    def _message(self, delivery: Delivery) -> dict[str, str]:
        sender = "MessagingServiceSid" if self._sender.startswith("MG") else "From"
        content = {"To": delivery.address, sender: self._sender, "Body": texts.written(delivery)}
        return content | self._status_callback(delivery)

    def _call(self, delivery: Delivery) -> dict[str, str]:
        content = {"To": delivery.address, "From": self._sender}
        # Without an answer there is nothing to ask.
        if delivery.code and self._may_be_asked(delivery):
            content["Url"] = voice_url(delivery.code)
        else:
            content["Twiml"] = _read_twice(delivery)
        return content | self._status_callback(delivery)

    def _status_callback(self, delivery: Delivery) -> dict[str, str]:
        if delivery.kind == DeviceMessage.Kind.TEST or not self._may_be_asked(delivery):
            return {}
        query = urlencode({"key": delivery.idempotency_key, "attempt": delivery.attempt})
        return {"StatusCallback": f"{settings.BASE_URL}{CALLBACKS}/status?{query}"}

    def _may_be_asked(self, delivery: Delivery) -> bool:
        """Whether what Twilio asks of us will be answered; else it would not even send the message: it refuses to call
        back to another machine's loopback."""
        reachable = urlsplit(settings.BASE_URL).hostname not in LOOPBACK or self._host in LOOPBACK
        return reachable and bool(delivery.gateways_of or settings.TWILIO_AUTH_TOKEN)


def _scheme(query: str, host: str) -> str:
    options = parse_qs(query, keep_blank_values=True)
    scheme = options.pop("scheme", ["https"])
    if options or scheme not in (["https"], ["http"]):
        raise ImproperlyConfigured("twilio: the only option is scheme=http")
    if scheme == ["http"] and host not in LOOPBACK:
        raise ImproperlyConfigured("twilio: scheme=http is for this machine only")
    return scheme[0]


def _read_twice(delivery: Delivery) -> str:
    """Return the TwiML of a text that is read twice; what is too long for Twilio loses its end."""
    with translation.override(delivery.language):
        language, text = texts.voice(), texts.plain(delivery)
    while True:
        document = twiml.response(twiml.twice(text, language=language)).decode()
        if len(document) <= LONGEST_TWIML:
            return document
        text = text[: -max(1, (len(document) - LONGEST_TWIML) // 10)]
