"""What the admin shows of an alarm before it is raised, and what a template fills in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from alarms.models import Alarm, AlarmMessage
from escalations.models import ResponseTimeout
from organizations.models import Absence, Membership, Organization
from tests.alarms.desk_raising import ADD, at_desk, boss_of, confirmed, entered, hidden, previewed, raised, said
from tests.factories import (
    AlarmTemplateFactory,
    DeviceFactory,
    GroupFactory,
    OrganizationFactory,
    admin,
    escalation,
    member,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(brigade: Organization) -> Client:
    """The admin of the brigade, who has no device, at work."""
    return boss_of(brigade, first_name="Ada", last_name="Boss", login="ada")


# Whom it reaches


def test_it_says_how_many_are_reached_over_what(brigade: Organization, desk: Client) -> None:
    for _ in range(3):
        member(brigade, ways=("sms", "sms", "call"))
    member(OrganizationFactory(), ways=("sms",))
    text = said(previewed(desk, entered(brigade)))
    assert "3 of 4 recipients can be reached" in text
    assert "SMS 6 devices" in text
    assert "Call 3 devices" in text
    assert "Pager" not in text
    assert "Alarm 4 people now" in text


def test_it_names_who_is_not_reached_and_who_is_not_available(
    brigade: Organization, desk: Client, now: datetime
) -> None:
    away = member(brigade, ways=("sms",), first_name="Away", last_name="Today", login="away")
    Absence.objects.create(user=away, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    text = said(previewed(desk, entered(brigade)))
    assert "1 recipient cannot be reached at all" in text
    assert "Ada Boss (ada)" in text
    assert "1 person is not available and left out" in text
    assert "Away Today (away)" in text
    # Whoever is named is alarmed all the same.
    text = said(previewed(desk, entered(brigade, users=[away.pk])))
    assert "not available" not in text
    assert "Alarm 2 people now" in text


def test_of_many_50_are_named(brigade: Organization, desk: Client) -> None:
    for number in range(54):
        member(brigade, last_name=f"Silent {number:02}")
    text = said(previewed(desk, entered(brigade)))
    assert "55 recipients cannot be reached at all" in text
    assert text.count("Silent") == 49
    assert "and 5 more" in text


def test_where_all_are_reached_it_says_nothing_of_others(brigade: Organization, desk: Client) -> None:
    reached = member(brigade, ways=("sms",))
    text = said(previewed(desk, entered(brigade, everybody="", users=[reached.pk])))
    assert "1 of 1 recipient can be reached" in text
    assert "cannot" not in text
    assert "left out" not in text


# What it warns of


@pytest.mark.parametrize("whose", ["organization", "default", "member"])
def test_it_warns_of_ways_without_a_gateway(brigade: Organization, desk: Client, settings: Any, whose: str) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"pager": []}
    settings.DEFAULT_ESCALATION = [("sms", 0)]
    someone = member(brigade, ways=("sms",))
    assert "no gateway" not in said(previewed(desk, entered(brigade)))
    if whose == "default":
        settings.DEFAULT_ESCALATION = [("sms", 0), ("pager", 0)]
    else:
        escalation(someone if whose == "member" else brigade, ("sms", 0), ("pager", 0))
    text = said(previewed(desk, entered(brigade)))
    assert "no gateway" in text
    assert "ager" in text


def test_it_warns_of_entries_behind_the_response_timeout(brigade: Organization, desk: Client) -> None:
    escalation(brigade, ("app", 0), ("sms", 900))
    ResponseTimeout.objects.create(organization=brigade, seconds=1800)
    assert "response timeout" not in said(previewed(desk, entered(brigade)))
    ResponseTimeout.objects.update(seconds=600)
    assert "response timeout" in said(previewed(desk, entered(brigade)))


# How it reads


def test_it_shows_the_text_as_it_will_read(brigade: Organization, desk: Client) -> None:
    preview = previewed(desk, entered(brigade, text="Smoke <b>here</b>\r\n& there", event="B3"))
    page = preview.content.decode()
    assert f"ALARM {brigade.name}: B3" in said(preview)
    assert "Smoke &lt;b&gt;here&lt;/b&gt;\n&amp; there" in page
    assert "Please answer until" in said(preview)


def test_back_keeps_all_that_was_entered(brigade: Organization, desk: Client) -> None:
    someone, group = member(brigade, login="kept"), GroupFactory(organization=brigade)
    template = AlarmTemplateFactory(organization=brigade)
    fields = entered(brigade, text="Fire\r\n<b>", event='"B2"', users=[someone.pk], groups=[group.pk])
    fields |= {"template": template.pk, "start": "2020-01-01T08:00", "repeat": "3", "repeat_after": "60"}
    sent = hidden(previewed(desk, fields))
    again = desk.post(ADD, sent | {"step": "form"})
    page = again.content.decode()
    assert "kept" in said(again)
    for shown in (
        f'name="groups" value="{group.pk}" id="id_groups_0" checked',
        'value="2020-01-01T08:00"',
        'value="&quot;B2&quot;"',
        "Fire\r\n&lt;b&gt;</textarea>",
        f'<option value="{template.pk}" selected>',
        'value="60"',
    ):
        assert shown in page
    # What is sent from there is the same once more.
    assert raised(desk, fields).repeat == 3


# Templates


def filled(brigade: Organization) -> Any:
    """Return a template that names somebody and a group."""
    template = AlarmTemplateFactory(organization=brigade, name="Flood", message="Flood: come", event_name="W1")
    named = member(brigade, login="named")
    template.users.set([named])
    template.groups.set([GroupFactory(organization=brigade)])
    return template


def test_a_link_fills_the_page_in_from_a_template(brigade: Organization, desk: Client) -> None:
    template = filled(brigade)
    page = desk.get(f"{ADD}?template={template.pk}")
    assert "Flood: come</textarea>" in page.content.decode()
    assert 'value="W1"' in page.content.decode()
    assert "named" in said(page)
    assert page.content.decode().count(" checked") == 2  # the person and the group


def test_it_leads_to_the_organization_of_the_template(brigade: Organization) -> None:
    boss = admin(brigade)
    Membership.objects.create(user=boss, organization=OrganizationFactory(), role="admin")
    page = at_desk(boss).get(f"{ADD}?template={filled(brigade).pk}").content.decode()
    assert f'<option value="{brigade.pk}" selected>' in page


def test_one_that_is_gone_is_said(desk: Client) -> None:
    assert "There is no such template" in said(desk.get(f"{ADD}?template=4711"))


def test_without_scripts_a_button_fills_it_in(brigade: Organization, desk: Client) -> None:
    template = filled(brigade)
    page = desk.post(ADD, entered(brigade, template=template.pk) | {"step": "fill"})
    assert "Flood: come</textarea>" in page.content.decode()
    assert "Fire in the hall" not in said(page)
    assert 'name="everybody" id="id_everybody" checked' not in page.content.decode()


def test_a_template_alone_is_enough(brigade: Organization, desk: Client) -> None:
    template = filled(brigade)
    preview = previewed(desk, {"organization": brigade.pk, "template": template.pk, "text": ""})
    assert "Alarm 1 person now" in said(preview)
    assert confirmed(desk, preview).status_code == 302
    alarm = Alarm.objects.get()
    assert (alarm.message, alarm.event_name) == ("Flood: come", "W1")
    assert list(AlarmMessage.objects.values_list("user__login", flat=True)) == ["named"]


def test_what_is_entered_beside_a_template_is_what_counts(brigade: Organization, desk: Client) -> None:
    DeviceFactory(user=member(brigade))
    alarm = raised(desk, entered(brigade, template=filled(brigade).pk))
    assert (alarm.message, alarm.event_name) == ("Fire in the hall", "")
    assert alarm.alarm_messages.count() == 3
