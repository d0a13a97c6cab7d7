"""The admin of escalations and response timeouts."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from escalations.models import EscalationConfiguration, ResponseTimeout
from escalations.plan import Entry
from organizations.models import Organization, User
from tests.factories import OrganizationFactory, UserFactory, escalation

pytestmark = pytest.mark.django_db

CONFIGURATIONS = reverse("admin:escalations_escalationconfiguration_changelist")
ADD = reverse("admin:escalations_escalationconfiguration_add")


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def page(row: models.Model) -> str:
    return reverse(f"admin:escalations_{row._meta.model_name}_change", args=(row.pk,))


def rows(*entries: tuple[object, str, object], ids: tuple[int, ...] = ()) -> dict[str, Any]:
    """What the form sends: position, way and delay of each entry, and the ids of those that are there already."""
    data: dict[str, Any] = {"entries-INITIAL_FORMS": len(ids), "entries-TOTAL_FORMS": len(entries)}
    for number, (position, way, delay) in enumerate(entries):
        data[f"entries-{number}-position"] = position
        data[f"entries-{number}-wayofalarm"] = way
        data[f"entries-{number}-delay"] = delay
    return data | {f"entries-{number}-id": pk for number, pk in enumerate(ids)}


def entries_of(owner: User | Organization) -> list[Entry]:
    return EscalationConfiguration.objects.entries_of(owner)


def configured(*entries: tuple[str, int]) -> tuple[User, str, tuple[int, ...]]:
    """Return a user with these entries, the page of the configuration, and the ids of the entries."""
    user = UserFactory()
    escalation(user, *entries)
    configuration = EscalationConfiguration.objects.get(user=user)
    return user, page(configuration), tuple(configuration.entries.values_list("pk", flat=True))


def test_the_list_of_configurations_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client) -> None:
    escalation(UserFactory(), ("app", 0), ("sms", 60))
    queries(admin_client, CONFIGURATIONS)
    with_one = queries(admin_client, CONFIGURATIONS)
    for _ in range(24):
        escalation(UserFactory(), ("app", 0), ("sms", 60))
    for _ in range(25):
        escalation(OrganizationFactory(), ("call", 0))
    # session, user, count, configurations with their owners, all their entries
    assert queries(admin_client, CONFIGURATIONS) == with_one
    shown = admin_client.get(CONFIGURATIONS, {"q": "user"}).content.decode()
    assert "At once: app push" in shown
    assert "After 1 min: SMS" in shown


def test_the_list_of_timeouts_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client) -> None:
    address = reverse("admin:escalations_responsetimeout_changelist")
    ResponseTimeout.objects.create(organization=OrganizationFactory())
    queries(admin_client, address)
    with_one = queries(admin_client, address)
    for _ in range(49):
        ResponseTimeout.objects.create(organization=OrganizationFactory())
    # session, user, count, timeouts with their organizations
    assert queries(admin_client, address) == with_one


def test_the_page_of_a_configuration_takes_no_query_an_entry(admin_client: Client) -> None:
    _user, one, _ids = configured(("app", 0))
    _user, twenty, _ids = configured(*[("sms", 60)] * 20)
    queries(admin_client, one)
    assert queries(admin_client, twenty) == queries(admin_client, one)


def test_entries_are_kept_in_the_order_of_their_positions(admin_client: Client) -> None:
    user = UserFactory()
    data = {"user": user.pk, **rows((2, "call", 120), (0, "app", 0), ("", "email", 5), (1, "sms", 60))}
    assert admin_client.post(ADD, data).status_code == 302
    assert entries_of(user) == [("app", 0), ("sms", 60), ("call", 120), ("email", 5)]
    configuration = EscalationConfiguration.objects.get()
    assert list(configuration.entries.values_list("position", flat=True)) == [0, 1, 2, 3]


def test_an_entry_without_a_position_goes_last(admin_client: Client) -> None:
    user, address, ids = configured(("app", 0), ("sms", 60))
    data = rows((0, "app", 0), (1, "sms", 60), ("", "call", 90), ("", "email", 30), ids=ids)
    assert admin_client.post(address, data).status_code == 302
    assert entries_of(user) == [("app", 0), ("sms", 60), ("call", 90), ("email", 30)]


@pytest.mark.parametrize(
    ("positions", "order"),
    [
        ((0, 1, 0), ["call", "app", "sms"]),  # the last one moved to the front
        ((2, 1, 2), ["sms", "call", "app"]),  # the first one moved to the end
        ((2, 0, 1), ["sms", "call", "app"]),  # all numbered anew
        ((0, 1, 2), ["app", "sms", "call"]),  # nothing moved
        ((0, "", 2), ["app", "call", "sms"]),  # emptied: to the end
    ],
)
def test_an_entry_moves_to_the_position_that_is_typed_in(
    admin_client: Client, positions: tuple[object, ...], order: list[str]
) -> None:
    user, address, ids = configured(("app", 0), ("sms", 60), ("call", 90))
    ways = (("app", 0), ("sms", 60), ("call", 90))
    data = rows(*((position, *way) for position, way in zip(positions, ways, strict=True)), ids=ids)
    assert admin_client.post(address, data).status_code == 302
    assert [entry.wayofalarm for entry in entries_of(user)] == order
    assert list(EscalationConfiguration.objects.get().entries.values_list("position", flat=True)) == [0, 1, 2]


def test_an_entry_can_be_deleted_but_not_the_last_one(admin_client: Client) -> None:
    user, address, ids = configured(("app", 0), ("sms", 60))
    data = rows((0, "app", 0), (1, "sms", 60), ids=ids) | {"entries-0-DELETE": "on"}
    assert admin_client.post(address, data).status_code == 302
    assert entries_of(user) == [("sms", 60)]
    answer = admin_client.post(address, rows((0, "sms", 60), ids=ids[1:]) | {"entries-0-DELETE": "on"})
    assert "Give at least one entry" in answer.content.decode()
    assert entries_of(user) == [("sms", 60)]


def test_more_than_20_entries_are_refused_with_a_message(admin_client: Client) -> None:
    user = UserFactory()
    answer = admin_client.post(ADD, {"user": user.pk, **rows(*[("", "sms", 60)] * 21)})
    assert "At most 20 entries." in answer.content.decode()
    assert admin_client.post(ADD, {"user": user.pk, **rows(*[("", "sms", 60)] * 20)}).status_code == 302
    assert len(entries_of(user)) == 20


@pytest.mark.parametrize("entry", [(0, "pigeon", 0), (0, "sms", 86401), (0, "sms", -1), (0, "sms", ""), (-1, "sms", 0)])
def test_an_entry_that_cannot_be_is_refused_with_a_message(
    admin_client: Client, entry: tuple[object, str, object]
) -> None:
    answer = admin_client.post(ADD, {"user": UserFactory().pk, **rows(entry)})
    assert "Please correct the error" in answer.content.decode()
    assert not EscalationConfiguration.objects.exists()


@pytest.mark.parametrize("owners", ["both", "none"])
def test_a_configuration_belongs_to_a_user_or_an_organization(admin_client: Client, owners: str) -> None:
    chosen = {"user": UserFactory().pk, "organization": OrganizationFactory().pk} if owners == "both" else {}
    answer = admin_client.post(ADD, chosen | rows((0, "sms", 0)))
    assert "Choose a user or an organization, not both." in answer.content.decode()
    assert not EscalationConfiguration.objects.exists()


def test_a_second_configuration_of_an_owner_is_refused_with_a_message(admin_client: Client) -> None:
    user, _address, _ids = configured(("app", 0))
    answer = admin_client.post(ADD, {"user": user.pk, **rows((0, "sms", 0))})
    assert "already exists" in answer.content.decode()


def test_the_owner_of_a_configuration_stays(admin_client: Client) -> None:
    user, address, ids = configured(("app", 0))
    data = {"organization": OrganizationFactory().pk, **rows((0, "sms", 0), ids=ids)}
    assert admin_client.post(address, data).status_code == 302
    assert EscalationConfiguration.objects.get().organization is None
    assert entries_of(user) == [("sms", 0)]


def test_a_timeout_out_of_bounds_is_refused_with_a_message(admin_client: Client) -> None:
    organization = OrganizationFactory()
    add = reverse("admin:escalations_responsetimeout_add")
    shown = admin_client.get(add).content.decode()
    assert "from 10 s to 24 h" in shown
    assert "An organization without its own has 15 min" in shown
    assert "A change touches later alarms only." in shown
    for seconds, message in (
        ("9", "Must be from 10 s to 24 h (86400 seconds)."),
        ("86401", "Must be from 10 s to 24 h (86400 seconds)."),
        ("ten", "Must be from 10 s to 24 h (86400 seconds)."),
        ("", "This field is required"),
    ):
        answer = admin_client.post(add, {"organization": organization.pk, "seconds": seconds})
        assert message in answer.content.decode()
    assert ResponseTimeout.in_force(organization) == 900
    assert admin_client.post(add, {"organization": organization.pk, "seconds": 10}).status_code == 302
    assert ResponseTimeout.in_force(organization) == 10
    timeout = ResponseTimeout.objects.get()
    assert admin_client.get(page(timeout)).status_code == 200
    forged = {"organization": OrganizationFactory().pk, "seconds": 86400}
    assert admin_client.post(page(timeout), forged).status_code == 302
    assert list(ResponseTimeout.objects.values_list("organization", "seconds")) == [(organization.pk, 86400)]


def test_the_page_of_an_organization_shows_and_edits_its_timeout_and_escalation(admin_client: Client) -> None:
    organization = OrganizationFactory()
    address = reverse("admin:organizations_organization_change", args=(organization.pk,))
    assert f"{ADD}?organization={organization.pk}" in admin_client.get(address).content.decode()
    data = {
        "name": organization.name,
        "time_zone": "UTC",
        "is_active": "on",
        "response_timeout-INITIAL_FORMS": 0,
        "response_timeout-TOTAL_FORMS": 1,
    }
    answer = admin_client.post(address, data | {"response_timeout-0-seconds": 5})
    assert "Must be from 10 s to 24 h (86400 seconds)." in answer.content.decode()
    assert admin_client.post(address, data | {"response_timeout-0-seconds": 120}).status_code == 302
    assert ResponseTimeout.in_force(organization) == 120
    saved = {"response_timeout-INITIAL_FORMS": 1, "response_timeout-0-organization": organization.pk}
    assert admin_client.post(address, data | saved | {"response_timeout-0-seconds": 240}).status_code == 302
    assert ResponseTimeout.in_force(organization) == 240
    escalation(organization, ("call", 30))
    shown = admin_client.get(address).content.decode()
    assert page(EscalationConfiguration.objects.get()) in shown
    assert "After 30 s: call" in shown
    assert "It replaces what members chose." in shown
