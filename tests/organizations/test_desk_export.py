"""Members as CSV out of the admin, and back in without a change."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from organizations.exporting import export_members
from organizations.importing import preview_import
from organizations.members_csv import COLUMNS, guarded, joined, parse, separate, unguarded
from organizations.models import Group, Organization, User
from tests.factories import DeviceFactory, GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, member

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def rows(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def changes(organization: Organization) -> tuple[object, ...]:
    return preview_import(organization=organization, data=export_members(organization=organization), by=None).people


line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20).map(str.strip)
awkward = st.builds("".join, st.lists(st.sampled_from(["=", "+", "-", "@", "'", '"', ";", ",", "<", ">", "a", " "])))


@given(text=line | awkward.map(str.strip))
def test_a_cell_is_read_as_what_was_written(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(FORMULAS)


@given(values=st.lists((line | awkward.map(str.strip)).filter(bool), unique=True))
def test_several_values_in_a_cell_are_read_as_what_was_written(values: list[str]) -> None:
    assert separate(joined(values)) == values
    assert not joined(values).startswith(FORMULAS)


name = (line | awkward.map(str.strip)).filter(lambda text: len(text) <= 100)


login = st.from_regex(r"[\w.@+-]{1,20}\Z", fullmatch=True).map(User.normalize_username)
person = st.fixed_dictionaries(
    {
        "first_name": name,
        "last_name": name,
        "groups": st.lists(name.filter(bool), unique=True, max_size=3),
        "pushes": st.lists(name.filter(bool), unique=True, max_size=3),
        "has_email_device": st.booleans(),
        "login": login.filter(lambda text: re.fullmatch(r"[\w.@+-]+", text) is not None),
    }
)


class TestRoundTrip(TestCase):
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(people=st.lists(person, min_size=1, max_size=6, unique_by=lambda each: each["login"]))
    def test_what_is_exported_changes_nothing_when_it_is_imported(self, people: list[dict[str, Any]]) -> None:
        organization = OrganizationFactory()
        for each in people:
            names = {field: each[field] for field in ("login", "first_name", "last_name")}
            user = member(organization, email="anna@example.org", **names)
            for group in each["groups"]:
                there, _made = Group.objects.get_or_create(organization=organization, name=group)
                there.memberships.add(user.memberships.get())
            for push in each["pushes"]:
                DeviceFactory(user=user, way="app", address=push)
            if each["has_email_device"]:
                DeviceFactory(user=user, way="email", address="anna@example.org")
        data = export_members(organization=organization)
        assert parse(data)[1] == []
        assert changes(organization) == ()
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")):
            assert not [cell for cell in row if cell.startswith(FORMULAS)]


@pytest.mark.django_db
def test_a_phone_number_is_no_formula_and_comes_back() -> None:
    organization = OrganizationFactory()
    user = member(organization, login="anna")
    for address in ("+491511234567", "+491511234568"):
        DeviceFactory(user=user, way="sms", address=address)
    (row,) = rows(export_members(organization=organization))
    assert row["sms"] == "'+491511234567;'+491511234568"
    (read,), _problems = parse(export_members(organization=organization))
    assert [pair for pair in read.devices if pair[0] == "sms"] == [("sms", "+491511234567"), ("sms", "+491511234568")]


@pytest.mark.django_db
def test_it_has_the_members_of_the_organization_with_what_they_are_there() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    anna = member(organization, login="anna", first_name="Anna", last_name="Arndt", email="a@example.org", role="admin")
    guest = member(other, login="guest", email="g@example.org", ways=("pager",))
    joined_here = MembershipFactory(organization=organization, user=guest)
    GroupFactory(organization=other, name="Elsewhere").memberships.add(guest.memberships.get(organization=other))
    GroupFactory(organization=organization, name="Divers").memberships.add(joined_here, anna.memberships.get())
    DeviceFactory(user=anna, way="email", address="a@example.org")
    DeviceFactory(user=anna, way="app", address="old", is_active=False)
    member(other, login="stranger")
    first, second = rows(export_members(organization=organization))
    assert list(first) == list(COLUMNS)
    assert first == dict.fromkeys(COLUMNS, "") | {
        "login": "anna",
        "first_name": "Anna",
        "last_name": "Arndt",
        "email": "a@example.org",
        "language": "en",
        "role": "admin",
        "groups": "Divers",
    }
    # Whoever is managed elsewhere is known here with their addresses; an address that is no device is in brackets.
    assert (second["login"], second["role"], second["groups"]) == ("guest", "member", "Divers")
    assert second["email"] == "<g@example.org>"
    assert second["pager"]
    assert changes(organization) == ()


@pytest.mark.django_db
def test_e_mail_devices_that_have_no_column_are_left_alone() -> None:
    organization = OrganizationFactory()
    anna = member(organization, login="anna", email="a@example.org")
    for address in ("a@example.org", "second@example.org"):
        DeviceFactory(user=anna, way="email", address=address)
    assert changes(organization) == ()


@pytest.mark.django_db
def test_it_takes_as_many_queries_for_many_as_for_one() -> None:
    organization = OrganizationFactory()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            export_members(organization=organization)
        return len(captured)

    group = GroupFactory(organization=organization)

    def add() -> None:
        group.memberships.add(member(organization, ways=("sms", "app")).memberships.get())

    add()
    # groups, who is in them, devices, memberships with their users
    assert queries() == 4
    for _ in range(29):
        add()
    assert queries() == 4


@pytest.mark.django_db
def test_an_admin_gets_the_file_of_their_own_organization_and_of_no_other(client: Client) -> None:
    organization, other = OrganizationFactory(name="Brigade Süd"), OrganizationFactory()
    boss = member(organization, role="admin", is_staff=True, login="boss")
    member(other, login="stranger")
    client.force_login(boss)
    answer = client.get(reverse("admin:organizations_membership_export", args=(organization.pk,)))
    assert [row["login"] for row in rows(answer.content)] == ["boss"]
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="members-brigade-sud-')
    assert "no-store" in answer["Cache-Control"]
    for foreign in (other.pk, 10**9):
        refused = client.get(reverse("admin:organizations_membership_export", args=(foreign,)))
        assert refused.headers["Location"] == reverse("admin:organizations_membership_import")
    client.force_login(UserFactory(is_staff=True))
    assert client.get(reverse("admin:organizations_membership_export", args=(organization.pk,))).status_code in {
        302,
        403,
    }
