"""What the service is measured against: the same work by the barest means, without a database or without a service."""

from __future__ import annotations

import asyncio
import smtplib
import time
from collections.abc import Iterator, Sequence

import aiohttp
from django.db import connection

INSERT = """
    INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline)
    SELECT %(alarm)s, id, now() FROM unnest(%(users)s::bigint[]) AS id ORDER BY id
"""


async def _post_all(url: str, messages: Iterator[tuple[dict[str, str], bytes]], session: aiohttp.ClientSession) -> None:
    for headers, body in messages:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()


def post(url: str, messages: Sequence[tuple[dict[str, str], bytes]], *, connections: int) -> float:
    """POST headers and bodies with aiohttp over so many connections; return the seconds it took."""

    async def run() -> float:
        left = iter(messages)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
            begin = time.monotonic()
            await asyncio.gather(*(_post_all(url, left, session) for _connection in range(connections)))
            return time.monotonic() - begin

    return asyncio.run(run())


def mail(port: int, messages: Sequence[tuple[str, str, bytes]]) -> float:
    """Send mails (from, to, content) with smtplib over one connection; return the seconds it took."""
    begin = time.monotonic()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for sender, recipient, content in messages:
            server.sendmail(sender, [recipient], content)
    return time.monotonic() - begin


def insert(alarm_id: int, users: Sequence[int]) -> float:
    """INSERT ... SELECT the recipients of an alarm and commit; return the seconds it took. They are deleted again."""
    with connection.cursor() as cursor:
        begin = time.monotonic()
        cursor.execute(INSERT, {"alarm": alarm_id, "users": list(users)})
        took = time.monotonic() - begin
        cursor.execute("DELETE FROM alarms_alarmmessage WHERE alarm_id = %s", [alarm_id])
    return took
