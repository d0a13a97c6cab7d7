"""Bounds of what users say of when they are not available: how long, how many; in API and admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from organizations.models import Absence, Organization, User
from tests.alarms.test_races import while_waiting
from tests.dialect import refused
from tests.factories import OrganizationFactory, member
from tests.organizations.test_admin import queries, url
from tests.organizations.test_availability import (
    BODY,
    DAY,
    MALFORMED_TIMES,
    PATH,
    START,
    AsUser,
    add,
    rows,
    text,
    write,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def user(brigade: Organization) -> User:
    return member(brigade)


@pytest.fixture
def own(as_user: AsUser, user: User) -> APIClient:
    return as_user(user)


REFUSED = [
    *(({name: value}, name) for name in ("from", "until") for value in MALFORMED_TIMES),
    ({"until": BODY["from"]}, "until"),
    ({"until": text(START - DAY)}, "until"),
    ({"until": text(START + 366 * DAY + timedelta(seconds=1))}, "until"),
    ({"until": text(START + 7 * DAY + timedelta(seconds=1)), "weekly": True}, "until"),
    ({"from": "2025-12-31T08:00:00Z", "until": "2026-01-01T08:00:00Z"}, "until"),
    ({"from": "1999-12-31T08:00:00Z", "until": "2000-01-01T08:00:00Z", "weekly": True}, "from"),
    ({"from": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z", "weekly": True}, "from"),
    ({"from": "9999-12-31T00:00:00Z", "until": "9999-12-31T23:59:59Z"}, "from"),
    ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
    *(({"weekly": value}, "weekly") for value in (None, 1, "true", [])),
    *(({"organizationID": value}, "organizationID") for value in ("1", -1, 1.0, True, None, 2**63)),
]


@pytest.mark.parametrize(("fields", "named"), REFUSED, ids=str)
def test_what_is_wrong_is_refused_naming_the_field_and_adds_nothing(
    own: APIClient, fields: dict[str, Any], named: str
) -> None:
    assert refused(add(own, BODY | fields), 400, f"{named}: ")
    assert rows() == []


@pytest.mark.parametrize("missing", ["from", "until"])
def test_what_is_missing_is_named(own: APIClient, missing: str) -> None:
    assert refused(add(own, {name: value for name, value in BODY.items() if name != missing}), 400, f"{missing}: ")


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({}, timedelta(seconds=1)),
        ({}, 366 * DAY),
        ({"weekly": True}, 7 * DAY),
        # The first time is long past, but not the next.
        ({"from": "2020-01-06T08:00:00Z", "until": "2020-01-06T16:00:00Z", "weekly": True}, None),
        # It has begun.
        ({"from": text(datetime.now(UTC) - DAY), "until": text(datetime.now(UTC) + DAY)}, None),
    ],
)
def test_what_is_within_the_bounds_is_taken(own: APIClient, fields: dict[str, Any], length: timedelta | None) -> None:
    until = {"until": text(START + length)} if length else {}
    assert add(own, BODY | until | fields).status_code == 201


def test_of_100_entries_those_that_are_over_make_room(own: APIClient, user: User) -> None:
    past = START.replace(year=2020)
    kept = [write(user) for _ in range(98)] + [write(user, past, weekly=True)]
    over = write(user, past)
    write(member(OrganizationFactory()), past)
    assert add(own, BODY).status_code == 201
    assert user.absences.count() == 100
    assert not Absence.objects.filter(pk=over.pk).exists()
    before = rows()
    assert refused(add(own, BODY), 409, "100")
    assert rows() == before
    assert own.delete(f"{PATH}/{kept[0].pk}").status_code == 204
    assert add(own, BODY).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_do_not_exceed_the_limit(as_user: AsUser) -> None:
    user = member(OrganizationFactory())
    for _ in range(99):
        write(user)
    client, statuses = as_user(user), list[int]()

    def adding() -> None:
        statuses.append(add(client, BODY).status_code)

    while_waiting(adding, [partial(adding)])
    assert sorted(statuses) == [201, 409]
    assert user.absences.count() == 100


def test_the_admin_holds_entries_to_the_same_bounds(admin_client: Client, user: User, brigade: Organization) -> None:
    def posted(end: str, **fields: Any) -> str:
        times = {"starts_at_0": "2099-03-02", "starts_at_1": "08:00", "ends_at_0": end, "ends_at_1": "08:00"}
        answer = admin_client.post(url(Absence, "add"), {"user": user.pk, **times, **fields}, follow=True)
        return answer.content.decode()

    assert "Must be after the start." in posted("2099-03-02")
    assert "at most 366 days" in posted("2100-03-05")
    assert "at most 7 days" in posted("2099-03-10", weekly="on")
    assert rows() == []
    posted("2099-03-03", organization=brigade.pk)
    (absence,) = rows()
    assert (absence["user_id"], absence["organization_id"]) == (user.pk, brigade.pk)


def test_the_list_of_the_admin_takes_as_many_queries_for_50_entries_as_for_one(
    admin_client: Client, user: User, brigade: Organization
) -> None:
    absence, page = write(user, organization=brigade), url(Absence, "changelist")
    queries(admin_client, page)  # what is cached for good is cached now
    with_one = queries(admin_client, page)
    for _ in range(49):
        write(member(brigade), organization=brigade)
    # session, user, count, rows (their owners joined), the organizations to filter by
    assert queries(admin_client, page) == with_one
    assert admin_client.get(page, {"q": user.login}).status_code == 200
    assert admin_client.get(url(Absence, "change", absence.pk)).status_code == 200
