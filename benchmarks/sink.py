"""Where everything goes: an HTTP gateway and a mail server in a process of their own, which do as little as they can.

`python -m benchmarks.sink SECONDS` prints their two ports. The HTTP server takes a POST of any message; an address that
ends in `-hangs` is answered after so many seconds. A GET tells of what came since the last `GET /forget`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

from aiosmtpd.smtp import SMTP, Envelope, Session

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

arrivals: list[tuple[float, bytes]] = []
"""When each message was there in full (time.monotonic(), one clock for all processes of a machine), and its JSON; those
that hang are left out."""


class HttpSink(asyncio.Protocol):
    def __init__(self, hangs: float) -> None:
        self._hangs = hangs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received = data = self._received + data if self._received else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        if data.startswith(b"GET "):
            self._received = b""
            self._tell(data[4 : data.index(b" ", 4)])
            return
        length = LENGTH.search(data, 0, end)
        assert length is not None
        if len(data) < end + 4 + int(length[1]):
            return
        self._received = b""
        self._take(data[end + 4 :])

    def _take(self, body: bytes) -> None:
        if b'-hangs"' in body:
            asyncio.get_running_loop().call_later(self._hangs, self._transport.write, OK)
            return
        arrivals.append((time.monotonic(), body))
        self._transport.write(OK)

    def _tell(self, path: bytes) -> None:
        answer: object = len(arrivals)
        if path == b"/forget":
            arrivals.clear()
        elif path == b"/times":
            answer = times()
        elif path == b"/messages":
            answer = [body.decode() for _at, body in arrivals]
        content = json.dumps(answer).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))


def times() -> dict[str, list[float]]:
    """Return by alarm ("mail" for mails) when each address was first reached, in order."""
    seen: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for at, body in arrivals:
        message = json.loads(body)
        seen[str(message["alarmID"])].setdefault(message["address"], at)
    return {alarm: sorted(each.values()) for alarm, each in seen.items()}


class MailSink:
    """Notes when each mail was there in full."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = str(envelope.content, "latin-1")  # type: ignore[arg-type] # bytes
        message = {"alarmID": "mail", "address": envelope.rcpt_tos[0], "sender": envelope.mail_from, "content": content}
        arrivals.append((time.monotonic(), json.dumps(message).encode()))
        return "250 OK"


async def serve(hangs: float) -> None:
    loop = asyncio.get_running_loop()
    http = await loop.create_server(lambda: HttpSink(hangs), "127.0.0.1", 0, backlog=4096)
    mail = await loop.create_server(lambda: SMTP(MailSink(), loop=loop), "127.0.0.1", 0)
    print(*(server.sockets[0].getsockname()[1] for server in (http, mail)), flush=True)
    await asyncio.gather(http.serve_forever(), mail.serve_forever())


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
