"""`GET`, `POST /device` and `PATCH`, `DELETE /device/{id}`: users manage their own devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.models import Device, Organization, User
from tests.alarms.test_races import while_waiting
from tests.dialect import refused
from tests.factories import AlarmMessageFactory, DeviceFactory, DeviceMessageFactory, OrganizationFactory, member

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]

PATH = "/api/v1/device"
PHONE = {"way": "sms", "name": "Work phone", "address": "+493023125009"}


def add(client: APIClient, body: object, path: str = PATH) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def change(client: APIClient, device: Device, body: object) -> Any:
    return client.patch(f"{PATH}/{device.pk}", json.dumps(body), content_type="application/json")


def rows() -> list[dict[str, Any]]:
    return list(Device.objects.order_by("pk").values())


@pytest.fixture
def user() -> User:
    return member(OrganizationFactory())


@pytest.fixture
def own(as_user: AsUser, user: User) -> APIClient:
    return as_user(user)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_a_device_that_is_added_is_answered_and_listed(own: APIClient, user: User, path: str) -> None:
    answer = add(own, PHONE, path)
    device = Device.objects.get()
    expected = {"id": device.pk, "userID": user.pk, **PHONE, "active": True}
    assert (answer.status_code, answer.json()) == (201, expected)
    assert own.get(path).json() == [expected]
    assert (device.user, device.is_active, device.tested_at) == (user, True, None)


def test_the_list_holds_the_callers_devices_in_the_order_of_their_ids(own: APIClient, user: User) -> None:
    devices = [DeviceFactory(user=user, way=way, is_active=way != "app") for way in ("call", "app", "email", "sms")]
    DeviceFactory()
    assert own.get(PATH).json() == [
        {
            "id": device.pk,
            "userID": user.pk,
            "way": device.way,
            "name": device.name,
            "address": device.address,
            "active": device.way != "app",
        }
        for device in devices
    ]


def test_who_has_no_device_has_an_empty_list(own: APIClient) -> None:
    assert own.get(PATH).json() == []


@pytest.mark.parametrize(
    ("way", "address", "kept"),
    [
        ("sms", " +49 (0)30 2312-5009 ", "+493023125009"),
        ("call", "+1 500 555 0006", "+15005550006"),
        ("email", "anna@example.org", "anna@example.org"),
        ("email", " anna@example.org ", "anna@example.org"),
        ("app", "a", "a"),
        ("app", " Geräte-Token \U0001f692/1? ", "Geräte-Token \U0001f692/1?"),
        ("app", "x" * 255, "x" * 255),
        ("pager", "1204711", "1204711"),
    ],
)
def test_an_address_is_kept_by_the_rule_of_its_way(own: APIClient, way: str, address: str, kept: str) -> None:
    answer = add(own, {"way": way, "name": " My device ", "address": address, "active": False})
    assert answer.status_code == 201, answer.content
    assert (answer.json()["address"], answer.json()["name"], answer.json()["active"]) == (kept, "My device", False)
    assert Device.objects.get().address == kept


BAD_TEXTS: tuple[Any, ...] = ("", " ", "\t", "a\nb", "\x00", "a\x7fb", "\ud800", None, 5, True, [], {}, ["a"])
REFUSED = [({"way": value}, "way") for value in ("fax", "SMS", "", " sms", None, 5, True, [], {}, "s" * 10_000)] + [
    *(({field: value}, field) for field in ("name", "address") for value in BAD_TEXTS),
    ({"name": "x" * 101}, "name"),
    ({"way": "app", "address": "x" * 256}, "address"),
    *(({"way": "pager", "address": value}, "address") for value in BAD_TEXTS),
    *(({"way": "email", "address": value}, "address") for value in ("anna", "anna@", "a@b", "a@b.org c", "+4930")),
    *(({"way": "call", "address": value}, "address") for value in ("anna", "030 23125009", "4711", "+49110")),
    *(({"active": value}, "active") for value in (None, 1, "true", "", [])),
    *(({"userID": value}, "userID") for value in ("1", -1, 1.0, True, None, 2**63)),
    *(({"organizationID": value}, "organizationID") for value in ("1", -1, 1.0, True, None, 2**63)),
]


def readable(value: object) -> str:
    return ascii(value)[:60]


@pytest.mark.parametrize(("fields", "named"), REFUSED, ids=readable)
def test_what_is_wrong_is_refused_naming_the_field_and_adds_nothing(
    own: APIClient, fields: dict[str, Any], named: str
) -> None:
    assert refused(add(own, PHONE | fields), 400, f"{named}: ")
    assert rows() == []


@pytest.mark.parametrize("missing", ["way", "name", "address"])
def test_what_is_missing_is_named(own: APIClient, missing: str) -> None:
    body = {name: value for name, value in PHONE.items() if name != missing}
    assert refused(add(own, body), 400, f"{missing}: ")


def test_a_refusal_does_not_repeat_the_address(own: APIClient) -> None:
    for way, address in (("sms", "0190 666 666"), ("email", "anna.secret@")):
        assert address not in add(own, PHONE | {"way": way, "address": address}).content.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Private"},
        {"active": False},
        {"address": "+49 30 23125-010"},
        {"name": "Private", "active": False, "address": "+493023125010"},
    ],
)
def test_what_is_given_is_changed_and_the_rest_stays(own: APIClient, user: User, body: dict[str, Any]) -> None:
    device, other = DeviceFactory(user=user, **PHONE), DeviceFactory(user=user)
    before = rows()
    answer = change(own, device, body)
    expected = {"id": device.pk, "userID": user.pk, **PHONE, "active": True} | body
    if "address" in body:
        expected["address"] = "+493023125010"
    assert (answer.status_code, answer.json()) == (200, expected)
    assert own.get(PATH).json()[0] == expected
    stored = {name: expected[name] for name in ("name", "address")} | {"is_active": expected["active"]}
    assert rows() == [before[0] | stored, before[1]]
    assert other.pk == before[1]["id"]


def test_way_owner_and_id_stay_whatever_a_change_says(own: APIClient, user: User) -> None:
    device = DeviceFactory(user=user, **PHONE)
    before = rows()
    forged = {"way": "call", "userID": member(OrganizationFactory()).pk, "id": 1, "tested_at": "2000-01-01T00:00:00Z"}
    assert change(own, device, forged).status_code == 200
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *(({field: value}, field) for field in ("name", "address") for value in BAD_TEXTS),
        ({"address": "030 23125009"}, "address"),
        ({"active": "no"}, "active"),
        ({"active": False, "name": "x" * 101}, "name"),
    ],
    ids=readable,
)
def test_a_change_that_is_wrong_changes_nothing(own: APIClient, user: User, body: object, named: str) -> None:
    device = DeviceFactory(user=user, **PHONE)
    before = rows()
    assert refused(change(own, device, body), 400, f"{named}: ")
    assert rows() == before


def test_the_same_way_and_address_twice_is_409_in_any_spelling(own: APIClient, user: User, as_user: AsUser) -> None:
    DeviceFactory(user=user, **PHONE)
    other = DeviceFactory(user=user, way="sms")
    before = rows()
    spelling = {"address": "+49 (0)30/23125009"}
    assert refused(add(own, PHONE | spelling), 409, "address: ")
    assert refused(change(own, other, spelling), 409, "address: ")
    assert rows() == before
    # The same number for calls, or somebody else's, is another device.
    assert add(own, PHONE | spelling | {"way": "call"}).status_code == 201
    assert add(as_user(member(OrganizationFactory())), PHONE).status_code == 201


def test_a_device_may_be_changed_to_what_it_is(own: APIClient, user: User) -> None:
    device = DeviceFactory(user=user, **PHONE)
    assert change(own, device, PHONE).status_code == 200


def test_no_user_has_more_than_20_devices(own: APIClient, user: User) -> None:
    devices = [DeviceFactory(user=user, is_active=number % 2 == 0) for number in range(19)]
    assert add(own, PHONE).status_code == 201
    assert refused(add(own, PHONE | {"address": "+493023125010"}), 409, "20")
    assert user.devices.count() == 20
    assert own.delete(f"{PATH}/{devices[0].pk}").status_code == 204
    assert add(own, PHONE | {"address": "+493023125010"}).status_code == 201


def test_a_device_that_is_removed_is_gone_and_the_alarms_that_knew_it_stay(own: APIClient, user: User) -> None:
    device, other = DeviceFactory(user=user), DeviceFactory(user=user)
    message = DeviceMessageFactory(alarm_message=AlarmMessageFactory(user=user), device=device)
    answer = own.delete(f"{PATH}/{device.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [listed["id"] for listed in own.get(PATH).json()] == [other.pk]
    assert refused(own.delete(f"{PATH}/{device.pk}"), 404, "id: ")
    assert refused(change(own, device, {"active": False}), 404, "id: ")
    message.refresh_from_db()
    assert message.device_name == device.name


@pytest.mark.parametrize("text", ["abc", "-1", "1.0", "true", "²", "%00", str(2**63)])
def test_a_malformed_id_is_400(own: APIClient, text: str) -> None:
    assert refused(own.patch(f"{PATH}/{text}", {}, format="json"), 400, "id: ")
    assert refused(own.delete(f"{PATH}/{text}"), 400, "id: ")
    assert refused(own.get(f"{PATH}?user_id={text}"), 400, "user_id: ")
    assert refused(own.get(f"{PATH}?organization_id={text}"), 400, "organization_id: ")


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1])
def test_an_id_that_is_no_devices_is_404(own: APIClient, number: int) -> None:
    assert refused(own.patch(f"{PATH}/{number}", {}, format="json"), 404, "id: ")
    assert refused(own.delete(f"{PATH}/{number}"), 404, "id: ")


def test_the_list_takes_as_many_queries_for_50_devices_as_for_one(own: APIClient, user: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert own.get(PATH).status_code == 200
        return len(captured)

    DeviceFactory(user=user)
    # The token, the devices.
    assert queries() == 2
    for _ in range(49):
        DeviceFactory(user=user)
    assert queries() == 2


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_do_not_exceed_the_limit(as_user: AsUser) -> None:
    user = member(OrganizationFactory())
    for _ in range(19):
        DeviceFactory(user=user)
    statuses: list[int] = []
    client = as_user(user)

    def adding(address: str) -> None:
        statuses.append(add(client, PHONE | {"address": address}).status_code)

    while_waiting(partial(adding, "+493023125010"), [partial(adding, "+493023125011")])
    assert sorted(statuses) == [201, 409]
    assert user.devices.count() == 20
