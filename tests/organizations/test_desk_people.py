"""People in the admin, as an organization's admin sees and changes them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.models import Organization, User
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

ADD = "/admin/organizations/user/add/"
NO_DEVICES = {"devices-TOTAL_FORMS": 0, "devices-INITIAL_FORMS": 0}
NO_ROWS = NO_DEVICES | {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
RIGHTS = {"is_staff", "is_superuser", "groups", "user_permissions", "password"}


@pytest.fixture
def organization() -> Organization:
    created: Organization = OrganizationFactory(name="Brigade")
    return created


@pytest.fixture
def boss(client: Client, organization: Organization) -> User:
    user = admin(organization, is_staff=True, login="boss")
    client.force_login(user)
    return user


def page(user: User) -> str:
    return reverse("admin:organizations_user_change", args=(user.pk,))


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=(user.pk,))


def fields(client: Client, address: str) -> set[str]:
    """Return what a page lets one type in."""
    return set(client.get(address).context["adminform"].form.fields)


def sent(user: User, **changed: object) -> dict[str, object]:
    names = ("login", "first_name", "last_name", "email", "language")
    managing = {"managing_organization": user.managing_organization_id}
    return {name: getattr(user, name) for name in names} | managing | NO_ROWS | changed


def new(organization: Organization, **changed: object) -> dict[str, object]:
    person = {"login": "anna", "language": "en", "managing_organization": organization.pk, "usable_password": "false"}
    return person | NO_DEVICES | changed


def test_a_person_made_by_an_admin_is_managed_by_and_in_their_organization(
    client: Client, boss: User, organization: Organization
) -> None:
    device = {"devices-TOTAL_FORMS": 1, "devices-0-way": "sms", "devices-0-name": "Phone"}
    device |= {"devices-0-address": "+491511234567", "devices-0-is_active": "on"}
    assert client.get(ADD).context["adminform"].form["managing_organization"].value() == organization.pk
    answer = client.post(ADD, new(organization, role="admin", **device))
    anna = User.objects.get(login="anna")
    assert answer.headers["Location"] == page(anna)
    assert anna.managing_organization == organization
    assert list(anna.memberships.values_list("organization", "role")) == [(organization.pk, "admin")]
    assert list(anna.devices.values_list("address", flat=True)) == ["+491511234567"]
    assert (anna.has_usable_password(), anna.is_staff, anna.is_superuser) == (False, False, False)


def test_an_admin_makes_people_in_no_other_organization(client: Client, boss: User) -> None:
    other = OrganizationFactory()
    for managing in (other.pk, ""):
        answer = client.post(ADD, new(other, managing_organization=managing))
        assert set(answer.context["adminform"].form.errors) == {"managing_organization"}
    assert not User.objects.filter(login="anna").exists()


def test_whose_a_login_is_is_not_told(client: Client, boss: User, organization: Organization) -> None:
    member(OrganizationFactory(name="Secret club"), login="anna", first_name="Sam")
    answer = client.post(ADD, new(organization))
    assert answer.context["adminform"].form.errors == {"login": ["This login is not available."]}
    own = member(organization)
    answer = client.post(page(own), sent(own, login="anna"))
    assert answer.context["adminform"].form.errors == {"login": ["This login is not available."]}
    assert "Secret club" not in answer.content.decode()


def test_nobody_gives_rights_that_they_do_not_have(client: Client, boss: User, organization: Organization) -> None:
    own = member(organization)
    assert fields(client, page(own)) & RIGHTS == {"is_staff"}
    client.post(page(own), sent(own, is_superuser="on", is_staff="on", password="x", user_permissions=[1], groups=[1]))
    own.refresh_from_db()
    assert (own.is_staff, own.is_superuser, own.user_permissions.count()) == (True, False, 0)
    client.post(ADD, new(organization, is_superuser="on", is_staff="on"))
    anna = User.objects.get(login="anna")
    assert (anna.is_superuser, anna.is_staff) == (False, False)


def test_rights_of_django_are_nowhere_to_be_seen(admin_client: Client, organization: Organization) -> None:
    assert fields(admin_client, page(member(organization))) & RIGHTS == {"is_staff", "is_superuser"}


def test_of_people_whom_others_manage_everything_is_shown_and_nothing_changed(
    client: Client, boss: User, organization: Organization
) -> None:
    secret = OrganizationFactory(name="Secret club")
    guest = member(secret, first_name="Gus")
    MembershipFactory(organization=organization, user=guest)
    DeviceFactory(user=guest, address="+491511234567")
    html = client.get(page(guest)).content.decode()
    assert "another organization manages them" in html
    assert "+491511234567" in html
    assert "Secret club" not in html
    assert "Secret club" not in client.get(reverse("admin:organizations_user_changelist")).content.decode()
    before = User.objects.values().get(pk=guest.pk)
    assert client.post(page(guest), sent(guest, first_name="Evil")).status_code == 403
    assert User.objects.values().get(pk=guest.pk) == before


@pytest.mark.parametrize("why", ["a member elsewhere too", "a superuser", "managed by others"])
def test_passwords_and_logins_are_set_only_where_no_other_organization_is_opened_by_them(
    client: Client, boss: User, organization: Organization, why: str
) -> None:
    other = OrganizationFactory()
    user = member(other if why == "managed by others" else organization, is_superuser=why == "a superuser")
    if why != "a superuser":
        MembershipFactory(organization=organization if why == "managed by others" else other, user=user)
    assert not fields(client, page(user)) & {"login", "is_staff"}
    client.post(page(user), sent(user, login="taken-over", is_staff="on"))
    password = {"usable_password": "true", "password1": "a long one 1", "password2": "a long one 1"}
    assert client.get(password_page(user)).status_code == 403
    assert client.post(password_page(user), password | {"set-password": "1"}).status_code == 403
    before = user.login
    user.refresh_from_db()
    assert (user.login, user.is_staff, user.check_password("a long one 1")) == (before, False, False)


def test_an_admin_sets_the_password_of_their_own_people(client: Client, boss: User, organization: Organization) -> None:
    own = member(organization)
    assert "../password/" in client.get(page(own)).content.decode()
    password = {"usable_password": "true", "password1": "a long one 1", "password2": "a long one 1"}
    assert client.post(password_page(own), password | {"set-password": "1"}).status_code == 302
    own.refresh_from_db()
    assert own.check_password("a long one 1")


def test_a_person_goes_to_no_organization_of_others(client: Client, boss: User, organization: Organization) -> None:
    own, other = member(organization), OrganizationFactory()
    answer = client.post(page(own), sent(own, managing_organization=other.pk))
    assert set(answer.context["adminform"].form.errors) == {"managing_organization"}
    row = {"memberships-TOTAL_FORMS": 1, "memberships-0-organization": other.pk, "memberships-0-role": "admin"}
    assert client.post(page(own), sent(own, **row)).status_code == 200
    own.refresh_from_db()
    assert own.managing_organization == organization
    assert own.memberships.count() == 1


def test_memberships_in_other_organizations_are_not_shown(
    client: Client, boss: User, organization: Organization
) -> None:
    own = member(organization)
    MembershipFactory(organization=OrganizationFactory(name="Secret club"), user=own)
    html = client.get(page(own)).content.decode()
    assert "Secret club" not in html
    assert "Brigade" in html


def test_an_organization_is_changed_but_not_deactivated_by_its_admin(
    client: Client, boss: User, organization: Organization
) -> None:
    address = reverse("admin:organizations_organization_change", args=(organization.pk,))
    data = {"name": "Brigade", "time_zone": "Europe/Berlin", "disabled_ways": ["sms"], "alarms_in_inbox": "on"}
    rows = {"response_timeout-TOTAL_FORMS": 0, "response_timeout-INITIAL_FORMS": 0}
    assert client.post(address, data | rows).status_code == 302
    organization.refresh_from_db()
    assert (organization.time_zone, organization.disabled_ways) == ("Europe/Berlin", ["sms"])
    assert organization.is_active
    assert organization.alarms_in_inbox


def test_the_pages_take_as_many_queries_for_50_people_as_for_one(
    client: Client, boss: User, organization: Organization
) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    pages = [reverse(f"admin:organizations_{name}_changelist") for name in ("user", "membership", "device", "absence")]
    own = member(organization, ways=("sms",))
    pages.append(page(own))
    for address in pages:
        queries(address)
    with_one = [queries(address) for address in pages]
    for _ in range(49):
        member(organization, ways=("sms",))
        DeviceFactory(user=own)
    assert [queries(address) for address in pages] == with_one
    assert max(with_one) <= 30


@pytest.mark.django_db
def test_the_last_superuser_stays_one(admin_client: Client, admin_user: User) -> None:
    address = reverse("admin:organizations_user_change", args=[admin_user.pk])
    form = {"login": "admin", "language": "en", "is_active": "on", "is_staff": "on"}
    form |= {f"{prefix}-{name}_FORMS": "0" for prefix in ("devices", "memberships") for name in ("TOTAL", "INITIAL")}
    answer = admin_client.post(address, form)
    assert answer.status_code == 403
    admin_user.refresh_from_db()
    assert admin_user.is_superuser
