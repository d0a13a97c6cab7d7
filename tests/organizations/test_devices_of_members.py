"""Devices of others: admins of the organization that manages a user change them, those of their others only look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.models import Device, Membership, Organization, User
from tests.dialect import refused
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

PATH = "/api/v1/device"
BODY = {"way": "call", "name": "Desk", "address": "+493023125009"}


class Expected(NamedTuple):
    """The status of each operation, of which those that change a device name no organization."""

    listing: int
    adding: int
    changing: int


# Who asks about the devices of a member of "brigade", which manages them, and in the name of which organization.
ROLES = {
    "nobody": Expected(401, 401, 401),
    "stranger": Expected(404, 404, 404),
    "stranger naming their own organization": Expected(404, 404, 404),
    "member": Expected(403, 403, 404),
    "member naming no organization": Expected(403, 403, 404),
    "admin": Expected(200, 201, 200),
    "admin naming no organization": Expected(403, 403, 200),
    "admin of another organization of the user": Expected(200, 403, 403),
    "admin of another organization naming the managing one": Expected(404, 404, 403),
    "member of another organization of the user": Expected(403, 403, 404),
    "API token": Expected(403, 403, 403),
    "foreign API token": Expected(403, 403, 403),
}
each_role = pytest.mark.parametrize("role", ROLES)


@pytest.fixture
def brigade() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def user(brigade: Organization) -> User:
    """Whose devices they are."""
    return member(brigade, ways=("sms",))


@pytest.fixture
def device(user: User) -> Device:
    return user.devices.get()


@pytest.fixture
def ask(as_user: AsUser, as_organization: AsOrganization, brigade: Organization, user: User) -> Any:
    """Return the client of a role and the id of the organization that it names."""

    def client_of(role: str) -> tuple[APIClient, int]:
        other = OrganizationFactory()
        if "another organization" in role:
            MembershipFactory(user=user, organization=other)
        clients: dict[str, tuple[Callable[[], APIClient], int]] = {
            "nobody": (APIClient, brigade.pk),
            "stranger": (lambda: as_user(admin(other)), brigade.pk),
            "stranger naming their own organization": (lambda: as_user(admin(other)), other.pk),
            "member": (lambda: as_user(member(brigade)), brigade.pk),
            "member naming no organization": (lambda: as_user(member(brigade)), 0),
            "admin": (lambda: as_user(admin(brigade)), brigade.pk),
            "admin naming no organization": (lambda: as_user(admin(brigade)), 0),
            "admin of another organization of the user": (lambda: as_user(admin(other)), other.pk),
            "admin of another organization naming the managing one": (lambda: as_user(admin(other)), brigade.pk),
            "member of another organization of the user": (lambda: as_user(member(other)), other.pk),
            "API token": (lambda: as_organization(brigade), brigade.pk),
            "foreign API token": (lambda: as_organization(other), brigade.pk),
        }
        make, organization_id = clients[role]
        return make(), organization_id

    return client_of


@each_role
def test_listing_by_role(ask: Any, user: User, device: Device, role: str) -> None:
    client, organization_id = ask(role)
    response = client.get(f"{PATH}?user_id={user.pk}&organization_id={organization_id}")
    status = ROLES[role].listing
    if status != 200:
        assert refused(response, status)
        return
    shown = {"id": device.pk, "userID": user.pk, "way": "sms", "name": device.name, "address": device.address}
    assert response.json() == [{**shown, "active": True}]


@each_role
def test_adding_by_role(ask: Any, user: User, device: Device, role: str) -> None:
    client, organization_id = ask(role)
    body = BODY | {"userID": user.pk, "organizationID": organization_id}
    response = client.post(PATH, body, format="json")
    status = ROLES[role].adding
    if status != 201:
        assert refused(response, status)
        assert list(user.devices.all()) == [device]
        return
    assert response.status_code == 201
    assert response.json() == {"id": response.json()["id"], "userID": user.pk, **BODY, "active": True}
    assert user.devices.count() == 2


@each_role
def test_changing_by_role(ask: Any, device: Device, role: str) -> None:
    client, organization_id = ask(role)
    before = device.name
    body = {"name": "Changed", "organizationID": organization_id}
    response = client.patch(f"{PATH}/{device.pk}", body, format="json")
    status = ROLES[role].changing
    assert response.status_code == 200 if status == 200 else refused(response, status)
    device.refresh_from_db()
    assert device.name == ("Changed" if status == 200 else before)


@each_role
def test_removing_by_role(ask: Any, device: Device, role: str) -> None:
    client, _organization_id = ask(role)
    response = client.delete(f"{PATH}/{device.pk}")
    status = ROLES[role].changing
    assert response.status_code == 204 if status == 200 else refused(response, status)
    assert Device.objects.filter(pk=device.pk).exists() == (status != 200)


@each_role
def test_testing_by_role(ask: Any, device: Device, role: str) -> None:
    client, _organization_id = ask(role)
    response = client.post(f"{PATH}/{device.pk}/test")
    status = ROLES[role].changing
    assert response.status_code == 200 if status == 200 else refused(response, status)
    device.refresh_from_db()
    assert (device.tested_at is None) == (status != 200)


def test_a_device_of_others_is_unknown_like_one_that_there_is_not(as_user: AsUser, device: Device) -> None:
    client = as_user(admin(OrganizationFactory()))
    number = device.pk
    told = client.delete(f"{PATH}/{number}").json()
    device.delete()
    assert client.delete(f"{PATH}/{number}").json() == told


def test_users_change_their_own_devices_whoever_manages_them(as_user: AsUser, brigade: Organization) -> None:
    loner = UserFactory()
    client = as_user(loner)
    added = client.post(PATH, BODY | {"userID": loner.pk, "organizationID": brigade.pk}, format="json")
    assert added.status_code == 201
    own = f"{PATH}/{added.json()['id']}"
    assert client.patch(own, {"active": False}, format="json").status_code == 200
    assert client.get(f"{PATH}?user_id={loner.pk}").json()[0]["active"] is False
    assert client.delete(own).status_code == 204


def test_a_member_whom_no_organization_manages_is_changed_by_no_admin(as_user: AsUser, brigade: Organization) -> None:
    loner = MembershipFactory(organization=brigade, user=UserFactory()).user
    device = DeviceFactory(user=loner)
    chief = as_user(admin(brigade))
    body = BODY | {"userID": loner.pk, "organizationID": brigade.pk}
    assert refused(chief.post(PATH, body, format="json"), 403, "userID: ")
    assert refused(chief.delete(f"{PATH}/{device.pk}"), 403, "userID: ")
    assert len(chief.get(f"{PATH}?user_id={loner.pk}&organization_id={brigade.pk}").json()) == 1


def test_who_has_left_the_organization_is_unknown_to_its_admin(
    as_user: AsUser, brigade: Organization, user: User, device: Device
) -> None:
    Membership.objects.filter(user=user).delete()
    chief = as_user(admin(brigade))
    assert refused(chief.get(f"{PATH}?user_id={user.pk}&organization_id={brigade.pk}"), 404, "userID: ")
    assert refused(chief.delete(f"{PATH}/{device.pk}"), 404, "id: ")


def test_an_admin_of_an_organization_that_is_not_active_has_no_say(
    as_user: AsUser, brigade: Organization, device: Device
) -> None:
    chief = as_user(admin(brigade))
    brigade.is_active = False
    brigade.save(update_fields=["is_active"])
    assert refused(chief.delete(f"{PATH}/{device.pk}"), 404, "id: ")


@pytest.mark.parametrize("unknown", [2**31, 2**63 - 1])
def test_an_unknown_user_or_organization_is_404(
    as_user: AsUser, brigade: Organization, user: User, unknown: int
) -> None:
    chief = as_user(admin(brigade))
    for user_id, organization_id, named in ((unknown, brigade.pk, "userID"), (user.pk, unknown, "organizationID")):
        body = BODY | {"userID": user_id, "organizationID": organization_id}
        assert refused(chief.post(PATH, body, format="json"), 404, f"{named}: ")
        assert refused(chief.get(f"{PATH}?user_id={user_id}&organization_id={organization_id}"), 404, f"{named}: ")


def test_a_members_list_takes_as_many_queries_for_50_devices_as_for_one(
    as_user: AsUser, brigade: Organization, user: User, device: Device
) -> None:
    chief = as_user(admin(brigade))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert chief.get(f"{PATH}?user_id={user.pk}&organization_id={brigade.pk}").status_code == 200
        return len(captured)

    # The token, the membership, the member, the devices.
    assert queries() == 4
    for _ in range(49):
        DeviceFactory(user=user)
    assert queries() == 4
