from __future__ import annotations

import asyncio
import contextlib
import email.utils
import hashlib
import hmac
import time
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.client_proto import ResponseHandler
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alarms import texts
from alarms.delivery import Delivery
from alarms.gateways.base import FOUND_CLOSED, GatewayError, LoopGateway, is_permanent, no_answer
from alarms.models import DeviceMessage
from messaging_project import outbound

# What an alarm is not is named in the JSON.
KINDS = {DeviceMessage.Kind.ALL_CLEAR: "allClear", DeviceMessage.Kind.TEST: "test"}


ON_A_NEW_CONNECTION: ContextVar[bool] = ContextVar("on_a_new_connection")


class Connector(aiohttp.TCPConnector):
    """Tells the task that makes a request whether a connection was made for it. (aiohttp's own tracing tells that too,
    at a fifth of the time of a request.)"""

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        ON_A_NEW_CONNECTION.set(True)
        return await super()._create_connection(req, traces, timeout)


class PostingGateway(LoopGateway):
    """A gateway that is asked by a POST, over connections that are kept."""

    patience = 1024

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Raises: GatewayError for any answer but a 2xx, or none."""
        try:
            status, retry_after, content = await self._post(url, body, headers)
        except TimeoutError:
            raise no_answer() from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise GatewayError(f"not a URL: {type(error).__name__}", permanent=True) from error
        except (aiohttp.ClientError, OSError) as error:
            if outbound.was_refused(error):
                raise GatewayError(outbound.REFUSED, permanent=True) from error
            reason = f"no connection: {type(error).__name__}"
            raise GatewayError(reason, permanent=False, kind="no_connection") from error
        if not 200 <= status < 300:
            raise GatewayError(
                f"HTTP {status}{self.told(content)}",
                permanent=is_permanent(status),
                retry_after=seconds_to_wait(retry_after),
            )

    def told(self, content: bytes) -> str:
        """Return what the body of a refusal adds to the reason: nothing that may be an address or a secret."""
        return ""

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
        """POST once; again at once where a kept connection turned out to be closed by the other side."""
        session = self._session = self._session or self._new_session()
        began = time.monotonic()
        while True:
            ON_A_NEW_CONNECTION.set(False)
            try:
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    # The answer is the status, whatever becomes of the rest; it is read so that the connection is kept.
                    content = b""
                    if not response.content.at_eof():
                        with contextlib.suppress(aiohttp.ClientError, OSError):
                            async with asyncio.timeout(1):
                                content = await response.content.read(64 * 1024)
                    return response.status, response.headers.get("Retry-After"), content
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if ON_A_NEW_CONNECTION.get() or time.monotonic() - began > FOUND_CLOSED:
                    raise

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # Whoever sends bounds what is under way, and for how long.
            connector=Connector(limit=0, socket_factory=outbound.socket_to if self.guarded else None),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.GATEWAY_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            # Connections under TLS end one turn of the loop later.
            await asyncio.sleep(0)
            self._session = None


class HttpGateway(PostingGateway):
    """`http:` and `https:` POST the message as JSON (contract 7)."""

    connections = 512

    def __init__(self, url: str) -> None:
        super().__init__(url)
        host = urlsplit(url).hostname
        if not host:
            raise ImproperlyConfigured("an http gateway needs a host, as in https://gateway.example/alarm")
        check_port(url)
        self.label = host

    async def send(self, delivery: Delivery) -> None:
        body = orjson.dumps(payload(delivery))
        headers = {"Content-Type": "application/json", "Idempotency-Key": delivery.idempotency_key}
        if settings.GATEWAY_SECRET:
            headers["X-Signature"] = signature(body, settings.GATEWAY_SECRET)
        await self.post(self.url, body, headers)


def check_port(url: str) -> None:
    """Raises: ImproperlyConfigured for a port that is none."""
    try:
        _port = urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured("the port is no number") from None


def payload(delivery: Delivery) -> dict[str, object]:
    """Return the JSON of a message (contract 7); one that is no alarm has its `kind` beside."""
    kind = {} if delivery.kind == DeviceMessage.Kind.ALARM else {"kind": KINDS[DeviceMessage.Kind(delivery.kind)]}
    return {
        "messageId": delivery.message_id,
        "alarmID": delivery.alarm_id,
        "organizationID": delivery.organization_id,
        "userID": delivery.user_id,
        "way": delivery.way,
        "address": delivery.address,
        "device": delivery.device,
        "text": texts.plain(delivery),
        "answerURL": delivery.answer_url,
        "attempt": delivery.attempt,
        **kind,
    }


def signature(body: bytes, secret: str) -> str:
    """Return the header X-Signature: the HMAC-SHA-256 of the body in hex."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or an HTTP date), None if it cannot be read."""
    if not retry_after:
        return None
    if retry_after.strip().isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
