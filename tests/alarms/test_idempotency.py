"""The header Idempotency-Key of POST /alarm (contract 4): a repeated request answers the first alarm for 24 hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from alarms import upkeep
from alarms.models import Alarm, AlarmMessage, IdempotencyKey
from messaging_project import database
from organizations.models import Membership, Organization, User
from tests.dialect import refused
from tests.factories import MembershipFactory, OrganizationFactory, admin, member
from tests.organizations.test_jwt import token_of, trust

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarm"
DAY = timedelta(hours=24)

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]


@pytest.fixture
def brigade() -> Organization:
    """A brigade with somebody to alarm."""
    organization: Organization = OrganizationFactory()
    member(organization)
    return organization


def body(organization: Organization, **fields: object) -> dict[str, Any]:
    return {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}} | fields


def post(client: APIClient, data: object, key: str | None = "a key") -> Any:
    text = data if isinstance(data, str) else json.dumps(data)
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(URL, text, content_type="application/json", headers=headers)


def raised(client: APIClient, data: object, key: str | None = "a key") -> int:
    """Return the id of the alarm that a first request has raised."""
    answer = post(client, data, key)
    assert answer.status_code == 201, answer.content
    return int(answer.json()["id"])


def repeated(client: APIClient, data: object, key: str = "a key") -> int:
    """Return the id of the alarm that a repeated request answers."""
    answer = post(client, data, key)
    assert answer.status_code == 200, answer.content
    return int(answer.json()["id"])


# A repetition


@pytest.mark.usefixtures("planned_later")
def test_the_same_request_again_answers_the_first_alarm(brigade: Organization, boss: APIClient, jobs: Any) -> None:
    first = post(boss, body(brigade))
    assert first.status_code == 201
    deferred = jobs()
    for _ in range(3):
        again = post(boss, body(brigade))
        assert (again.status_code, again.json()) == (200, first.json())
    assert Alarm.objects.count() == AlarmMessage.objects.count() == 1
    assert jobs() == deferred
    assert len(deferred) == 1


def test_the_order_of_the_fields_and_whitespace_do_not_count(brigade: Organization, boss: APIClient) -> None:
    data = body(brigade, eventName="Überfall 🚒")
    backwards = dict(reversed(data.items())) | {"alarmResources": {"users": [], "allUsers": True}}
    forwards = data | {"alarmResources": {"allUsers": True, "users": []}}
    first = raised(boss, json.dumps(forwards, separators=(",", ":")))
    assert repeated(boss, json.dumps(backwards, indent=4, ensure_ascii=False)) == first
    assert post(boss, backwards | {"alarmResources": {"allUsers": True, "users": [1, 2]}}).status_code == 409


def test_another_body_is_refused_and_raises_nothing(brigade: Organization, boss: APIClient) -> None:
    person = brigade.memberships.get().user_id
    first = raised(boss, body(brigade))
    for other in (
        {"message": "fire"},
        {"eventName": "B2"},
        {"alarmResources": {"users": [person]}},
        {"startTime": (timezone.now() + DAY).isoformat()},
        {"scheduledEndTime": (timezone.now() + DAY).isoformat()},
    ):
        assert refused(post(boss, body(brigade, **other)), 409, "Idempotency-Key")
    assert Alarm.objects.get().pk == first == repeated(boss, body(brigade))


def test_it_answers_the_first_alarm_whatever_has_become_of_it(brigade: Organization, boss: APIClient) -> None:
    leaving = member(brigade)
    data = body(brigade, alarmResources={"users": [leaving.pk]})
    first = raised(boss, data)
    leaving.memberships.all().delete()
    assert repeated(boss, data) == first
    assert boss.patch(f"{URL}/{first}").status_code == 200
    again = post(boss, data)
    assert (again.status_code, again.json()) == (200, boss.get(f"{URL}/{first}").json())
    assert again.json()["closed"] is True
    assert refused(post(boss, data, "another key"), 400, str(leaving.pk))


def test_a_scheduled_alarm_is_answered_too_even_when_its_times_are_past(
    brigade: Organization, boss: APIClient, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    times = {"startTime": now + timedelta(hours=1), "scheduledEndTime": now + timedelta(hours=2)}
    data = body(brigade, **{name: time.isoformat() for name, time in times.items()})
    first = raised(boss, data)
    assert repeated(boss, data) == first
    assert sorted(job["task_name"] for job in jobs()) == ["alarms.close", "alarms.start"]
    monkeypatch.setattr(database, "now", lambda: now + timedelta(hours=3))
    again = post(boss, data)
    assert (again.status_code, again.json()["id"]) == (200, first)
    assert again.json()["startDate"] == times["startTime"].isoformat().replace("+00:00", "Z")
    assert refused(post(boss, data, "another key"), 400, "scheduledEndTime")
    assert Alarm.objects.count() == 1


def test_without_the_header_equal_requests_raise_an_alarm_each(brigade: Organization, boss: APIClient) -> None:
    assert raised(boss, body(brigade), None) != raised(boss, body(brigade), None)
    assert IdempotencyKey.objects.count() == 0


# Whose key it is


def test_another_principal_with_the_same_key_raises_an_alarm_of_its_own(
    brigade: Organization, boss: APIClient, as_user: AsUser, as_organization: AsOrganization
) -> None:
    elsewhere = OrganizationFactory()
    first, second, foreign = admin(brigade), admin(brigade), admin(elsewhere)
    callers = [
        (boss, brigade),
        (as_user(first), brigade),
        (as_user(second), brigade),
        (as_user(foreign), elsewhere),
        (as_organization(elsewhere), elsewhere),
    ]
    own = [raised(client, body(organization)) for client, organization in callers]
    assert len(set(own)) == len(callers)
    assert [repeated(client, body(organization)) for client, organization in callers] == own


def test_organizations_and_users_of_the_same_id_are_told_apart(as_user: AsUser, as_organization: Any) -> None:
    organization, user = OrganizationFactory(pk=10**12), admin(OrganizationFactory(), pk=10**12)
    MembershipFactory(organization=organization, user=user, role="admin")
    assert raised(as_organization(organization), body(organization)) != raised(as_user(user), body(organization))


def test_two_tokens_of_one_principal_are_one(brigade: Organization, as_user: AsUser, as_organization: Any) -> None:
    boss = admin(brigade)
    first = raised(as_organization(brigade), body(brigade))
    own = raised(as_user(boss), body(brigade))
    assert repeated(as_organization(brigade), body(brigade)) == first
    assert repeated(as_user(boss), body(brigade)) == own


def test_a_user_is_one_whether_a_token_or_a_jwt_says_so(brigade: Organization, as_user: AsUser, settings: Any) -> None:
    trust(settings, "HS256")
    boss = admin(brigade)
    by_jwt = APIClient(headers={"Authorization": f"Bearer {token_of(boss, 'HS256')}"})
    assert raised(as_user(boss), body(brigade)) == repeated(by_jwt, body(brigade))


# How long it is kept


def age(span: timedelta) -> None:
    IdempotencyKey.objects.update(created_at=F("created_at") - span)


def test_after_24_hours_the_key_is_free_again(brigade: Organization, boss: APIClient) -> None:
    first = raised(boss, body(brigade))
    age(DAY - timedelta(minutes=1))
    assert repeated(boss, body(brigade)) == first
    age(timedelta(minutes=1))
    second = raised(boss, body(brigade, message="Flood"))
    assert second != first
    assert repeated(boss, body(brigade, message="Flood")) == second
    assert refused(post(boss, body(brigade)), 409)


def test_the_upkeep_forgets_what_is_older_than_24_hours(brigade: Organization, boss: APIClient, now: datetime) -> None:
    raised(boss, body(brigade), "old")
    age(DAY)
    first = raised(boss, body(brigade), "new")
    upkeep.sweep(now=now + timedelta(hours=23))
    assert IdempotencyKey.objects.get().key == "new"
    assert repeated(boss, body(brigade), "new") == first
    assert Alarm.objects.count() == 2


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (400, {"message": ""}),
        (400, {"alarmResources": {"users": [10**15]}}),
        (400, {"startTime": "2999-01-01T00:00:00Z"}),
        (404, {"organizationID": 10**15}),
    ],
)
def test_a_request_that_was_refused_does_not_take_the_key(
    brigade: Organization, boss: APIClient, status: int, wrong: dict[str, Any]
) -> None:
    assert refused(post(boss, body(brigade) | wrong), status)
    assert raised(boss, body(brigade)) == repeated(boss, body(brigade))


def test_nor_does_one_that_found_nobody_or_was_not_allowed(brigade: Organization, as_user: AsUser) -> None:
    person = member(brigade)
    client = as_user(person)
    assert refused(post(client, body(brigade)), 403)
    Membership.objects.filter(user=person).update(role="admin")
    User.objects.update(is_active=False)
    User.objects.filter(pk=person.pk).update(is_active=True)
    only_inactive = body(brigade, alarmResources={"users": [brigade.memberships.exclude(user=person).get().user_id]})
    assert refused(post(client, only_inactive), 400, "alarmResources")
    User.objects.update(is_active=True)
    assert raised(client, only_inactive) == repeated(client, only_inactive)


# The key


@pytest.mark.parametrize("key", ["x", "x" * 255, "00 - ~ !", '"quoted"', "' OR 1=1 --", "%s %(key)s {}"])
def test_a_key_is_of_1_to_255_printable_characters(brigade: Organization, boss: APIClient, key: str) -> None:
    assert raised(boss, body(brigade), key) == repeated(boss, body(brigade), key)
    assert raised(boss, body(brigade), key[:-1] + "y") != repeated(boss, body(brigade), key)


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "x" * 5000, "\u00e4", "\u00a0", "\ufeff", "a\tb", "a\0", "a\x7f", "\x1b"]
)
def test_any_other_key_is_refused_by_name(brigade: Organization, boss: APIClient, jobs: Any, key: str) -> None:
    # What comes over the wire is read as ISO 8859-1.
    assert refused(post(boss, body(brigade), key.encode().decode("latin-1")), 400, "Idempotency-Key")
    assert jobs() == []
    assert Alarm.objects.count() == IdempotencyKey.objects.count() == 0


def test_no_body_however_deep_is_a_fault_of_the_service(brigade: Organization, boss: APIClient) -> None:
    for depth in (*range(850, 1000, 5), 100_000):
        nested = json.dumps(body(brigade))[:-1] + f', "unknown": {"[" * depth}{"]" * depth}}}'
        assert post(boss, nested, f"{depth}").status_code in (201, 400), depth


def test_1000_recipients_take_as_many_queries_as_one(brigade: Organization, boss: APIClient) -> None:
    # again: token, the time, begin, key, the key's alarm, commit, answers
    numbers = []
    for count in (0, 999):
        users = User.objects.bulk_create(User(login=f"many{number}") for number in range(count))
        Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
        for expected in (201, 200):
            with CaptureQueriesContext(connection) as queries:
                answer = post(boss, body(brigade), f"{count}")
            assert (answer.status_code, len(answer.json()["feedback"])) == (expected, count + 1)
            numbers.append(len(queries))
    first_of_one, again_of_one, first_of_1000, again_of_1000 = numbers
    assert first_of_1000 == first_of_one
    assert again_of_one == again_of_1000 == 7
