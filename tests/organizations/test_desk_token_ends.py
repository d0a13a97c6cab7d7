"""When a token ends, as it is typed in the admin."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import ApiToken
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_an_end_that_no_clock_knows_is_refused(admin_client: Client, day: str) -> None:
    token = ApiToken.issue(name="dispatch", organization=OrganizationFactory())[0]
    address = reverse("admin:organizations_apitoken_change", args=[token.pk])
    answer = admin_client.post(address, {"name": "dispatch", "expires_at_0": day, "expires_at_1": "00:00"})
    assert answer.status_code == 200
    assert "Choose a time before the year 3000." in answer.content.decode()
    token.refresh_from_db()
    assert token.expires_at is None
