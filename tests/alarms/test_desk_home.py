"""The home of the admin: the alarms that are open, and those to come."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alarms.models import Alarm
from tests.alarms.desk_home import ago, ahead, mine, recipients
from tests.factories import AlarmFactory, AlarmMessageFactory, OrganizationFactory

pytestmark = pytest.mark.django_db


# Open alarms


def test_an_open_alarm_shows_its_four_numbers_in_words(admin_client: Client) -> None:
    alarm = AlarmFactory(event_name="B3 Museum", message="Smoke in the hall")
    recipients(alarm, positive=4, negative=3, waiting=2, timed_out=1)
    text = mine(admin_client, "Open alarms")
    assert "1 alarm is open." in text
    assert "B3 Museum" in text
    assert "Smoke in the hall" in text
    assert "4 positive 3 negative 2 waiting 1 timed out" in text


def test_the_bar_is_as_wide_as_the_numbers_say(admin_client: Client) -> None:
    recipients(AlarmFactory(), positive=2, negative=1, waiting=1)
    page = admin_client.get(reverse("admin:index")).content.decode()
    widths = dict(re.findall(r'<span class="(\w+)" style="width: ([\d.]+)%">', page))
    assert widths == {"positive": "50.00", "negative": "25.00", "waiting": "25.00", "over": "0.00"}


def test_whoever_is_not_planned_yet_waits_and_is_not_timed_out(admin_client: Client) -> None:
    recipients(AlarmFactory(), unplanned=2, timed_out=1)
    assert "2 waiting 1 timed out" in mine(admin_client, "Open alarms")


def test_an_alarm_that_all_have_answered_is_open_while_they_may_change_their_answer(admin_client: Client) -> None:
    recipients(AlarmFactory(event_name="all answered"), positive=2)
    assert "all answered" in mine(admin_client, "Open alarms")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"closed_at": timezone.now()}, id="closed"),
        pytest.param({"pending_resources": {"allUsers": True}}, id="not raised"),
    ],
)
def test_what_is_closed_or_not_raised_is_not_open(admin_client: Client, fields: dict[str, Any]) -> None:
    recipients(AlarmFactory(event_name="hidden", **fields), waiting=1)
    assert "No alarm is open." in mine(admin_client, "Open alarms")


def test_an_alarm_whose_time_is_over_is_not_open(admin_client: Client) -> None:
    recipients(AlarmFactory(event_name="hidden"), timed_out=2)
    assert "No alarm is open." in mine(admin_client, "Open alarms")


def test_an_alarm_with_the_longest_escalation_is_still_shown_at_its_end(admin_client: Client) -> None:
    recipients(AlarmFactory(event_name="three weeks ago", starts_at=ago(days=20, hours=23)), waiting=1)
    assert "three weeks ago" in mine(admin_client, "Open alarms")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"seconds": 30}, "less than a minute left"),
        ({"minutes": 13, "seconds": 30}, "14 minutes left"),
        ({"hours": 5, "seconds": -30}, "over 5 hours left"),
        ({"days": 4, "seconds": -30}, "over 4 days left"),
    ],
)
def test_the_time_left_is_said_in_words(admin_client: Client, left: dict[str, float], said: str) -> None:
    AlarmMessageFactory(deadline=ahead(minutes=-5))
    alarm = AlarmFactory()
    AlarmMessageFactory(alarm=alarm, deadline=ahead(seconds=5))
    AlarmMessageFactory(alarm=alarm, deadline=ahead(**left))
    assert said in mine(admin_client, "Open alarms")


def test_the_newest_20_open_alarms_are_shown_and_that_there_are_more(admin_client: Client) -> None:
    organization = OrganizationFactory()
    for number in range(21):
        recipients(
            AlarmFactory(organization=organization, event_name=f"event {number:02}", starts_at=ago(minutes=number)),
            waiting=1,
        )
    text = mine(admin_client, "Open alarms")
    assert re.findall(r"event \d\d", text) == [f"event {number:02}" for number in range(20)]
    assert "More than 20 alarms are open." in text
    Alarm.objects.filter(event_name="event 07").update(closed_at=timezone.now())
    text = mine(admin_client, "Open alarms")
    assert "20 alarms are open." in text
    assert "see all alarms" not in text


def test_each_open_alarm_leads_to_its_page_and_to_its_organization(admin_client: Client) -> None:
    alarm = AlarmFactory(organization__name="Brigade of Gotham")
    recipients(alarm, waiting=1)
    page = admin_client.get(reverse("admin:index")).content.decode()
    for model, row in (("alarms_alarm", alarm.pk), ("organizations_organization", alarm.organization_id)):
        address = reverse(f"admin:{model}_change", args=[row])
        assert f'href="{address}"' in page
        assert admin_client.get(address).status_code == 200
    assert "Brigade of Gotham" in page


def test_texts_of_alarms_are_no_markup(admin_client: Client) -> None:
    recipients(AlarmFactory(message="<script>alert(1)</script>"), waiting=1)
    page = admin_client.get(reverse("home-fragment")).content.decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


# Scheduled alarms


def test_alarms_to_come_are_shown_the_next_one_first(admin_client: Client) -> None:
    pending = {"pending_resources": {"allUsers": True}}
    AlarmFactory(event_name="later", starts_at=ahead(days=3, minutes=1), **pending)
    AlarmFactory(event_name="sooner", starts_at=ahead(minutes=29.5), **pending)
    AlarmFactory(event_name="cancelled", starts_at=ahead(minutes=2), closed_at=timezone.now(), **pending)
    AlarmFactory(event_name="overdue", starts_at=ago(seconds=5), **pending)
    text = mine(admin_client, "Scheduled alarms")
    assert re.findall("later|sooner|cancelled|overdue", text) == ["overdue", "sooner", "later"]
    for said in ("due now", "in 30 minutes", "in 3 days"):
        assert said in text
