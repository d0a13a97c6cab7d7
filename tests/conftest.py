from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from organizations.models import ApiToken, Organization, PersonalAccessToken, User


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: None) -> None:
    """The test database is made where the `postgres` fixture has started a server."""


@pytest.fixture(autouse=True)
def gateways(settings: Any) -> None:
    """Every way is available unless a test says otherwise; nothing leaves, as no sender runs."""
    settings.GATEWAYS = {way: ["log:"] for way in django_settings.GATEWAYS}


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def as_user() -> Callable[[User], APIClient]:
    """A client that asks with a personal access token of a user."""

    def client(user: User) -> APIClient:
        row, token = PersonalAccessToken.issue(name="test", user=user)
        # A use within the last minute is not written again: that query belongs to no endpoint.
        PersonalAccessToken.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
        return APIClient(headers={"Personal-Access-Token": token})

    return client


@pytest.fixture
def as_organization() -> Callable[[Organization], APIClient]:
    """A client that asks with an API token of an organization."""

    def client(organization: Organization) -> APIClient:
        row, token = ApiToken.issue(name="test", organization=organization)
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
        return APIClient(headers={"API-TOKEN": token})

    return client


@pytest.fixture
def jobs() -> Callable[[], list[dict[str, Any]]]:
    """Reads the jobs that were deferred, oldest first."""

    def read() -> list[dict[str, Any]]:
        return list(ProcrastinateJob.objects.order_by("pk").values("task_name", "args"))

    return read
