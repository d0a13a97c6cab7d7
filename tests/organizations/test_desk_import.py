"""Members from a CSV file through the admin: first what would change, then that and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from messaging_project import database
from organizations.models import MembersFile, Organization, User
from organizations.tasks import purge_members_files
from tests.factories import DeviceFactory, GroupFactory, OrganizationFactory, member
from tests.organizations.members_upload import HEADER, UPLOAD, agree, file, shown, upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    created: Organization = OrganizationFactory(name="Brigade")
    return created


@pytest.fixture
def boss(client: Client, organization: Organization) -> User:
    """An admin of the organization, who is logged in."""
    user = member(organization, role="admin", is_staff=True, login="boss", email="")
    client.force_login(user)
    return user


CHANGES = {
    "anna": {
        "": "changed",
        "elsewhere": False,
        "First name": ("Anna", "Änne"),
        "E-mail": ("empty", "a@example.org"),
        "Role": ("Member", "Admin"),
        "Joins groups": "Night",
        "Leaves groups": "Divers",
        "New devices": "e-mail a@example.org",
        "Devices switched on": "app push old",
        "Devices switched off": "SMS +491511234567",
    },
    "new": {
        "": "new",
        "elsewhere": False,
        "Language": "de",
        "Role": "Member",
        "Joins groups": "Night",
        "New devices": "SMS +491511111111",
    },
}


def test_the_page_shows_what_would_change_and_changes_nothing(
    client: Client, boss: User, organization: Organization
) -> None:
    anna = member(organization, login="anna", first_name="Anna", last_name="A", email="", language="en")
    GroupFactory(organization=organization, name="Divers").memberships.add(anna.memberships.get())
    DeviceFactory(user=anna, way="sms", address="+491511234567")
    DeviceFactory(user=anna, way="app", address="old", is_active=False)
    member(organization, login="same", first_name="S", last_name="S", email="")
    page = upload(
        client,
        organization,
        "anna,Änne,A,a@example.org,en,admin,Night,old,,,",
        "same,S,S,,en,,,,,,",
        "new,Nina,N,,de,,Night,,,'+491511111111,",
    )
    assert shown(client, page) == CHANGES
    html = client.get(page).content.decode()
    assert "Night" in html
    counts = {count.word: count.number for count in client.get(page).context["summary"]}
    assert (counts["new person"], counts["new group"], counts["person of whom nothing changes"]) == (1, 1, 1)
    assert not User.objects.filter(login="new").exists()
    assert set(organization.groups.values_list("name", flat=True)) == {"Divers"}


def test_what_was_shown_is_imported_once_and_told_in_numbers(
    client: Client, boss: User, organization: Organization
) -> None:
    page = upload(client, organization, *(f"new{n},F,L,,en,,Night,,,," for n in range(30)))
    answer = agree(client, page)
    assert "New people: 30. Changed: 0. As they were: 0." in answer.content.decode()
    assert set(organization.groups.get().memberships.values_list("user__login", flat=True)) == {
        f"new{n}" for n in range(30)
    }
    assert not MembersFile.objects.exists()
    again = client.post(page, {"agreed": "", "import": "1"}, follow=True)
    assert "is not there any more" in again.content.decode()


def test_what_changed_meanwhile_is_shown_before_anything_is_imported(
    client: Client, boss: User, organization: Organization
) -> None:
    anna = member(organization, login="anna", first_name="Anna", last_name="A", email="")
    page = upload(client, organization, "anna,Änne,A,,en,,,,,,", "new,N,N,,en,,,,,,")
    agreed = client.get(page).context["changes"].digest
    User.objects.filter(pk=anna.pk).update(first_name="Anni")
    answer = client.post(page, {"agreed": agreed, "import": "1"}, follow=True)
    assert "Nothing was imported: something was changed meanwhile" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == page
    assert shown(client, page)["anna"]["First name"] == ("Anni", "Änne")
    assert not User.objects.filter(login="new").exists()
    agree(client, page)
    anna.refresh_from_db()
    assert anna.first_name == "Änne"
    assert User.objects.filter(login="new").exists()


def test_what_does_not_touch_the_import_does_not_hold_it_up(
    client: Client, boss: User, organization: Organization
) -> None:
    page = upload(client, organization, "new,N,N,,en,,,,,,")
    agreed = client.get(page).context["changes"].digest
    member(organization, login="another")
    client.post(page, {"agreed": agreed, "import": "1"})
    assert User.objects.filter(login="new").exists()


def test_problems_are_named_with_line_and_column_and_nothing_is_kept(
    client: Client, boss: User, organization: Organization
) -> None:
    rows = ("good,G,G,,en,,,,,,", "an na,A,A,nowhere,en,chief,,,,12,", "short,S")
    answer = client.post(UPLOAD, {"organization": organization.pk, "file": file(*rows)})
    problems = {(problem.line, problem.column) for problem in answer.context["problems"]}
    assert problems == {(3, "login"), (3, "email"), (3, "role"), (3, "sms"), (4, "")}
    html = answer.content.decode()
    assert "Nothing was imported" in html
    assert "<code>email</code>" in html
    assert not MembersFile.objects.exists()
    assert not User.objects.filter(login="good").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"login,shoe size\nanna,42\n", "unknown column"),
        (b"login," + b"x" * 10 * 1024 * 1024, "larger than 10 MiB"),
    ],
)
def test_what_is_no_file_of_members_is_refused_in_words(
    client: Client, boss: User, organization: Organization, content: bytes, reason: str
) -> None:
    sent = SimpleUploadedFile("members.csv", content, "text/csv")
    answer = client.post(UPLOAD, {"organization": organization.pk, "file": sent})
    assert answer.status_code == 200
    assert reason in answer.content.decode()


def test_a_file_of_ten_mebibytes_is_looked_at_and_kept_encrypted(
    client: Client, boss: User, organization: Organization
) -> None:
    # In rows without any text, which are skipped.
    row = f"{',' * 10}{' ' * 100_000}"
    data = "\n".join([HEADER, "new,Wilhelmine,N,,en,,,,,,", *[row] * 104]).encode()
    assert 0.98 < len(data) / 1024 / 1024 / 10 <= 1
    sent = SimpleUploadedFile("members.csv", data, "text/csv")
    page = client.post(UPLOAD, {"organization": organization.pk, "file": sent}).headers["Location"]
    assert list(shown(client, page)) == ["new"]
    kept = MembersFile.objects.get()
    assert "Wilhelmine" not in kept.content
    assert kept.text().encode() == data
    assert not [cookie for cookie in client.cookies.values() if len(cookie.value) > 200]
    assert "no-store" in client.get(page).headers["Cache-Control"]


def test_nothing_is_chosen_is_an_error_of_the_field(client: Client, boss: User) -> None:
    answer = client.post(UPLOAD, {})
    assert set(answer.context["form"].errors) == {"organization", "file"}


def test_a_file_is_kept_for_an_hour_and_until_the_next_one(
    client: Client, boss: User, organization: Organization
) -> None:
    first = upload(client, organization, "one,N,N,,en,,,,,,")
    second = upload(client, organization, "two,N,N,,en,,,,,,")
    assert "is not there any more" in client.get(first, follow=True).content.decode()
    assert list(shown(client, second)) == ["two"]
    MembersFile.objects.update(created_at=database.now() - timedelta(minutes=61))
    assert "is not there any more" in client.get(second, follow=True).content.decode()
    purge_members_files(0)
    assert not MembersFile.objects.exists()


def test_whoever_does_not_import_leaves_no_file_behind(client: Client, boss: User, organization: Organization) -> None:
    page = upload(client, organization, "new,N,N,,en,,,,,,")
    client.post(page, {"discard": "1"})
    assert not MembersFile.objects.exists()
    assert not User.objects.filter(login="new").exists()


def test_a_large_file_takes_no_more_queries_and_a_page_that_can_be_read(
    client: Client, boss: User, organization: Organization
) -> None:
    member(organization, login="anna", first_name="Anna", email="")

    def look(people: int) -> tuple[int, HttpResponse]:
        rows = [f"new{n},F{n},L{n},,en,,Night;Day,push{n},,," for n in range(people)]
        page = upload(client, organization, *rows, "anna,Änne,Last,,en,,,,,,")
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(page)
        return len(captured), answer

    look(1)
    few, _answer = look(2)
    many, answer = look(5000)
    # session, user, organizations of whom it is, the file, the clock, users (twice), memberships, groups, devices
    assert many == few <= 20
    people = answer.context["shown"]
    # Who is there already comes first.
    assert (people[0].login, len(people), answer.context["more"]) == ("anna", 100, 4901)
    assert "and 4901 more people" in answer.content.decode()
    assert len(answer.content) < 300_000


def test_the_lists_and_the_page_of_the_organization_lead_to_it(
    client: Client, boss: User, organization: Organization
) -> None:
    for page in (
        reverse("admin:organizations_membership_changelist"),
        reverse("admin:organizations_user_changelist"),
        reverse("admin:organizations_organization_change", args=(organization.pk,)),
    ):
        assert f'href="{UPLOAD}' in client.get(page).content.decode()
    html = client.get(UPLOAD).content.decode()
    # Of one organization there is nothing to choose.
    assert f'value="{organization.pk}" selected' in html
    assert reverse("admin:organizations_membership_export", args=(organization.pk,)) in html
