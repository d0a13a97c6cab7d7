"""Importing members of whom one was erased, or is erased at the same moment: nothing about them comes back."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from messaging_project import database
from organizations.importing import import_members
from organizations.models import Device, Organization, User
from organizations.person_data.erasing import erase_person
from tests import factories
from tests.alarms.test_races import waiting_for_locks, while_waiting
from tests.organizations.members_upload import UPLOAD, file
from tests.organizations.test_import_members import csv, everything
from tests.processes import until

REASON = "This login is what is left of a person who was erased."
at_the_same_moment = pytest.mark.django_db(transaction=True)


def erase(user: User) -> None:
    erase_person(user_id=user.pk, now=database.now())


def row_of(user: User) -> str:
    """A row that tells much about what is left of somebody."""
    return f"erased-{user.pk},Anna,Arndt,anna@example.org,de,admin,Süd,push-1,,+491511234567,"


def left_of(user: User) -> tuple[Any, ...]:
    """Return what is stored about somebody."""
    stored = User.objects.get(pk=user.pk)
    return stored.login, stored.get_full_name(), stored.email, stored.memberships.count(), stored.devices.count()


def nothing_of(user: User) -> tuple[Any, ...]:
    return f"erased-{user.pk}", "", "", 0, 0


# One after the other


@pytest.mark.django_db
@pytest.mark.parametrize("managed", [True, False], ids=["of this organization", "of another one"])
def test_the_command_refuses_a_row_that_names_an_erased_person_and_changes_nothing(
    brigade: Organization, tmp_path: Path, managed: bool
) -> None:
    anna = factories.member(brigade if managed else factories.OrganizationFactory(), first_name="Anna")
    erase(anna)
    path, before = tmp_path / "members.csv", everything()
    path.write_bytes(csv("bertha,Bertha,,,,,Süd,,,,", row_of(anna)))
    with pytest.raises(CommandError) as refused:
        call_command("import_members", str(brigade.pk), str(path))
    assert str(refused.value).splitlines()[1:] == [f"line 3, login: {REASON}"]
    assert everything() == before


@pytest.mark.django_db
def test_the_admin_refuses_such_a_row_when_the_file_is_uploaded(desk: Client, brigade: Organization) -> None:
    anna = factories.member(brigade, first_name="Anna")
    erase(anna)
    stranger = factories.member(factories.OrganizationFactory())
    erase(stranger)
    before = everything()
    rows = file("bertha,Bertha,,,,,Süd,,,,", row_of(stranger), row_of(anna))
    answer = desk.post(UPLOAD, {"organization": brigade.pk, "file": rows})
    # Of those whom the admin does not know it does not even say that they were erased.
    assert [(problem.line, problem.column, problem.reason) for problem in answer.context["problems"]] == [
        (3, "login", "This login is not available."),
        (4, "login", REASON),
    ]
    assert everything() == before


# At the same moment


@at_the_same_moment
@pytest.mark.parametrize("row", ["anna,Anna,Arndt,anna@example.org,,,Süd,,,,", "anna,,,,,,Süd,,,+491511234567,"])
def test_an_import_waits_for_an_erasing_and_gives_nothing_back_to_the_person(brigade: Organization, row: str) -> None:
    anna = factories.member(brigade, login="anna", first_name="", last_name="", email="")
    while_waiting(lambda: erase(anna), [lambda: import_members(organization=brigade, data=csv(row))])
    assert left_of(anna) == nothing_of(anna)
    # As if it had come later, the file is about somebody new.
    assert User.objects.get(login="anna").managing_organization == brigade


@at_the_same_moment
def test_an_erasing_waits_for_an_import_and_leaves_nothing_of_what_it_wrote(brigade: Organization) -> None:
    anna = factories.member(brigade, login="anna", first_name="", last_name="", email="")
    data = csv(f"anna,,,,{anna.language},,Süd,push-1,,+491511234567,")
    while_waiting(lambda: import_members(organization=brigade, data=data), [lambda: erase(anna)])
    assert left_of(anna) == nothing_of(anna)
    assert not Device.objects.exists()


@at_the_same_moment
def test_a_row_with_the_login_that_the_erasing_gives_is_refused_too(brigade: Organization) -> None:
    anna = factories.member(brigade, login="anna")
    refused: list[str] = []

    def importing() -> None:
        try:
            import_members(organization=brigade, data=csv(row_of(anna)))
        except Exception as error:
            refused.append(str(error))

    while_waiting(lambda: erase(anna), [importing])
    assert refused == [f"line 2, login: {REASON}"]
    assert left_of(anna) == nothing_of(anna)


@at_the_same_moment
def test_an_import_and_an_erasing_do_not_wait_for_each_other_in_a_circle(brigade: Organization) -> None:
    """An erasing locks the superusers too, as one has to be left."""
    root = factories.member(brigade, login="root", is_superuser=True)
    anna = factories.member(brigade, login="anna")

    def erasing() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
        erase(anna)
        connection.close()

    thread = threading.Thread(target=erasing)
    with transaction.atomic():
        # As far as an import has come that locks both.
        User.objects.select_for_update(no_key=True).get(pk=root.pk)
        thread.start()
        until(lambda: waiting_for_locks() == 1)
        import_members(organization=brigade, data=csv("root,Root,,,,,,,,,", "anna,Anna,,,,,,,,,"))
    thread.join(60)
    assert left_of(anna) == nothing_of(anna)
    assert User.objects.get(pk=root.pk).first_name == "Root"
