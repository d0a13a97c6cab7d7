"""Erasing a person in the admin and from a shell: who may, and how one is asked."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from organizations.models import Organization, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def brigade() -> Organization:
    organization: Organization = factories.OrganizationFactory()
    return organization


@pytest.fixture
def person(brigade: Organization) -> User:
    return factories.member(brigade, ways=("sms",), login="anna", first_name="Anna")


def page(person: User) -> str:
    return reverse("admin:organizations_user_erase_person", args=[person.pk])


def logged_in(user: User) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def is_erased(person: User) -> bool:
    return User.objects.get(pk=person.pk).erased_at is not None


def test_the_page_says_what_goes_and_what_stays(admin_client: Client, person: User) -> None:
    text = admin_client.get(page(person)).content.decode()
    for words in ("What goes", "Devices", "What stays, without names and addresses", "This cannot be undone"):
        assert words in text


def test_the_login_has_to_be_typed(admin_client: Client, person: User) -> None:
    for typed in ({}, {"login": ""}, {"login": "Anna"}, {"login": "anna2"}):
        answer = admin_client.post(page(person), typed)
        assert "This is not the login of this person." in answer.content.decode()
    assert not is_erased(person)
    answer = admin_client.post(page(person), {"login": " anna "}, follow=True)
    assert is_erased(person)
    assert f"called erased-{person.pk}" in answer.content.decode()


def test_the_log_says_who_erased_and_not_whom(admin_client: Client, person: User) -> None:
    admin_client.post(page(person), {"login": "anna"})
    entry = LogEntry.objects.latest("pk")
    assert (entry.change_message, entry.object_repr) == ("Erased.", f"erased-{person.pk}")
    assert entry.user.get_username() == "admin"


def test_an_admin_erases_whom_their_organization_alone_has(brigade: Organization, person: User) -> None:
    logged_in(factories.admin(brigade)).post(page(person), {"login": "anna"})
    assert is_erased(person)


def member_elsewhere(person: User) -> None:
    factories.MembershipFactory(user=person)


def managed_elsewhere(person: User) -> None:
    User.objects.filter(pk=person.pk).update(managing_organization=factories.OrganizationFactory())


def member_of_one_that_rests(person: User) -> None:
    factories.MembershipFactory(user=person, organization=factories.OrganizationFactory(is_active=False))


def superuser(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_superuser=True)


@pytest.mark.parametrize("change", [member_elsewhere, managed_elsewhere, member_of_one_that_rests, superuser])
def test_an_admin_does_not_erase_whom_others_have_too(
    brigade: Organization, person: User, change: Callable[[User], None]
) -> None:
    client = logged_in(factories.admin(brigade))
    change(person)
    for answer in (client.get(page(person)), client.post(page(person), {"login": "anna"})):
        assert answer.status_code == 403
    assert not is_erased(person)


def test_of_a_stranger_an_admin_is_told_that_there_is_nobody(person: User) -> None:
    client = logged_in(factories.admin(factories.OrganizationFactory()))
    assert client.post(page(person), {"login": "anna"}).status_code == 302
    assert not is_erased(person)


def test_nobody_erases_themselves(admin_client: Client, admin_user: User) -> None:
    assert admin_client.post(page(admin_user), {"login": admin_user.login}).status_code == 403
    assert not is_erased(admin_user)


def test_who_is_erased_is_not_changed_any_more_and_not_activated(admin_client: Client, person: User) -> None:
    admin_client.post(page(person), {"login": "anna"})
    change = reverse("admin:organizations_user_change", args=[person.pk])
    assert admin_client.get(change).status_code == 200
    assert admin_client.post(change, {"login": "anna", "first_name": "Anna"}).status_code == 403
    activate = reverse("admin:organizations_user_activate_person", args=[person.pk])
    assert admin_client.post(activate).status_code == 403
    assert admin_client.get(page(person)).status_code == 403
    shown = admin_client.get(reverse("admin:organizations_user_person_data", args=[person.pk])).content.decode()
    assert "This person was erased on" in shown
    assert page(person) not in shown


@pytest.mark.parametrize("number", ["0", "-1", "abc", "9" * 30, "1_0"])
def test_a_number_that_nobody_has_is_no_error_of_the_service(admin_client: Client, number: str) -> None:
    for name in ("erase_person", "person_data", "deactivate_person", "activate_person"):
        for method in (admin_client.get, admin_client.post):
            assert method(reverse(f"admin:organizations_user_{name}", args=[number])).status_code == 302


# From a shell


def erase(*arguments: str, typed: str | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    out = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    call_command("erase_person", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_erases_and_twice_is_no_error(person: User) -> None:
    assert erase("anna", "--yes") == f"erased-{person.pk} is what is left.\n"
    assert is_erased(person)
    assert erase(f"erased-{person.pk}", "--yes") == f"erased-{person.pk} was erased before.\n"


@pytest.mark.parametrize(("typed", "erased"), [("anna\n", True), ("yes\n", False), ("", False)])
def test_the_command_asks_for_the_login(person: User, monkeypatch: Any, typed: str, erased: bool) -> None:
    if erased:
        erase("anna", typed=typed, monkeypatch=monkeypatch)
    else:
        with pytest.raises(CommandError, match=r"nothing was erased|--yes"):
            erase("anna", typed=typed, monkeypatch=monkeypatch)
    assert is_erased(person) is erased


def test_the_command_keeps_the_last_superuser_and_says_when_there_is_nobody(admin_user: User) -> None:
    with pytest.raises(CommandError, match="last active superuser"):
        erase(admin_user.login, "--yes")
    with pytest.raises(CommandError, match="no person with the login"):
        erase("nobody", "--yes")
