"""Receipts over the wire, with a real sender: what one gateway has failed leaves by the next, and a mail service is
listened to where its secret is set."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alarms.models import DeviceMessage
from messaging_project import database
from tests import factories
from tests.processes import Processes, service, until
from tests.sinks import HttpSink

SECRET = "shared with the gateway"
MAIL_SECRET = "service:only it knows"
SENT, DELIVERED, FAILED = 2, 3, 4

Post = Callable[[str, object, dict[str, str]], int]


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, http_sink: HttpSink) -> Iterator[Processes]:
    with service(
        tmp_path,
        GATEWAY_SMS=f"{http_sink.url}/first {http_sink.url}/second",
        GATEWAY_CALL=f"{http_sink.url}/call",
        GATEWAY_SECRET=SECRET,
        EMAIL_BACKEND="anymail.backends.postmark.EmailBackend",
        ANYMAIL_POSTMARK_SERVER_TOKEN="of the server",
        ANYMAIL_WEBHOOK_SECRET=MAIL_SECRET,
    ) as running:
        yield running


@pytest.fixture
def post(processes: Processes) -> Post:
    """Posts JSON to the service as a gateway of it does, and returns the status."""

    def send(path: str, body: object, headers: dict[str, str]) -> int:
        data = json.dumps(body).encode()
        signature = f"sha256={hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()}"
        request = urllib.request.Request(
            f"{processes.url}{path}",
            data,
            {"Content-Type": "application/json", **(headers or {"X-Signature": signature})},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    return send


def test_what_a_gateway_has_failed_leaves_by_the_next_and_then_by_the_next_turn(
    processes: Processes, http_sink: HttpSink, post: Post
) -> None:
    recipient = factories.AlarmMessageFactory()
    sms = factories.DeviceMessageFactory(alarm_message=recipient, way="sms")
    an_hour_later = database.now() + timedelta(hours=1)
    call = factories.DeviceMessageFactory(alarm_message=recipient, way="call", turn=1, due_at=an_hour_later)
    processes.start("web", "sender")
    for number, path in enumerate(("/first", "/second"), 1):
        until(lambda number=number: DeviceMessage.objects.filter(pk=sms.pk, status=SENT, attempts=number).exists())
        came = http_sink.of(sms.address)[-1]
        assert came.path == path
        until(processes.alive)
        receipt = {"idempotencyKey": came.key, "status": "failed", "attempt": came.json["attempt"]}
        for _double in range(2):
            assert post("/api/v1/messagestatus/receipt", receipt, {}) == 200
    until(lambda: http_sink.of(call.address), what="the call, an hour early")
    sms.refresh_from_db()
    assert (sms.status, [tried["reason"] for tried in sms.tried]) == (FAILED, ["receipt: failed"] * 2)
    assert [came.path for came in http_sink.of(sms.address)] == ["/first", "/second"]

    assert post("/api/v1/messagestatus/receipt", {"idempotencyKey": came.key, "status": "read"}, {}) == 200
    sms.refresh_from_db()
    assert sms.status == DELIVERED


def test_a_mail_service_is_listened_to_where_its_secret_is_set(processes: Processes, post: Post) -> None:
    mail = factories.DeviceMessageFactory(way="email", status=SENT, attempts=1)
    event = {
        "RecordType": "Delivery",
        "Metadata": {"idempotencyKey": f"{mail.alarm_message.message_id}-{mail.pk}"},
        "DeliveredAt": "2026-01-31T14:05:10Z",
    }
    processes.start("web")
    until(processes.alive)
    path = "/anymail/postmark/tracking/"
    for secret, status, became in (("service:guessed", 400, SENT), (MAIL_SECRET, 200, DELIVERED)):
        headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
        assert post(path, event, headers) == status
        mail.refresh_from_db()
        assert mail.status == became
    assert post("/anymail/mailgun/tracking/", event, headers) == 404
