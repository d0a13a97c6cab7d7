from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone, translation
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient
from whitenoise.middleware import WhiteNoiseMiddleware

from alarms import raising
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests.flushing import empty_tables

LONGEST = (
    "test_chaos",
    "test_conformance",
    "test_desk_pages",
    "test_desk_queries",
    "test_killed_processes",
    "test_make_run",
    "test_operation_docs",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that at the end no process waits for another."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: None, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The test database, one for each process of the run, is made where `postgres` has started a server."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let nobody gather statistics between two tests, when what the one has written is rolled back: a planner that
    believes tables to be empty takes minutes over the thousands of rows of the next."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


@pytest.fixture(scope="session", autouse=True)
def static_files_once() -> Iterator[None]:
    """Every client of a test makes the middleware anew: let it not look again at each of hundreds of files."""
    found: dict[str, Any] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files = dict(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(autouse=True)
def gateways(settings: Any) -> None:
    """Every way is available unless a test says otherwise; nothing leaves, as no sender runs."""
    settings.GATEWAYS = {way: ["log:"] for way in django_settings.GATEWAYS}


@pytest.fixture(autouse=True)
def no_throttles(settings: Any) -> None:
    """Tests ask more often than anybody else, and all from one address."""
    settings.THROTTLE_TOKEN = settings.THROTTLE_ADDRESS = 0


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Passwords of tests are no secrets: half a second for each person who has one is what a real hash takes."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nobodys_language() -> None:
    """The language of a test's last request stays active in its thread; the next test begins without one."""
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def quick_flush() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture
def fifty_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an alarm, 50 messages are planned as it is raised and not 10,000."""
    monkeypatch.setattr(raising, "PLANNED_AT_ONCE", 50)


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
