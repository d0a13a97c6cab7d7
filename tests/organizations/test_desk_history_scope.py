"""The history in the admin: whose it is, what was there before it began, and how long it takes to read."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from escalations.models import EscalationConfiguration, ResponseTimeout
from escalations.plan import Entry
from organizations.history import events_of
from organizations.models import ApiToken, Device, Membership, Organization, PersonalAccessToken, User
from tests.factories import DeviceFactory, OrganizationFactory, UserFactory, admin, escalation, member
from tests.organizations.history_pages import change_url, history_url, lines, ok
from tests.organizations.test_desk_tokens import desk_of

pytestmark = pytest.mark.django_db

MIGRATIONS = ("organizations.migrations.0008_history_of_what_is_there", "escalations.migrations.0002_history")


def tracked(organization: Organization, user: User) -> list[models.Model]:
    """Return one of each that has a history, of an organization and a person whom it manages."""
    escalation(organization, ("app", 0))
    return [
        organization,
        Membership.objects.get(user=user, organization=organization),
        DeviceFactory(user=user),
        ApiToken.issue(name="radio", organization=organization)[0],
        PersonalAccessToken.issue(name="phone", user=user)[0],
        EscalationConfiguration.objects.get(organization=organization),
        ResponseTimeout.objects.create(organization=organization, seconds=60),
    ]


def test_admins_read_the_history_of_their_organizations_only() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    client = desk_of(admin(organization))
    own = tracked(organization, member(organization))
    foreign = tracked(other, member(other, last_name="Secretname"))
    assert [client.get(history_url(row)).status_code for row in own] == [200] * 7
    assert [client.get(history_url(row)).status_code for row in foreign] == [302] * 7
    page = client.get(history_url(organization))
    assert len(page.context["rows"]) == 8  # two memberships, one of each other
    assert "Secretname" not in page.content.decode()
    assert other.name not in page.content.decode()


def test_what_another_organization_manages_of_a_guest_is_not_in_the_history_of_an_organization() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    guest = member(other)
    guest.memberships.create(organization=organization)
    device = DeviceFactory(user=guest, address="+491510000777")
    PersonalAccessToken.issue(name="secret script", user=guest)
    client = desk_of(admin(organization))
    page = client.get(history_url(organization)).content.decode()
    assert str(guest) in page
    assert device.address not in page
    assert "secret script" not in page


def test_a_device_that_moved_brings_nothing_of_whom_it_was_taken_from() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    before, after = member(other, last_name="Secretname"), member(organization)
    device = DeviceFactory(user=before, address="+491510000777")
    Device.objects.filter(pk=device.pk).update(user=after, address="+491510000888")
    client = desk_of(admin(organization))
    page = client.get(history_url(device)).content.decode()
    assert "+491510000888" in page
    assert "Secretname" not in page
    assert "+491510000777" not in page


@pytest.mark.parametrize(
    ("author", "named"),
    [
        ("superuser", "an administrator of the service"),
        ("stranger", "somebody of another organization"),
        ("colleague", "Clara Colleague (clara)"),
        ("deleted", "a person who has been deleted"),
    ],
)
def test_who_is_of_another_organization_is_not_named(author: str, named: str, admin_client: Client) -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    names = {"login": "clara", "first_name": "Clara", "last_name": "Colleague"}
    of = {
        "superuser": lambda: UserFactory(is_superuser=True, **names),
        "stranger": lambda: admin(other, **names),
        "colleague": lambda: admin(organization, **names),
        "deleted": lambda: UserFactory(is_superuser=True, **names),
    }
    clara = of[author]()
    chief = admin(organization)
    editor = desk_of(clara)
    if author == "stranger":  # who has been one of them when it happened
        clara.memberships.create(organization=organization, role="admin")
    membership = Membership.objects.get(user=member(organization))
    ok(editor.post(change_url(membership), {"role": "admin"}))
    if author == "stranger":
        clara.memberships.filter(organization=organization).delete()
    if author == "deleted":
        clara.delete()
    [(who, how, _word, _differences), *_others] = lines(desk_of(chief), membership)
    assert (who, how) == (named, "Admin")
    if author != "deleted":
        assert lines(admin_client, membership)[0][0] == "Clara Colleague (clara)"


@pytest.mark.django_db(transaction=True)
def test_what_nobody_is_named_for_was_the_service(admin_client: Client, as_user: Callable[[User], APIClient]) -> None:
    device = DeviceFactory(name="Phone")
    ok(as_user(device.user).patch(f"/api/v1/device/{device.pk}", {"name": "Mine"}, format="json"))
    Device.objects.update(name="Theirs")
    told = [(who, how, differences.get("Name")) for who, how, _word, differences in lines(admin_client, device)]
    assert told == [
        ("the service", "-", ("Mine", "Theirs")),
        (str(device.user), "API", ("Phone", "Mine")),
        ("the service", "-", ("", "Phone")),
    ]


def test_what_an_api_token_did_can_be_read_when_it_is_gone(
    admin_client: Client, as_organization: Callable[[Organization], APIClient]
) -> None:
    organization = OrganizationFactory()
    ok(as_organization(organization).put(f"/api/v1/organization/{organization.pk}/timeout", {"timeout": 60}, "json"))
    token = ApiToken.objects.get()
    token.delete()
    [(who, how, _word, _differences)] = lines(admin_client, organization, of="responsetimeout")
    assert (who, how) == (f"API token test ({token.prefix})", "API")


def test_nothing_is_added_to_the_history_by_using_a_token(as_user: Callable[[User], APIClient]) -> None:
    client = as_user(member(OrganizationFactory()))
    PersonalAccessToken.objects.update(last_used_at=None)
    count = events_of(PersonalAccessToken).count()
    assert client.get("/api/v1/user").status_code == 200
    assert PersonalAccessToken.objects.get().last_used_at is not None
    assert events_of(PersonalAccessToken).count() == count


def test_of_the_first_change_after_the_history_began_is_known_from_what(admin_client: Client) -> None:
    organization = OrganizationFactory(name="Old name")
    user = member(organization)
    rows = tracked(organization, user)
    of_entries = EscalationConfiguration.entries.rel.related_model
    for model in (*map(type, rows), of_entries):
        events_of(model).delete()
    for name in MIGRATIONS:
        with connection.schema_editor() as editor:
            importlib.import_module(name).note_what_is_there(apps, editor)
    assert lines(admin_client, organization) == []
    Organization.objects.update(name="New name")
    Device.objects.update(name="New phone")
    ResponseTimeout.objects.update(seconds=120)
    EscalationConfiguration.objects.replace([Entry("sms", 0)], owner=organization)
    told = [differences for _who, _how, word, differences in lines(admin_client, organization) if word == "Changed"]
    assert {"Name": ("Old name", "New name")} in told
    assert {"Name": ("My sms", "New phone")} in told
    assert {"Response timeout": ("1 min", "2 min")} in told
    assert {"Ways of alarm": ("app push after 0 s", "SMS after 0 s")} in told
    assert len(told) == 4


def test_where_earlier_rows_have_been_purged_the_rest_can_be_read(admin_client: Client) -> None:
    organization = OrganizationFactory()
    device = DeviceFactory(user=member(organization))
    escalation(organization, ("app", 0))
    events_of(Device).delete()
    events_of(EscalationConfiguration.entries.rel.related_model).delete()
    Device.objects.update(name="Phone")
    EscalationConfiguration.objects.replace([Entry("sms", 0)], owner=organization)
    assert lines(admin_client, device)[0][3]["Name"] == ("", "Phone")
    [(_who, _how, _word, differences)] = lines(admin_client, organization, of="escalationconfiguration")
    assert differences["Ways of alarm"][1] == "SMS after 0 s"


@pytest.mark.parametrize("query", [{"page": "x"}, {"page": "0"}, {"page": "9" * 50}, {"of": "user"}, {"of": "\x00"}])
def test_an_address_that_means_nothing_shows_the_history_all_the_same(
    admin_client: Client, query: dict[str, str]
) -> None:
    assert lines(admin_client, OrganizationFactory(), **query)


def test_the_history_takes_as_many_queries_for_200_changes_as_for_a_few(admin_client: Client) -> None:
    def queries(row: models.Model) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(history_url(row)).status_code == 200
        return len(captured)

    organization = OrganizationFactory()
    rows: list[Any] = tracked(organization, member(organization))
    for row in rows:
        queries(row)
    before = {type(row): queries(row) for row in rows}
    for number in range(25):
        Organization.objects.update(time_zone=("UTC", "Europe/Berlin")[number % 2])
        Membership.objects.update(role=("member", "admin")[number % 2])
        DeviceFactory(user=member(organization))
        Device.objects.update(name=f"Phone {number}")
        ApiToken.objects.update(name=f"Radio {number}")
        PersonalAccessToken.objects.update(name=f"Script {number}")
        ResponseTimeout.objects.update(seconds=60 + number)
        EscalationConfiguration.objects.replace([Entry("sms", number)], owner=organization)
    # session, user, the row, count, page; then one for each model on it (four for escalations), people, organizations
    # and authors
    assert all(queries(row) <= before[type(row)] for row in rows)
    assert max(before.values()) < 30
