"""The history in the admin: who changed what, from what to what, whichever way it was changed."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from organizations.models import ApiToken, Device, Membership, Organization, PersonalAccessToken, User
from tests.factories import DeviceFactory, member
from tests.organizations.history_pages import ANNA, HEADER, by_program, change_url, history_url, last, lines, ok

pytestmark = pytest.mark.django_db


# Organizations


def test_of_an_organization_changed_by_the_api(
    brigade: Organization, desk: Client, as_chief: APIClient, program: APIClient
) -> None:
    path = f"/api/v1/organization/{brigade.pk}/ways"
    ok(as_chief.put(path, [{"way": "call", "enabled": False}], format="json"))
    ok(program.put(path, [{"way": "sms", "enabled": False}], format="json"))
    assert lines(desk, brigade, of="organization")[:2] == [
        (by_program(), "API", "Changed", {"Disabled ways of alarm": ("call", "SMS, call")}),
        (ANNA, "API", "Changed", {"Disabled ways of alarm": ("none", "call")}),
    ]


def test_of_an_organization_changed_in_the_admin(brigade: Organization, desk: Client) -> None:
    data = {
        "time_zone": "Europe/Berlin",
        "is_active": "on",
        "response_timeout-TOTAL_FORMS": 0,
        "response_timeout-INITIAL_FORMS": 0,
    }
    ok(desk.post(change_url(brigade), data))
    [line, *_others] = lines(desk, brigade, of="organization")
    assert line == (ANNA, "Admin", "Changed", {"Time zone": ("UTC", "Europe/Berlin")})


# Memberships


def test_of_a_membership_changed_in_the_admin_and_by_an_import(
    brigade: Organization, desk: Client, tmp_path: Path
) -> None:
    ben = member(brigade, login="ben", first_name="Ben", last_name="")
    membership = Membership.objects.get(user=ben)
    ok(desk.post(change_url(membership), {"role": "admin"}))
    file = tmp_path / "members.csv"
    file.write_text(HEADER + "ben,Ben,,,en,member,,,,,\n")
    call_command("import_members", str(brigade.pk), file)
    assert lines(desk, membership)[:2] == [
        (getpass.getuser(), "Command import_members", "Changed", {"Role": ("Admin", "Member")}),
        (ANNA, "Admin", "Changed", {"Role": ("Member", "Admin")}),
    ]


# Devices


def test_of_a_device_changed_in_the_admin_and_by_the_api(
    brigade: Organization, desk: Client, as_user: Callable[[User], APIClient], as_chief: APIClient
) -> None:
    ben = member(brigade, login="ben", first_name="Ben", last_name="")
    device: Device = DeviceFactory(user=ben, way="email", name="Mail", address="ben@example.org")
    edited = {"user": ben.pk, "way": "email", "name": "Mail", "address": "ben@example.com", "is_active": "on"}
    ok(desk.post(change_url(device), edited))
    ok(as_user(ben).patch(f"/api/v1/device/{device.pk}", {"name": "Post"}, format="json"))
    ok(as_chief.patch(f"/api/v1/device/{device.pk}", {"active": False}, format="json"))
    assert lines(desk, device)[:3] == [
        (ANNA, "API", "Changed", {"Active": ("yes", "no")}),
        ("Ben (ben)", "API", "Changed", {"Name": ("Mail", "Post")}),
        (ANNA, "Admin", "Changed", {"Address": ("ben@example.org", "ben@example.com")}),
    ]


def test_of_a_device_that_came_and_went_by_the_api_on_the_page_of_its_organization(
    brigade: Organization, desk: Client, as_user: Callable[[User], APIClient]
) -> None:
    client = as_user(member(brigade, login="ben", first_name="Ben", last_name=""))
    body = {"way": "sms", "name": "Phone", "address": "+49151234567"}
    made = client.post("/api/v1/device", body, format="json")
    ok(made)
    ok(client.delete(f"/api/v1/device/{made.json()['id']}"))
    described = {
        "Person": "Ben (ben)",
        "Way of alarm": "SMS",
        "Name": "Phone",
        "Address": "+49151234567",
        "Active": "yes",
    }
    assert lines(desk, brigade, of="device") == [
        ("Ben (ben)", "API", "Removed", {label: (value, "") for label, value in described.items()}),
        ("Ben (ben)", "API", "Added", {label: ("", value) for label, value in described.items()}),
    ]


def test_of_devices_that_an_import_of_hundreds_changed(brigade: Organization, desk: Client, tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    for address in ("+4915111{:06}", "+4915122{:06}"):
        people = (f"p{number},P,{number},,en,,,,,{address.format(number)}," for number in range(60))
        file.write_text(HEADER + "\n".join(people))
        call_command("import_members", str(brigade.pk), file)
    first = Device.objects.get(address="+4915111000007")
    assert last(desk, first) == (
        getpass.getuser(),
        "Command import_members",
        "Changed",
        {"Active": ("yes", "no")},
    )
    answer = desk.get(history_url(brigade), {"of": "device", "page": "4"})
    assert (answer.context["page"].paginator.count, len(answer.context["rows"])) == (180, 30)


def test_of_what_an_import_in_the_admin_changed(brigade: Organization, desk: Client) -> None:
    ben = member(brigade, login="ben", first_name="Ben", last_name="")
    device: Device = DeviceFactory(user=ben, way="pager", name="Pager", address="4711")
    file = SimpleUploadedFile("members.csv", f"{HEADER}ben,Ben,,,en,admin,,,,,\n".encode())
    upload = reverse("admin:organizations_membership_import")
    preview = desk.post(upload, {"organization": brigade.pk, "file": file}, follow=True)
    agreed = preview.context["changes"].digest
    ok(desk.post(preview.redirect_chain[-1][0], {"import": "1", "agreed": agreed}))
    how = "Admin, import of members"
    assert last(desk, device) == (ANNA, how, "Changed", {"Active": ("yes", "no")})
    assert last(desk, Membership.objects.get(user=ben)) == (ANNA, how, "Changed", {"Role": ("Member", "Admin")})


# Tokens


@pytest.mark.parametrize("model", [ApiToken, PersonalAccessToken], ids=["API", "personal"])
def test_of_tokens_changed_in_the_admin(brigade: Organization, chief: User, desk: Client, model: Any) -> None:
    owner = {"organization": brigade.pk} if model is ApiToken else {"user": chief.pk}
    add = reverse(f"admin:organizations_{model._meta.model_name}_add")
    ok(desk.post(add, {**owner, "name": "radio", "lifetime": "never"}))
    token = model.objects.get()
    ok(desk.post(change_url(token), {"name": "desk", "expires_at_0": "2999-01-01", "expires_at_1": "00:00"}))
    ok(desk.post(history_url(token).replace("history", "revoke")))
    revoked, edited, issued = lines(desk, token)
    assert [line[:3] for line in (revoked, edited, issued)] == [
        (ANNA, "Admin", "Changed"),
        (ANNA, "Admin", "Changed"),
        (ANNA, "Admin", "Added"),
    ]
    assert list(revoked[3]) == ["Revoked"]
    assert revoked[3]["Revoked"][0] == "never"
    assert edited[3] == {"Name": ("radio", "desk"), "Ends": ("never", "1 Jan 2999, 00:00")}
    assert issued[3]["Beginning"] == ("", token.prefix)


@pytest.mark.parametrize("model", [ApiToken, PersonalAccessToken], ids=["API", "personal"])
def test_of_tokens_changed_by_commands(brigade: Organization, chief: User, desk: Client, model: Any) -> None:
    kind, owner = ("api_token", brigade.name) if model is ApiToken else ("personal_access_token", "anna")
    call_command(f"issue_{kind}", owner, "--name", "radio")
    token = model.objects.get()
    call_command("rotate_token", token.prefix)
    call_command("revoke_token", token.prefix)
    who = getpass.getuser()
    assert [line[:3] for line in lines(desk, token)] == [
        (who, "Command revoke_token", "Changed"),
        (who, "Command rotate_token", "Changed"),
        (who, f"Command issue_{kind}", "Added"),
    ]
    token.refresh_from_db()
    page = desk.get(history_url(token)).content.decode()
    assert token.digest not in page
    assert last(desk, model.objects.get(replaces=token))[:3] == (who, "Command rotate_token", "Added")
