"""The page of an escalation: whose it may be, what it shows, and the drawing that follows the form."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alarms.gateways import owned
from escalations.models import EscalationConfiguration, ResponseTimeout
from organizations.models import Organization, User
from tests.escalations.test_admin import ADD, CONFIGURATIONS, configured, entries_of, page, rows
from tests.factories import (
    DeviceFactory,
    MembershipFactory,
    OrganizationFactory,
    UserFactory,
    admin,
    escalation,
    member,
)

pytestmark = pytest.mark.django_db

DRAWING = reverse("admin:escalations_escalationconfiguration_drawing")


def desk_of(organization: Organization) -> Client:
    client = Client()
    client.force_login(admin(organization, is_staff=True))
    return client


def text(client: Client, address: str, **data: Any) -> str:
    answer = client.get(address, data)
    assert answer.status_code == 200
    return answer.content.decode()


def drawn(client: Client, *entries: tuple[object, object], **owner: object) -> str:
    ways, delays = [way for way, _delay in entries], [delay for _way, delay in entries]
    return text(client, DRAWING, way=ways, delay=delays, **owner)


def configuration_of(owner: User | Organization) -> EscalationConfiguration:
    return EscalationConfiguration.objects.get(**{"user" if isinstance(owner, User) else "organization": owner})


# The drawing


def test_the_drawing_answers_what_the_form_has(admin_client: Client) -> None:
    user = member(OrganizationFactory(name="Village"), ways=("app", "pager", "sms", "call"))
    shown = drawn(admin_client, ("app", 0), ("sms", 60), ("call", 90), ("pager", 7), user=user.pk)
    for words in ("After 0 s app push and pager", "After 1 min SMS", "After 2 min 30 s call", "Time out after 15 min"):
        assert f"<li>{words}</li>" in shown
    assert "<svg" in shown
    assert "In alarms of Village" in shown
    assert 'data-warnings=""' in shown


def test_the_drawing_warns_by_what_holds_now(admin_client: Client, settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"pager": []}
    organization = OrganizationFactory(name="Village", disabled_ways=["email"])
    ResponseTimeout.objects.create(organization=organization, seconds=120)
    user = member(organization, ways=("app", "pager", "sms", "email"))
    DeviceFactory(user=user, way="call", is_active=False)
    entries = (("app", 0), ("pager", 0), ("email", 10), ("call", 20), ("sms", 300))
    shown = drawn(admin_client, *entries, user=user.pk)
    assert "Pager has no gateway: nothing is sent by it." in shown
    assert "E-mail is disabled by Village" in shown
    assert "Call: this person has no active device for it" in shown
    # As email and call are skipped, the SMS takes their time.
    assert "<li>After 10 s SMS</li>" in shown
    shown = drawn(admin_client, *entries, organization=organization.pk)
    assert "no active device" not in shown
    assert "SMS after 5 min 10 s lies behind the response timeout of Village (2 min)" in shown
    assert "This replaces what members of Village chose for themselves" in shown


def test_an_organizations_own_gateway_counts(admin_client: Client, settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": []}
    organization, other = OrganizationFactory(), OrganizationFactory()
    owned.bring(organization=organization, way="sms", urls="https://gateway.example/sms")
    warned = "SMS has no gateway"
    assert warned not in drawn(admin_client, ("app", 0), ("sms", 60), organization=organization.pk)
    assert warned in drawn(admin_client, ("app", 0), ("sms", 60), organization=other.pk)
    assert warned in drawn(admin_client, ("app", 0), ("sms", 60))


def test_a_persons_entries_that_an_organization_replaces_are_told_apart(admin_client: Client) -> None:
    village, harbour = OrganizationFactory(name="Village"), OrganizationFactory(name="Harbour")
    user = member(village, ways=("app", "sms"))
    MembershipFactory(organization=harbour, user=user)
    escalation(harbour, ("app", 0))
    shown = drawn(admin_client, ("app", 0), ("sms", 60), user=user.pk)
    assert "In alarms of Harbour these entries do not count" in shown
    assert "In alarms of Village" in shown
    escalation(village, ("app", 0))
    assert "<h3>" not in drawn(admin_client, ("app", 0), ("sms", 60), user=user.pk)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (("pigeon", "0"), "Entry 2: choose a way of alarm."),
        (("", ""), "Entry 2: choose a way of alarm."),
        (("sms", ""), "Entry 2: the seconds must be from 0 to 86400."),
        (("sms", "-1"), "Entry 2: the seconds must be from 0 to 86400."),
        (("sms", "86401"), "Entry 2: the seconds must be from 0 to 86400."),
        (("sms", "9" * 5000), "Entry 2: the seconds must be from 0 to 86400."),
        (("sms", "\u0663"), "Entry 2: the seconds must be from 0 to 86400."),
        (("<b>", "0"), "Entry 2: choose a way of alarm."),
    ],
)
def test_what_cannot_be_drawn_is_said(admin_client: Client, entry: tuple[str, str], said: str) -> None:
    shown = drawn(admin_client, ("app", 0), entry, ("call", 30))
    assert said in shown
    assert "After 30 s call" in shown
    assert "1 warning" in shown


def test_the_drawing_has_20_entries_at_most(admin_client: Client) -> None:
    assert "At most 20 entries." in drawn(admin_client, *[("sms", 1)] * 21)
    assert "At most" not in drawn(admin_client, *[("sms", 1)] * 20)
    assert "There is no entry yet." in drawn(admin_client)


@pytest.mark.parametrize("number", ["0x1", "-1", "9" * 30, "999999", "1.0", "None"])
@pytest.mark.parametrize("owner", ["user", "organization"])
def test_the_drawing_of_nobody_is_not_there(admin_client: Client, owner: str, number: str) -> None:
    assert admin_client.get(DRAWING, {owner: number}).status_code == 404


def test_the_drawing_takes_as_many_queries_for_ten_organizations_as_for_one(admin_client: Client) -> None:
    user = member(OrganizationFactory(), ways=("app",))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            drawn(admin_client, ("app", 0), ("sms", 60), user=user.pk)
        return len(captured)

    queries()
    with_one = queries()
    for _ in range(9):
        MembershipFactory(user=user, organization=OrganizationFactory())
    # session, user, whose it is, devices, organizations with their timeouts, their gateways
    assert queries() == with_one


# Whose


def test_an_admin_sees_nothing_of_other_organizations_in_the_drawing() -> None:
    mine, other = OrganizationFactory(name="Village"), OrganizationFactory(name="Harbour", disabled_ways=["sms"])
    ResponseTimeout.objects.create(organization=other, seconds=10)
    shared, strange = member(mine, ways=("app", "sms")), member(other)
    MembershipFactory(organization=other, user=shared)
    client = desk_of(mine)
    shown = drawn(client, ("app", 0), ("sms", 60), user=shared.pk)
    assert "Village" in shown
    assert "Harbour" not in shown
    assert 'data-warnings=""' in shown
    for owner in ({"user": strange.pk}, {"organization": other.pk}):
        assert client.get(DRAWING, owner).status_code == 404
    assert "Harbour" not in text(client, ADD, organization=other.pk)
    assert Client().get(DRAWING).status_code == 302


def test_a_person_without_an_organization_to_administer_gets_no_drawing() -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    assert client.get(DRAWING).status_code == 403


def test_an_admin_orders_the_escalation_of_whom_their_organization_manages_only() -> None:
    mine, other = OrganizationFactory(), OrganizationFactory()
    managed, guest, strange = member(mine), member(other), member(other)
    MembershipFactory(organization=mine, user=guest)
    for user in (managed, guest, strange):
        escalation(user, ("app", 0), ("sms", 60))
    client = desk_of(mine)

    def save(user: User) -> int:
        ids = tuple(configuration_of(user).entries.values_list("pk", flat=True))
        data = rows((1, "app", 0), (0, "sms", 60), ids=ids)
        return client.post(page(configuration_of(user)), data).status_code

    assert save(managed) == 302
    assert [entry.wayofalarm for entry in entries_of(managed)] == ["sms", "app"]
    # The guest's may be looked at, as over the API.
    shown = text(client, page(configuration_of(guest)))
    assert "SMS, 1 min after the entry before it" in shown
    assert "After 1 min SMS" in shown
    assert "Add an entry" not in shown
    assert save(guest) == 403
    assert client.get(page(configuration_of(strange))).status_code == 302
    for user in (guest, strange):
        assert [entry.wayofalarm for entry in entries_of(user)] == ["app", "sms"]
    listed = client.get(CONFIGURATIONS).context["cl"].result_list
    assert {row.user for row in listed} == {managed, guest}


def test_an_admin_gives_an_escalation_to_nobody_else() -> None:
    mine, other = OrganizationFactory(), OrganizationFactory()
    guest, strange, managed = member(other), member(other), member(mine)
    MembershipFactory(organization=mine, user=guest)
    client = desk_of(mine)
    for chosen in ({"user": guest.pk}, {"user": strange.pk}, {"organization": other.pk}):
        answer = client.post(ADD, chosen | rows((0, "sms", 0)))
        assert "Select a valid choice" in answer.content.decode()
    assert not EscalationConfiguration.objects.exists()
    for owner in ({"user": managed.pk}, {"organization": mine.pk}):
        assert client.post(ADD, owner | rows((0, "sms", 0))).status_code == 302
    assert entries_of(managed) == entries_of(mine) == [("sms", 0)]


# The page


def test_who_adds_an_escalation_begins_with_what_holds_now(admin_client: Client, settings: Any) -> None:
    settings.DEFAULT_ESCALATION = [("app", 0), ("call", 45)]
    user = UserFactory()
    shown = text(admin_client, ADD, user=user.pk)
    assert "After 45 s" in shown
    # Sent as it is, that is what is saved.
    assert admin_client.post(ADD, {"user": user.pk, **rows((0, "app", 0), (1, "call", 45))}).status_code == 302
    assert entries_of(user) == [("app", 0), ("call", 45)]


def test_the_page_works_without_scripts(admin_client: Client) -> None:
    user, address, ids = configured(("app", 0), ("sms", 60))
    shown = text(admin_client, address)
    # Three rows to add entries with, and a position for each.
    assert 'name="entries-TOTAL_FORMS" value="5"' in shown
    assert 'name="entries-4-position"' in shown
    assert shown.count('<option value="" selected>') == 4  # and that of the row which scripts take
    assert "<li>After 0 s app push</li>" in shown
    data = rows((0, "app", 0), (1, "sms", 60), (1, "call", 30), ("", "", 0), ("", "", 0), ids=ids)
    assert admin_client.post(address, data).status_code == 302
    assert entries_of(user) == [("app", 0), ("call", 30), ("sms", 60)]


def test_what_cannot_be_saved_comes_back_in_the_order_in_which_it_was_put(admin_client: Client) -> None:
    user, address, ids = configured(("app", 0), ("sms", 60), ("call", 90))
    data = rows((2, "app", 0), (0, "sms", 60), (1, "call", 86401), ids=ids)
    shown = admin_client.post(address, data).content.decode()
    assert "Must be from 0 s to 24 h (86400 seconds)." in shown
    places = [shown.index(f'name="entries-{number}-wayofalarm"') for number in (1, 2, 0)]
    assert places == sorted(places)
    assert [entry.wayofalarm for entry in entries_of(user)] == ["app", "sms", "call"]


def test_the_page_of_an_organization_says_that_it_replaces_what_members_chose(admin_client: Client) -> None:
    organization = OrganizationFactory(name="Village")
    escalation(organization, ("call", 30))
    shown = text(admin_client, page(configuration_of(organization)))
    assert "This replaces what members of Village chose for themselves" in shown
    assert "what each member chose counts again" in shown
    assert "This replaces what members of Village" in text(admin_client, ADD, organization=organization.pk)


def test_an_address_with_an_owner_that_cannot_be_is_no_trouble(admin_client: Client) -> None:
    for query in ({"organization": "9" * 30}, {"user": "999999", "organization": "0"}):
        assert admin_client.get(ADD, query).status_code == 200


def test_the_number_of_seconds_has_its_words_beside_it(admin_client: Client) -> None:
    _user, address, _ids = configured(("app", 0), ("sms", 90))
    assert ">1 min 30 s</output>" in text(admin_client, address)
    timeout = ResponseTimeout.objects.create(organization=OrganizationFactory(), seconds=5400)
    assert ">1 h 30 min</output>" in text(admin_client, page(timeout))
    assert "1 h 30 min" in text(admin_client, reverse("admin:escalations_responsetimeout_changelist"))


def test_the_row_for_a_timeout_begins_with_what_is_in_force(admin_client: Client, settings: Any) -> None:
    settings.DEFAULT_RESPONSE_TIMEOUT = 600
    organization = OrganizationFactory()
    address = reverse("admin:organizations_organization_change", args=(organization.pk,))
    assert ">10 min</output>" in text(admin_client, address)
    data = {"name": organization.name, "time_zone": "UTC", "is_active": "on"}
    data |= {"response_timeout-INITIAL_FORMS": "0", "response_timeout-TOTAL_FORMS": "1"}
    assert admin_client.post(address, data | {"response_timeout-0-seconds": "600"}).status_code == 302
    assert not ResponseTimeout.objects.exists()
    assert admin_client.post(address, data | {"response_timeout-0-seconds": "900"}).status_code == 302
    assert ResponseTimeout.in_force(organization) == 900


@pytest.mark.parametrize("whose", ["people", "organizations", "nobody"])
def test_the_list_can_be_of_people_or_of_organizations(admin_client: Client, whose: str) -> None:
    user, organization = UserFactory(), OrganizationFactory()
    for owner in (user, organization):
        escalation(owner, ("app", 0))
    answer = admin_client.get(CONFIGURATIONS, {"whose": whose})
    found = {row.user or row.organization for row in answer.context["cl"].result_list}
    assert found == {"people": {user}, "organizations": {organization}, "nobody": {user, organization}}[whose]
