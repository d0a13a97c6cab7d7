"""Whose desk it is: people who are in two organizations, of whom each one sees and changes its own part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organizations.models import Absence, Membership, Organization, PersonalAccessToken, User
from tests import factories
from tests.messaging_project.desk_world import NEEDLE, NEEDLES, World, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> World:
    return world()


@pytest.fixture
def own(made: World) -> Client:
    return made.clients["own admin"]


@pytest.fixture
def foreign(made: World) -> Client:
    return made.clients["foreign admin"]


def person(page: str, user: User) -> str:
    return reverse(f"admin:organizations_user_{page}", args=[user.pk])


def test_of_people_in_both_the_other_organization_sees_nothing_of_this_one(made: World, foreign: Client) -> None:
    for user in (made.shared, made.lent):
        for page in ("change", "history", "person_data", "deactivate_person", "erase_person"):
            answer = foreign.get(person(page, user))
            assert answer.status_code in {200, 302, 403}
            assert not any(needle in answer.content.decode() for needle in NEEDLES), (user, page)
        file = foreign.post(person("person_data", user))
        assert not any(needle in b"".join(file).decode() for needle in NEEDLES), user
    assert foreign.get(person("change", made.shared)).status_code == 200
    found = foreign.get(reverse("admin:organizations_user_changelist"), {"q": "Person"})
    assert set(found.context["cl"].result_list) == {made.shared, made.lent}
    assert NEEDLE not in found.content.decode()


def test_who_manages_somebody_does_not_get_into_another_organization_by_their_account(made: World, own: Client) -> None:
    """`lent` is an admin of the other one: whoever set their password or had a token of theirs would be that, too."""
    before = User.objects.values("login", "password", "is_staff", "is_superuser").get(pk=made.lent.pk)
    change = person("change", made.lent)
    page = own.get(change)
    assert page.status_code == 200
    form = page.context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    for each in page.context["inline_admin_formsets"]:
        sent |= {f"{each.formset.prefix}-TOTAL_FORMS": 0, f"{each.formset.prefix}-INITIAL_FORMS": 0}
    rights = {"login": "taken-over", "password": "x", "is_staff": "on", "is_superuser": "on"}
    assert own.post(change, sent | rights | {"last_name": "Renamed"}).status_code == 302
    made.lent.refresh_from_db()
    assert made.lent.last_name == "Renamed", "that is for whoever manages them"
    passwords = {"password1": "s3cret-s3cret", "password2": "s3cret-s3cret", "usable_password": "true"}
    assert own.post(reverse("admin:auth_user_password_change", args=[made.lent.pk]), passwords).status_code == 403
    assert User.objects.values("login", "password", "is_staff", "is_superuser").get(pk=made.lent.pk) == before
    issue = {"user": made.lent.pk, "name": "key", "lifetime": "never"}
    answer = own.post(reverse("admin:organizations_personalaccesstoken_add"), issue)
    assert list(answer.context["adminform"].form.errors) == ["user"]
    assert not PersonalAccessToken.objects.filter(user=made.lent).exists()


@pytest.mark.parametrize("right", ["is_superuser", "user_permissions", "groups"])
def test_no_admin_gives_anybody_rights_over_the_service(made: World, own: Client, right: str) -> None:
    boss = User.objects.get(pk=own.session["_auth_user_id"])
    add = reverse("admin:organizations_user_add")
    new = {"login": "new", "managing_organization": made.organization.pk, "language": "en", "role": "member"}
    devices = {"devices-TOTAL_FORMS": 0, "devices-INITIAL_FORMS": 0}
    own.post(add, {**new, **devices, "usable_password": "false", right: "1"})
    assert User.objects.filter(login="new").exists()
    for user in (boss, User.objects.get(login="new")):
        sent: dict[str, Any] = {"login": user.login, "language": "en", right: "1"}
        for prefix in ("devices", "memberships", "absences"):
            sent |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
        own.post(person("change", user), sent | {"managing_organization": made.organization.pk})
        user.refresh_from_db()
        assert not user.is_superuser
        assert not user.user_permissions.exists()
        assert not user.groups.exists()


def test_superusers_are_changed_by_superusers_only(made: World, own: Client) -> None:
    root = factories.member(made.organization, is_staff=True, is_superuser=True)
    before = User.objects.values().get(pk=root.pk)
    own.post(person("change", root), {"login": "x", "last_name": "x"})
    own.post(reverse("admin:auth_user_password_change", args=[root.pk]), {"password1": "x", "password2": "x"})
    own.post(person("deactivate_person", root))
    own.post(person("erase_person", root), {"login": root.login})
    assert User.objects.values().get(pk=root.pk) == before


def test_nobody_takes_a_person_out_of_the_alarms_of_another_organization(made: World, own: Client) -> None:
    """An absence without an organization holds for all of them: it is for whoever manages the person."""
    now = timezone.now()
    times = {f"starts_at_{part}": text for part, text in enumerate(f"{now:%Y-%m-%d %H:%M:%S}".split())}
    later = now + timedelta(hours=8)
    times |= {f"ends_at_{part}": text for part, text in enumerate(f"{later:%Y-%m-%d %H:%M:%S}".split())}
    add = reverse("admin:organizations_absence_add")
    own.post(add, {"user": made.shared.pk, "organization": "", **times})
    own.post(add, {"user": made.shared.pk, "organization": made.other.pk, **times})
    assert not Absence.objects.filter(user=made.shared).exclude(organization=made.organization).exists()


def test_nobody_is_made_a_member_by_who_does_not_know_them(made: World, foreign: Client) -> None:
    stranger = made.rows[User]
    add = reverse("admin:organizations_membership_add")
    answer = foreign.post(add, {"user": stranger.pk, "organization": made.other.pk, "role": "member"})
    assert list(answer.context["adminform"].form.errors) == ["user"]
    answer = foreign.post(add, {"user": made.shared.pk, "organization": made.organization.pk, "role": "admin"})
    assert list(answer.context["adminform"].form.errors) == ["organization"]
    assert not Membership.objects.filter(user=stranger, organization=made.other).exists()


def test_a_name_that_another_organization_has_is_not_confirmed(made: World, foreign: Client) -> None:
    """Whoever renames an organization could find out by it who else is here."""
    change = reverse("admin:organizations_organization_change", args=[made.other.pk])
    answer = foreign.post(change, {"name": made.organization.name, "is_active": "", "time_zone": "UTC"})
    assert "already" not in answer.content.decode()
    assert Organization.objects.get(pk=made.other.pk).name == "Other brigade"
    assert Organization.objects.get(pk=made.other.pk).is_active


@pytest.mark.parametrize("written", ["{}", "_2B{}", "{}_0A"])
def test_no_way_of_writing_an_id_opens_the_password_of_another_organizations_admin(
    made: World, own: Client, written: str
) -> None:
    address = f"/admin/organizations/user/{written.format(made.lent.pk)}"
    sent = {"password1": "three-in-the-morning", "password2": "three-in-the-morning", "usable_password": "true"}
    before = made.lent.password
    assert own.post(f"{address}/password/", sent).status_code == 403
    made.lent.refresh_from_db()
    assert made.lent.password == before
