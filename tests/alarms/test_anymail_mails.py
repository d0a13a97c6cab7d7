"""Mails of alarms that leave through a mail service (django-anymail) carry what its receipts bring back."""

from __future__ import annotations

import dataclasses
import email
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core import mail

from alarms.gateways.base import GatewayError
from alarms.gateways.email import EmailGateway
from tests.alarms.test_texts import DELIVERY
from tests.sinks import MailSink, refusing_port

MAILED = dataclasses.replace(DELIVERY, way="email", address="someone@example.org")


class Service(ThreadingHTTPServer):
    """The interface of a mail service on loopback: takes every mail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts: list[tuple[str, bytes]] = []
        self.status = 200
        self.answer: bytes = b""
        self.headers: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.posts.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        for name, value in ({"Content-Type": "application/json"} | self.server.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_facts: object) -> None:
        """Be quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    yield server
    server.shutdown()
    server.server_close()


def send() -> None:
    gateway = EmailGateway("email:")
    gateway.send(MAILED)
    gateway.idle()


def test_postmark_gets_the_key_as_metadata(service: Service, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "of the server", "POSTMARK_API_URL": service.url}
    service.answer = json.dumps(
        {"To": MAILED.address, "MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817", "ErrorCode": 0, "Message": "OK"}
    ).encode()
    send()
    ((path, body),) = service.posts
    posted = json.loads(body)
    assert (path, posted["To"]) == ("/email", MAILED.address)
    assert posted["Metadata"] == {"idempotencyKey": MAILED.idempotency_key}
    assert "HtmlBody" in posted


def test_mailgun_gets_the_key_as_a_variable(service: Service, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailgun.EmailBackend"
    settings.ANYMAIL = {
        "MAILGUN_API_KEY": "of the account",
        "MAILGUN_API_URL": service.url,
        "MAILGUN_SENDER_DOMAIN": "example.org",
    }
    service.answer = b'{"id": "<20260131140500.1@example.org>", "message": "Queued. Thank you."}'
    send()
    ((path, body),) = service.posts
    assert path == "/example.org/messages"
    assert parse_qs(body.decode())["v:idempotencyKey"] == [MAILED.idempotency_key]


def test_a_service_that_gives_nothing_back_with_its_receipts_sends_the_mail_all_the_same(
    service: Service, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailersend.EmailBackend"
    settings.ANYMAIL = {"MAILERSEND_API_TOKEN": "of the account", "MAILERSEND_API_URL": service.url}
    service.headers = {"X-Message-Id": "5e42957d51f1d94a1070a733", "Content-Type": "text/html"}
    send()
    ((_path, body),) = service.posts
    assert json.loads(body)["to"] == [{"email": MAILED.address}]


def test_every_backend_of_anymail_is_handed_the_key(settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    send()
    (sent,) = mail.outbox
    assert sent.anymail_test_params["metadata"] == {"idempotencyKey": MAILED.idempotency_key}  # type: ignore[attr-defined]


def test_a_service_that_is_down_is_tried_again(settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    with refusing_port() as port:
        settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "x", "POSTMARK_API_URL": f"http://127.0.0.1:{port}/"}
        with pytest.raises(GatewayError) as raised:
            send()
    assert not raised.value.permanent
    assert MAILED.address not in raised.value.reason


@pytest.mark.parametrize(
    ("status", "is_permanent"),
    # A wrong key of the service says nothing of the mail: once it is mended the mail can still leave.
    [(400, True), (422, True), (401, False), (403, False), (408, False), (429, False), (500, False), (503, False)],
)
def test_what_a_service_answers_tells_whether_to_try_again(
    service: Service, settings: Any, status: int, is_permanent: bool
) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailgun.EmailBackend"
    settings.ANYMAIL = {"MAILGUN_API_KEY": "x", "MAILGUN_API_URL": service.url, "MAILGUN_SENDER_DOMAIN": "example.org"}
    service.status, service.answer = status, f'{{"message": "{MAILED.address}"}}'.encode()
    with pytest.raises(GatewayError) as raised:
        send()
    assert (raised.value.permanent, raised.value.reason) == (is_permanent, f"HTTP {status}")


def test_a_recipient_whom_a_service_refuses_is_refused_for_good(service: Service, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "x", "POSTMARK_API_URL": service.url}
    service.status = 422
    told = f"Found inactive addresses: {MAILED.address}. Inactive recipients are ones that have bounced."
    service.answer = json.dumps({"ErrorCode": 406, "Message": told}).encode()
    with pytest.raises(GatewayError) as raised:
        send()
    assert raised.value.permanent
    assert MAILED.address not in raised.value.reason


def test_a_mail_server_is_told_nothing_of_it(settings: Any) -> None:
    sink = MailSink()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    try:
        send()
    finally:
        sink.close()
    (got,) = sink.mails
    assert isinstance(got.message, email.message.EmailMessage)
    assert "metadata" not in got.message.as_string().lower()
    assert "idempotencykey" not in got.message.as_string().lower()


@pytest.mark.parametrize("backend", ["console", "dummy", "filebased", "locmem"])
def test_the_backends_of_django_send_as_before(settings: Any, backend: str, tmp_path: Any, capsys: Any) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    send()
    kept = [capsys.readouterr().out, *(path.read_text() for path in tmp_path.iterdir())]
    kept += [str(message.message()) for message in getattr(mail, "outbox", [])]
    assert "idempotencyKey" not in "".join(kept)
    assert (MAILED.address in "".join(kept)) == (backend != "dummy")
