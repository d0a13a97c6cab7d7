"""Whom an import through the admin changes: nobody who is another organization's."""

from __future__ import annotations

import pytest
from django.test import Client

from organizations.models import Membership, Organization, User
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, UserFactory, member
from tests.organizations.members_upload import UPLOAD, agree, file, shown, upload

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


def test_of_people_whom_others_manage_only_role_and_groups_change(
    client: Client, boss: User, organization: Organization
) -> None:
    other = OrganizationFactory(name="Secret club")
    guest = member(other, login="guest", first_name="Gus", email="g@example.org")
    MembershipFactory(organization=organization, user=guest)
    DeviceFactory(user=guest, way="sms", address="+491511234567")
    before = User.objects.values().get(pk=guest.pk)
    page = upload(client, organization, "guest,Evil,Name,evil@example.org,de,admin,Night,,,+491511111111,")
    assert shown(client, page) == {
        "guest": {"": "changed", "elsewhere": True, "Role": ("Member", "Admin"), "Joins groups": "Night"}
    }
    assert "Secret club" not in client.get(page).content.decode()
    agree(client, page)
    assert User.objects.values().get(pk=guest.pk) == before
    assert list(guest.devices.values_list("address", "is_active")) == [("+491511234567", True)]
    assert guest.memberships.get(organization=organization).role == "admin"
    assert guest.memberships.get(organization=other).role == "member"


@pytest.mark.parametrize("stranger", ["of another organization", "of none"])
def test_an_admin_makes_nobody_a_member_whom_they_do_not_know(
    client: Client, boss: User, organization: Organization, stranger: str
) -> None:
    someone = UserFactory(login="stranger", first_name="Sam")
    if stranger == "of another organization":
        MembershipFactory(user=someone)
    sent = {"organization": organization.pk, "file": file("new,N,N,,en,,,,,,", "stranger,X,Y,,en,,,,,,")}
    answer = client.post(UPLOAD, sent)
    assert [(p.line, p.column, p.reason) for p in answer.context["problems"]] == [
        (3, "login", "This login is not available.")
    ]
    assert "Sam" not in answer.content.decode()
    assert not someone.memberships.filter(organization=organization).exists()


def test_a_superuser_makes_anybody_a_member(admin_client: Client, organization: Organization) -> None:
    member(OrganizationFactory(), login="stranger", first_name="Sam", email="")
    page = upload(admin_client, organization, "stranger,X,Y,,en,,,,,,")
    assert shown(admin_client, page) == {"stranger": {"": "becomes a member", "elsewhere": True, "Role": "Member"}}
    agree(admin_client, page)
    assert Membership.objects.filter(organization=organization, user__login="stranger").exists()
    assert User.objects.get(login="stranger").first_name == "Sam"


def test_an_admin_changes_no_superuser(client: Client, boss: User, organization: Organization) -> None:
    root = member(organization, login="root", first_name="Root", is_superuser=True, email="")
    page = upload(client, organization, "root,Toor,,e@example.org,de,,,,,+491511111111,")
    assert shown(client, page) == {}
    agree(client, page)
    root.refresh_from_db()
    assert (root.first_name, root.email, root.devices.count()) == ("Root", "", 0)


def test_whoever_would_lose_their_own_role_is_told(client: Client, boss: User, organization: Organization) -> None:
    page = upload(client, organization, f"boss,{boss.first_name},{boss.last_name},,en,member,,,,,")
    assert "you are no admin of this organization any more" in client.get(page).content.decode()


def test_the_file_of_somebody_else_is_not_there(client: Client, boss: User, organization: Organization) -> None:
    page = upload(client, organization, "new,N,N,,en,,,,,,")
    agreed = client.get(page).context["changes"].digest
    client.force_login(member(organization, role="admin", is_staff=True))
    for answer in (
        client.get(page, follow=True),
        client.post(page, {"agreed": agreed, "import": "1"}, follow=True),
        client.get(f"{UPLOAD}6f1c1f9e-0000-4000-8000-000000000000/", follow=True),
    ):
        assert "is not there any more" in answer.content.decode()
    assert not User.objects.filter(login="new").exists()


def test_an_admin_of_another_organization_imports_nothing_here(client: Client, organization: Organization) -> None:
    other = OrganizationFactory()
    client.force_login(member(other, role="admin", is_staff=True))
    answer = client.post(UPLOAD, {"organization": organization.pk, "file": file("new,N,N,,en,,,,,,")})
    assert set(answer.context["form"].errors) == {"organization"}
    assert "Brigade<" not in client.get(f"{UPLOAD}?organization={organization.pk}").content.decode()


def test_whoever_is_no_admin_any_more_imports_nothing(client: Client, boss: User, organization: Organization) -> None:
    page = upload(client, organization, "new,N,N,,en,,,,,,")
    agreed = client.get(page).context["changes"].digest
    MembershipFactory(organization=OrganizationFactory(), user=boss, role="admin")
    boss.memberships.filter(organization=organization).update(role="member")
    client.post(page, {"agreed": agreed, "import": "1"})
    assert not User.objects.filter(login="new").exists()
