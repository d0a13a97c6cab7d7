"""Throttles by token and by address: 429 with Retry-After, in the dialect of the path (contract 2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from messaging_project import throttling
from messaging_project.throttling import Buckets
from organizations.models import Organization, User
from tests.factories import OrganizationFactory, member

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Clock]:
    """Three requests a minute; the time stands still unless it is moved."""
    clock = Clock()
    monkeypatch.setattr(throttling, "buckets", Buckets(clock))
    settings.THROTTLE_TOKEN = settings.THROTTLE_ADDRESS = 3
    return clock


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def user(organization: Organization) -> User:
    return member(organization, role="admin")


def statuses(client: APIClient, *paths: str) -> list[int]:
    return [client.get(path).status_code for path in paths]


ME = "/api/v1/user"


def test_a_token_that_asks_too_often_is_told_when_it_may_again(
    clock: Clock, user: User, as_user: Callable[[User], APIClient]
) -> None:
    client = as_user(user)
    assert statuses(client, *[ME] * 3) == [200] * 3
    refused = client.get(ME)
    assert (refused.status_code, refused["Retry-After"]) == (429, "20")
    assert refused.json() == {
        "success": False,
        "message": "Too many requests.",
        "error": "Request was throttled. Expected available in 20 seconds.",
    }
    clock.now += 19.5
    assert client.get(ME)["Retry-After"] == "1"
    clock.now += 0.6
    assert statuses(client, ME, ME) == [200, 429]


def test_the_inbox_says_so_in_its_own_dialect(clock: Clock, user: User, as_user: Callable[[User], APIClient]) -> None:
    client = as_user(user)
    assert statuses(client, *["/api/v1/msg/list"] * 3) == [200] * 3
    refused = client.get("/api/v1/msg/list")
    assert (refused.status_code, refused["Retry-After"]) == (429, "20")
    assert refused.json()["responseInfo"]["responseCode"] == "FAILURE"


def test_other_tokens_are_not_concerned_even_of_the_same_user(
    clock: Clock,
    organization: Organization,
    user: User,
    as_user: Callable[[User], APIClient],
    as_organization: Callable[[Organization], APIClient],
) -> None:
    first, second = as_user(user), as_user(user)
    assert statuses(first, *[ME] * 4)[-1] == 429
    assert statuses(second, ME) == [200]
    assert statuses(as_organization(organization), f"/api/v1/users?organization={organization.pk}") == [200]


def test_who_has_read_too_much_can_still_raise_an_alarm_and_answer_it(
    clock: Clock,
    organization: Organization,
    user: User,
    as_organization: Callable[[Organization], APIClient],
) -> None:
    client = as_organization(organization)
    users = f"/api/v1/users?organization={organization.pk}"
    assert statuses(client, *[users] * 4)[-1] == 429
    body = {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    raised = client.post("/api/v1/alarm", body, format="json")
    assert raised.status_code == 201
    answer = {"alarmID": raised.json()["id"], "userID": user.pk, "response": True}
    assert client.post("/api/v1/messaging/feedback", answer, format="json").status_code == 200


def test_what_is_refused_changes_nothing(
    clock: Clock, organization: Organization, as_organization: Callable[[Organization], APIClient]
) -> None:
    client = as_organization(organization)
    timeout = f"/api/v1/organization/{organization.pk}/timeout"
    answers = [client.put(timeout, {"timeout": 100 + number}, format="json").status_code for number in range(4)]
    assert answers == [200, 200, 200, 429]
    assert client.get(timeout).json() == {"timeout": 102}


@pytest.mark.parametrize("headers", [{}, {"API-TOKEN": "ga_org_guess"}, {"Personal-Access-Token": "ga_pat_guess"}])
def test_an_address_that_does_not_say_who_asks_is_throttled(clock: Clock, headers: dict[str, str]) -> None:
    stranger = APIClient(headers=headers)
    assert statuses(stranger, *[ME] * 3) == [401] * 3
    refused = stranger.get(ME)
    assert (refused.status_code, refused["Retry-After"]) == (429, "20")
    assert statuses(APIClient(headers=headers, REMOTE_ADDR="192.0.2.7"), ME) == [401]


def test_gateways_that_lie_are_strangers_too(clock: Clock) -> None:
    client = APIClient(headers={"X-Signature": "sha256=00"})
    body = json.dumps({"from": "+49151", "text": "1"})
    answers = [
        client.post("/api/v1/inbound/sms", body, content_type="application/json").status_code for _each in range(4)
    ]
    assert answers == [401, 401, 401, 429]


def test_who_has_a_token_is_let_through_at_an_address_of_strangers(
    clock: Clock, user: User, as_user: Callable[[User], APIClient]
) -> None:
    assert statuses(APIClient(), *[ME] * 4)[-1] == 429
    assert statuses(as_user(user), ME) == [200]


def test_zero_is_no_limit(clock: Clock, user: User, as_user: Callable[[User], APIClient], settings: Any) -> None:
    settings.THROTTLE_TOKEN = settings.THROTTLE_ADDRESS = 0
    assert set(statuses(as_user(user), *[ME] * 5)) == {200}
    assert set(statuses(APIClient(), *[ME] * 5)) == {401}


def test_addresses_without_number_do_not_fill_the_memory() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    for number in range(3 * Buckets.MOST):
        buckets.take(f"address {number}", per_minute=1)
        assert len(buckets._left) <= Buckets.MOST
    clock.now += 61
    assert buckets.take("address 1", per_minute=1) == 0
