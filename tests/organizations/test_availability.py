"""`GET`, `POST /availability` and `PATCH`, `DELETE /availability/{id}`: users say when they are not available."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.models import Absence, Membership, Organization, User
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

PATH = "/api/v1/availability"
DAY = timedelta(days=1)
# Of entries that are not over while this code is in use.
START = datetime(2099, 3, 2, 8, tzinfo=UTC)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


BODY = {"from": text(START), "until": text(START + DAY)}


def add(client: APIClient, body: object, path: str = PATH) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def change(client: APIClient, absence: Absence, body: object) -> Any:
    return client.patch(f"{PATH}/{absence.pk}", json.dumps(body), content_type="application/json")


def write(user: User, start: datetime = START, length: timedelta = DAY, **fields: Any) -> Absence:
    return Absence.objects.create(user=user, starts_at=start, ends_at=start + length, **fields)


def rows() -> list[dict[str, Any]]:
    return list(Absence.objects.order_by("pk").values())


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def user(brigade: Organization) -> User:
    return member(brigade)


@pytest.fixture
def own(as_user: AsUser, user: User) -> APIClient:
    return as_user(user)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
@pytest.mark.parametrize("weekly", [True, False])
def test_an_entry_that_is_added_is_answered_and_listed(
    own: APIClient, user: User, brigade: Organization, path: str, weekly: bool
) -> None:
    answer = add(own, BODY | {"organizationID": brigade.pk, "weekly": weekly}, path)
    absence = Absence.objects.get()
    expected = {"id": absence.pk, "organizationID": brigade.pk, **BODY, "weekly": weekly}
    assert (answer.status_code, answer.json()) == (201, expected)
    assert own.get(path).json() == [expected]
    assert (absence.user, absence.organization, absence.weekly) == (user, brigade, weekly)
    assert (absence.starts_at, absence.ends_at) == (START, START + DAY)


@pytest.mark.parametrize("ids", [{}, {"organizationID": 0}])
def test_without_an_organization_it_is_for_all_and_once(own: APIClient, ids: dict[str, int]) -> None:
    answer = add(own, BODY | ids)
    assert (answer.status_code, answer.json()["organizationID"], answer.json()["weekly"]) == (201, 0, False)
    assert Absence.objects.get().organization is None


def test_times_are_answered_in_utc(own: APIClient) -> None:
    body = {"from": "2099-03-02T09:00:00+01:00", "until": "2099-03-03T17:45:00.5+01:00"}
    answer = add(own, body).json()
    assert (answer["from"], answer["until"]) == (text(START), "2099-03-03T16:45:00.500000Z")


def test_the_list_holds_the_callers_entries_in_the_order_of_their_start(
    own: APIClient, user: User, brigade: Organization
) -> None:
    later, sooner = write(user, organization=brigade, weekly=True), write(user, START - 90 * DAY)
    write(member(brigade))
    assert own.get(PATH).json() == [
        {
            "id": sooner.pk,
            "organizationID": 0,
            "from": text(START - 90 * DAY),
            "until": text(START - 89 * DAY),
            "weekly": False,
        },
        {"id": later.pk, "organizationID": brigade.pk, **BODY, "weekly": True},
    ]


MALFORMED_TIMES: tuple[Any, ...] = (
    *("", "tomorrow", "2099-03-02", "2099-03-02T08:00:00", "2099-02-30T08:00:00Z", "2099-03-02T08:00:00+25:00"),
    *(None, 0, 4_000_000_000, True, [], {}),
)


def test_an_organization_that_is_not_the_callers_is_404(own: APIClient, user: User) -> None:
    foreign = OrganizationFactory()
    left = OrganizationFactory()
    MembershipFactory(organization=left, user=user)
    absence = write(user)
    Membership.objects.filter(organization=left).delete()
    before = rows()
    for number in (foreign.pk, left.pk, 2**63 - 1):
        assert refused(add(own, BODY | {"organizationID": number}), 404, "organizationID: ")
        assert refused(change(own, absence, {"organizationID": number}), 404, "organizationID: ")
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({}, {}),
        ({"weekly": True}, {"weekly": True}),
        ({"from": text(START + DAY / 2)}, {"starts_at": START + DAY / 2}),
        ({"until": text(START + 2 * DAY)}, {"ends_at": START + 2 * DAY}),
        (
            {"from": text(START - DAY), "until": text(START), "weekly": True},
            {"starts_at": START - DAY, "ends_at": START, "weekly": True},
        ),
        ({"organizationID": 0}, {"organization_id": None}),
        ({"id": 1, "userID": 1, "user": 1, "starts_at": "2000-01-01T00:00:00Z"}, {}),
    ],
)
def test_what_is_given_is_changed_and_the_rest_stays(
    own: APIClient, user: User, brigade: Organization, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    absence = write(user, organization=brigade)
    write(user)
    before = rows()
    answer = change(own, absence, body)
    assert answer.status_code == 200
    assert rows() == [before[0] | changed, before[1]]
    assert answer.json() in own.get(PATH).json()
    assert answer.json()["id"] == absence.pk


def test_an_entry_can_be_made_one_of_an_organization(own: APIClient, user: User, brigade: Organization) -> None:
    absence = write(user)
    assert change(own, absence, {"organizationID": brigade.pk}).json()["organizationID"] == brigade.pk
    absence.refresh_from_db()
    assert absence.organization == brigade


def test_who_is_back_sooner_ends_an_entry_that_has_begun(own: APIClient, user: User) -> None:
    now = datetime.now(UTC)
    absence = write(user, now - DAY, 2 * DAY)
    assert change(own, absence, {"until": text(now - timedelta(minutes=1))}).status_code == 200
    absence.refresh_from_db()
    assert absence.ends_at < now


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *(({name: value}, name) for name in ("from", "until") for value in MALFORMED_TIMES),
        ({"until": BODY["from"]}, "until"),
        ({"from": BODY["until"]}, "until"),
        ({"until": text(START + 367 * DAY)}, "until"),
        ({"until": text(START + 8 * DAY), "weekly": True}, "until"),
        ({"weekly": "no"}, "weekly"),
        ({"organizationID": None}, "organizationID"),
    ],
    ids=str,
)
def test_a_change_that_is_wrong_changes_nothing(own: APIClient, user: User, body: object, named: str) -> None:
    absence = write(user)
    before = rows()
    assert refused(change(own, absence, body), 400, f"{named}: ")
    assert rows() == before


def test_an_entry_that_is_removed_is_gone(own: APIClient, user: User) -> None:
    absence, other = write(user), write(user)
    answer = own.delete(f"{PATH}/{absence.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [entry["id"] for entry in own.get(PATH).json()] == [other.pk]
    assert refused(own.delete(f"{PATH}/{absence.pk}"), 404, "id: ")
    assert refused(change(own, absence, {}), 404, "id: ")


@pytest.mark.parametrize("role", ["stranger", "colleague", "admin", "nobody", "API token", "foreign API token"])
def test_entries_are_their_users_alone(
    as_user: AsUser, as_organization: AsOrganization, user: User, brigade: Organization, role: str
) -> None:
    callers: dict[str, tuple[Callable[[], APIClient], int]] = {
        "stranger": (lambda: as_user(UserFactory()), 404),
        "colleague": (lambda: as_user(member(brigade)), 404),
        "admin": (lambda: as_user(admin(brigade)), 404),
        "nobody": (APIClient, 401),
        "API token": (lambda: as_organization(brigade), 403),
        "foreign API token": (lambda: as_organization(OrganizationFactory()), 403),
    }
    make, status = callers[role]
    client, absence = make(), write(user)
    before = rows()
    assert refused(change(client, absence, {"weekly": True}), status)
    assert refused(client.delete(f"{PATH}/{absence.pk}"), status)
    if status == 404:
        assert client.get(PATH).json() == []
    else:
        assert refused(client.get(PATH), status)
        assert refused(add(client, BODY), status)
    assert rows() == before


@pytest.mark.parametrize("number", ["abc", "-1", "1.0", "%00", str(2**63)])
def test_a_malformed_id_is_400(own: APIClient, number: str) -> None:
    assert refused(own.patch(f"{PATH}/{number}", {}, format="json"), 400, "id: ")
    assert refused(own.delete(f"{PATH}/{number}"), 400, "id: ")


def test_the_list_takes_as_many_queries_for_50_entries_as_for_one(
    own: APIClient, user: User, brigade: Organization
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert own.get(PATH).status_code == 200
        return len(captured)

    write(user, organization=brigade)
    # The token, the entries.
    assert queries() == 2
    for _ in range(49):
        write(user, organization=brigade)
    assert queries() == 2
