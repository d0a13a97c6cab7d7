"""Who is not available is left out where everybody or a unit is alarmed, named in the preview, and alarmed all the same
when named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from alarms.models import Alarm, AlarmMessage
from alarms.previewing import preview
from alarms.raising import AlarmOrder, Resources, raise_alarm, start_alarm
from organizations.models import Absence, Membership, Organization, User
from tests.dialect import refused
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, member

pytestmark = pytest.mark.django_db

RAISE, PREVIEW = "/api/v1/alarm", "/api/v1/alarm/preview"
EVERYBODY = {"allUsers": True}
HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)


@pytest.fixture
def brigade(db: None) -> Organization:
    """A brigade whose clocks are never changed, so that a week is always as long."""
    organization: Organization = OrganizationFactory(time_zone="UTC")
    return organization


@pytest.fixture
def away(now: datetime) -> Callable[..., User]:
    """Lets a user be away for two hours, of which one has passed (plus `later`)."""

    def call(user: User, *, of: Organization | None = None, weekly: bool = False, later: timedelta = 0 * HOUR) -> User:
        start = now - HOUR + later
        Absence.objects.create(user=user, organization=of, starts_at=start, ends_at=start + 2 * HOUR, weekly=weekly)
        return user

    return call


def body(organization: Organization, resources: object = EVERYBODY, **fields: object) -> dict[str, Any]:
    return {"organizationID": organization.pk, "message": "Fire", "alarmResources": resources} | fields


def previewed(client: APIClient, data: dict[str, Any]) -> tuple[int, list[int]]:
    """Return how many recipients, and who is not available."""
    answer = client.post(PREVIEW, data, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()["recipients"], answer.json()["unavailable"]


def alarmed(client: APIClient, data: dict[str, Any]) -> set[int]:
    """Raise an alarm and return whom it is for."""
    answer = client.post(RAISE, data, format="json")
    assert answer.status_code == 201, answer.content
    return set(AlarmMessage.objects.filter(alarm=answer.json()["id"]).values_list("user_id", flat=True))


def unit_of(organization: Organization, *users: User) -> int:
    unit = GroupFactory(organization=organization)
    unit.memberships.set(Membership.objects.filter(organization=organization, user__in=users))
    return int(unit.pk)


# Who is left out


@pytest.mark.parametrize("weekly", [False, True], ids=["once", "weekly"])
@pytest.mark.parametrize("everywhere", [False, True], ids=["for this organization", "for all"])
def test_who_is_not_available_is_left_out_of_everybody_and_of_units_and_named_in_the_preview(
    brigade: Organization, boss: APIClient, away: Any, weekly: bool, everywhere: bool
) -> None:
    here, other = member(brigade), member(brigade)
    gone = away(member(brigade), of=None if everywhere else brigade, weekly=weekly)
    in_unit = {"units": [unit_of(brigade, here, gone)]}
    for resources, left in ((EVERYBODY, {here.pk, other.pk}), (in_unit, {here.pk})):
        assert previewed(boss, body(brigade, resources)) == (len(left), [gone.pk])
        assert alarmed(boss, body(brigade, resources)) == left


def test_who_is_named_is_alarmed_all_the_same_even_as_one_of_a_unit_or_of_everybody(
    brigade: Organization, boss: APIClient, away: Any
) -> None:
    here, gone, also_gone = member(brigade), away(member(brigade)), away(member(brigade))
    unit = unit_of(brigade, here, gone, also_gone)
    for resources, left, unavailable in (
        ({"users": [gone.pk]}, {gone.pk}, []),
        ({"users": [gone.pk, here.pk], "units": [unit]}, {here.pk, gone.pk}, [also_gone.pk]),
        ({"users": [gone.pk], "allUsers": True}, {here.pk, gone.pk}, [also_gone.pk]),
        ({"users": [gone.pk, also_gone.pk], "allUsers": True}, {here.pk, gone.pk, also_gone.pk}, []),
    ):
        assert previewed(boss, body(brigade, resources)) == (len(left), unavailable)
        assert alarmed(boss, body(brigade, resources)) == left


def test_who_is_not_available_for_another_organization_is_alarmed(
    brigade: Organization, boss: APIClient, away: Any
) -> None:
    other = OrganizationFactory()
    someone = away(MembershipFactory(organization=other, user=member(brigade)).user, of=other)
    assert previewed(boss, body(brigade)) == (1, [])
    assert alarmed(boss, body(brigade)) == {someone.pk}


@pytest.mark.parametrize("weekly", [False, True], ids=["once", "weekly"])
@pytest.mark.parametrize("later", [-3 * HOUR, 3 * HOUR], ids=["is back", "is about to go"])
def test_who_was_away_before_or_will_be_later_is_alarmed(
    brigade: Organization, boss: APIClient, away: Any, weekly: bool, later: timedelta
) -> None:
    someone = away(member(brigade), weekly=weekly, later=later)
    assert previewed(boss, body(brigade)) == (1, [])
    assert alarmed(boss, body(brigade)) == {someone.pk}


def test_what_is_weekly_comes_again_and_what_is_not_does_not(
    brigade: Organization, boss: APIClient, away: Any, now: datetime
) -> None:
    every_week = away(member(brigade), weekly=True, later=-5 * WEEK)
    once = away(member(brigade), later=-5 * WEEK)
    not_yet = away(member(brigade), weekly=True, later=WEEK)
    assert previewed(boss, body(brigade)) == (2, [every_week.pk])
    assert alarmed(boss, body(brigade)) == {once.pk, not_yet.pk}


def test_the_preview_names_each_once_in_order_and_only_those_who_would_be_meant(
    brigade: Organization, boss: APIClient, away: Any
) -> None:
    here, second, first = (member(brigade) for _ in range(3))
    for user in (first, second, second):
        away(user)
        away(user, of=brigade, weekly=True)
    for nobody in (member(brigade, is_active=False), member(OrganizationFactory())):
        away(nobody)
    units = [unit_of(brigade, here, second), unit_of(brigade, here, second)]
    assert previewed(boss, body(brigade)) == (1, sorted([first.pk, second.pk]))
    assert previewed(boss, body(brigade, {"units": units})) == (1, [second.pk])
    assert previewed(boss, body(brigade, {"users": [here.pk]})) == (1, [])


def test_where_nobody_is_left_nothing_is_raised(
    brigade: Organization, boss: APIClient, away: Any, jobs: Callable[[], list[dict[str, Any]]]
) -> None:
    unit = unit_of(brigade, away(member(brigade)), away(member(brigade), weekly=True))
    for resources in (EVERYBODY, {"units": [unit]}):
        for url in (PREVIEW, RAISE):
            assert refused(boss.post(url, body(brigade, resources), format="json"), 400, "alarmResources")
    assert not Alarm.objects.exists()
    assert jobs() == []


def test_who_goes_after_the_alarm_was_raised_stays_its_recipient(
    brigade: Organization, boss: APIClient, away: Any
) -> None:
    someone = member(brigade, ways=("sms",))
    assert alarmed(boss, body(brigade)) == {someone.pk}
    away(someone)
    assert AlarmMessage.objects.get().escalating


# At which moment


def left_at(organization: Organization, now: datetime) -> int:
    """Return how many an alarm to everybody would have at a moment; the preview has to say the same."""
    order = AlarmOrder(organization, "Fire", Resources(all_users=True))
    try:
        alarm, _is_new = raise_alarm(order=order, raised_by="a test", now=now)
    except ValidationError:
        with pytest.raises(ValidationError, match="No recipient is left"):
            preview(order=order, now=now)
        return 0
    recipients = AlarmMessage.objects.filter(alarm=alarm).count()
    assert preview(order=order, now=now).recipients == recipients
    return recipients


def test_the_start_belongs_to_it_and_the_end_does_not(brigade: Organization) -> None:
    start = datetime(2026, 3, 9, 12, tzinfo=UTC)
    Absence.objects.create(user=member(brigade), starts_at=start, ends_at=start + HOUR, weekly=True)
    moment = timedelta(microseconds=1)
    for week in (0 * WEEK, WEEK, 52 * WEEK):
        begin, end = start + week, start + week + HOUR
        found = [left_at(brigade, now) for now in (begin - moment, begin, end - moment, end)]
        assert found == [1, 0, 0, 1]


def test_what_is_weekly_keeps_to_the_clocks_of_the_organization(brigade: Organization) -> None:
    Organization.objects.update(time_zone="Europe/Berlin")
    # A Monday from 18:00 to 20:00 in winter time; the clocks were changed on the Sunday after it.
    start = datetime(2026, 3, 23, 17, tzinfo=UTC)
    Absence.objects.create(user=member(brigade), starts_at=start, ends_at=start + 2 * HOUR, weekly=True)
    brigade.refresh_from_db()
    half_past = [start.replace(day=30, hour=hour, minute=30) for hour in (15, 16, 17, 18)]
    assert [left_at(brigade, now) for now in half_past] == [1, 0, 0, 1]


# Scheduled alarms: what counts is their start


@pytest.fixture
def later(now: datetime) -> dict[str, str]:
    return {"startTime": (now + 5 * HOUR).isoformat()}


def test_a_scheduled_alarm_leaves_out_who_is_away_when_it_starts(
    brigade: Organization, boss: APIClient, away: Any, later: dict[str, str]
) -> None:
    here, goes = member(brigade), away(member(brigade), later=5 * HOUR)
    comes_back = away(member(brigade))
    assert alarmed(boss, body(brigade, **later)) == set()
    alarm = Alarm.objects.get()
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    recipients = set(AlarmMessage.objects.values_list("user_id", flat=True))
    assert recipients == {here.pk, comes_back.pk}
    assert goes.pk not in recipients


def test_the_preview_of_a_scheduled_alarm_names_who_is_away_when_it_starts(
    brigade: Organization, boss: APIClient, away: Any, later: dict[str, str]
) -> None:
    member(brigade)
    goes, comes_back = away(member(brigade), later=5 * HOUR), away(member(brigade))
    assert previewed(boss, body(brigade)) == (2, [comes_back.pk])
    assert previewed(boss, body(brigade, **later)) == (2, [goes.pk])


def test_an_alarm_can_be_scheduled_for_when_everybody_is_back(
    brigade: Organization, boss: APIClient, away: Any, later: dict[str, str]
) -> None:
    someone = away(member(brigade))
    assert refused(boss.post(RAISE, body(brigade), format="json"), 400, "alarmResources")
    assert previewed(boss, body(brigade, **later)) == (1, [])
    assert alarmed(boss, body(brigade, **later)) == set()
    alarm = Alarm.objects.get()
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    assert AlarmMessage.objects.get().user_id == someone.pk


def test_an_alarm_cannot_be_scheduled_for_when_everybody_is_away(
    brigade: Organization, boss: APIClient, away: Any, later: dict[str, str]
) -> None:
    away(member(brigade), later=5 * HOUR)
    for url in (PREVIEW, RAISE):
        assert refused(boss.post(url, body(brigade, **later), format="json"), 400, "alarmResources")
    assert previewed(boss, body(brigade)) == (1, [])


# Queries


def add_members(organization: Organization, count: int, now: datetime) -> None:
    """Add members, of each ten of whom eight are away."""
    first = User.objects.count()
    users = User.objects.bulk_create(User(login=f"many{first + number}") for number in range(count))
    Membership.objects.bulk_create(Membership(organization=organization, user=user) for user in users)
    Absence.objects.bulk_create(
        Absence(
            user=user,
            organization=organization if number % 2 else None,
            starts_at=now - HOUR - number % 5 * WEEK,
            ends_at=now + HOUR - number % 5 * WEEK,
            weekly=number % 10 < 8,
        )
        for number, user in enumerate(users)
    )


def test_1000_members_with_absences_take_as_many_queries_as_10(
    brigade: Organization, boss: APIClient, now: datetime
) -> None:
    previewing, raising = [], []
    for count in (10, 990):
        add_members(brigade, count, now)
        with CaptureQueriesContext(connection) as queries:
            recipients, unavailable = previewed(boss, body(brigade))
        previewing.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            answer = boss.post(RAISE, body(brigade), format="json")
        raising.append(len(queries))
        assert answer.status_code == 201
        assert len(answer.json()["feedback"]) == recipients == User.objects.count() / 5
        assert len(unavailable) == recipients * 4
    assert recipients == 200
    # preview: the token, the time, recipients, the timeout and whether the organization has an escalation, gateways,
    # entries and devices, the unavailable
    assert previewing[0] == previewing[1]
    assert raising[0] == raising[1]
