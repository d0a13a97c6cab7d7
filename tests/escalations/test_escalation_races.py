"""Lists that are set or removed at the same moment: each replaces the whole list of the other (contract 3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from escalations.models import EscalationConfiguration
from escalations.plan import Entry
from organizations.models import Organization, User
from tests.alarms.test_races import while_waiting
from tests.factories import OrganizationFactory, admin, escalation

pytestmark = pytest.mark.django_db(transaction=True)

AsUser = Callable[[User], APIClient]

BEFORE = [("pager", 0), ("sms", 30), ("call", 30)]
FIRST = [("sms", 1), ("sms", 2), ("sms", 3)]
SECOND = [("call", 7)]

had_a_list = pytest.mark.parametrize("before", [[], BEFORE], ids=["none before", "one before"])


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def chief(brigade: Organization) -> User:
    return admin(brigade)


@pytest.fixture
def client(as_user: AsUser, chief: User) -> APIClient:
    return as_user(chief)


def set_list(client: APIClient, entries: list[tuple[str, int]], organization: Organization | None = None) -> None:
    path = "/api/v1/escalation/organization" if organization else "/api/v1/escalation"
    body: dict[str, Any] = {"escalations": [{"wayofalarm": way, "delay": delay} for way, delay in entries]}
    answer = client.post(path, body | ({"organizationID": organization.pk} if organization else {}), format="json")
    assert answer.status_code == 200, answer.content


def entries_of(owner: User | Organization) -> list[Entry]:
    return EscalationConfiguration.objects.entries_of(owner)


@had_a_list
@pytest.mark.parametrize("whose", ["a user's", "an organization's"])
def test_of_two_lists_at_once_the_last_is_there_whole(
    brigade: Organization, chief: User, client: APIClient, whose: str, before: list[tuple[str, int]]
) -> None:
    organization = brigade if whose == "an organization's" else None
    owner = organization or chief
    if before:
        escalation(owner, *before)
    first, second = (partial(set_list, client, entries, organization) for entries in (FIRST, SECOND))
    while_waiting(first, [second])
    assert entries_of(owner) == SECOND
    assert EscalationConfiguration.objects.count() == 1


def test_a_removal_that_comes_during_a_setting_answers_what_was_set(brigade: Organization, client: APIClient) -> None:
    escalation(brigade, *BEFORE)
    removed: list[Any] = []

    def remove() -> None:
        answer = client.delete(f"/api/v1/escalation/organization/{brigade.pk}")
        assert answer.status_code == 200, answer.content
        removed.extend((entry["wayofalarm"], entry["delay"]) for entry in answer.json()["escalations"])

    while_waiting(partial(set_list, client, FIRST, brigade), [remove])
    assert removed == FIRST
    assert entries_of(brigade) == []


def test_a_setting_that_comes_during_a_removal_is_there_afterwards(brigade: Organization, client: APIClient) -> None:
    escalation(brigade, *BEFORE)

    def remove() -> None:
        assert client.delete(f"/api/v1/escalation/organization/{brigade.pk}").status_code == 200

    while_waiting(remove, [partial(set_list, client, SECOND, brigade)])
    assert entries_of(brigade) == SECOND
