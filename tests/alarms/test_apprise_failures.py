"""What a failure of a real plugin of Apprise means (contract 7), and that nothing of it is told to anybody."""

from __future__ import annotations

import dataclasses
import logging.config
import ssl
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from alarms import gateways
from alarms.gateways.base import GatewayError, ThreadGateway
from tests.alarms.any_sink import AnySink, Request, any_sink, says
from tests.alarms.test_texts import DELIVERY
from tests.sinks import refusing_port

SECRET = "s3cr3t0123456789"
ALARM = dataclasses.replace(DELIVERY, way="app", address="ernaeinsatz")
SMS = dataclasses.replace(DELIVERY, address="+491512345678")

# Of each service a URL and what it answers beside the status: some have codes of their own.
URLS = {
    "json": f"json://alarm:{SECRET}@HOST/{{address}}",
    "form": f"form://alarm:{SECRET}@HOST/{{address}}",
    "xml": f"xml://alarm:{SECRET}@HOST/{{address}}",
    "ntfy": f"ntfy://alarm:{SECRET}@HOST/{{address}}",
    "gotify": "gotify://HOST/{address}",
    "matrix": f"matrix://{SECRET}@HOST/{{address}}?e2ee=no",
    "bark": f"bark://alarm:{SECRET}@HOST/{{address}}",
    "mmost": "mmost://HOST/{address}",
}
PERMANENT = {301: True, 400: True, 401: True, 403: True, 404: True, 410: True, 418: True, 422: True}
TEMPORARY = {408: False, 425: False, 429: False, 500: False, 502: False, 503: False, 504: False, 507: False}


@pytest.fixture
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


def failure(url: str, delivery: Any = ALARM) -> GatewayError:
    gateway = gateways.build(url)
    assert isinstance(gateway, ThreadGateway)
    with pytest.raises(GatewayError) as raised:
        gateway.send(delivery)
    return raised.value


@pytest.mark.parametrize("name", URLS)
def test_the_status_says_whether_it_is_worth_to_try_again(sink: AnySink, name: str) -> None:
    url = URLS[name].replace("HOST", sink.host)
    found = {}
    for status in PERMANENT | TEMPORARY:
        # What the plugins make a sentence of must not be taken for the status.
        sink.answer = says(status, {"error": "error=200 404 503", "code": status * 100 + 1, "message": "HTTP 200"})
        error = failure(url)
        found[status] = error.permanent
        assert error.reason == f"{gateways.build(url).label}: HTTP {status}"
    assert found == PERMANENT | TEMPORARY


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [(400, 21211, True), (401, 20003, True), (429, 20429, False), (500, 20500, False), (503, 20503, False)],
)
def test_codes_of_twilios_own_are_not_taken_for_a_status(
    sink: AnySink, monkeypatch: pytest.MonkeyPatch, status: int, code: int, permanent: bool
) -> None:
    url = f"twilio://AC{'a' * 32}:{'b' * 32}@+493012345678/{{address}}"
    plugin = type(gateways.build(url)._looked_at(SMS.address))  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin, "notify_sms_url", f"http://{sink.host}/{{sid}}/Messages.json")
    sink.answer = says(status, {"code": code, "message": f"The number {SMS.address} failed", "status": status})
    error = failure(url, SMS)
    assert (error.permanent, error.reason) == (permanent, f"Twilio: HTTP {status}")


def test_a_refusal_in_an_answer_of_200_is_tried_again(sink: AnySink, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"slack://xoxb-1234-1234-{SECRET}/{{address}}"
    plugin = type(gateways.build(url)._looked_at("#erna"))  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin, "api_url", f"http://{sink.host}/{{}}")
    sink.answer = says(200, {"ok": False, "error": "channel_not_found"})
    error = failure(url, dataclasses.replace(ALARM, address="#erna"))
    assert (error.permanent, error.reason) == (False, "Slack: not taken")


@pytest.mark.parametrize("name", URLS)
def test_nobody_listening_is_temporary(name: str) -> None:
    with refusing_port() as port:
        error = failure(URLS[name].replace("HOST", f"127.0.0.1:{port}"))
    assert not error.permanent
    assert error.reason.endswith(": no connection or no answer")


