"""GET /alarms (contract 4): the alarms of an organization that the caller may see, newest first and page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from alarms.models import Alarm
from organizations.models import Membership, Organization, User
from tests.dialect import refused
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    MembershipFactory,
    OrganizationFactory,
    UserFactory,
    admin,
    member,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarms"
LAST = 2**63 - 1

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]


def listed(client: APIClient, organization: Organization, **query: object) -> dict[str, Any]:
    answer = client.get(URL, {"organization": organization.pk} | query)
    assert answer.status_code == 200, answer.content
    page: dict[str, Any] = answer.json()
    assert set(page) == {"alarms", "totalAlarms"}
    return page


def ids(page: dict[str, Any]) -> list[int]:
    return [alarm["id"] for alarm in page["alarms"]]


def alarms_of(organization: Organization, count: int, now: datetime) -> list[int]:
    """Write so many alarms, a minute apart, and return their ids, newest first."""
    starts = [now - timedelta(minutes=number) for number in range(count)]
    return [AlarmFactory(organization=organization, starts_at=start).pk for start in starts]


def notified(alarm: Alarm, user: User, response: bool | None = None) -> None:
    AlarmMessageFactory(alarm=alarm, user=user, response=response)


# Pages


def test_the_newest_comes_first_whenever_it_was_written(brigade: Organization, boss: APIClient, now: datetime) -> None:
    days = [AlarmFactory(organization=brigade, starts_at=now + timedelta(days=day)).pk for day in (-2, -400, 0, 1, -1)]
    assert ids(listed(boss, brigade)) == [days[place] for place in (3, 2, 4, 0, 1)]


def test_without_a_limit_there_are_ten_and_the_total_counts_all(
    brigade: Organization, boss: APIClient, now: datetime
) -> None:
    newest = alarms_of(brigade, 12, now)
    page = listed(boss, brigade)
    assert ids(page) == newest[:10]
    assert page["totalAlarms"] == 12


@pytest.mark.parametrize(("limit", "offset", "expected"), [(1, 0, 1), (50, 0, 50), (50, 50, 1), (7, 3, 7), (1, 51, 0)])
def test_limit_and_offset_cut_out_a_page(
    brigade: Organization, boss: APIClient, now: datetime, limit: int, offset: int, expected: int
) -> None:
    newest = alarms_of(brigade, 51, now)
    page = listed(boss, brigade, limit=limit, offset=offset)
    assert ids(page) == newest[offset : offset + expected]
    assert page["totalAlarms"] == 51


def test_alarms_of_the_same_moment_are_on_one_page_each(brigade: Organization, boss: APIClient, now: datetime) -> None:
    written = [AlarmFactory(organization=brigade, starts_at=now).pk for _ in range(9)]
    seen = [pk for offset in range(0, 9, 2) for pk in ids(listed(boss, brigade, limit=2, offset=offset))]
    assert sorted(seen) == sorted(written)


def test_an_offset_beyond_the_end_however_far_gives_an_empty_page(brigade: Organization, boss: APIClient) -> None:
    AlarmFactory(organization=brigade)
    for offset in (1, 2**31, 2**63 - 51, LAST):
        assert listed(boss, brigade, offset=offset, limit=50) == {"alarms": [], "totalAlarms": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "51", "-1", "x", "1.5", "9" * 40, "1e1", " 5", "\u0663", "\0", "5;")),
        *(("offset", value) for value in ("-1", "x", "1.5", str(LAST + 1), "9" * 5000, "1e1", "+1", "\u00b2", "null")),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(
    brigade: Organization, boss: APIClient, name: str, value: str
) -> None:
    assert refused(boss.get(URL, {"organization": brigade.pk, name: value}), 400, name)


# Which organization


@pytest.mark.parametrize("value", [None, "", "0", "x", "-1", "1.0", str(LAST + 1)])
def test_the_organization_is_required(boss: APIClient, as_user: AsUser, value: str | None) -> None:
    query = {} if value is None else {"organization": value}
    assert refused(boss.get(URL, query), 400, "organization")
    assert refused(as_user(UserFactory()).get(URL, query), 400, "organization")


def test_an_organization_that_is_not_the_callers_is_not_found(
    brigade: Organization, as_user: AsUser, as_organization: AsOrganization
) -> None:
    notified(AlarmFactory(organization=brigade), somebody_who_left := UserFactory())
    elsewhere = OrganizationFactory()
    callers = [as_user(user) for user in (admin(elsewhere), UserFactory(), somebody_who_left)]
    for client in (*callers, as_organization(elsewhere)):
        for pk in (brigade.pk, LAST):
            assert refused(client.get(URL, {"organization": pk}), 404, "organization")
    assert refused(APIClient().get(URL, {"organization": brigade.pk}), 401)


def test_an_organization_that_is_not_active_is_not_found(brigade: Organization, as_user: AsUser) -> None:
    client = as_user(admin(brigade))
    Organization.objects.update(is_active=False)
    assert refused(client.get(URL, {"organization": brigade.pk}), 404, "organization")


def test_the_path_works_with_a_slash_and_only_for_reading(brigade: Organization, boss: APIClient) -> None:
    assert boss.get(f"{URL}/", {"organization": brigade.pk}).status_code == 200
    for method in (boss.post, boss.put, boss.patch, boss.delete):
        assert refused(method(f"{URL}?organization={brigade.pk}"), 405)


# Who sees what


def test_an_admin_and_an_api_token_see_every_alarm_and_every_answer(
    brigade: Organization, boss: APIClient, as_user: AsUser
) -> None:
    first, second = (AlarmFactory(organization=brigade) for _ in range(2))
    AlarmFactory()
    people = [member(brigade) for _ in range(2)]
    for person in people:
        notified(second, person)
    for client in (boss, as_user(admin(brigade))):
        page = listed(client, brigade)
        assert ids(page) == [second.pk, first.pk]
        assert page["totalAlarms"] == 2
        feedback = page["alarms"][0]["feedback"]
        assert [entry["userID"] for entry in feedback] == [person.pk for person in people]
        assert page["alarms"][1]["feedback"] == []


def test_a_member_sees_what_they_were_notified_of_with_their_own_answer_and_all_quantities(
    brigade: Organization, as_user: AsUser, now: datetime
) -> None:
    own, other = member(brigade), member(brigade)
    both, only_other, only_own = (AlarmFactory(organization=brigade, starts_at=now) for _ in range(3))
    notified(both, own, True)
    notified(both, other, False)
    notified(only_other, other)
    notified(only_own, own)
    page = listed(as_user(own), brigade)
    assert ids(page) == [only_own.pk, both.pk]
    assert page["totalAlarms"] == 2
    alarm = page["alarms"][1]
    assert [(entry["userID"], entry["state"]) for entry in alarm["feedback"]] == [(own.pk, "positive")]
    assert alarm["feedbackQuantity"] == {"positive": 1, "negative": 1, "unknown": 0}
    assert alarm["feedbackPercentage"] == {"positive": 50.0, "negative": 50.0, "unknown": 0.0}
    assert listed(as_user(own), brigade, limit=1, offset=1) == {"alarms": [alarm], "totalAlarms": 2}
    assert listed(as_user(member(brigade)), brigade) == {"alarms": [], "totalAlarms": 0}


def test_a_member_of_two_organizations_gets_those_of_the_one_asked_for(as_user: AsUser) -> None:
    here, there = OrganizationFactory(), OrganizationFactory()
    person = admin(here)
    MembershipFactory(organization=there, user=person)
    unseen, seen = (AlarmFactory(organization=there) for _ in range(2))
    notified(seen, person)
    notified(unseen, member(there))
    own = AlarmFactory(organization=here)
    client = as_user(person)
    assert (ids(listed(client, here)), ids(listed(client, there))) == ([own.pk], [seen.pk])
    assert listed(client, there)["totalAlarms"] == 1


def test_an_admin_who_is_a_member_again_sees_only_their_own(brigade: Organization, as_user: AsUser) -> None:
    person = admin(brigade)
    client = as_user(person)
    AlarmFactory(organization=brigade)
    assert listed(client, brigade)["totalAlarms"] == 1
    Membership.objects.filter(user=person).update(role="member")
    assert listed(client, brigade) == {"alarms": [], "totalAlarms": 0}


def test_each_entry_is_what_the_same_caller_reads_of_that_alarm(
    brigade: Organization, boss: APIClient, as_user: AsUser, now: datetime
) -> None:
    person, other = member(brigade), member(brigade)
    plain = AlarmFactory(organization=brigade, starts_at=now - timedelta(minutes=1), event_name="B2")
    closed = AlarmFactory(organization=brigade, closed_at=now)
    ends = AlarmFactory(organization=brigade, scheduled_end_at=now + timedelta(hours=1))
    for alarm in (plain, closed, ends):
        notified(alarm, other, False)
        notified(alarm, person)
    AlarmFactory(organization=brigade)  # of nobody
    later = {"starts_at": now + timedelta(days=1), "pending_resources": {"all_users": True}}
    AlarmFactory(organization=brigade, **later)
    AlarmFactory(organization=brigade, **later, closed_at=now)
    for client, count in ((boss, 6), (as_user(admin(brigade)), 6), (as_user(person), 3)):
        page = listed(client, brigade)
        assert page["totalAlarms"] == len(page["alarms"]) == count
        for entry in page["alarms"]:
            assert entry == client.get(f"/api/v1/alarm/{entry['id']}").json()


@pytest.mark.parametrize("caller", ["token", "admin", "member"])
def test_50_alarms_take_as_many_queries_as_one(
    brigade: Organization, boss: APIClient, as_user: AsUser, now: datetime, caller: str
) -> None:
    people = [member(brigade) for _ in range(3)]
    client = {"token": boss, "admin": as_user(admin(brigade)), "member": as_user(people[0])}[caller]
    numbers = []
    for count in (1, 49):
        for pk in alarms_of(brigade, count, now):
            for person in people:
                notified(Alarm.objects.get(pk=pk), person)
        with CaptureQueriesContext(connection) as queries:
            page = listed(client, brigade, limit=50)
        numbers.append(len(queries))
    assert len(page["alarms"]) == page["totalAlarms"] == 50
    # the token, for users their membership (with the organization), the alarms, the total, the answers with their
    # quantities
    assert numbers == ([4, 4] if caller == "token" else [5, 5])
