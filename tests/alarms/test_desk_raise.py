"""Raising an alarm from the admin: what is entered, and the alarm that comes of it."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms.models import Alarm, AlarmMessage
from organizations.models import Membership, Organization, User
from tests.alarms.desk_raising import ADD, at_desk, boss_of, confirmed, entered, hidden, previewed, raised, said
from tests.dialect import refused
from tests.factories import AlarmTemplateFactory, GroupFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

NOTHING_YET = "Nothing was raised yet"


def recipients(alarm: Alarm) -> set[int]:
    return set(AlarmMessage.objects.filter(alarm=alarm).values_list("user_id", flat=True))


def test_the_organization_of_an_admin_of_one_is_preset(brigade: Organization) -> None:
    page = boss_of(brigade).get(ADD)
    assert f'<input type="hidden" name="organization" value="{brigade.pk}">' in page.content.decode()
    assert "Everybody (1 person)" in said(page)


def test_who_administers_several_chooses_and_what_was_entered_stays(brigade: Organization) -> None:
    other = OrganizationFactory()
    group = GroupFactory(organization=other)
    boss = admin(brigade)
    Membership.objects.create(user=boss, organization=other, role="admin")
    client = at_desk(boss)
    assert "Choose an organization first" in said(client.get(ADD))
    page = client.post(ADD, {"organization": other.pk, "text": "Fire & smoke", "event": "B2", "step": "form"})
    assert group.name in said(page)
    assert "Fire & smoke" in said(page)
    assert 'value="B2"' in page.content.decode()
    assert NOTHING_YET not in said(page)


def test_everybody_is_alarmed_in_the_name_of_who_did_it(brigade: Organization) -> None:
    someone = member(brigade)
    boss = admin(brigade, first_name="Ada", last_name="Boss", login="ada")
    alarm = raised(at_desk(boss), entered(brigade, event="B2"))
    assert (alarm.message, alarm.event_name, alarm.raised_by) == ("Fire in the hall", "B2", "Ada Boss (ada)")
    assert (alarm.scheduled_end_at, alarm.repeat, alarm.pending_resources) == (None, 0, None)
    assert recipients(alarm) == {someone.pk, boss.pk}


def test_groups_and_people_are_alarmed_together(brigade: Organization) -> None:
    named, grouped, _other = member(brigade), member(brigade), member(brigade)
    group = GroupFactory(organization=brigade)
    group.memberships.set(Membership.objects.filter(user=grouped))
    fields = entered(brigade, groups=[group.pk], users=[named.pk, grouped.pk])
    del fields["everybody"]
    assert recipients(raised(boss_of(brigade), fields)) == {named.pk, grouped.pk}


def test_pressing_twice_or_coming_back_raises_one_alarm(brigade: Organization) -> None:
    client = boss_of(brigade)
    preview = previewed(client, entered(brigade))
    answers = [confirmed(client, preview) for _ in range(3)]
    assert len({answer["Location"] for answer in answers}) == 1
    assert Alarm.objects.count() == 1
    assert "raised already" in said(client.get("/admin/alarms/alarm/", follow=True))
    # A new look is a new alarm.
    assert confirmed(client, previewed(client, entered(brigade)))["Location"] != answers[0]["Location"]


def test_whoever_goes_back_raises_no_second_alarm_unless_they_change_something(brigade: Organization) -> None:
    client = boss_of(brigade)
    sent = hidden(previewed(client, entered(brigade)))
    assert client.post(ADD, sent | {"step": "raise"}).status_code == 302
    again = hidden(previewed(client, sent))
    assert client.post(ADD, again | {"step": "raise"}).status_code == 302
    assert Alarm.objects.count() == 1
    assert client.post(ADD, again | {"text": "Another", "step": "raise"}).status_code == 302
    assert Alarm.objects.count() == 2


@pytest.mark.parametrize("step", ["preview", "form", "fill", "nonsense"])
def test_nothing_is_raised_before_it_is_confirmed(brigade: Organization, step: str) -> None:
    client = boss_of(brigade)
    said(client.post(ADD, entered(brigade) | {"step": step}))
    assert not Alarm.objects.exists()


# Times


def test_an_alarm_for_later_is_by_the_clocks_of_the_organization(brigade: Organization, now: datetime) -> None:
    Organization.objects.update(time_zone="America/New_York")
    client = boss_of(brigade)
    assert "America/New_York" in said(client.get(ADD))
    day = (now + timedelta(days=30)).date()
    times = {"start": f"{day}T03:15", "end": f"{day}T05:00"}
    preview = previewed(client, entered(brigade, **times, repeat="2", repeat_after="300"))
    assert "03:15" in said(preview)
    assert "America/New_York" in said(preview)
    assert "Schedule it for 1 person" in said(preview)
    assert confirmed(client, preview).status_code == 302
    alarm = Alarm.objects.get()
    there = zoneinfo.ZoneInfo("America/New_York")
    assert alarm.starts_at == datetime(day.year, day.month, day.day, 3, 15, tzinfo=there)
    assert alarm.scheduled_end_at == datetime(day.year, day.month, day.day, 5, 0, tzinfo=there)
    assert (alarm.repeat, alarm.repeat_after) == (2, 300)
    assert alarm.pending_resources is not None
    assert not AlarmMessage.objects.exists()


def test_a_time_that_is_over_is_said_to_be_now(brigade: Organization) -> None:
    text = said(previewed(boss_of(brigade), entered(brigade, start="2020-01-01T08:00")))
    assert "The time given is over" in text
    assert "Alarm 1 person now" in text


# What is wrong


@pytest.mark.parametrize(
    ("wrong", "naming"),
    [
        ({"text": ""}, "This field may not be blank."),
        ({"text": "x" * 961}, "960 characters"),
        ({"text": "\r\n" * 481 + "x" * 480}, "960 characters"),
        ({"text": "nul \0"}, "Null characters are not allowed."),
        ({"event": "x" * 256}, "255 characters"),
        ({"everybody": ""}, "Choose who gets it"),
        ({"everybody": "", "users": ["7"]}, "7 is not one of the available choices"),
        ({"users": ["x"]}, "“x” is not a valid value."),
        ({"users": ["9" * 40]}, "is not one of the available choices"),
        ({"users": ["9" * 5000]}, "is not"),
        ({"groups": ["-1", "x"]}, "is not"),
        ({"groups": ["\0"]}, "Null characters are not allowed."),
        ({"organization": ""}, "This field is required."),
        ({"organization": "9" * 40}, "Select a valid choice."),
        ({"organization": "x"}, "Select a valid choice."),
        ({"template": "9" * 40}, "Select a valid choice."),
        ({"start": "tomorrow"}, "Enter a valid date/time."),
        ({"start": "2999-01-01T08:00"}, "at most 366 days ahead"),
        ({"start": "0001-01-01T00:00"}, ""),
        ({"end": "9999-12-31T23:59"}, ""),
        ({"end": "2020-01-01T08:00"}, "Must be after the start."),
        ({"repeat": "x"}, "Enter a whole number."),
        ({"repeat": "11"}, "less than or equal to 10"),
        ({"repeat": "-1"}, "greater than or equal to 0"),
        ({"repeat_after": "9"}, "greater than or equal to 10"),
        ({"repeat_after": "9" * 30}, "86400"),
    ],
)
@pytest.mark.parametrize("step", ["preview", "raise"])
def test_what_is_wrong_is_said_and_raises_nothing(
    brigade: Organization, wrong: dict[str, Any], naming: str, step: str
) -> None:
    client = boss_of(brigade)
    answer = client.post(ADD, entered(brigade) | wrong | {"step": step, "key": "k"})
    if naming:
        text = said(answer)
        assert naming in text
        assert NOTHING_YET in text
        assert not Alarm.objects.exists()
    else:
        assert answer.status_code in {200, 302}


def test_characters_are_counted_as_the_api_counts_them(brigade: Organization) -> None:
    # A browser sends two characters for the end of a line, and what is one character may be several units in it.
    alarm = raised(boss_of(brigade), entered(brigade, text="\r\n".join(["🔥"] * 480) + "!"))
    assert len(alarm.message) == 960


def test_nobody_who_is_left_is_said(brigade: Organization) -> None:
    client = boss_of(brigade)
    empty = GroupFactory(organization=brigade)
    fields = entered(brigade, everybody="", groups=[empty.pk])
    assert "No recipient is left" in said(previewed(client, fields))


def test_a_time_that_the_clocks_skip_is_refused(brigade: Organization) -> None:
    Organization.objects.update(time_zone="Europe/Berlin")
    text = said(previewed(boss_of(brigade), entered(brigade, start="2027-03-28T02:30")))
    assert "may not exist" in text


# Whose


def test_the_groups_people_and_templates_of_others_cannot_be_chosen(brigade: Organization) -> None:
    elsewhere = OrganizationFactory(name="Elsewhere")
    stranger = member(elsewhere)
    group, template = GroupFactory(organization=elsewhere), AlarmTemplateFactory(organization=elsewhere)
    client = boss_of(brigade)
    for foreign in (
        {"organization": elsewhere.pk},
        {"users": [stranger.pk]},
        {"groups": [group.pk]},
        {"template": template.pk},
    ):
        for step in ("preview", "raise"):
            text = said(client.post(ADD, entered(brigade) | foreign | {"step": step}))
            assert "Select a valid choice." in text
            assert stranger.login not in text
            assert elsewhere.name not in text
    for query in (f"?organization={elsewhere.pk}", f"?template={template.pk}", "?template=x&organization=x"):
        text = said(client.get(f"{ADD}{query}"))
        assert template.message not in text
        assert elsewhere.name not in text
    said(client.post(ADD, entered(brigade, template=template.pk) | {"step": "fill"}))
    assert not Alarm.objects.exists()


def test_who_has_no_desk_raises_nothing(brigade: Organization) -> None:
    for user in (member(brigade), UserFactory(), admin(OrganizationFactory(is_active=False))):
        client = at_desk(user)
        for answer in (client.get(ADD), previewed(client, entered(brigade))):
            assert answer.status_code in {302, 403}
    # Nor is there anything to raise for an organization that is not active.
    Organization.objects.update(is_active=False)
    root = at_desk(UserFactory(is_superuser=True))
    assert "Select a valid choice." in said(previewed(root, entered(brigade)))
    assert not Alarm.objects.exists()


def test_a_superuser_is_at_home_where_they_are_an_admin(brigade: Organization) -> None:
    OrganizationFactory()
    root = admin(brigade, is_superuser=True)
    assert "Everybody (1 person)" in said(at_desk(root).get(ADD))
    assert "Choose an organization first" in said(at_desk(UserFactory(is_superuser=True)).get(ADD))


def test_a_form_without_its_token_is_refused(brigade: Organization) -> None:
    boss = admin(brigade)
    client = at_desk(boss)
    client.handler.enforce_csrf_checks = True
    assert refused(client.post(ADD, entered(brigade) | {"step": "raise"}), 403)
    assert not Alarm.objects.exists()


# How many queries


def test_5000_people_take_as_many_queries_as_one(brigade: Organization) -> None:
    client = boss_of(brigade)
    numbers = []
    for count in (1, 5000):
        first = User.objects.count()
        users = User.objects.bulk_create(User(login=f"many{first + number}") for number in range(count))
        members = Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
        group = GroupFactory(organization=brigade)
        group.memberships.set(members)
        AlarmTemplateFactory(organization=brigade)
        fields = entered(brigade, groups=[group.pk], users=[user.pk for user in users[:300]])
        for ask in (lambda: client.get(ADD), lambda fields=fields: previewed(client, fields)):
            with CaptureQueriesContext(connection) as queries:
                said(ask())
            numbers.append(len(queries))
    assert numbers[:2] == numbers[2:]
    assert max(numbers) < 30
