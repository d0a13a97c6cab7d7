"""Real processes and a server that plays Twilio: it is asked to call, asks back what to say, and presses a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alarms.models import AlarmMessage, DeviceMessage, Feedback
from organizations.models import Organization
from tests import factories
from tests.client import Client
from tests.processes import Processes, service, until
from tests.twilio import TOKEN, Order, TwilioSink, ask_over_http, parsed, spoken

SENT, DELIVERED, CANCELLED = (DeviceMessage.Status[name] for name in ("SENT", "DELIVERED", "CANCELLED"))
NUMBER = "+4915112345678"


@pytest.fixture
def twilio() -> Iterator[TwilioSink]:
    sink = TwilioSink()
    yield sink
    sink.close()


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, twilio: TwilioSink) -> Iterator[Processes]:
    with service(
        tmp_path,
        GATEWAY_SMS=twilio.gateway("twilio+sms"),
        GATEWAY_CALL=twilio.gateway("twilio+call"),
        TWILIO_AUTH_TOKEN=TOKEN,
    ) as running:
        running.environment["BASE_URL"] = running.url
        yield running


def alarmed(processes: Processes, twilio: TwilioSink, organization: Organization) -> Order:
    """Raise an alarm and return what Twilio is asked to do first."""
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    until(lambda: DeviceMessage.objects.filter(status=SENT).exists(), what="the first message is sent")
    (order,) = twilio.orders
    assert order.form["To"] == NUMBER
    return order


def statuses() -> list[int]:
    return list(DeviceMessage.objects.order_by("turn").values_list("status", flat=True))


def heard(url: str, call: dict[str, str], said: str) -> str:
    """Hear the alarm and the question, and return where a key goes."""
    status, content = ask_over_http(url, call)
    assert status == 200
    document = parsed(content)
    assert spoken(document)[0].startswith(said)
    assert any("Smoke in the museum" in text for text in spoken(document))
    gather = document.find("Gather")
    assert gather is not None
    return gather.attrib["action"]


def test_a_call_is_placed_and_answered_with_a_key(processes: Processes, twilio: TwilioSink) -> None:
    organization = factories.OrganizationFactory()
    factories.escalation(organization, ("call", 0), ("call", 600))
    user = factories.member(organization, language="de")
    factories.DeviceFactory(user=user, way="call", address=NUMBER)
    order = alarmed(processes, twilio, organization)
    call = {"From": "+4930123456", "To": NUMBER, "CallSid": "CA1", "CallStatus": "in-progress"}

    url = order.form["Url"]
    assert url.startswith(f"{processes.url}/api/v1/inbound/twilio/voice/")
    for form in (call, call | {"Digits": "1"}):
        status, _error = ask_over_http(url, form, signature="RSOYDt4T1cUTdK1PDd93/VVr8B8=")
        assert status == 401
    assert AlarmMessage.objects.get().response is None
    assert statuses() == [SENT, DeviceMessage.Status.SCHEDULED]

    for digits, said in (("", "ALARM "), ("7", "Das war weder die 1 noch die 2.")):
        url = heard(url, call | ({"Digits": digits} if digits else {}), said)
    status, content = ask_over_http(url, call | {"Digits": "1"})
    assert status == 200
    assert spoken(parsed(content))[0].startswith("Danke. Notierte Antwort: Zusage. Änderbar bis ")

    recipient = AlarmMessage.objects.get()
    assert recipient.response is True
    assert [(kept.response, kept.source) for kept in Feedback.objects.all()] == [(True, "call")]
    assert statuses() == [SENT, CANCELLED]
    ended = call | {"CallStatus": "completed", "CallDuration": "9"}
    assert ask_over_http(order.form["StatusCallback"], ended, signature="")[0] == 401
    assert statuses() == [SENT, CANCELLED]
    assert ask_over_http(order.form["StatusCallback"], ended) == (204, b"")
    assert statuses() == [DELIVERED, CANCELLED]
    assert len(twilio.orders) == 1
    assert_nothing_is_told(processes, recipient)


def test_an_sms_is_sent_and_answered_by_sms(processes: Processes, twilio: TwilioSink) -> None:
    organization = factories.OrganizationFactory()
    factories.escalation(organization, ("sms", 0), ("call", 600))
    user = factories.member(organization)
    for way in ("sms", "call"):
        factories.DeviceFactory(user=user, way=way, address=NUMBER)
    order = alarmed(processes, twilio, organization)
    recipient = AlarmMessage.objects.get()
    assert order.form["Body"].endswith(f"{processes.url}/a/{recipient.code}")
    assert ask_over_http(order.form["StatusCallback"], {"MessageStatus": "delivered"}) == (204, b"")
    assert statuses() == [DELIVERED, DeviceMessage.Status.SCHEDULED]

    inbound = f"{processes.url}/api/v1/inbound/twilio/sms"
    for said, reply, response in (
        ("Wer ist da?", "Sorry, that was not clear.", None),
        ("Nein, bin krank", "Thank you. Your answer: not coming.", False),
    ):
        status, content = ask_over_http(inbound, {"From": NUMBER, "Body": said})
        assert status == 200
        assert (parsed(content)[0].text or "").startswith(reply)
        recipient.refresh_from_db()
        assert recipient.response is response
    assert statuses() == [DELIVERED, CANCELLED]
    assert_nothing_is_told(processes, recipient)


def assert_nothing_is_told(processes: Processes, recipient: AlarmMessage) -> None:
    """No log holds what is a secret, or a number in full."""
    for name in ("web", "sender", "worker"):
        log = processes.log(name)
        assert [secret for secret in (recipient.code, TOKEN, NUMBER) if secret in log] == [], name
