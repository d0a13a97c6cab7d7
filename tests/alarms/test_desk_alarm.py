"""The page of an alarm in the admin: what it says, to whom, and with how many queries."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alarms.models import Alarm, AlarmMessage, DeviceMessage
from organizations.models import Organization
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    DeviceMessageFactory,
    GroupFactory,
    OrganizationFactory,
    admin,
    member,
)

pytestmark = pytest.mark.django_db

PARTS = ("state", "recipients", "timeline")


def page(alarm: Alarm, name: str = "change", **query: Any) -> str:
    return reverse(f"admin:alarms_alarm_{name}", args=[alarm.pk], query=query or None)


def text(answer: Any) -> str:
    """Return what is read on a page."""
    body = answer.content.decode().split('id="content-main"')[-1]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def numbers(client: Client, alarm: Alarm) -> dict[str, int]:
    """Return the counts beside the bar."""
    found = re.findall(r'data-count="(\w+)">(\d+)<', client.get(page(alarm, "state")).content.decode())
    return {state: int(number) for state, number in found}


def raised(organization: Organization, **fields: Any) -> Alarm:
    alarm: Alarm = AlarmFactory(organization=organization, event_name="B3 Museum", raised_by="Kim Boss", **fields)
    return alarm


@pytest.fixture
def desk(client: Client, brigade: Organization) -> Client:
    """The browser of an admin of the brigade."""
    client.force_login(admin(brigade, is_staff=True))
    return client


def test_it_says_what_was_raised_by_whom_when_and_how_it_stands(desk: Client, brigade: Organization) -> None:
    alarm = raised(brigade, message="Smoke in the hall\nBring <ladders>")
    AlarmMessageFactory(alarm=alarm)
    answer = desk.get(page(alarm))
    assert answer.status_code == 200
    assert "Smoke in the hall\nBring &lt;ladders&gt;" in answer.content.decode()
    for words in ("B3 Museum", brigade.name, "Kim Boss", "open", "One recipient", "Close the alarm"):
        assert words in text(answer), words


def test_the_bar_counts_who_answered_how_who_still_may_and_whose_time_is_over(
    desk: Client, brigade: Organization, now: datetime
) -> None:
    alarm = raised(brigade)
    for response, number in ((True, 3), (False, 2), (None, 4)):
        AlarmMessageFactory.create_batch(number, alarm=alarm, response=response)
    AlarmMessageFactory(alarm=alarm, deadline=now - timedelta(seconds=1))
    # Whoever answered in time has not timed out.
    AlarmMessageFactory(alarm=alarm, deadline=now - timedelta(seconds=1), response=True)
    assert numbers(desk, alarm) == {"positive": 4, "negative": 2, "unknown": 4, "timed_out": 1}
    shown = desk.get(page(alarm, "state")).content.decode()
    assert 'aria-label="4 positive, 2 negative, 4 unknown, 1 timed out"' in shown
    assert re.findall(r'class="(\w+)" style="width: ([\d.]+)%"', shown) == [
        ("positive", "36.364"),
        ("negative", "18.182"),
        ("waiting", "36.364"),
        ("over", "9.091"),
    ]
    assert [int(each) for each in re.findall(r"(\d+) %<", shown)] == [36, 18, 36, 9]


def test_no_answer_counts_as_timed_out_if_the_time_was_over_when_the_alarm_was_closed(
    desk: Client, brigade: Organization, now: datetime
) -> None:
    alarm = raised(brigade, starts_at=now - timedelta(hours=1), closed_at=now - timedelta(minutes=30))
    AlarmMessageFactory(alarm=alarm, deadline=now - timedelta(minutes=40))
    AlarmMessageFactory(alarm=alarm, deadline=now - timedelta(minutes=20))
    assert numbers(desk, alarm) == {"positive": 0, "negative": 0, "unknown": 1, "timed_out": 1}
    assert "no answer yet" not in text(desk.get(page(alarm)))


def test_one_of_thousands_is_not_0_per_cent(desk: Client, brigade: Organization) -> None:
    alarm = raised(brigade)
    AlarmMessageFactory(alarm=alarm, response=True)
    AlarmMessageFactory.create_batch(400, alarm=alarm)
    shown = desk.get(page(alarm, "state")).content.decode()
    assert [int(each) for each in re.findall(r"(\d+) %<", shown)] == [1, 0, 99, 0]


@pytest.mark.parametrize(
    ("ends_after", "left"),
    [(None, 20), (timedelta(minutes=15), 15)],
    ids=["the latest who has not answered", "the alarm closes itself before"],
)
def test_the_time_left_is_that_of_the_latest_who_has_not_answered(
    desk: Client, brigade: Organization, now: datetime, ends_after: timedelta | None, left: int
) -> None:
    alarm = raised(brigade, starts_at=now, scheduled_end_at=ends_after and now + ends_after)
    AlarmMessageFactory(alarm=alarm, deadline=now + timedelta(minutes=10))
    AlarmMessageFactory(alarm=alarm, deadline=now + timedelta(minutes=20))
    AlarmMessageFactory(alarm=alarm, deadline=now + timedelta(minutes=30), response=True)
    shown = desk.get(page(alarm, "state")).content.decode()
    until = now + timedelta(minutes=left)
    assert f'data-countdown="{int(until.timestamp())}"' in shown
    assert f"{until:%H:%M}" in shown


def changed(alarm: Alarm, now: datetime) -> dict[str, dict[str, Any]]:
    """What makes an alarm stand otherwise, by what it then says."""
    later = {"starts_at": now + timedelta(hours=2), "pending_resources": {"all_users": True}}
    return {
        "scheduled": later,
        "cancelled": later | {"closed_at": now},
        "never raised": {"pending_resources": {"all_users": True}, "closed_at": now + timedelta(hours=1)},
        "closed": {"closed_at": now},
    }


@pytest.mark.parametrize("words", ["scheduled", "cancelled", "never raised", "closed"])
def test_an_alarm_says_how_it_stands(desk: Client, brigade: Organization, now: datetime, words: str) -> None:
    alarm = raised(brigade)
    Alarm.objects.filter(pk=alarm.pk).update(**changed(alarm, now)[words])
    for name in ("change", "state"):
        assert words in text(desk.get(page(alarm, name))), name


def test_the_time_is_over_when_nobody_can_answer_any_more(desk: Client, brigade: Organization, now: datetime) -> None:
    alarm = raised(brigade)
    AlarmMessageFactory(alarm=alarm, deadline=now - timedelta(seconds=1))
    assert "time over" in text(desk.get(page(alarm)))
    assert "Close the alarm" in text(desk.get(page(alarm)))


def test_one_that_is_scheduled_says_for_when_and_whom(desk: Client, brigade: Organization, now: datetime) -> None:
    group, people = GroupFactory(organization=brigade), [member(brigade) for _ in range(3)]
    stranger, foreign = member(OrganizationFactory()), GroupFactory(name="Of others")
    alarm = raised(
        brigade,
        starts_at=now + timedelta(days=2),
        pending_resources={
            "all_users": False,
            "users": [*(each.pk for each in people), stranger.pk],
            "units": [group.pk, foreign.pk],
        },
    )
    shown = text(desk.get(page(alarm)))
    for words in (group.name, *(each.get_full_name() for each in people), "3 people", "Cancel the alarm"):
        assert words in shown, words
    for hidden in (stranger.get_full_name(), foreign.name, "Recipients"):
        assert hidden not in shown, hidden


def test_times_are_those_of_the_organization(desk: Client, brigade: Organization) -> None:
    Organization.objects.filter(pk=brigade.pk).update(time_zone="Asia/Kathmandu")
    closed = datetime.fromisoformat("2026-03-14T12:00:01Z")
    alarm = raised(brigade, starts_at=closed, closed_at=closed)
    DeviceMessageFactory(alarm_message__alarm=alarm, status=DeviceMessage.Status.SENT, sent_at=closed)
    for name in PARTS:
        assert "17:45" in text(desk.get(page(alarm, name))), name


# Whose desk


@pytest.mark.parametrize("name", ["change", *PARTS, "close", "again"])
def test_of_another_organizations_alarm_there_is_no_trace(desk: Client, name: str) -> None:
    alarm = raised(OrganizationFactory(), message="Nobody else's business")
    AlarmMessageFactory(alarm=alarm)
    missing = page(Alarm(pk=alarm.pk + 1000), name)
    for method in (desk.get, desk.post):
        answers = [method(address, {"all_clear": "Over"}) for address in (page(alarm, name), missing)]
        statuses = {answer.status_code for answer in answers}
        assert len(statuses) == 1
        assert statuses <= {302, 403, 404, 405}
        assert all("business" not in answer.content.decode() for answer in answers)
    assert not Alarm.objects.exclude(closed_at=None).exists()
    assert Alarm.objects.count() == 1


@pytest.mark.parametrize("name", [*PARTS, "close", "again"])
def test_members_and_strangers_are_sent_away(client: Client, brigade: Organization, name: str) -> None:
    alarm = raised(brigade)
    AlarmMessageFactory(alarm=alarm)
    for user in (None, member(brigade), member(brigade, is_staff=True)):
        if user is not None:
            client.force_login(user)
        assert client.get(page(alarm, name)).status_code in {302, 403, 404}
        client.post(page(alarm, name), {"key": "b7f42a39-5a44-4bd9-a4b6-0d2b3c9f3b0c"})
    assert Alarm.objects.filter(closed_at=None).count() == 1


# What moves by itself


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_has_not_changed_is_not_sent_again(desk: Client, brigade: Organization, name: str) -> None:
    alarm = raised(brigade)
    message = DeviceMessageFactory(alarm_message__alarm=alarm)
    first = desk.get(page(alarm, name))
    assert first["Cache-Control"] == "private, no-cache"
    again = desk.get(page(alarm, name), headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    AlarmMessage.objects.update(response=True, responded_at=timezone.now(), first_sent_at=timezone.now())
    DeviceMessage.objects.filter(pk=message.pk).update(status=DeviceMessage.Status.SENT, sent_at=timezone.now())
    moved = desk.get(page(alarm, name), headers={"If-None-Match": first["ETag"]})
    assert moved.status_code == 200
    assert moved.content != first.content


@pytest.mark.parametrize(
    ("closed_for", "over"), [(None, False), (timedelta(minutes=1), False), (timedelta(hours=1), True)]
)
def test_asking_ends_when_nothing_will_change_any_more(
    desk: Client, brigade: Organization, now: datetime, closed_for: timedelta | None, over: bool
) -> None:
    alarm = raised(brigade, starts_at=now - timedelta(hours=2), closed_at=closed_for and now - closed_for)
    AlarmMessageFactory(alarm=alarm)
    for name in PARTS:
        assert (desk.get(page(alarm, name)).headers.get("X-Poll") == "over") is over


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_only_read(desk: Client, brigade: Organization, name: str) -> None:
    assert desk.post(page(raised(brigade), name)).status_code == 405
