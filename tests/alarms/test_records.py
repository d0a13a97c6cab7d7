"""The rows of what was sent, in the admin."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "a receipt says that it failed"), ("de", "laut Quittung fehlgeschlagen")],
)
def test_the_gateways_that_were_tried_are_told_in_words(
    admin_client: Client, now: datetime, language: str, words: str
) -> None:
    tried = [
        {"gateway": "first.example", "at": now.isoformat(), "reason": "receipt: failed", "date": now.isoformat()},
        {"gateway": "second.example", "at": now.isoformat(), "reason": "HTTP 503"},
    ]
    factories.DeviceMessageFactory(tried=tried)
    page = reverse("admin:alarms_devicemessage_changelist")
    content = admin_client.get(page, headers={"Accept-Language": language}).content.decode()
    assert f"first.example: {words}<br>" in content
    assert "second.example: HTTP 503" in content
