"""Whatever gateways and Twilio hand over: signed, it is answered as they understand it; else it is refused, and changes
nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alarms.models import AlarmMessage, DeviceMessage, Feedback
from organizations.models import Organization
from tests import factories
from tests.dialect import refused
from tests.examples import examples
from tests.messaging_project import signing
from tests.messaging_project.asking import undone
from tests.messaging_project.things import key_of, sent_to
from tests.twilio import TOKEN, VOICE, parsed

pytestmark = pytest.mark.django_db

SMS, STATUS, NUMBER = "/api/v1/inbound/twilio/sms", "/api/v1/inbound/twilio/status", "+4915112345678"
FORM, SECRET = "application/x-www-form-urlencoded", "ein Schlüssel 🔑"


@pytest.fixture(autouse=True)
def secrets(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN, settings.GATEWAY_SECRET = TOKEN, SECRET
    settings.BASE_URL = "https://alarm.example"


@pytest.fixture
def sent(brigade: Organization) -> DeviceMessage:
    user = factories.member(brigade)
    device = factories.DeviceFactory(user=user, address=NUMBER)
    recipient = factories.AlarmMessageFactory(alarm=factories.AlarmFactory(organization=brigade), user=user)
    recipient.refresh_from_db()
    return sent_to(recipient, device=device)


def state() -> list[Any]:
    return [list(table.objects.order_by("pk").values()) for table in (AlarmMessage, DeviceMessage, Feedback)]


def post(url: str, body: bytes, media_type: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return APIClient(raise_request_exception=False).post(url, body, content_type=media_type, headers=named)


# What Twilio says

VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["ja", "nein", "1", "2", "*", "#", "12", "", "\uff11", "+", NUMBER, "4915112345678", "failed", "delivered", "\x00"]
)
NAMES = st.sampled_from(["From", "Body", "Digits", "MessageStatus", "CallStatus", "AccountSid"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=9
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(urlencode) | st.text("%+&=;0aF", max_size=20)
FORMS = PAIRS.map(str.encode) | st.binary(max_size=30)
QUERIES = st.sampled_from(
    [
        "",
        "?",
        "?asked=0",
        "?asked=3",
        "?asked=4",
        "?asked=",
        "?asked=x",
        "?asked=1&asked=2",
        "?attempt=1",
        "?key=",
        "?&&",
    ]
) | st.text(max_size=12).map(lambda text: f"?{quote(text)}={quote(text)}")


@examples(60)
@given(form=FORMS, query=QUERIES, data=st.data())
def test_what_twilio_signed_is_answered_by_twiml(
    sent: DeviceMessage, form: bytes, query: str, data: st.DataObject
) -> None:
    code = data.draw(st.sampled_from([sent.alarm_message.code, "0123456789ab"]) | st.text(max_size=14).map(quote))
    path = data.draw(
        st.sampled_from([SMS, f"{SMS}/", VOICE, f"{VOICE}/{code}", STATUS, f"{STATUS}?key={key_of(sent)}"])
    )
    url = path + (query.replace("?", "&") if "?" in path else query)
    with undone():
        answer = post(url, form, FORM, **signing.of_twilio(f"https://alarm.example{url}", form, TOKEN))
    assert answer.status_code in (200, 204, 400, 401, 404, 409), answer.content
    match answer.status_code:
        case 200:
            assert answer["Content-Type"].startswith("text/xml")
            assert {element.tag for element in parsed(answer.content).iter()} <= TWIML
        case 204:
            assert answer.content == b""
        case 401:
            # Of what is no UTF-8 or has a fragment, others make another form or address than we.
            assert refused(answer, 401)
        case status:
            assert refused(answer, status)


TWIML = {"Response", "Message", "Gather", "Say", "Pause", "Hangup", "Reject"}


# What is signed otherwise


def changed(data: st.DataObject, content: bytes) -> bytes:
    """Return other bytes than these."""
    at = data.draw(st.integers(0, max(len(content) - 1, 0)))
    more = data.draw(st.binary(min_size=1, max_size=3) | st.sampled_from([b" ", b"&", b"\x00", b"\xc3\x9f"]))
    other = data.draw(
        st.sampled_from(
            [
                content[:at] + more + content[at:],
                content[:at] + more + content[at + 1 :],
                content[:at],
                content[at + 1 :],
            ]
        )
    )
    assume(other != content)
    return other


@examples(40)
@given(data=st.data())
def test_of_a_gateway_nothing_is_taken_that_is_not_signed_to_the_byte(sent: DeviceMessage, data: st.DataObject) -> None:
    paths = {
        "/api/v1/inbound/sms": {"from": NUMBER, "text": "ja"},
        "/api/v1/messagestatus/receipt": {"idempotencyKey": key_of(sent), "status": "delivered"},
    }
    path = data.draw(st.sampled_from([*paths]))
    body = json.dumps(paths[path]).encode()
    (signature,) = signing.of_gateway(body, SECRET).values()
    before = state()
    match data.draw(st.sampled_from(["body", "signature", "secret", "both"])):
        case "body":
            answer = post(path, changed(data, body), "application/json", X_Signature=signature)
        case "signature":
            other = changed(data, signature.encode()).decode("latin-1")
            answer = post(path, body, "application/json", X_Signature=other)
        case "secret":
            wrong = data.draw(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != SECRET))
            answer = post(path, body, "application/json", **signing.of_gateway(body, wrong))
        case _both:
            answer = post(path, body, "application/json", X_Signature=f"{signature}, {signature}")
    assert refused(answer, 401, "X-Signature"), answer.content
    assert state() == before


@examples(40)
@given(data=st.data())
def test_of_twilio_nothing_is_taken_that_is_not_signed_for_this_form_and_address(
    sent: DeviceMessage, data: st.DataObject
) -> None:
    form = urlencode({"From": NUMBER, "Body": "ja", "Digits": "1", "MessageStatus": "delivered"}).encode()
    url = data.draw(
        st.sampled_from([SMS, VOICE, f"{VOICE}/{sent.alarm_message.code}?asked=1", f"{STATUS}?key={key_of(sent)}"])
    )
    (signature,) = signing.of_twilio(f"https://alarm.example{url}", form, TOKEN).values()
    before = state()
    match data.draw(st.sampled_from(["form", "signature", "token", "address", "none"])):
        case "form":
            other = changed(data, form)
            assume(signed_part(other) != signed_part(form))
            answer = post(url, other, FORM, X_Twilio_Signature=signature)
        case "signature":
            other = changed(data, signature.encode())
            answer = post(url, form, FORM, X_Twilio_Signature=other.decode("latin-1"))
        case "token":
            wrong = data.draw(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != TOKEN))
            answer = post(url, form, FORM, **signing.of_twilio(f"https://alarm.example{url}", form, wrong))
        case "address":
            more = data.draw(st.sampled_from(["x=1", "asked=2", "key=1", "a", "=", "%00"]))
            answer = post(f"{url}{'&' if '?' in url else '?'}{more}", form, FORM, X_Twilio_Signature=signature)
        case _none:
            answer = post(url, form, FORM)
    assert refused(answer, 401, "X-Twilio-Signature"), answer.content
    assert state() == before


def signed_part(form: bytes) -> str:
    """Return what of a form Twilio signs: not the order of the fields, how they are escaped, or where a name ends."""
    pairs = set(parse_qsl(form.decode(errors="replace"), keep_blank_values=True))
    return "".join(name + value for name, value in sorted(pairs))
