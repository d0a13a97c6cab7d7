"""Who is not available at a moment: once, weekly by the clocks of the organization, also when these change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given, settings
from hypothesis import strategies as st

from organizations.availability import ABSENT
from organizations.models import Absence, Organization, User
from tests.factories import OrganizationFactory, UserFactory, analyze, member

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = timedelta(weeks=1)
# Of the second each is told that the other is over.
SECOND = timedelta(seconds=1)


def berlin(text: str, *, fold: int = 0) -> datetime:
    """Return the moment at which clocks in Berlin show this; `fold` 1: the second time on a night in autumn."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def absent(organization: Organization, now: datetime) -> set[int]:
    """Return the ids of the users who are not available."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT u.id FROM organizations_user u WHERE {ABSENT}",  # noqa: S608 - a constant
            {"organization": organization.pk, "now": now},
        )
        return {user_id for (user_id,) in cursor.fetchall()}


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory(time_zone="Europe/Berlin")


@pytest.fixture
def user(brigade: Organization) -> User:
    # Somebody else is always available.
    member(brigade)
    return member(brigade)


def write(user: User, start: datetime, end: datetime, *, weekly: bool = False, of: Organization | None = None) -> None:
    Absence.objects.create(user=user, organization=of, starts_at=start, ends_at=end, weekly=weekly)


def test_once_is_from_the_first_moment_until_before_the_last(brigade: Organization, user: User) -> None:
    start, end = berlin("2026-05-04 08:00"), berlin("2026-05-08 16:00")
    write(user, start, end)
    assert absent(brigade, start - SECOND) == set()
    assert absent(brigade, start) == absent(brigade, end - SECOND) == {user.pk}
    assert absent(brigade, end) == absent(brigade, start + WEEK) == set()


@pytest.mark.parametrize("weekly", [False, True])
def test_an_entry_is_for_its_organization_or_for_all(brigade: Organization, user: User, weekly: bool) -> None:
    other, third = OrganizationFactory(), OrganizationFactory()
    start, end = berlin("2026-05-04 08:00"), berlin("2026-05-04 16:00")
    write(user, start, end, weekly=weekly, of=other)
    at = start + (WEEK if weekly else SECOND)
    assert (absent(brigade, at), absent(other, at), absent(third, at)) == (set(), {user.pk}, set())
    write(user, start, end, weekly=weekly)
    assert absent(brigade, at) == absent(other, at) == absent(third, at) == {user.pk}


# A shift on a day of the week, in the year 2026, when the clocks in Berlin change on 29 March and 25 October.
SHIFTS = {
    "in a week": ("2026-05-04 08:00", "2026-05-04 16:00"),
    "over midnight": ("2026-05-04 22:00", "2026-05-05 06:00"),
    "over the end of the week": ("2026-05-10 20:00", "2026-05-11 04:00"),
    "all the week but an hour": ("2026-05-04 08:00", "2026-05-11 07:00"),
    "from winter on": ("2026-01-07 17:30", "2026-01-07 23:15"),
    "over the change of the clocks itself": ("2026-03-28 22:00", "2026-03-29 08:00"),
}


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("weeks", [1, 2, 11, 12, 13, 24, 25, 26, 52, 520])
def test_weekly_is_at_the_same_time_of_day_in_summer_and_in_winter(
    brigade: Organization, user: User, shift: str, weeks: int
) -> None:
    start, end = (datetime.fromisoformat(text) for text in SHIFTS[shift])
    write(user, berlin(SHIFTS[shift][0]), berlin(SHIFTS[shift][1]), weekly=True)
    first, last = (berlin((time + weeks * WEEK).isoformat()) for time in (start, end))
    assert absent(brigade, first - SECOND) == set()
    assert absent(brigade, first) == absent(brigade, last - SECOND) == {user.pk}
    assert absent(brigade, last) == set()


def test_nothing_is_before_the_first_time(brigade: Organization, user: User) -> None:
    start, end = berlin("2026-05-04 08:00"), berlin("2026-05-04 16:00")
    write(user, start, end, weekly=True)
    assert [absent(brigade, moment) for moment in (start - WEEK, start - WEEK + SECOND, start - SECOND)] == [set()] * 3
    assert absent(brigade, start) == absent(brigade, end - SECOND) == {user.pk}
    assert absent(brigade, end) == set()


def test_weekly_follows_the_clocks_of_the_organization_that_is_alarmed(brigade: Organization, user: User) -> None:
    tokyo = OrganizationFactory(time_zone="Asia/Tokyo")
    start = berlin("2026-01-05 08:00")
    write(user, start, start + timedelta(hours=8), weekly=True)
    in_summer = start + 26 * WEEK
    # In Berlin clocks are an hour ahead of winter then, in Tokyo they are not.
    assert absent(brigade, in_summer - timedelta(hours=1)) == absent(tokyo, in_summer) == {user.pk}
    assert absent(tokyo, in_summer - timedelta(hours=1)) == set()
    assert absent(brigade, in_summer + timedelta(hours=7)) == set()
    assert absent(tokyo, in_summer + timedelta(hours=7)) == {user.pk}


def test_a_time_that_is_skipped_in_spring_is_an_hour_later(brigade: Organization, user: User) -> None:
    write(user, berlin("2026-03-22 02:30"), berlin("2026-03-22 06:00"), weekly=True)
    assert absent(brigade, berlin("2026-03-29 03:29")) == set()
    assert absent(brigade, berlin("2026-03-29 03:30")) == absent(brigade, berlin("2026-03-29 05:59")) == {user.pk}
    assert absent(brigade, berlin("2026-03-29 06:00")) == set()


def test_of_a_time_that_comes_twice_in_autumn_the_second_is_meant(brigade: Organization, user: User) -> None:
    write(user, berlin("2026-10-17 22:00"), berlin("2026-10-18 02:30"), weekly=True)
    assert absent(brigade, berlin("2026-10-25 02:30")) == {user.pk}
    assert absent(brigade, berlin("2026-10-25 02:29", fold=1)) == {user.pk}
    assert absent(brigade, berlin("2026-10-25 02:30", fold=1)) == set()


def test_an_unknown_time_zone_hinders_no_alarm(brigade: Organization, user: User) -> None:
    # As of a database that knows fewer than the service.
    brigade.time_zone = "Europe/Atlantis"
    brigade.save(update_fields=["time_zone"])
    start = berlin("2026-05-04 08:00")
    write(user, start, start + timedelta(hours=8), weekly=True)
    assert absent(brigade, start) == {user.pk}
    assert absent(brigade, start + WEEK) == set()


class Entry(NamedTuple):
    starts_at: datetime
    ends_at: datetime
    weekly: bool

    def covers(self, now: datetime, zone: ZoneInfo) -> bool:
        """The rule, by going through all weeks."""
        if self.starts_at <= now < self.ends_at:
            return True
        first, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (self.starts_at, self.ends_at))
        return self.weekly and any(
            moment_of(first + number * WEEK, zone) <= now < moment_of(last + number * WEEK, zone)
            for number in range(1, (now - self.starts_at) // WEEK + 2)
        )


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks show this: an hour later what they skip, the second time what they show twice."""
    offsets = [local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return local.replace(tzinfo=UTC) - min(offsets)


# From autumn to autumn, so that the clocks change in most entries' weeks.
moments = st.datetimes(datetime(2025, 10, 20), datetime(2026, 11, 2)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
lengths = st.integers(1, 7 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
entries = st.builds(lambda start, length, weekly: Entry(start, start + length, weekly), moments, lengths, st.booleans())
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]

SPECIAL = [
    # A week, of which one is not over before the next begins.
    Entry(berlin("2026-10-11 02:15"), berlin("2026-10-18 02:15"), True),
    # A week by the clock and an hour.
    Entry(berlin("2026-03-22 12:00"), berlin("2026-03-29 13:00"), True),
    # In the hour that comes twice; and until in the first of these.
    Entry(berlin("2026-10-18 02:15"), berlin("2026-10-18 02:45"), True),
    Entry(berlin("2026-10-24 22:00"), berlin("2026-10-25 02:20"), True),
]
# Before Samoa went over the date line and left out a day.
IN_SAMOA = Entry(datetime(2011, 12, 15, 18, tzinfo=UTC), datetime(2011, 12, 15, 20, tzinfo=UTC), True)

# In place of the tables: the query is the same.
ROWS = """
    WITH organizations_absence (user_id, organization_id, starts_at, ends_at, weekly) AS (
        SELECT user_id, NULL::bigint, starts_at, ends_at, weekly
        FROM unnest(%(users)s::int[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(weekly)s::boolean[])
            AS entry (user_id, starts_at, ends_at, weekly)
    ), organizations_organization (id, time_zone) AS (VALUES (1, %(zone)s))
"""


@settings(max_examples=150, deadline=None)
@given(st.lists(entries, min_size=1, max_size=20), moments, st.sampled_from(ZONES))
@example(SPECIAL, berlin("2026-10-25 02:30"), "Europe/Berlin")
@example(SPECIAL, berlin("2026-10-25 02:30", fold=1), "Europe/Berlin")
@example(SPECIAL, berlin("2026-04-05 12:30"), "Europe/Berlin")
@example([IN_SAMOA], IN_SAMOA.starts_at + 3 * WEEK - timedelta(days=1), "Pacific/Apia")
def test_many_entries_are_as_going_through_all_weeks_says(many: list[Entry], now: datetime, zone: str) -> None:
    parameters = {
        "users": list(range(len(many))),
        "starts": [entry.starts_at for entry in many],
        "ends": [entry.ends_at for entry in many],
        "weekly": [entry.weekly for entry in many],
        "zone": zone,
        "organization": 1,
        "now": now,
    }
    with connection.cursor() as cursor:
        users = "unnest(%(users)s::int[]) AS u (id)"
        cursor.execute(f"{ROWS} SELECT u.id FROM {users} WHERE {ABSENT}", parameters)  # noqa: S608 - constants
        found = {user_id for (user_id,) in cursor.fetchall()}
    assert found == {number for number, entry in enumerate(many) if entry.covers(now, ZoneInfo(zone))}


def test_a_thousand_users_with_a_hundred_entries_each_are_asked_for_in_one_query(brigade: Organization) -> None:
    users = User.objects.bulk_create(UserFactory.build_batch(1000))
    start = berlin("2026-01-05 08:00")
    Absence.objects.bulk_create(
        Absence(
            user=user,
            # Every tenth is absent at that time, but by their last entry only.
            starts_at=start + timedelta(hours=hour if number % 10 or hour < 100 else 50),
            ends_at=start + timedelta(hours=hour + 1 if number % 10 or hour < 100 else 51),
            weekly=True,
        )
        for number, user in enumerate(users)
        for hour in [*range(50), *range(51, 101)]
    )
    analyze(User, Absence)
    with CaptureQueriesContext(connection) as captured:
        found = absent(brigade, berlin("2026-06-10 10:30"))
    assert len(captured) == 1
    assert found == {user.pk for user in users[::10]}
