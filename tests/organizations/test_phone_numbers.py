"""Phone numbers are kept in E.164, however they are written, by the same rule for API, import and admin."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from organizations.checks import check_phone_region
from organizations.importing import import_members
from organizations.models import Device, User
from organizations.phone import e164
from tests.dialect import refused
from tests.factories import DeviceFactory, OrganizationFactory, UserFactory, member
from tests.organizations.test_admin import management, url, user_page

AsUser = Callable[[User], APIClient]

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"
BERLIN = "+493023125009"
MOBILE = "+4915112345678"


def row(sms: str, call: str = "") -> bytes:
    return f"{HEADER}\nanna,,,,,,,,,{sms},{call}\n".encode()


@pytest.mark.parametrize("region", [None, "DE", "US"])
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (BERLIN, BERLIN),
        ("+49 30 23 12 50 09", BERLIN),
        ("+49 (0)30 23125009", BERLIN),
        ("(+49) 30/2312-5009", BERLIN),
        ("+49.30.23125009", BERLIN),
        ("+49\u00a030\u00a023125009", BERLIN),
        ("\u202a+49 30 23125009\u202c", BERLIN),
        ("+49\u201130\u201323125009", BERLIN),
        ("+1 (500) 555-0006", "+15005550006"),
        ("+39 06 12345678", "+390612345678"),
    ],
)
def test_a_number_with_its_country_is_the_same_everywhere(
    settings: Any, region: str | None, written: str, kept: str
) -> None:
    settings.PHONE_REGION = region
    assert e164(written) == kept


@pytest.mark.parametrize(
    ("region", "written", "kept"),
    [
        ("DE", "030 23125009", BERLIN),
        ("DE", "(030) 2312-5009", BERLIN),
        ("DE", "0049 30 23125009", BERLIN),
        ("de", "0151 12345678", MOBILE),
        ("AT", "0049 151 12345678", MOBILE),
        ("US", "(500) 555-0006", "+15005550006"),
        ("US", "1 500 555 0006", "+15005550006"),
        ("IT", "06 12345678", "+390612345678"),
    ],
)
def test_a_number_without_its_country_is_one_of_the_region(settings: Any, region: str, written: str, kept: str) -> None:
    settings.PHONE_REGION = region
    assert e164(written) == kept


@pytest.mark.parametrize(
    ("region", "written", "reason"),
    [
        (None, "030 23125009", "country is not given"),
        (None, "0049 30 23125009", "country is not given"),
        (None, "4711", "country is not given"),
        ("DE", "4711", "with its area code"),
        ("DE", "23125009", "with its area code"),
        ("DE", "4930 23125009", "with its area code"),
        ("DE", "110", "Too short"),
        ("DE", "112", "Too short"),
        ("US", "911", "Too short"),
        ("DE", "+49110", "Too short"),
        ("DE", "+1 911", "Too short"),
        ("DE", "+999 123456", "no country"),
        ("DE", "00999 123456", "no country"),
        ("DE", "+1 500 555 00066", "length"),
        *(
            ("DE", written, "Not a phone number")
            for written in (
                *("", " ", "+", "+49", "0", "anna", "1-800-FLOWERS", "030 23125009 ext. 5", "030 23125009x5"),
                *("030 23125009;5", "030 23125009, 5", "call 030 23125009", "anna@example.org", "9" * 255),
                *("030 23125009 + 4", "+49 30 23125009 / 030 23125008", "030\x0023125009", "\u0660\u0661\u0662"),
            )
        ),
    ],
)
def test_what_is_no_number_or_may_be_another_is_refused_with_the_reason(
    settings: Any, region: str | None, written: str, reason: str
) -> None:
    settings.PHONE_REGION = region
    with pytest.raises(ValidationError, match=reason):
        e164(written)


@pytest.mark.parametrize("region", [None, "DE", "us"])
def test_the_region_is_a_country_or_none(settings: Any, region: str | None) -> None:
    settings.PHONE_REGION = region
    check_phone_region()


@pytest.mark.parametrize("region", ["Germany", "+49", "XX", "49"])
def test_a_region_that_is_none_is_said_at_the_start(settings: Any, region: str) -> None:
    settings.PHONE_REGION = region
    with pytest.raises(ImproperlyConfigured, match="PHONE_REGION"):
        check_phone_region()


@pytest.mark.django_db
def test_api_import_and_admin_keep_a_number_in_the_same_way(
    settings: Any, as_user: AsUser, admin_client: Client
) -> None:
    settings.PHONE_REGION = "DE"
    written, organization = "030/2312-5009", OrganizationFactory()
    by_api, by_hand, on_the_page = (member(organization) for _ in range(3))
    body = {"way": "call", "name": "Desk", "address": written}
    answer = as_user(by_api).post("/api/v1/device", body, format="json")
    assert (answer.status_code, answer.json()["address"]) == (201, BERLIN)
    (imported,) = import_members(organization=organization, data=row("", written))
    fields = {"user": by_hand.pk, **body, "is_active": "on"}
    assert admin_client.post(url(Device, "add"), fields).status_code == 302
    inline = {f"devices-0-{name}": value for name, value in {**body, "is_active": "on"}.items()}
    page = {**user_page(on_the_page), **management("devices", total=1), **inline}
    assert admin_client.post(url(User, "change", on_the_page.pk), page).status_code == 302
    kept = Device.objects.filter(way="call", address=BERLIN, is_active=True)
    assert set(kept.values_list("user", flat=True)) == {by_api.pk, imported.pk, by_hand.pk, on_the_page.pk}
    assert Device.objects.count() == 4


@pytest.mark.django_db
def test_an_imported_number_in_two_spellings_is_one_device_and_a_second_import_changes_nothing(settings: Any) -> None:
    settings.PHONE_REGION = "DE"
    organization = OrganizationFactory()
    import_members(organization=organization, data=row(f"0151 12345678; {MOBILE} ;0151/1234-5678", "0151-12345678"))
    first = list(Device.objects.order_by("pk").values())
    assert [(device["way"], device["address"]) for device in first] == [("sms", MOBILE), ("call", MOBILE)]
    for spelling in ("0151 12345678", MOBILE, "+49 (0)151/12345678"):
        import_members(organization=organization, data=row(f"{spelling};{spelling}", spelling))
        assert list(Device.objects.order_by("pk").values()) == first


@pytest.mark.django_db
def test_two_spellings_of_a_number_on_a_page_of_the_admin_are_refused(settings: Any, admin_client: Client) -> None:
    settings.PHONE_REGION = "DE"
    user = UserFactory()
    DeviceFactory(user=user, way="sms", address=MOBILE)
    page = {**user_page(user), **management("devices", total=2)}
    for place, spelling in enumerate((BERLIN, "030 23125009")):
        page |= {f"devices-{place}-{name}": "sms" for name in ("way", "name")} | {f"devices-{place}-address": spelling}
    shown = admin_client.post(url(User, "change", user.pk), page).content.decode()
    assert "Please correct the duplicate data for way and address" in shown
    fields = {"user": user.pk, "way": "sms", "name": "Mobile", "address": "0151 12345678"}
    shown = admin_client.post(url(Device, "add"), fields).content.decode()
    assert "already exists" in shown
    assert list(user.devices.values_list("address", flat=True)) == [MOBILE]


@pytest.mark.django_db
def test_a_number_of_another_time_does_not_hinder_who_changes_something_else(
    admin_client: Client, as_user: AsUser
) -> None:
    device = DeviceFactory(way="call", address="4711", name="Gate")
    fields = {"user": device.user_id, "way": "call", "name": "Main gate", "address": "4711", "is_active": "on"}
    assert admin_client.post(url(Device, "change", device.pk), fields).status_code == 302
    client = as_user(device.user)
    answer = client.patch(f"/api/v1/device/{device.pk}", {"active": False}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["address"], answer.json()["active"]) == ("Main gate", "4711", False)
    assert refused(client.patch(f"/api/v1/device/{device.pk}", {"address": "4712"}, format="json"), 400, "address")
    assert (
        "country" in admin_client.post(url(Device, "change", device.pk), fields | {"address": "4712"}).content.decode()
    )
    device.refresh_from_db()
    assert device.address == "4711"


@pytest.mark.django_db
@pytest.mark.parametrize("region", ["DE", None])
def test_stored_numbers_are_rewritten_where_they_can_be_and_collide_with_nothing(
    settings: Any, region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PHONE_REGION = region
    migration = import_module("organizations.migrations.0005_phone_numbers_as_e164")
    # More than one batch.
    monkeypatch.setattr(migration, "BATCH", 2)
    user = UserFactory()
    # What is stored, and what that becomes where a number may lack its country, and where not.
    stored = {
        ("sms", "+49 (0)151 12345678"): (MOBILE, MOBILE),
        ("call", "0151 12345678"): (MOBILE, "0151 12345678"),
        ("call", BERLIN): (BERLIN, BERLIN),
        ("call", "030/23125009"): ("030/23125009", "030/23125009"),  # there already
        ("sms", "+49 171 1234567"): ("+491711234567", "+491711234567"),
        ("sms", "+49-171-1234567"): ("+49-171-1234567", "+49-171-1234567"),  # the one before it is there
        ("call", "4711"): ("4711", "4711"),
        ("app", "0151 12345678"): ("0151 12345678", "0151 12345678"),  # no phone number
        ("pager", "+49 171"): ("+49 171", "+49 171"),
    }
    devices = [DeviceFactory(user=user, way=way, address=address) for way, address in stored]
    of_another = DeviceFactory(way="sms", address="+49 (0)151 12345678")
    migration.rewrite(apps, SimpleNamespace(connection=connection))
    kept = dict(Device.objects.values_list("pk", "address"))
    expected = [with_region if region else without for with_region, without in stored.values()]
    assert [kept[device.pk] for device in devices] == expected
    assert kept[of_another.pk] == MOBILE