def test_setting_up_the_log_again_does_not_put_off_the_ear() -> None:
    gateways.build(URLS["json"])
    logging.config.dictConfig(settings.LOGGING)
    test_nobody_listening_is_temporary("json")


@pytest.mark.parametrize("name", ["json", "ntfy"])
@pytest.mark.parametrize("asked", ["", "?rto=600&cto=600"])
def test_who_does_not_answer_in_time_is_left_and_asked_again(
    sink: AnySink, settings: Any, name: str, asked: str
) -> None:
    settings.GATEWAY_TIMEOUT = 0.2
    sink.answer = sink.hang
    error = failure(URLS[name].replace("HOST", sink.host) + asked)
    assert (error.permanent, len(sink.requests)) == (False, 1)
    assert error.reason.endswith(": no connection or no answer")


@pytest.mark.parametrize("name", ["json", "ntfy", "gotify"])
def test_nobody_is_sent_elsewhere(sink: AnySink, name: str) -> None:
    with any_sink() as elsewhere:
        sink.answer = says(307, {}, Location=f"http://{elsewhere.host}/")
        error = failure(URLS[name].replace("HOST", sink.host) + "?redirect=yes")
        assert error.permanent
        assert elsewhere.requests == []


@pytest.mark.parametrize("name", ["json", "ntfy", "gotify", "matrix"])
def test_what_apprise_would_do_itself_is_off_whatever_the_url_says(sink: AnySink, name: str) -> None:
    url = URLS[name].replace("HOST", sink.host)
    url += ("&" if "?" in url else "?") + "retry=5&wait=600&optional=yes"
    sink.answer = says(503, {"retry_after_ms": 600_000})
    assert not failure(url).permanent
    assert len({(request.method, request.target) for request in sink.requests}) == len(sink.requests)


def test_a_pause_that_a_service_asks_for_holds_up_no_thread(sink: AnySink) -> None:
    sink.answer = says(429, {"retry_after_ms": 600_000})
    assert not failure(URLS["matrix"].replace("HOST", sink.host)).permanent


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, form, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "both.pem").write_bytes(certificate.public_bytes(encoding) + key.private_bytes(encoding, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    with any_sink(self_signed(tmp_path)) as sink:
        error = failure(f"jsons://{sink.host}/{{address}}")
        assert (error.permanent, sink.requests) == (False, [])


def test_failures_of_many_threads_are_told_apart(sink: AnySink) -> None:
    """Each thread has a status of its own, and hears of no other."""

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        return int(request.target.removeprefix("/")), {}, b"{}"

    sink.answer = answer
    gateway = gateways.build(f"json://{sink.host}/{{address}}")
    assert isinstance(gateway, ThreadGateway)
    reasons: dict[int, set[str]] = {}

    def send(status: int) -> None:
        for _attempt in range(25):
            try:
                gateway.send(dataclasses.replace(ALARM, address=str(status)))
            except GatewayError as error:
                reasons.setdefault(status, set()).add(error.reason)

    threads = [threading.Thread(target=send, args=(status,)) for status in range(400, 416)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert reasons == {status: {f"JSON: HTTP {status}"} for status in range(400, 416)}


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Lines]:
    """All that comes to the log of a process that logs everything."""
    root, lines = logging.getLogger(), Lines()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(lines)
    root.setLevel(level)


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("status", [200, 403, 503, 0])
def test_no_secret_and_no_address_is_told(
    sink: AnySink, log: Lines, capfd: pytest.CaptureFixture[str], name: str, status: int
) -> None:
    sink.answer = says(status, {"error": f"{SECRET} {ALARM.address}", "code": status})
    with refusing_port() as port:
        gateway = gateways.build(URLS[name].replace("HOST", sink.host if status else f"127.0.0.1:{port}"))
        assert isinstance(gateway, ThreadGateway)
        told = gateway.label
        try:
            gateway.send(ALARM)
        except GatewayError as error:
            told += error.reason
    everything = told + "\n".join(log.lines) + "".join(capfd.readouterr())
    for private in (SECRET, ALARM.address, "127.0.0.1", DELIVERY.code):
        assert private not in everything
