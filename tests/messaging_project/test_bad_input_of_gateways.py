"""Input of gateways and of Twilio that could lead past the checks: numbers that are none, and forms that are odd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms.models import DeviceMessage, Feedback
from organizations.models import Organization
from tests.dialect import refused
from tests.messaging_project.asking import IDS, Asking, generic, of_organization, signed_beside
from tests.messaging_project.test_ids import MALFORMED
from tests.messaging_project.walk import FORM, FORMS, JSON, WALK, of_twilio

pytestmark = pytest.mark.django_db

KEY, NUMBER, CODE = IDS["key"], IDS["number"], IDS["code"]
TWILIO = "/api/v1/inbound/twilio"
DELIVERED = b"MessageStatus=delivered"

# A request with `HERE` where the number stands, and its name.
IN_BODIES = [
    ("/messagestatus/receipt", "attempt", {"idempotencyKey": KEY, "status": "failed", "attempt": "HERE"}),
    *(
        (path, name, {"organizationID": "ORG", "message": "Fire", "alarmResources": {"allUsers": True}, name: "HERE"})
        for path in ("/alarm", "/alarm/preview")
        for name in ("repeat", "repeatAfter")
    ),
]
IN_QUERIES = [
    (f"{TWILIO}/voice?asked=HERE", "asked"),
    (f"{TWILIO}/voice/{CODE}?asked=HERE", "asked"),
    (f"{TWILIO}/status?key={KEY}&attempt=HERE", "attempt"),
]


def unchanged(brigade: Organization) -> bool:
    return (
        brigade.alarms.count() == 1
        and not Feedback.objects.exists()
        and DeviceMessage.objects.get().receipt == ""
        and DeviceMessage.objects.get().status == DeviceMessage.Status.SENT
    )


@pytest.mark.parametrize(("path", "name", "body"), IN_BODIES)
def test_what_is_no_number_in_a_body_is_400_names_the_field_and_changes_nothing(
    brigade: Organization, path: str, name: str, body: dict[str, Any]
) -> None:
    headers = of_organization(brigade)
    for kind, (text, _in_a_path) in MALFORMED.items():
        content = json.dumps(body).replace('"ORG"', str(brigade.pk)).replace('"HERE"', text).encode()
        assert refused(generic("POST", f"/api/v1{path}", content, JSON, headers), 400, name), kind
    assert unchanged(brigade)


@pytest.mark.parametrize(("url", "name"), IN_QUERIES)
def test_what_is_no_number_in_a_query_is_too(brigade: Organization, url: str, name: str) -> None:
    for kind, (_in_a_body, text) in MALFORMED.items():
        answer = generic("POST", url.replace("HERE", text), b"Digits=1&MessageStatus=read", FORM, of_twilio)
        assert refused(answer, 400, name), kind
    assert unchanged(brigade)


@pytest.mark.parametrize(
    ("url", "name"),
    [*((url.replace("HERE", "1"), name) for url, name in IN_QUERIES), (f"{TWILIO}/status?key=x", "key")],
)
def test_a_parameter_that_is_given_twice_is_refused_by_name(brigade: Organization, url: str, name: str) -> None:
    answer = generic("POST", f"{url}&{name}=1", b"Digits=1&MessageStatus=read", FORM, of_twilio)
    assert refused(answer, 400, f"{name}: Give it once.")
    assert unchanged(brigade)


ODD_FORMS = {
    "nothing": b"",
    "no pair": b"From",
    "only separators": b"&&=&;",
    "half an escape": b"From=%&Body=%z&Digits=%e",
    "no UTF-8": b"From=%ff%fe&Body=\xff",
    "a surrogate": b"Body=%ed%a0%80",
    "NUL": b"From=%00&Body=%00&Digits=%00&MessageStatus=%00&AccountSid=%00",
    "a name as odd": b"%00=%00&%ff=1&=1",
    "JSON": b'{"From": "x"}',
    "50,000 names": b"&".join(b"%d=" % number for number in range(50_000)),
    "one name 50,000 times": b"Body=1&" * 50_000,
    "a long number": b"From=%2B" + b"1" * 500_000,
    "a long text": b"Body=" + b"ja+" * 300_000,
}


@pytest.mark.parametrize("form", list(ODD_FORMS.values()), ids=list(ODD_FORMS))
@pytest.mark.parametrize("operation", FORMS)
def test_an_odd_form_that_nobody_signed_is_401(brigade: Organization, operation: str, form: bytes) -> None:
    url = f"/api/v1{WALK[operation][0].format(**IDS)}"
    for headers in ({}, {"X-Twilio-Signature": ""}, of_twilio(url), {"X-Twilio-Signature": "\xff" * 28}):
        # Of nothing it is the right signature.
        if form or headers != of_twilio(url):
            answer = APIClient(raise_request_exception=False).generic("POST", url, form, FORM, headers=headers)
            assert answer.status_code in (400, 401), answer.content
            assert refused(answer, answer.status_code)
    assert unchanged(brigade)


SIGNED = ("nothing", "only separators", "NUL", "JSON", "one name 50,000 times", "a long number", "a long text")


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("operation", FORMS)
def test_an_odd_form_that_twilio_signed_changes_nothing(brigade: Organization, operation: str, name: str) -> None:
    url = f"/api/v1{WALK[operation][0].format(**IDS)}"
    answer = generic("POST", url, ODD_FORMS[name], FORM, of_twilio)
    assert answer.status_code in (200, 204, 400), answer.content
    assert unchanged(brigade)


LONG_TEXTS = {"a long number": {"from": "+" + "1" * 255}, "a long text": {"text": "ja " * 3334}, "none": {"from": None}}


@pytest.mark.parametrize("fields", list(LONG_TEXTS.values()), ids=list(LONG_TEXTS))
def test_what_is_too_long_for_an_sms_is_400_and_names_the_field(
    brigade: Organization, fields: dict[str, object]
) -> None:
    body = json.dumps({"from": NUMBER, "text": "ja", **fields}).encode()
    asking: list[Asking] = [of_organization(brigade), lambda url, sent: signed_beside({}, url, sent)]
    for each in asking:
        assert refused(generic("POST", "/api/v1/inbound/sms", body, JSON, each), 400, next(iter(fields)))
    assert unchanged(brigade)
