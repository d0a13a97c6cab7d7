"""Which gateway may hand over what somebody has texted: with a shared secret, or with an organization's API token."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms.models import AlarmMessage, Feedback
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests.dialect import refused
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

PATH, SECRET, NUMBER = "/api/v1/inbound/sms", "ein Schlüssel", "+4915112345678"
BODY = json.dumps({"from": NUMBER, "text": "ja"}).encode()

AsOrganization = Callable[[Organization], APIClient]
AsUser = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.GATEWAY_SECRET = SECRET


@pytest.fixture
def recipient(brigade: Organization) -> AlarmMessage:
    user = member(brigade)
    DeviceFactory(user=user, address=NUMBER)
    recipient: AlarmMessage = AlarmMessageFactory(alarm=AlarmFactory(organization=brigade), user=user)
    return recipient


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def post(client: APIClient | None = None, body: bytes = BODY, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    client = client or APIClient(raise_request_exception=False)
    return client.post(PATH, body, content_type="application/json", headers=given)


def response_of(recipient: AlarmMessage) -> bool | None:
    recipient.refresh_from_db()
    return recipient.response


def test_a_gateway_of_the_service_signs_the_body_and_speaks_for_all_organizations(recipient: AlarmMessage) -> None:
    answer = post(X_Signature=signed(BODY))
    assert answer.status_code == 200
    assert answer.json()["reply"]
    assert response_of(recipient) is True
    elsewhere = AlarmMessageFactory(user=recipient.user)
    assert post(X_Signature=signed(BODY)).status_code == 200
    assert response_of(elsewhere) is True


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        signed(BODY, "another"),
        signed(BODY, ""),
        signed(BODY + b" "),
        signed(BODY).removeprefix("sha256="),
        signed(BODY)[:-1],
        "sha256=ä",
    ],
)
def test_a_wrong_signature_changes_nothing(recipient: AlarmMessage, signature: str) -> None:
    assert refused(post(X_Signature=signature), 401, "X-Signature")
    assert response_of(recipient) is None
    assert not Feedback.objects.exists()


def test_a_signature_of_another_body_changes_nothing(recipient: AlarmMessage) -> None:
    other = json.dumps({"from": NUMBER, "text": "nein"}).encode()
    assert refused(post(body=other, X_Signature=signed(BODY)), 401, "X-Signature")
    assert response_of(recipient) is None


def test_without_a_secret_nobody_can_sign(recipient: AlarmMessage, settings: Any) -> None:
    settings.GATEWAY_SECRET = ""
    assert refused(post(X_Signature=signed(BODY, "")), 401, "X-Signature")
    assert response_of(recipient) is None


def test_nobody_is_asked_to_authenticate(recipient: AlarmMessage) -> None:
    assert refused(post(), 401, "X-Signature or API-TOKEN")
    assert refused(post(API_TOKEN="ga_org_0123456789ab"), 401, "API-TOKEN")
    assert response_of(recipient) is None


def test_an_api_token_speaks_for_its_organization_only(
    recipient: AlarmMessage, brigade: Organization, as_organization: AsOrganization
) -> None:
    elsewhere = OrganizationFactory()
    AlarmMessageFactory(alarm=AlarmFactory(organization=elsewhere), user=recipient.user)
    stranger = post(as_organization(elsewhere))
    # Nothing is told of a number that is not of its own members, whatever others have.
    assert (stranger.status_code, stranger.json()) == (200, {"reply": ""})
    assert response_of(recipient) is None
    assert post(as_organization(brigade)).json()["reply"]
    assert response_of(recipient) is True
    assert Feedback.objects.count() == 1


def test_a_user_is_no_gateway(recipient: AlarmMessage, brigade: Organization, as_user: AsUser) -> None:
    for user in (recipient.user, admin(brigade)):
        assert refused(post(as_user(user)), 403, "gateway")
    assert response_of(recipient) is None


def test_two_principals_in_one_request_are_refused(recipient: AlarmMessage, brigade: Organization) -> None:
    _row, of_brigade = ApiToken.issue(name="test", organization=brigade)
    _pat, of_user = PersonalAccessToken.issue(name="test", user=recipient.user)
    for headers in (
        {"X_Signature": signed(BODY), "API_TOKEN": of_brigade},
        {"X_Signature": "wrong", "API_TOKEN": of_brigade},
        {"X_Signature": signed(BODY), "Personal_Access_Token": of_user},
        {"API_TOKEN": of_brigade, "Personal_Access_Token": of_user},
    ):
        assert refused(post(**headers), 400, "not several")
    assert response_of(recipient) is None


def test_the_token_of_an_inactive_organization_is_none(
    recipient: AlarmMessage, as_organization: AsOrganization
) -> None:
    client = as_organization(recipient.alarm.organization)
    Organization.objects.update(is_active=False)
    assert refused(post(client), 401, "API-TOKEN")


def test_a_body_that_is_too_large_is_refused_before_it_is_signed() -> None:
    large = b'{"text": "%s"}' % (b"x" * 1024 * 1024)
    assert refused(post(body=large, X_Signature=signed(large)), 413)
    assert refused(post(body=b"[]", X_Signature=signed(b"[]")), 400, "body")
