"""Groups in the admin: thousands of members, searched and taken out without showing all of them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.models import Group, Membership, Organization, User
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def group() -> Group:
    created: Group = GroupFactory(organization=OrganizationFactory(), name="Divers")
    return created


@pytest.fixture
def boss(client: Client, group: Group) -> User:
    user = member(group.organization, role="admin", is_staff=True, login="boss")
    client.force_login(user)
    return user


def page(group: Group) -> str:
    return reverse("admin:organizations_group_change", args=(group.pk,))


def people(organization: Organization, count: int) -> list[Membership]:
    users = User.objects.bulk_create(UserFactory.build_batch(count, managing_organization=organization))
    return Membership.objects.bulk_create(Membership(organization=organization, user=user) for user in users)


def test_the_page_of_a_group_of_5000_takes_as_many_queries_as_that_of_one(
    client: Client, boss: User, group: Group
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page(group)).status_code == 200
        return len(captured)

    group.memberships.add(*people(group.organization, 1))
    queries()
    with_one = queries()
    group.memberships.add(*people(group.organization, 4999))
    assert queries() == with_one <= 30
    answer = client.get(page(group))
    assert "5000 members" in answer.content.decode()
    assert len(answer.context["members"]) == 50
    assert len(answer.content) < 200_000


def test_members_are_found_in_the_group_by_name_and_login(client: Client, boss: User, group: Group) -> None:
    anna = MembershipFactory(organization=group.organization, user__first_name="Anna", user__last_name="Arndt")
    berta = MembershipFactory(organization=group.organization, user__first_name="Berta", user__login="bee")
    group.memberships.add(anna, berta)

    def found(query: str) -> list[Membership]:
        return list(client.get(page(group), {"q": query}).context["members"])

    assert found("ann arn") == [anna]
    assert found("bee") == [berta]
    assert found("nobody") == found("\x00nobody") == []


def test_who_is_ticked_is_taken_out_of_this_group_only(client: Client, boss: User, group: Group) -> None:
    anna, berta = people(group.organization, 2)
    other = GroupFactory(organization=group.organization)
    group.memberships.add(anna, berta)
    other.memberships.add(anna)
    address = reverse("admin:organizations_group_members", args=(group.pk,))
    answer = client.post(address, {"member": [anna.pk, "x", "9" * 30]}, follow=True)
    assert "One member was taken out." in answer.content.decode()
    assert list(group.memberships.all()) == [berta]
    assert list(other.memberships.all()) == [anna]
    client.get(address)
    assert list(group.memberships.all()) == [berta]


def test_members_are_searched_among_those_of_the_organization(client: Client, admin_client: Client) -> None:
    group = GroupFactory()
    own = MembershipFactory(organization=group.organization, user__first_name="Anna")
    MembershipFactory(user__first_name="Anna")
    html = admin_client.get(page(group)).content.decode()
    assert f'data-ajax--url="/admin/autocomplete/?within={group.organization_id}"' in html
    asked = {"app_label": "organizations", "model_name": "group", "field_name": "memberships", "term": "anna"}
    answer = admin_client.get(reverse("admin:autocomplete"), asked | {"within": group.organization_id})
    assert [found["id"] for found in answer.json()["results"]] == [str(own.pk)]


def test_an_admin_of_another_organization_neither_sees_nor_changes_a_group(client: Client, group: Group) -> None:
    membership = people(group.organization, 1)[0]
    group.memberships.add(membership)
    client.force_login(member(OrganizationFactory(), role="admin", is_staff=True))
    assert client.get(page(group)).status_code == 302
    address = reverse("admin:organizations_group_members", args=(group.pk,))
    assert client.post(address, {"member": [membership.pk]}).headers["Location"] == "/admin/"
    assert list(group.memberships.all()) == [membership]


def test_the_list_counts_members_and_leads_to_them(client: Client, boss: User, group: Group) -> None:
    group.memberships.add(*people(group.organization, 3))
    address = f"{reverse('admin:organizations_membership_changelist')}?groups__id__exact={group.pk}"
    assert f'href="{address}">3</a>' in client.get(reverse("admin:organizations_group_changelist")).content.decode()
    assert len(client.get(address).context["cl"].result_list) == 3


def test_two_groups_of_an_organization_have_no_name_in_common(admin_client: Client) -> None:
    group = GroupFactory(name="Engine 1")
    other = GroupFactory(organization=group.organization, name="Engine 2")
    address = reverse("admin:organizations_group_change", args=[other.pk])
    answer = admin_client.post(address, {"name": "Engine 1", "description": ""})
    assert answer.status_code == 200
    assert "Group with this Organization and Name already exists." in answer.content.decode()
    other.refresh_from_db()
    assert other.name == "Engine 2"
