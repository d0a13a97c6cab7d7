"""The gateways one by one, against real servers."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any

import pytest
from django.core.checks import run_checks

from alarms import gateways
from alarms.gateways.base import GatewayError, masked
from alarms.gateways.email import EmailGateway
from alarms.gateways.http import HttpGateway, seconds_to_wait
from tests.alarms.test_texts import DELIVERY
from tests.sinks import MailSink, refusing_port


class ClosingServer:
    """Answers the first request of a connection and hangs up on the second without a word."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for number in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(length)
            self.requests += 1
            if number == 0:
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()

    async def send_twice(self) -> None:
        server = await asyncio.start_server(self, "127.0.0.1", 0)
        gateway = HttpGateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        try:
            await gateway.send(DELIVERY)
            await gateway.send(DELIVERY)
        finally:
            await gateway.close()
            server.close()


def test_a_kept_connection_that_the_other_side_has_closed_costs_no_attempt() -> None:
    closing = ClosingServer()
    asyncio.run(closing.send_twice())
    assert (closing.connections, closing.requests) == (2, 3)


def test_what_a_gateway_may_have_taken_before_it_hung_up_is_not_sent_again_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer may have come meanwhile: only a claim knows (contract 4)."""
    monkeypatch.setattr("alarms.gateways.http.FOUND_CLOSED", 0.0)
    closing = ClosingServer()
    with pytest.raises(GatewayError) as raised:
        asyncio.run(closing.send_twice())
    assert (raised.value.reason, raised.value.permanent) == ("no connection: ServerDisconnectedError", False)
    assert (closing.connections, closing.requests) == (1, 2)


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", None),
        (b"HTTP/1.1 202 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nnoise", None),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 99\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\n", False),
    ],
)
def test_the_status_is_the_answer_whatever_becomes_of_the_body(head: bytes, refused: bool | None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await reader.read()
        writer.close()

    async def send() -> bool | None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        gateway = HttpGateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        try:
            await gateway.send(DELIVERY)
        except GatewayError as error:
            return error.permanent
        finally:
            await gateway.close()
            server.close()
        return None

    assert asyncio.run(send()) is refused


@pytest.mark.parametrize("url", ["http://", "https:/gateway.example", "https:gateway.example"])
def test_a_url_without_a_host_is_told_at_the_start(settings: Any, url: str) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": [url]}
    (error,) = [found for found in run_checks() if found.id == "alarms.E001"]
    assert error.msg.startswith("GATEWAY_SMS: an http gateway needs a host")


def test_nobody_listening_is_temporary_and_names_no_address() -> None:
    async def send(port: int) -> None:
        gateway = HttpGateway(f"http://127.0.0.1:{port}/secret-path")
        try:
            await gateway.send(DELIVERY)
        finally:
            await gateway.close()

    with refusing_port() as port, pytest.raises(GatewayError) as raised:
        asyncio.run(send(port))
    assert not raised.value.permanent
    assert raised.value.reason == "no connection: ClientConnectorError"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds


MAILED = dataclasses.replace(DELIVERY, way="email", address="someone@example.org")


def test_a_mail_server_that_has_closed_the_kept_connection_costs_no_attempt(mail: MailSink) -> None:
    gateway = EmailGateway("email:")
    gateway.send(MAILED)
    mail.hang_up()
    gateway.send(MAILED)
    gateway.idle()
    assert len(mail.mails) == 2
    # One more was the controller's own, to see that it listens.
    assert mail.connections == 3


def test_what_a_mail_server_may_have_taken_before_it_hung_up_is_not_sent_again_by_itself(
    mail: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alarms.gateways.email.FOUND_CLOSED", 0.0)
    gateway = EmailGateway("email:")
    gateway.send(MAILED)
    mail.hang_up()
    with pytest.raises(GatewayError) as raised:
        gateway.send(MAILED)
    assert not raised.value.permanent
    assert len(mail.mails) == 1
    gateway.send(MAILED)
    gateway.idle()
    assert len(mail.mails) == 2


def test_the_message_id_is_the_same_for_every_attempt(mail: MailSink, settings: Any) -> None:
    settings.BASE_URL = "https://alarm.example.org"
    gateway = EmailGateway("email:")
    gateway.send(MAILED)
    gateway.send(dataclasses.replace(MAILED, attempt=2))
    gateway.idle()
    ids = {sent.message["Message-ID"] for sent in mail.mails}
    assert ids == {f"<{MAILED.idempotency_key}@alarm.example.org>"}


@pytest.mark.parametrize(
    ("answer", "permanent", "reason"),
    [
        ("550 No such user someone@example.org", True, "recipient refused: SMTP 550"),
        ("450 Mailbox busy", False, "recipient refused: SMTP 450"),
    ],
)
def test_a_refused_recipient_is_permanent_if_the_server_says_so(
    mail: MailSink, answer: str, permanent: bool, reason: str
) -> None:
    mail.refused[MAILED.address] = answer
    gateway = EmailGateway("email:")
    with pytest.raises(GatewayError) as raised:
        gateway.send(MAILED)
    gateway.idle()
    assert (raised.value.permanent, raised.value.reason) == (permanent, reason)
    assert raised.value.asked


def test_no_mail_server_is_temporary(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with refusing_port() as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        with pytest.raises(GatewayError) as raised:
            EmailGateway("email:").send(MAILED)
    assert not raised.value.permanent


@pytest.mark.parametrize("address", ["a@b\nBcc: c@d", "", "@"])
def test_an_address_that_cannot_be_mailed_to_is_permanent(mail: MailSink, address: str) -> None:
    gateway = EmailGateway("email:")
    with pytest.raises(GatewayError) as raised:
        gateway.send(dataclasses.replace(MAILED, address=address))
    gateway.idle()
    assert raised.value.permanent
    assert not raised.value.asked, "it says nothing of the mail server"
    assert mail.mails == []


def test_the_log_gateway_writes_the_message_but_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        gateways.build("log:").send(MAILED)  # type: ignore[attr-defined]
    assert "Brand <b>& Rauch</b>" in caplog.text
    assert MAILED.address not in caplog.text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("someone@example.org", "s***@example.org"),
        ("a@example.org", "***@example.org"),
        ("+4915112345678", "+4***78"),
        ("1204711", "1***1"),
        ("12345", "1***"),
        ("12", "***"),
        ("", "***"),
    ],
)
def test_an_address_is_masked_in_logs(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_a_gateway_that_there_is_not_is_told_at_the_start(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["carrier-pigeon://secret@roof"]}
    (error,) = [found for found in run_checks() if found.id == "alarms.E001"]
    assert error.msg.startswith("GATEWAY_SMS: no gateway has the scheme 'carrier-pigeon'; ")
    assert "secret" not in error.msg


@pytest.mark.parametrize("entry", [("fax", 0), ("sms", -1), ("sms", 86401)])
def test_a_default_escalation_that_makes_no_sense_is_told_at_the_start(settings: Any, entry: tuple[str, int]) -> None:
    settings.DEFAULT_ESCALATION = [entry]
    (error,) = [found for found in run_checks() if found.id == "alarms.E002"]
    assert error.msg.startswith(f"DEFAULT_ESCALATION: {entry[0]}:{entry[1]} ")
