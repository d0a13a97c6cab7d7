"""What Twilio asks of the service, signed: SMS that come in, and what has become of those that went out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alarms.gateways import owned
from alarms.models import AlarmMessage, DeviceMessage, Feedback, OrganizationGateway
from organizations.models import Organization
from tests.dialect import refused
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    DeviceFactory,
    DeviceMessageFactory,
    OrganizationFactory,
    member,
)
from tests.twilio import ACCOUNT, TOKEN, VOICE, ask, sign, twiml

pytestmark = pytest.mark.django_db

SMS, STATUS, NUMBER = "/api/v1/inbound/twilio/sms", "/api/v1/inbound/twilio/status", "+4915112345678"
SENT, DELIVERED, FAILED = DeviceMessage.Status.SENT, DeviceMessage.Status.DELIVERED, DeviceMessage.Status.FAILED
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = TOKEN


@pytest.fixture
def recipient(brigade: Organization) -> AlarmMessage:
    user = member(brigade)
    DeviceFactory(user=user, address=NUMBER)
    AlarmMessageFactory(alarm=AlarmFactory(organization=brigade, event_name="B2 <&>"), user=user)
    return AlarmMessage.objects.select_related("alarm__organization", "user").get()


@pytest.fixture
def sent(recipient: AlarmMessage) -> DeviceMessage:
    message: DeviceMessage = DeviceMessageFactory(alarm_message=recipient, status=SENT, attempts=2)
    return message


def key_of(message: DeviceMessage) -> str:
    return f"{message.alarm_message.message_id}-{message.pk}"


def response_of(recipient: AlarmMessage) -> bool | None:
    recipient.refresh_from_db()
    return recipient.response


# An SMS that comes in


def test_an_sms_answers_and_is_answered(recipient: AlarmMessage) -> None:
    document = twiml(ask(SMS, {"From": NUMBER, "Body": "Ja, in 5 Minuten 👍", "NumMedia": "0", "FromCity": ""}))
    assert [element.tag for element in document] == ["Message"]
    reply = document[0].text or ""
    assert reply.startswith("Thank you. Your answer: coming.")
    assert reply.endswith("B2 <&>")
    assert response_of(recipient) is True
    assert Feedback.objects.get().source == "SMS"


@pytest.mark.parametrize("form", [{"From": "+4915112345679", "Body": "ja"}, {"Body": "ja"}, {"From": ""}, {}])
def test_who_is_not_known_is_told_nothing(recipient: AlarmMessage, form: dict[str, str]) -> None:
    assert len(twiml(ask(SMS, form))) == 0
    assert response_of(recipient) is None


def test_an_sms_without_a_text_is_not_clear(recipient: AlarmMessage) -> None:
    document = twiml(ask(SMS, {"From": NUMBER, "Body": ""}))
    assert (document[0].text or "").startswith("Sorry, that was not clear.")


# The signature


@pytest.mark.parametrize("path", [SMS, VOICE, STATUS])
@pytest.mark.parametrize("signature", ["", "wrong", "RSOYDt4T1cUTdK1PDd93/VVr8B8="])
def test_a_wrong_signature_changes_nothing(
    recipient: AlarmMessage, sent: DeviceMessage, path: str, signature: str
) -> None:
    form = {"From": NUMBER, "Body": "ja", "Digits": "1", "MessageStatus": "failed"}
    assert refused(ask(f"{path}?key={key_of(sent)}", form, signature=signature), 401, "X-Twilio-Signature")
    assert refused(ask(f"{VOICE}/{recipient.code}", form, signature=signature), 401, "X-Twilio-Signature")
    assert response_of(recipient) is None
    sent.refresh_from_db()
    assert (sent.status, sent.receipt) == (SENT, "")


def test_the_signature_covers_url_and_form(recipient: AlarmMessage) -> None:
    form = {"AccountSid": ACCOUNT, "From": NUMBER, "Body": "ja"}
    right = sign(f"http://localhost:8000{SMS}", form)
    for path, changed in ((SMS, form | {"Body": "nein"}), (f"{SMS}?x=1", form), (f"{SMS}/", form)):
        assert refused(ask(path, changed, signature=right), 401)
    assert response_of(recipient) is None
    twiml(ask(SMS, form, signature=right))
    assert response_of(recipient) is True


def test_the_url_is_the_one_that_twilio_was_told_whatever_a_proxy_makes_of_it(
    recipient: AlarmMessage, settings: Any
) -> None:
    settings.BASE_URL = "https://alarm.example/below"
    form = {"AccountSid": ACCOUNT, "From": NUMBER, "Body": "ja"}
    body = "&".join(f"{name}={quote(value)}" for name, value in form.items())

    def post(url: str) -> Any:
        proxy = {"Host": "localhost", "X-Forwarded-Host": "evil.example", "X-Twilio-Signature": sign(url, form)}
        return APIClient(headers=proxy).post(SMS, body, content_type=FORM)

    assert refused(post(f"https://evil.example{SMS}"), 401)
    assert refused(post(f"http://localhost{SMS}"), 401)
    assert response_of(recipient) is None
    twiml(post(f"https://alarm.example/below{SMS}"))
    assert response_of(recipient) is True


@pytest.mark.parametrize("path", [SMS, VOICE, f"{VOICE}/0123456789ab", STATUS])
def test_without_an_auth_token_nobody_is_twilio(path: str, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    for token in ("", TOKEN):
        assert refused(ask(path, {"From": NUMBER}, token=token), 401)


@pytest.mark.parametrize("path", [SMS, VOICE, f"{VOICE}/0123456789ab", STATUS])
def test_other_principals_are_not_twilio(path: str, boss: APIClient) -> None:
    assert refused(boss.post(path, "From=1", content_type=FORM), 401)
    assert refused(boss.get(path), 401)


def test_what_is_no_form_is_refused() -> None:
    def post(body: bytes, content_type: str) -> Any:
        signature = sign(f"http://localhost:8000{SMS}", {})
        return APIClient(headers={"X-Twilio-Signature": signature}).post(SMS, body, content_type=content_type)

    assert refused(post(b"{}", "application/json"), 415)
    assert refused(post(b"x=" + b"x" * 1024 * 1024, FORM), 413)
    assert refused(post(b"&".join(b"x=%d" % number for number in range(20_001)), FORM), 400)
    assert refused(ask(SMS, {"Body": "\udcff".encode("utf-8", "surrogatepass").decode("latin1")}, signature="x"), 401)


# An account of an organization's own


@pytest.fixture
def own_account(brigade: Organization) -> str:
    owned.bring(organization=brigade, way="call", urls="twilio+call://AC99:own%20token@api.twilio.com/+4930")
    return "own token"


def test_an_account_of_an_organization_speaks_for_its_alarms_only(
    recipient: AlarmMessage, sent: DeviceMessage, own_account: str
) -> None:
    elsewhere = AlarmMessageFactory(alarm=AlarmFactory(organization=OrganizationFactory()), user=recipient.user)
    of_elsewhere = DeviceMessageFactory(alarm_message=elsewhere, status=SENT, attempts=1)
    form = {"AccountSid": "AC99", "From": NUMBER, "Body": "ja", "MessageStatus": "delivered"}
    twiml(ask(SMS, form, token=own_account))
    assert (response_of(recipient), response_of(elsewhere)) == (True, None)
    for code, tag in ((elsewhere.code, "Hangup"), (recipient.code, "Gather")):
        assert twiml(ask(f"{VOICE}/{code}", {"AccountSid": "AC99"}, token=own_account))[0].tag == tag
    assert ask(f"{STATUS}?key={key_of(of_elsewhere)}", form, token=own_account).status_code == 404
    assert ask(f"{STATUS}?key={key_of(sent)}", form, token=own_account).status_code == 204


def test_the_token_of_an_account_is_for_that_account_and_while_it_is_there(
    recipient: AlarmMessage, own_account: str, settings: Any
) -> None:
    form = {"From": NUMBER, "Body": "ja"}
    assert refused(ask(SMS, form, token=own_account), 401)
    settings.TWILIO_AUTH_TOKEN = ""
    owned_form = form | {"AccountSid": "AC99"}
    Organization.objects.update(is_active=False)
    assert refused(ask(SMS, owned_form, token=own_account), 401)
    Organization.objects.update(is_active=True)
    twiml(ask(SMS, owned_form, token=own_account))
    OrganizationGateway.objects.all().delete()
    assert refused(ask(SMS, owned_form, token=own_account), 401)
    with pytest.raises(ValidationError):
        owned.bring(organization=recipient.alarm.organization, way="sms", urls="twilio+sms://AC99@api.twilio.com/1")


# What has become of a message


@pytest.mark.parametrize(
    ("name", "value", "status", "receipt"),
    [
        ("MessageStatus", "delivered", DELIVERED, "delivered"),
        ("MessageStatus", "read", DELIVERED, "read"),
        ("MessageStatus", "undelivered", FAILED, "failed"),
        ("MessageStatus", "failed", FAILED, "failed"),
        ("CallStatus", "completed", DELIVERED, "delivered"),
        ("CallStatus", "busy", FAILED, "failed"),
        ("CallStatus", "no-answer", FAILED, "failed"),
        ("CallStatus", "failed", FAILED, "failed"),
        ("CallStatus", "canceled", FAILED, "failed"),
        ("MessageStatus", "queued", SENT, ""),
        ("MessageStatus", "sent", SENT, ""),
        ("MessageStatus", "completed", SENT, ""),
        ("CallStatus", "in-progress", SENT, ""),
        ("CallStatus", "read", SENT, ""),
        ("SmsStatus", "delivered", SENT, ""),
        ("MessageStatus", "", SENT, ""),
        ("MessageStatus", "whatever", SENT, ""),
    ],
)
def test_the_status_of_a_message_is_a_receipt(
    sent: DeviceMessage, name: str, value: str, status: int, receipt: str
) -> None:
    for _twice in range(2):
        answer = ask(f"{STATUS}?key={key_of(sent)}&attempt=2", {name: value, "MessageSid": "SM1"})
        assert (answer.status_code, answer.content) == (204, b"")
        sent.refresh_from_db()
        assert (sent.status, sent.receipt) == (status, receipt)


def test_a_failure_of_an_attempt_that_another_has_followed_changes_nothing(sent: DeviceMessage) -> None:
    assert ask(f"{STATUS}?key={key_of(sent)}&attempt=1", {"MessageStatus": "failed"}).status_code == 204
    sent.refresh_from_db()
    assert (sent.status, sent.receipt) == (SENT, "")


def test_what_is_no_message_is_said(sent: DeviceMessage) -> None:
    form = {"MessageStatus": "delivered"}
    waiting = DeviceMessageFactory(alarm_message=sent.alarm_message, turn=1)
    for query, status, naming in (
        ("", 400, "key"),
        ("?key=", 400, "key"),
        ("?key=a&key=b", 400, "key"),
        (f"?key={key_of(sent)}&attempt=0", 400, "attempt"),
        (f"?key={key_of(sent)}&attempt=x", 400, "attempt"),
        ("?key=unknown", 404, "idempotencyKey"),
        (f"?key={sent.alarm_message.message_id}-{sent.pk + 99}", 404, "idempotencyKey"),
        (f"?key={key_of(waiting)}", 409, "idempotencyKey"),
    ):
        assert refused(ask(f"{STATUS}{query}", form), status, naming)


# Whatever comes


TEXTS = st.text(max_size=40) | st.sampled_from(["ja", "1", "2", "+49", NUMBER, "failed", "\x00", "%00", "🚒"])
NAMES = st.sampled_from(["From", "Body", "Digits", "MessageStatus", "CallStatus", "AccountSid"]) | st.text(max_size=9)


@given(
    path=st.sampled_from([SMS, VOICE, STATUS]) | st.text(max_size=20).map(lambda code: f"{VOICE}/{quote(code)}"),
    query=st.text(max_size=20).map(quote) | st.sampled_from(["asked=2", "key=1-2", "attempt=1&key=x", "asked=%00"]),
    form=st.dictionaries(NAMES, TEXTS, max_size=5),
)
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_twilio_may_say_is_a_fault_of_ours(
    recipient: AlarmMessage, path: str, query: str, form: dict[str, str]
) -> None:
    answer = ask(f"{path}?{query}", form)
    assert answer.status_code in (200, 204, 400, 401, 404, 409), answer.content
