"""`manage.py load_demo`: a demo organization, once (contract 8)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from alarms.models import Alarm
from escalations.models import Escalation, EscalationConfiguration
from organizations.models import Device, Group, Membership, Organization, User, Way
from tests import factories

pytestmark = pytest.mark.django_db

WRITTEN: tuple[type[models.Model], ...] = (
    Organization,
    User,
    Membership,
    Group,
    Group.memberships.through,
    Device,
    EscalationConfiguration,
    Escalation,
)


def load() -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


def everything() -> list[list[Any]]:
    return [list(model._default_manager.order_by("pk").values()) for model in WRITTEN]


def test_there_is_an_organization_whose_people_can_be_alarmed_over_every_way() -> None:
    printed = load()
    organization = Organization.objects.get()
    assert printed == f"{organization.pk},{organization.name}\n"
    assert set(organization.memberships.values_list("role", flat=True)) == {"admin", "member"}
    assert organization.groups.exclude(memberships=None).count() > 1
    people = User.objects.filter(memberships__organization=organization, managing_organization=organization)
    assert set(Device.objects.filter(user__in=people).values_list("way", flat=True)) == set(Way.values)
    assert not people.filter(devices=None).exists()
    assert not any(person.has_usable_password() for person in people)
    assert EscalationConfiguration.objects.entries_of(organization)
    assert not Alarm.objects.exists()


def test_a_second_time_changes_nothing() -> None:
    printed = load()
    User.objects.filter(login="anna").update(first_name="Renamed")
    Device.objects.all()[0].delete()
    written = everything()
    assert load() == printed
    assert everything() == written


def test_somebody_elses_person_of_the_same_login_is_left_alone() -> None:
    elsewhere = factories.OrganizationFactory()
    theirs = factories.member(elsewhere, login="anna", ways=("sms",), first_name="Another")
    before = (User.objects.filter(pk=theirs.pk).values().get(), list(Device.objects.values()))
    load()
    after = (User.objects.filter(pk=theirs.pk).values().get(), list(Device.objects.filter(user=theirs).values()))
    assert after == before
    assert set(elsewhere.memberships.values_list("user__login", flat=True)) == {"anna"}
