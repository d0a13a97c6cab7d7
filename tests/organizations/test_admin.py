"""The admin of users, organizations, memberships, groups, devices and tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.models import ApiToken, Device, Group, Membership, Organization, PersonalAccessToken, User
from tests.factories import DeviceFactory, GroupFactory, MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db

MAKE: dict[type[models.Model], Callable[[], Any]] = {
    Organization: OrganizationFactory,
    User: lambda: UserFactory(managing_organization=OrganizationFactory()),
    Membership: MembershipFactory,
    Group: GroupFactory,
    Device: DeviceFactory,
    ApiToken: lambda: ApiToken.issue(name="dispatch", organization=OrganizationFactory())[0],
    PersonalAccessToken: lambda: PersonalAccessToken.issue(name="phone", user=UserFactory())[0],
}
each_model = pytest.mark.parametrize("model", MAKE, ids=lambda model: model.__name__)


def url(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:organizations_{model._meta.model_name}_{page}", args=args)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def management(prefix: str, initial: int = 0, total: int = 0) -> dict[str, int]:
    return {f"{prefix}-INITIAL_FORMS": initial, f"{prefix}-TOTAL_FORMS": total}


def user_page(user: User) -> dict[str, object]:
    """What the page of a user without devices and memberships sends when it is saved as it is."""
    return {
        "login": user.login,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "language": user.language,
        "is_active": "on",
        **management("devices"),
        **management("memberships"),
    }


@each_model
def test_the_list_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model]()
    queries(admin_client, url(model, "changelist"))  # what is cached for good is cached now
    with_one = queries(admin_client, url(model, "changelist"))
    for _ in range(49):
        MAKE[model]()
    # session, user, count, rows (their owners joined), and one a filter by organization
    assert queries(admin_client, url(model, "changelist")) == with_one


@each_model
def test_a_row_can_be_found_opened_and_added(admin_client: Client, model: type[models.Model]) -> None:
    row = MAKE[model]()
    assert admin_client.get(url(model, "changelist"), {"q": "a"}).status_code == 200
    assert admin_client.get(url(model, "change", row.pk)).status_code == 200
    assert admin_client.get(url(model, "add")).status_code == 200


@pytest.mark.parametrize("model", [User, Organization, Membership], ids=lambda model: model.__name__)
def test_what_other_pages_offer_to_choose_takes_no_query_a_row(admin_client: Client, model: type[models.Model]) -> None:
    field = {User: (Device, "user"), Organization: (Group, "organization"), Membership: (Group, "memberships")}[model]
    query = f"?app_label=organizations&model_name={field[0]._meta.model_name}&field_name={field[1]}"
    address = reverse("admin:autocomplete") + query
    MAKE[model]()
    queries(admin_client, address)
    with_one = queries(admin_client, address)
    for _ in range(15):
        MAKE[model]()
    assert queries(admin_client, address) == with_one


def test_a_user_made_in_the_admin_can_log_in_and_has_devices_and_memberships(admin_client: Client) -> None:
    organization = OrganizationFactory()
    answer = admin_client.post(
        url(User, "add"),
        {
            "login": "anna@example.org",
            "first_name": "Anna",
            "language": "de",
            "managing_organization": organization.pk,
            "usable_password": "true",
            "password1": "a long enough one",
            "password2": "a long enough one",
            **management("devices", total=1),
            "devices-0-way": "sms",
            "devices-0-name": "Work phone",
            "devices-0-address": "+491511234567",
            "devices-0-is_active": "on",
            **management("memberships", total=1),
            "memberships-0-organization": organization.pk,
            "memberships-0-role": "admin",
        },
    )
    user = User.objects.get(login="anna@example.org")
    assert answer.headers["Location"] == url(User, "change", user.pk)
    assert user.check_password("a long enough one")
    assert user.managing_organization == organization
    assert list(user.memberships.values_list("organization", "role")) == [(organization.pk, "admin")]
    assert list(user.devices.values_list("way", "address")) == [("sms", "+491511234567")]


def test_a_password_can_be_changed(admin_client: Client) -> None:
    user = UserFactory()
    page = reverse("admin:auth_user_password_change", args=(user.pk,))
    assert "../password/" in admin_client.get(url(User, "change", user.pk)).content.decode()
    password = "another long one"
    data = {"usable_password": "true", "password1": password, "password2": password, "set-password": "1"}
    assert admin_client.post(page, data).status_code == 302
    user.refresh_from_db()
    assert user.check_password(password)


def test_the_same_device_twice_is_refused_with_a_message(admin_client: Client) -> None:
    user = UserFactory()
    data = user_page(user) | management("devices", total=2)
    for row in (0, 1):
        data |= {f"devices-{row}-way": "sms", f"devices-{row}-name": "Phone", f"devices-{row}-address": "+491511"}
    answer = admin_client.post(url(User, "change", user.pk), data)
    assert "Please correct the duplicate data for way and address" in answer.content.decode()
    assert not user.devices.exists()


def test_the_page_of_a_user_takes_no_query_a_membership(admin_client: Client) -> None:
    membership = MembershipFactory()
    page = url(User, "change", membership.user_id)
    queries(admin_client, page)
    with_one = queries(admin_client, page)
    for _ in range(49):
        MembershipFactory(user=membership.user)
    assert queries(admin_client, page) == with_one


def test_a_membership_stays_in_its_organization(admin_client: Client) -> None:
    membership = MembershipFactory()
    home, other = membership.organization, OrganizationFactory()
    in_page_of_user = {
        **user_page(membership.user),
        **management("memberships", initial=1, total=1),
        "memberships-0-id": membership.pk,
        "memberships-0-user": membership.user_id,
        "memberships-0-organization": other.pk,
        "memberships-0-role": "admin",
    }
    assert admin_client.post(url(User, "change", membership.user_id), in_page_of_user).status_code == 302
    membership.refresh_from_db()
    assert (membership.organization, membership.role) == (home, "admin")
    page = url(Membership, "change", membership.pk)
    assert admin_client.post(page, {"organization": other.pk, "role": "member"}).status_code == 302
    membership.refresh_from_db()
    assert (membership.organization, membership.role) == (home, "member")


def test_disabled_ways_are_checkboxes(admin_client: Client) -> None:
    organization = OrganizationFactory(disabled_ways=["call"])
    page = url(Organization, "change", organization.pk)
    boxes = re.findall(r'<input type="checkbox" name="disabled_ways"[^>]*>', admin_client.get(page).content.decode())
    checked = [re.findall(r'value="(\w+)"', box) for box in boxes if re.search(r"\schecked\b(?!:)", box)]
    assert checked == [["call"]]
    assert len(boxes) == 5
    data = {
        "name": "Brigade North",
        "time_zone": "Europe/Berlin",
        "disabled_ways": ["sms", "call"],
        "response_timeout-TOTAL_FORMS": 0,
        "response_timeout-INITIAL_FORMS": 0,
    }
    assert admin_client.post(page, data).status_code == 302
    organization.refresh_from_db()
    assert (organization.time_zone, organization.disabled_ways) == ("Europe/Berlin", ["sms", "call"])
    answer = admin_client.post(page, data | {"time_zone": "Europe/Atlantis", "disabled_ways": ["pigeon"]})
    assert set(answer.context["adminform"].form.errors) == {"time_zone", "disabled_ways"}
    organization.refresh_from_db()
    assert organization.disabled_ways == ["sms", "call"]


def test_the_members_of_a_group_are_chosen_among_those_of_its_organization(admin_client: Client) -> None:
    organization = OrganizationFactory()
    own = MembershipFactory(organization=organization, user__first_name="Own")
    foreign = MembershipFactory(user__first_name="Foreign")
    answer = admin_client.post(url(Group, "add"), {"organization": organization.pk, "name": "Divers"})
    group = Group.objects.get()
    page = url(Group, "change", group.pk)
    assert answer.headers["Location"] == page
    answer = admin_client.post(page, {"name": "Divers", "new_members": [own.pk, foreign.pk]})
    assert "not one of the available choices" in answer.content.decode()
    assert admin_client.post(page, {"name": "Divers", "new_members": [own.pk]}).status_code == 302
    assert list(group.memberships.all()) == [own]


@pytest.mark.parametrize("role", ["superuser", "admin of the organization"])
def test_the_page_of_a_group_takes_no_query_a_member(admin_client: Client, admin_user: User, role: str) -> None:
    group = GroupFactory()
    if role != "superuser":
        User.objects.update(is_superuser=False)
        MembershipFactory(organization=group.organization, user=admin_user, role="admin")
    group.memberships.add(MembershipFactory(organization=group.organization))
    page = url(Group, "change", group.pk)
    queries(admin_client, page)
    with_one = queries(admin_client, page)
    group.memberships.add(*(MembershipFactory(organization=group.organization) for _ in range(49)))
    assert queries(admin_client, page) == with_one


def test_the_list_of_groups_leads_to_the_members_of_each(admin_client: Client) -> None:
    group = GroupFactory()
    membership = MembershipFactory(organization=group.organization)
    group.memberships.add(membership)
    MembershipFactory(organization=group.organization)
    address = f"{url(Membership, 'changelist')}?groups__id__exact={group.pk}"
    assert f'href="{address}"' in admin_client.get(url(Group, "changelist")).content.decode()
    assert list(admin_client.get(address).context["cl"].result_list) == [membership]
