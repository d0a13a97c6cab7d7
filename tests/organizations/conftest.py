from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests.factories import OrganizationFactory, admin


@pytest.fixture
def brigade() -> Organization:
    organization: Organization = OrganizationFactory(name="Brigade North")
    return organization


@pytest.fixture
def chief(brigade: Organization) -> User:
    return admin(brigade, first_name="Anna", last_name="Admin", login="anna", is_staff=True)


@pytest.fixture
def desk(chief: User) -> Client:
    client = Client()
    client.force_login(chief)
    return client


@pytest.fixture
def as_chief(chief: User, as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(chief)


@pytest.fixture
def program(brigade: Organization, as_organization: Callable[[Organization], APIClient]) -> APIClient:
    return as_organization(brigade)
