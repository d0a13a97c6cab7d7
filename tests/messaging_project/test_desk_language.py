"""The admin speaks English and German, whatever the service speaks; programs and what is kept know English only."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms.models import Alarm
from organizations.importing import COLUMNS, MembersInvalid, import_members
from organizations.models import Device, Organization, User
from tests import factories
from tests.messaging_project.desk_walk import pages
from tests.messaging_project.desk_world import World, world

pytestmark = pytest.mark.django_db

LIST = "/admin/alarms/alarm/"
ENGLISH = {"lang": "en", "menu": "Raise an alarm", "date": "5 Mar 2026, 14:07"}
GERMAN = {"lang": "de", "menu": "Alarm auslösen", "date": "5. März 2026, 14:07"}
# What stands on pages of the admin in English, and on none in German.
ENGLISH_WORDS = set(
    """
    Raise an alarm/Alarms/Alarm templates/Messages/People/Memberships/Groups/Devices/Absences/How people are reached/
    Organizations/Escalations/Response timeouts/Own gateways/Programs/API tokens/Personal access tokens/
    What happened/Recipients/Device messages/Answers/Inboxes/Hook events/Hook tries/Senders/Idempotency keys/
    Log out/Save/Search/Filters/Apply Filters/Run/Select action/Light/Dark/Yes/No/All/Active/Inactive/None/
    Organization/Person/Person:/First name/Last name/Language/Role/Member/Way of alarm/Address/Description/Time zone/
    Starts at/Ends at/Weekly/Created at/Status/Reason/Seconds/Choose/Entries/Text/Event/Events/Groups:/People:/
    app push/App push/pager/call/Call/e-mail/E-mail/Scheduled/Sent/Failed/Delivered/Cancelled/open/closed/failed/sent
    """.replace("\n", "")
    .replace("    ", "")
    .split("/")
) - {"Person", "Status", "Text", "Person:"}


def said(page: str) -> dict[str, str | None]:
    """Return what a page says of its language: what the browser is told, a word of the menu, and a date."""
    words = {
        "lang": r'<html lang="(\w+)"',
        "menu": rf"({ENGLISH['menu']}|{GERMAN['menu']})",
        "date": r"(5\.? \w+\.? 2026, [\d:]+)",
    }
    text = html.unescape(page)
    return {name: found[1] if (found := re.search(pattern, text)) else None for name, pattern in words.items()}


@pytest.fixture
def organization() -> Organization:
    return factories.OrganizationFactory(name="Feuerwehr", time_zone="Europe/Berlin")


@pytest.fixture
def boss(client: Client, organization: Organization) -> Client:
    person = factories.admin(organization, is_staff=True)
    factories.AlarmFactory(organization=organization, starts_at=datetime(2026, 3, 5, 13, 7, tzinfo=UTC))
    client.force_login(person)
    return client


@pytest.fixture
def german(settings: Any) -> None:
    """The language of the service is German."""
    settings.LANGUAGE_CODE = "de"


@pytest.mark.parametrize(("accepted", "expected"), [("de-AT,de;q=0.9,en;q=0.5", GERMAN), ("fr,en;q=0.5", ENGLISH)])
def test_the_admin_speaks_the_language_of_the_browser(boss: Client, accepted: str, expected: dict[str, str]) -> None:
    assert said(boss.get(LIST, headers={"accept-language": accepted}).content.decode()) == expected


def test_without_a_language_of_the_browser_the_admin_speaks_that_of_the_service(boss: Client, german: None) -> None:
    assert said(boss.get(LIST).content.decode()) == GERMAN


@pytest.mark.parametrize(("chosen", "accepted", "expected"), [("de", "en", GERMAN), ("en", "de", ENGLISH)])
def test_the_switch_in_the_header_counts_more_than_the_browser(
    boss: Client, chosen: str, accepted: str, expected: dict[str, str]
) -> None:
    headers = {"accept-language": accepted}
    page = boss.get(LIST, headers=headers).content.decode()
    assert re.search(rf'action="/language/".*?value="{chosen}"', page, re.DOTALL), "the switch is in the header"
    switched = boss.post("/language/", {"language": chosen, "next": LIST}, headers=headers)
    assert (switched.status_code, switched["Location"]) == (302, LIST)
    assert said(boss.get(LIST, headers=headers).content.decode()) == expected


@pytest.fixture
def made() -> World:
    return world()


def test_no_page_in_german_has_words_in_english(made: World) -> None:
    client = made.clients["superuser"]
    left, seen = {}, 0
    for page in pages():
        if page.model is ProcrastinateJob:
            # The states of jobs are those of the library that runs them.
            continue
        if not page.name.endswith(("_changelist", "_add", "_change", "_history", "index")) or page.name == "jsi18n":
            continue
        answer = client.get(page.path(made), headers={"accept-language": "de"})
        if answer.status_code != 200:
            continue
        text = answer.content.decode()
        assert '<html lang="de"' in text, page
        seen += 1
        shown = {" ".join(html.unescape(each).split()) for each in re.findall(r">([^<>]+)<", text)}
        if words := shown & ENGLISH_WORDS:
            left[str(page)] = words
    assert left == {}
    assert seen > 2 * len(admin.site._registry)


@pytest.mark.parametrize("service", ["en", "de"])
def test_programs_are_answered_in_english(
    settings: Any, as_user: Callable[[User], APIClient], organization: Organization, service: str
) -> None:
    settings.LANGUAGE_CODE = service
    api = as_user(factories.admin(organization))
    headers = {"accept-language": "de"}
    refused = {
        "Not a phone number": {"way": "sms", "name": "Telefon", "address": "keine"},
        "Enter a valid email address": {"way": "email", "name": "Post", "address": "keine"},
        "Must not be blank": {"way": "app", "name": "\t", "address": "here"},
        "Must be one of app, pager, sms, call, email": {"way": "fax", "name": "Fax", "address": "1"},
    }
    for reason, device in refused.items():
        answer = api.post("/api/v1/device", device, format="json", headers=headers)
        assert (answer.status_code, reason in answer.content.decode()) == (400, True), answer.content


def test_names_that_are_kept_are_english_whoever_imports(organization: Organization) -> None:
    row = ",".join({"login": "anna", "app": "a;b", "sms": "+4915112345678"}.get(column, "") for column in COLUMNS)
    with translation.override("de"):
        import_members(organization=organization, data=f"{','.join(COLUMNS)}\n{row}\n".encode())
        names = list(Device.objects.order_by("name").values_list("name", flat=True))
        assert names == ["App push", "App push 2", "SMS"]
        # What is wrong with a file, its reader is told in their language.
        with pytest.raises(MembersInvalid, match="die Datei ist leer"):
            import_members(organization=organization, data=b"")


def test_the_command_that_imports_speaks_english(organization: Organization, tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("")
    with translation.override("de"), pytest.raises(CommandError, match="the file is empty"):
        call_command("import_members", organization.name, str(path))


def test_rows_and_their_fields_are_called_in_the_language_of_whoever_looks() -> None:
    phone = factories.DeviceFactory(name="Telefon", way="call")
    called = {"en": ("Telefon (call)", "response timeout"), "de": ("Telefon (Anruf)", "Rückmeldefrist")}
    for language, names in called.items():
        with translation.override(language):
            assert (str(phone), str(Alarm._meta.get_field("response_timeout").verbose_name)) == names
