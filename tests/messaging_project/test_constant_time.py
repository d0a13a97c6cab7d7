"""Whether a secret is right says nothing but a comparison whose time does not tell how much of it was right."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from messaging_project.masking import Secret
from organizations.models import ApiToken, PersonalAccessToken
from tests.factories import OrganizationFactory, member
from tests.organizations import test_jwt

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(settings: Any) -> Callable[[], dict[str, int]]:
    """Asks with secrets that are wrong, but for what finds them; says what is answered to each."""
    settings.GATEWAY_SECRET = settings.TWILIO_AUTH_TOKEN = settings.METRICS_TOKEN = Secret("shared")
    settings.JWT_KEY, settings.JWT_ALGORITHM = Secret("j" * 32), "HS256"
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = test_jwt.ISSUER, test_jwt.AUDIENCE
    organization = OrganizationFactory()
    user = member(organization)
    token = ApiToken.issue(name="x", organization=organization)[1][:-1] + "x"
    personal = PersonalAccessToken.issue(name="x", user=user)[1][:-1] + "x"
    jwt = test_jwt.sign(test_jwt.claims(user.login), "HS256", "another secret of at least 32 letters")
    client = APIClient(raise_request_exception=False)
    form = "application/x-www-form-urlencoded"

    def every() -> dict[str, int]:
        statuses = {
            "API token": client.get("/api/v1/organizations", headers={"API-TOKEN": token}),
            "personal token": client.get("/api/v1/user", headers={"Personal-Access-Token": personal}),
            "JWT": client.get("/api/v1/user", headers={"Authorization": f"Bearer {jwt}"}),
            "signature": client.post(
                "/api/v1/messagestatus/receipt", {}, format="json", headers={"X-Signature": "wrong"}
            ),
            "Twilio's signature": client.post(
                "/api/v1/inbound/twilio/voice", "Digits=1", content_type=form, headers={"X-Twilio-Signature": "wrong"}
            ),
            "metrics": Client().get("/metrics", headers={"Authorization": "Bearer wrong"}),
        }
        return {name: answer.status_code for name, answer in statuses.items()}

    return every


def test_nothing_else_decides(ask: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ask().values()) == {401}
    for module in (hmac, secrets):
        monkeypatch.setattr(module, "compare_digest", lambda _one, _other: True)
    assert {name: status for name, status in ask().items() if status in (401, 403)} == {}
