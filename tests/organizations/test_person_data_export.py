"""Everything that the service holds about a person, as a file: in the admin and from a shell."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inbox.models import InboxMessage
from organizations.models import Absence, Organization, PersonalAccessToken, User
from tests import factories
from tests.organizations.person import LOGIN, NUMBER, Filled, fill

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled() -> Filled:
    return fill()


def page(person: User) -> str:
    return reverse("admin:organizations_user_person_data", args=[person.pk])


def logged_in(user: User) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def file_of(client: Client, person: User) -> dict[str, Any]:
    answer = client.post(page(person))
    assert answer.status_code == 200
    content: dict[str, Any] = json.loads(b"".join(answer.streaming_content))  # type: ignore[arg-type]
    return content


def by_command(login: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("export_person", login, stdout=out)
    content: dict[str, Any] = json.loads(out.getvalue())
    return content


def elsewhere(person: User) -> Organization:
    """Another organization that they are a member of, with an alarm, an absence and a message of its own."""
    other: Organization = factories.OrganizationFactory(name="Faraway")
    factories.MembershipFactory(organization=other, user=person)
    alarm = factories.AlarmFactory(organization=other, message="Secret of Faraway", raised_by=str(person))
    factories.AlarmMessageFactory(alarm=alarm, user=person)
    now = timezone.now()
    Absence.objects.create(user=person, organization=other, starts_at=now, ends_at=now + timedelta(days=1))
    sender = factories.member(other)
    factories.InboxMessageFactory(message=factories.MessageFactory(sender=sender, text="Faraway news"), user=person)
    return other


def test_the_file_has_everything_under_names_that_stay(admin_client: Client, filled: Filled) -> None:
    content = file_of(admin_client, filled.user)
    assert content["about"]["complete"] is True
    assert (content["person"]["login"], content["person"]["email"]) == (LOGIN, "needle@example.org")
    assert content["person"]["has_password"] is True
    assert [(each["way"], each["address"]) for each in content["devices"]] == [("sms", NUMBER)]
    (membership,) = content["memberships"]
    assert (membership["organization"], len(membership["groups"])) == (filled.organization.name, 1)
    (escalation,) = content["escalation"]
    assert [entry["wayofalarm"] for entry in escalation["entries"]] == ["sms"]
    answered, still_open = content["alarms"]
    assert [answer["source"] for answer in answered["answers"]] == ["API token Needletoken", "SMS", "by Needlelast"]
    tried = answered["device_messages"][0]["tried"]
    assert tried[0]["reason"] == f"400 no such number {NUMBER}"
    assert [each["status"] for each in still_open["device_messages"]] == [0, 1, 2, 3, 4, 5]
    assert len(content["alarms_raised"]) == 2, "by the name of today, and by the one they had before"
    assert {each["message"]["text"] for each in content["inbox"]} == {"Dear Needlefirst", "Drill for everybody"}
    assert [each["text"] for each in content["sent_messages"]] == ["I bring the cake"]
    assert [each["key"] for each in content["idempotency_keys"]] == ["Needlekey"]
    assert [each["address"] for each in content["device_history"]] == [
        NUMBER,
        "needle.gone@example.org",
        "needle.gone@example.org",
    ]
    assert len(content["admin_log"]) == 6
    assert {each["change"] for each in content["changes"] if each["model"] == "organizations.Device"} == {
        "insert",
        "delete",
    }
    empty = [name for name, rows in content.items() if not rows]
    assert empty == ["alarms_to_come"]


def test_no_secret_is_in_the_file_and_nobody_elses_data(admin_client: Client, filled: Filled) -> None:
    token = PersonalAccessToken.objects.get(user=filled.user)
    User.objects.filter(pk=filled.user.pk).update(is_superuser=True)
    text = json.dumps(file_of(admin_client, filled.user))
    filled.user.refresh_from_db()
    codes = list(filled.user.alarm_messages.values_list("code", flat=True))
    for secret in (token.digest, filled.user.password, *codes):
        assert secret not in text
    assert "Other phone" not in text, "it is in a hook event that names two"


def test_times_are_in_utc(admin_client: Client, filled: Filled, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    content = file_of(admin_client, filled.user)
    assert content["about"]["made_at"].endswith("Z")
    assert content["alarms"][0]["deadline"].endswith("Z")


def test_it_is_a_download_that_nobody_keeps_and_that_is_noted(admin_client: Client, filled: Filled) -> None:
    answer = admin_client.post(page(filled.user))
    b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert answer["Content-Disposition"].startswith(f'attachment; filename="person-{filled.user.pk}-')
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    noted = LogEntry.objects.latest("pk")
    assert (noted.object_id, noted.change_message) == (str(filled.user.pk), "Exported the data of this person.")


def test_to_look_at_the_page_hands_nothing_out(admin_client: Client, filled: Filled) -> None:
    answer = admin_client.get(page(filled.user))
    assert "Content-Disposition" not in answer
    assert NUMBER not in answer.content.decode()


def test_an_admin_gets_what_belongs_to_their_organizations_and_is_told_that_it_is_a_part(filled: Filled) -> None:
    other = elsewhere(filled.user)
    content = file_of(logged_in(factories.admin(filled.organization)), filled.user)
    about = content["about"]
    assert about["complete"] is False
    assert about["organizations"] == [{"id": filled.organization.pk, "name": filled.organization.name}]
    text = json.dumps(content)
    assert "Faraway" not in text
    assert f'"organization_id": {other.pk},' not in text
    assert len(content["alarms"]) == 2
    assert "admin_log" not in content
    whole = file_of(logged_in(factories.UserFactory(is_superuser=True)), filled.user)
    assert json.dumps(whole).count("Secret of Faraway") == 2


def test_an_admin_gets_no_tokens_of_somebody_whose_account_opens_more_than_theirs(filled: Filled) -> None:
    client = logged_in(factories.admin(filled.organization))
    assert file_of(client, filled.user)["tokens"]
    factories.MembershipFactory(user=filled.user, role="admin")
    assert file_of(client, filled.user).keys() & {"tokens", "token_history"} == set()


@pytest.mark.parametrize(
    ("who", "status"),
    [("admin of another", 302), ("admin of one that does not manage them", 403), ("member", 302), ("nobody", 302)],
)
def test_nobody_else_gets_it(filled: Filled, who: str, status: int) -> None:
    shared = elsewhere(filled.user)
    client = {
        "admin of another": lambda: logged_in(factories.admin(factories.OrganizationFactory())),
        "admin of one that does not manage them": lambda: logged_in(factories.admin(shared)),
        "member": lambda: logged_in(factories.member(filled.organization)),
        "nobody": Client,
    }[who]()
    for method in (client.get, client.post):
        answer = method(page(filled.user))
        assert answer.status_code in {status, 403}
        assert b"eedle" not in answer.content


def test_the_command_prints_everything(filled: Filled) -> None:
    elsewhere(filled.user)
    content = by_command(LOGIN)
    assert content["about"]["complete"] is True
    assert len(content["alarms"]) == 3


def test_the_command_says_when_there_is_nobody() -> None:
    with pytest.raises(CommandError, match="no person with the login 'nobody'"):
        by_command("nobody")


def test_an_erased_person_can_be_exported_too(filled: Filled) -> None:
    call_command("erase_person", LOGIN, "--yes", stdout=io.StringIO())
    content = by_command(f"erased-{filled.user.pk}")
    assert content["devices"] == []
    assert [each["state"] for each in content["alarms"]] == ["positive", "unknown"]
    assert content["alarms"][0]["device_messages"][0]["address"] == ""


def test_it_takes_as_many_queries_for_50_alarms_as_for_one(admin_client: Client, filled: Filled) -> None:
    def queries(method: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = method(page(filled.user))
            if answer.streaming:
                b"".join(answer.streaming_content)
        return len(captured)

    queries(admin_client.post)  # what is cached for good is cached now
    few, few_shown = queries(admin_client.post), queries(admin_client.get)
    for _ in range(49):
        alarm = factories.AlarmFactory(organization=filled.organization)
        recipient = factories.AlarmMessageFactory(alarm=alarm, user=filled.user)
        factories.DeviceMessageFactory(alarm_message=recipient)
        factories.InboxMessageFactory(user=filled.user)
    assert InboxMessage.objects.filter(user=filled.user).count() > 50
    assert (queries(admin_client.post), queries(admin_client.get)) == (few, few_shown)
    # One a section to count it, and those of every page of the admin.
    assert few_shown <= 30
