from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from organizations import importing
from organizations.importing import MembersInvalid, import_members
from organizations.members_csv import Problem
from organizations.models import Device, Group, Membership, Organization, User
from tests import factories

pytestmark = pytest.mark.django_db

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"


def csv(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def devices(login: str) -> set[tuple[str, str, bool]]:
    return set(Device.objects.filter(user__login=login).values_list("way", "address", "is_active"))


def groups(login: str, organization: Organization) -> set[str]:
    return set(organization.groups.filter(memberships__user__login=login).values_list("name", flat=True))


def everything() -> list[list[tuple[Any, ...]]]:
    """Every row of every table that an import writes."""
    models = (Organization, User, Membership, Group, Group.memberships.through, Device)
    return [list(model._default_manager.order_by("pk").values_list()) for model in models]


def brigade(members: int, start: int = 0) -> bytes:
    """A file of members in six groups, in three languages, with every mix of devices."""
    rows = []
    for number in range(start, start + members):
        cells = [
            f"member{number}",
            "Änne",
            f"Müller {number}",
            f"member{number}@example.org" if number % 4 else "",
            ("de", "en", "fr")[number % 3],
            "admin" if number % 50 == 0 else "",
            f"Group {number % 6};Group {(number + 1) % 6}",
            f"push-{number}" if number % 2 else "",
            f"pager-{number}" if number % 3 else "",
            f"+49151{number:08d};+49171{number:08d}" if number % 5 else "",
            f"+4930{number:08d}",
        ]
        rows.append(",".join(cells))
    return csv(*rows)


@pytest.fixture
def organization() -> Organization:
    created: Organization = factories.OrganizationFactory(name="Wehr")
    return created


def test_a_row_becomes_a_user_a_membership_groups_and_devices(organization: Organization) -> None:
    row = "anna,Anna,Arndt,anna@example.org,de,admin,Süd;Nord,push-1,,+491511;+491512,+491511"
    import_members(organization=organization, data=csv(row))
    user = User.objects.get(login="anna")
    assert (user.first_name, user.last_name, user.email, user.language) == ("Anna", "Arndt", "anna@example.org", "de")
    assert user.managing_organization == organization
    assert user.is_active
    assert not user.has_usable_password()
    assert list(user.memberships.values_list("organization", "role")) == [(organization.pk, "admin")]
    assert groups("anna", organization) == {"Nord", "Süd"}
    assert devices("anna") == {
        ("app", "push-1", True),
        ("sms", "+491511", True),
        ("sms", "+491512", True),
        ("call", "+491511", True),
        ("email", "anna@example.org", True),
    }


def test_devices_are_named_by_their_way_and_numbered(organization: Organization) -> None:
    import_members(organization=organization, data=csv("anna,,,anna@example.org,,,,a1;a2,p1,+491511;+491512,"))
    import_members(organization=organization, data=csv("anna,,,anna@example.org,,,,a1;a3,p1,+491512,+493011"))
    assert dict(Device.objects.values_list("address", "name")) == {
        "a1": "App push",
        "a2": "App push 2",
        "a3": "App push 3",
        "p1": "Pager",
        "+491511": "SMS",
        "+491512": "SMS 2",
        "+493011": "Call",
        "anna@example.org": "E-mail",
    }


def test_an_empty_role_is_member_and_an_empty_language_the_settings_one(
    organization: Organization, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "de"
    import_members(organization=organization, data=csv("anna,,,,,,,,,,"))
    assert User.objects.get().language == "de"
    assert Membership.objects.get().role == "member"
    assert devices("anna") == set()


def test_three_hundred_members_imported_twice_are_the_same_rows(organization: Organization) -> None:
    data = brigade(300)
    first = import_members(organization=organization, data=data)
    written = everything()
    assert [len(table) for table in written] == [1, 300, 300, 6, 600, 225 + 150 + 200 + 480 + 300]
    assert organization.memberships.filter(role="admin").count() == 6
    assert set(User.objects.values_list("language", flat=True)) == {"de", "en", "fr"}
    assert import_members(organization=organization, data=data) == first
    assert everything() == written


def test_the_number_of_queries_does_not_grow_with_the_rows(organization: Organization) -> None:
    def queries(data: bytes, organization: Organization) -> int:
        with CaptureQueriesContext(connection) as captured:
            import_members(organization=organization, data=data)
        return len(captured)

    def changed(data: bytes) -> bytes:
        """Another name, role, group and telephone number in every row."""
        return (
            data.replace("Änne".encode(), "Änni".encode())
            .replace(b",Group", b",Platoon")
            .replace(b"+4915", b"+4916")
            .replace(b",admin,", b",*,")
            .replace(b",,Platoon", b",admin,Platoon")
            .replace(b",*,", b",member,")
        )

    few, many = brigade(10), brigade(300, start=1000)
    large: Organization = factories.OrganizationFactory()
    # New rows: a savepoint and its release, the lock; users and groups are read; users, memberships and groups are made
    # and read again; memberships of groups and devices are made.
    assert queries(few, organization) == queries(many, large) == 13
    # The same rows: a savepoint and its release, the lock; users, memberships, memberships of groups, devices and
    # groups are read.
    assert queries(few, organization) == queries(many, large) == 8
    # Changed rows: users are updated, memberships to either role; groups are made and read, memberships of groups made,
    # others left; devices are made, others deactivated.
    assert queries(changed(few), organization) == queries(changed(many), large) == 17
    # Back again: nothing is made but memberships of groups; devices are activated, others deactivated.
    assert queries(few, organization) == queries(many, large) == 15


def test_what_the_file_says_replaces_what_was_there(organization: Organization) -> None:
    import_members(
        organization=organization,
        data=csv("anna,Anna,Arndt,anna@example.org,de,admin,Süd;Nord,,p1,+491511;+491512,+493011"),
    )
    before = dict(Device.objects.values_list("address", "pk"))
    import_members(organization=organization, data=csv("anna,Änne,,a@example.org,en,,Nord;Ost,,p1,+491512;+491513,"))
    user = User.objects.get()
    assert (user.first_name, user.last_name, user.email, user.language) == ("Änne", "", "a@example.org", "en")
    assert Membership.objects.get().role == "member"
    assert groups("anna", organization) == {"Nord", "Ost"}
    assert set(organization.groups.values_list("name", flat=True)) == {"Süd", "Nord", "Ost"}
    assert devices("anna") == {
        ("email", "anna@example.org", False),
        ("email", "a@example.org", True),
        ("pager", "p1", True),
        ("sms", "+491511", False),
        ("sms", "+491512", True),
        ("sms", "+491513", True),
        ("call", "+493011", False),
    }
    assert {address: pk for address, pk in Device.objects.values_list("address", "pk") if address in before} == before


def test_an_address_in_angle_brackets_is_no_device(organization: Organization) -> None:
    import_members(organization=organization, data=csv("anna,,,<anna@example.org>,,,,,,,"))
    assert User.objects.get().email == "anna@example.org"
    assert devices("anna") == set()
    import_members(organization=organization, data=csv("anna,,,anna@example.org,,,,,,,"))
    assert devices("anna") == {("email", "anna@example.org", True)}
    import_members(organization=organization, data=csv("anna,,,<anna@example.org>,,,,,,,"))
    assert devices("anna") == {("email", "anna@example.org", False)}


def test_a_further_e_mail_device_which_has_no_column_is_left_alone(organization: Organization) -> None:
    user = factories.member(organization, login="anna", email="anna@example.org")
    for address in ("anna@example.org", "second@example.org"):
        factories.DeviceFactory(user=user, way="email", address=address)
    import_members(organization=organization, data=csv("anna,,,new@example.org,,,,,,,"))
    assert devices("anna") == {
        ("email", "anna@example.org", False),
        ("email", "second@example.org", True),
        ("email", "new@example.org", True),
    }


def test_a_device_that_returns_is_activated_again_and_keeps_its_name(organization: Organization) -> None:
    user = factories.member(organization, login="anna")
    device = factories.DeviceFactory(user=user, way="sms", address="+491511", name="Work phone", is_active=False)
    import_members(organization=organization, data=csv("anna,,,,,,,,,+491511,"))
    device.refresh_from_db()
    assert (device.is_active, device.name) == (True, "Work phone")
    assert Device.objects.count() == 1


def test_passwords_rights_and_whether_a_user_is_active_are_not_touched(organization: Organization) -> None:
    user = factories.member(organization, login="anna", is_active=False, is_staff=True, description="Chief")
    user.set_password("correct horse")
    user.save(update_fields=["password"])
    import_members(organization=organization, data=csv("anna,Änne,,,,,,,,,"))
    stored = User.objects.get()
    assert stored.first_name == "Änne"
    assert stored.check_password("correct horse")
    assert (stored.is_active, stored.is_staff, stored.description) == (False, True, "Chief")


@pytest.mark.parametrize("managed", [True, False])
def test_a_login_that_the_organization_does_not_manage_only_gets_the_membership_and_its_groups(
    organization: Organization, managed: bool
) -> None:
    other = factories.OrganizationFactory()
    user = factories.UserFactory(login="anna", managing_organization=other if managed else None, language="fr")
    elsewhere = factories.MembershipFactory(organization=other, user=user)
    factories.GroupFactory(organization=other, name="Süd").memberships.add(elsewhere)
    factories.DeviceFactory(user=user, way="sms", address="+491511")
    row = User.objects.values().get()
    imported = import_members(
        organization=organization, data=csv("anna,X,Y,x@example.org,de,admin,Süd;Ost,a,p,+491512,+493011")
    )
    assert imported == [user]
    assert User.objects.values().get() == row
    assert devices("anna") == {("sms", "+491511", True)}
    assert dict(user.memberships.values_list("organization", "role")) == {other.pk: "member", organization.pk: "admin"}
    assert groups("anna", organization) == {"Süd", "Ost"}
    assert groups("anna", other) == {"Süd"}
    import_members(organization=organization, data=csv("anna,,,,,,Ost,,,,"))
    assert groups("anna", organization) == {"Ost"}
    assert groups("anna", other) == {"Süd"}


def test_a_user_whom_somebody_else_makes_at_the_same_moment_is_theirs(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.OrganizationFactory()

    def meanwhile(password: None) -> str:
        factories.member(other, login="anna", first_name="Anna")
        return "!"

    monkeypatch.setattr(importing, "make_password", meanwhile)
    (imported,) = import_members(organization=organization, data=csv("anna,X,,,,,Süd,,,+491511,"))
    assert (imported.first_name, imported.managing_organization) == ("Anna", other)
    assert User.objects.get() == imported
    assert groups("anna", organization) == {"Süd"}
    assert devices("anna") == set()


def test_members_who_are_not_in_the_file_are_not_touched(organization: Organization) -> None:
    bertha = factories.member(organization, login="bertha", ways=("sms", "call"), role="admin")
    group = factories.GroupFactory(organization=organization, name="Süd")
    group.memberships.add(bertha.memberships.get())
    import_members(organization=organization, data=csv("anna,,,,,,Süd,,,,"))
    assert bertha.memberships.get().role == "admin"
    assert groups("bertha", organization) == groups("anna", organization) == {"Süd"}
    assert Device.objects.filter(user=bertha, is_active=True).count() == 2


def test_three_bad_rows_of_many_are_all_named_and_change_nothing(organization: Organization) -> None:
    import_members(organization=organization, data=brigade(20))
    written = everything()
    lines = brigade(300).decode().replace("Änne", "Other").splitlines()
    lines[9] = "an na,,,,,,,,,,"
    lines[99] = "anna,,,not an address,,,,,,,"
    lines[299] = "berta,,,,,chief,,,,,"
    with pytest.raises(MembersInvalid) as refused:
        import_members(organization=organization, data="\n".join(lines).encode())
    assert refused.value.problems == [
        Problem(10, "login", "Letters, digits and @ . + - _ only."),
        Problem(100, "email", "Enter a valid email address."),
        Problem(300, "role", "Value 'chief' is not a valid choice."),
    ]
    assert everything() == written
