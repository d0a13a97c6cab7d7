"""Alarming again those who have not answered."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.exceptions import ValidationError

from alarms.again import alarm_again
from alarms.models import Alarm, AlarmMessage
from messaging_project.errors import Conflict
from organizations.models import Membership, Organization, User
from tests.factories import AlarmFactory, AlarmMessageFactory, admin, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def alarm(brigade: Organization) -> Alarm:
    made: Alarm = AlarmFactory(
        organization=brigade, message="Smoke in the museum", event_name="B3", repeat=2, repeat_after=120
    )
    return made


def recipient(alarm: Alarm, response: bool | None = None, **fields: Any) -> User:
    user = member(alarm.organization, ways=("sms",))
    AlarmMessageFactory(alarm=alarm, user=user, response=response, **fields)
    return user


def again(alarm: Alarm, now: datetime) -> Alarm:
    return alarm_again(alarm=alarm, raised_by="Kim Boss", now=now)


def alarmed(alarm: Alarm) -> set[int]:
    return set(alarm.alarm_messages.values_list("user_id", flat=True))


def test_a_new_alarm_with_the_same_text_goes_to_those_who_have_not_answered(alarm: Alarm, now: datetime) -> None:
    silent = {recipient(alarm).pk, recipient(alarm, deadline=now - timedelta(minutes=1)).pk}
    for response in (True, False):
        recipient(alarm, response)
    member(alarm.organization)
    raised = again(alarm, now)
    assert raised.pk != alarm.pk
    assert alarmed(raised) == silent
    same = ("message", "event_name", "organization", "repeat", "repeat_after")
    assert [getattr(raised, name) for name in same] == [getattr(alarm, name) for name in same]
    assert (raised.raised_by, raised.starts_at, raised.pending_resources) == ("Kim Boss", now, None)
    assert not raised.alarm_messages.filter(planned_at=None).exists()


def test_who_is_not_active_or_not_a_member_any_more_is_left_out(alarm: Alarm, now: datetime) -> None:
    stays, gone, inactive = (recipient(alarm) for _ in range(3))
    Membership.objects.filter(user=gone).delete()
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    assert alarmed(again(alarm, now)) == {stays.pk}


@pytest.mark.parametrize("closed", [False, True])
def test_it_works_also_after_the_time_is_over_and_the_alarm_is_closed(
    alarm: Alarm, now: datetime, closed: bool
) -> None:
    user = recipient(alarm, deadline=now - timedelta(hours=1))
    Alarm.objects.filter(pk=alarm.pk).update(closed_at=now - timedelta(minutes=5) if closed else None)
    alarm.refresh_from_db()
    raised = again(alarm, now)
    assert alarmed(raised) == {user.pk}
    assert raised.closed_at is None
    assert raised.alarm_messages.get().deadline > now


@pytest.mark.parametrize(("ends_in", "kept"), [(timedelta(hours=1), True), (-timedelta(minutes=1), False)])
def test_the_end_of_the_alarm_holds_for_the_new_one_if_it_is_to_come(
    alarm: Alarm, now: datetime, ends_in: timedelta, kept: bool
) -> None:
    recipient(alarm)
    alarm.scheduled_end_at = now + ends_in
    assert again(alarm, now).scheduled_end_at == (now + ends_in if kept else None)


def test_where_nobody_is_left_nothing_is_raised(alarm: Alarm, now: datetime) -> None:
    recipient(alarm, True)
    with pytest.raises(ValidationError, match="No recipient is left"):
        again(alarm, now)
    assert Alarm.objects.count() == 1


def test_what_was_never_raised_and_what_belongs_to_an_inactive_organization_is_not_raised_again(
    alarm: Alarm, now: datetime
) -> None:
    recipient(alarm)
    alarm.organization.is_active = False
    with pytest.raises(Conflict, match="not active"):
        again(alarm, now)
    alarm.pending_resources = {"all_users": True}
    with pytest.raises(Conflict, match="never raised"):
        again(alarm, now)
    assert Alarm.objects.count() == 1


def test_thousands_take_as_many_queries_as_one(alarm: Alarm, now: datetime) -> None:
    recipient(alarm)
    with CaptureQueriesContext(connection) as few:
        again(alarm, now)
    users = User.objects.bulk_create(User(login=f"many{number}") for number in range(2000))
    Membership.objects.bulk_create(Membership(user=user, organization=alarm.organization) for user in users)
    AlarmMessage.objects.bulk_create(AlarmMessage(alarm=alarm, user=user, deadline=now) for user in users)
    with CaptureQueriesContext(connection) as many:
        raised = again(alarm, now)
    assert raised.alarm_messages.count() == 2001
    assert len(many) == len(few)


# The button


@pytest.fixture
def desk(client: Client, brigade: Organization) -> Client:
    client.force_login(admin(brigade, is_staff=True, first_name="Kim", last_name="Boss", login="kim"))
    return client


def page(alarm: Alarm) -> str:
    return reverse("admin:alarms_alarm_again", args=[alarm.pk])


def test_it_asks_with_the_number_and_raises_one_alarm_however_often_the_form_is_sent(
    desk: Client, alarm: Alarm
) -> None:
    for _ in range(3):
        recipient(alarm)
    asked = desk.get(page(alarm)).content.decode()
    assert "Alarm 3 people" in asked
    assert Alarm.objects.count() == 1
    [key] = re.findall(r'name="key" value="([^"]+)"', asked)
    answers = [desk.post(page(alarm), {"key": key}) for _ in range(2)]
    raised = Alarm.objects.exclude(pk=alarm.pk).get()
    assert raised.raised_by == "Kim Boss (kim)"
    assert raised.alarm_messages.count() == 3
    for answer in answers:
        assert answer["Location"] == reverse("admin:alarms_alarm_change", args=[raised.pk])
    assert "3 people are alarmed again" in desk.get(answers[0]["Location"]).content.decode()
    # Who asks anew means it anew.
    [other] = re.findall(r'name="key" value="([^"]+)"', desk.get(page(alarm)).content.decode())
    desk.post(page(alarm), {"key": other})
    assert Alarm.objects.count() == 3


@pytest.mark.parametrize("key", ["", "nonsense", "x" * 5000])
def test_a_form_without_its_key_raises_nothing(desk: Client, alarm: Alarm, key: str) -> None:
    recipient(alarm)
    answer = desk.post(page(alarm), {"key": key})
    assert answer.status_code == 200
    assert "Please try again" in answer.content.decode()
    assert Alarm.objects.count() == 1


def test_a_key_that_was_used_for_another_alarm_raises_nothing(desk: Client, alarm: Alarm) -> None:
    recipient(alarm)
    other = AlarmFactory(organization=alarm.organization)
    recipient(other)
    key = {"key": "b7f42a39-5a44-4bd9-a4b6-0d2b3c9f3b0c"}
    assert desk.post(page(alarm), key).status_code == 302
    answer = desk.post(page(other), key)
    assert "cannot be raised again" in answer.content.decode()
    assert Alarm.objects.count() == 3


def test_where_everybody_has_answered_there_is_no_button(desk: Client, alarm: Alarm) -> None:
    recipient(alarm, True)
    assert page(alarm) not in desk.get(reverse("admin:alarms_alarm_change", args=[alarm.pk])).content.decode()
    asked = desk.get(page(alarm)).content.decode()
    assert "Nobody is left" in asked
    answer = desk.post(page(alarm), {"key": "b7f42a39-5a44-4bd9-a4b6-0d2b3c9f3b0c"})
    assert "Nobody is left" in answer.content.decode()
    assert Alarm.objects.count() == 1
