"""Devices and absences in the admin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organizations.models import Absence, Device, Organization, User
from tests.factories import DeviceFactory, MembershipFactory, OrganizationFactory, member

pytestmark = pytest.mark.django_db


class Gateway(BaseHTTPRequestHandler):
    status = 200
    asked: list[bytes] = []

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def gateway(settings: Any) -> Iterator[type[Gateway]]:
    handler = type("Handler", (Gateway,), {"asked": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.GATEWAYS = settings.GATEWAYS | {"sms": [f"http://127.0.0.1:{server.server_port}/"]}
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def organization() -> Organization:
    created: Organization = OrganizationFactory(time_zone="Europe/Berlin")
    return created


@pytest.fixture
def boss(client: Client, organization: Organization) -> User:
    user = member(organization, role="admin", is_staff=True, login="boss")
    client.force_login(user)
    return user


def page(device: Device) -> str:
    return reverse("admin:organizations_device_change", args=(device.pk,))


def button(device: Device) -> str:
    return reverse("device-test-admin", args=(device.pk,))


def test_the_button_sends_a_test_message_and_says_what_became_of_it(
    client: Client, boss: User, organization: Organization, gateway: type[Gateway]
) -> None:
    device = DeviceFactory(user=member(organization), way="sms")
    html = client.get(page(device)).content.decode()
    assert f'<form method="post" action="{button(device)}">' in html
    assert "It was never tested." in html
    told = client.post(button(device), follow=True).content.decode()
    assert "127.0.0.1 took the test message." in told
    assert "Last tested on" in told
    (asked,) = gateway.asked
    assert device.address.encode() in asked
    again = client.post(button(device), follow=True).content.decode()
    assert "a device is tested once a minute" in again
    assert len(gateway.asked) == 1


def test_a_test_that_fails_says_why(
    client: Client, boss: User, organization: Organization, gateway: type[Gateway], settings: Any
) -> None:
    gateway.status = 404
    device = DeviceFactory(user=member(organization), way="sms")
    told = client.post(button(device), follow=True).content.decode()
    assert "No gateway took the test message. 127.0.0.1: HTTP 404" in told
    settings.GATEWAYS = settings.GATEWAYS | {"sms": []}
    Device.objects.update(tested_at=None)
    told = client.post(button(device), follow=True).content.decode()
    assert "there is no gateway for this way of alarm" in told


def test_nothing_is_sent_by_looking(
    client: Client, boss: User, organization: Organization, gateway: type[Gateway]
) -> None:
    device = DeviceFactory(user=member(organization), way="sms")
    assert client.get(button(device)).headers["Location"] == page(device)
    assert gateway.asked == []


def test_nobody_tests_the_devices_of_people_whom_others_manage(
    client: Client, boss: User, organization: Organization, gateway: type[Gateway]
) -> None:
    guest = member(OrganizationFactory(), ways=("sms",))
    device = guest.devices.get()
    told = client.post(button(device), follow=True).content.decode()
    assert "There is no such device." in told
    MembershipFactory(organization=organization, user=guest)
    assert button(device) not in client.get(page(device)).content.decode()
    assert client.post(button(device)).status_code == 403
    assert gateway.asked == []


def test_a_device_stays_with_its_user_and_its_address_is_kept_in_one_spelling(
    client: Client, boss: User, organization: Organization
) -> None:
    anna, berta = member(organization), member(organization)
    device = DeviceFactory(user=anna, way="sms", address="+491511234567")
    sent = {"user": berta.pk, "way": "sms", "name": "Phone", "address": "+49 (0)151 1234568", "is_active": "on"}
    assert client.post(page(device), sent).status_code == 302
    device.refresh_from_db()
    assert (device.user, device.address) == (anna, "+491511234568")
    answer = client.post(page(device), sent | {"address": "0151"})
    assert set(answer.context["adminform"].form.errors) == {"address"}


def absence(user: User, starts: datetime, hours: int, **fields: Any) -> Absence:
    return Absence.objects.create(user=user, starts_at=starts, ends_at=starts + timedelta(hours=hours), **fields)


def test_an_absence_is_typed_and_told_by_the_clocks_of_its_organization(
    client: Client, boss: User, organization: Organization
) -> None:
    user = member(organization)
    sent = {
        "user": user.pk,
        "organization": organization.pk,
        "starts_at_0": "2030-07-05",
        "starts_at_1": "18:00",
        "ends_at_0": "2030-07-07",
        "ends_at_1": "06:00",
        "weekly": "on",
    }
    assert client.post(reverse("admin:organizations_absence_add"), sent).status_code == 302
    stored = Absence.objects.get()
    assert stored.starts_at == datetime(2030, 7, 5, 18, tzinfo=ZoneInfo("Europe/Berlin"))
    shown = client.get(reverse("admin:organizations_absence_changelist")).content.decode()
    assert "every week from Friday 18:00 until Sunday 06:00" in shown
    change = reverse("admin:organizations_absence_change", args=(stored.pk,))
    form = client.get(change).context["adminform"].form
    assert form["starts_at"].value() == datetime(2030, 7, 5, 18)  # noqa: DTZ001 - as it is shown
    assert client.post(change, {key: value for key, value in sent.items() if key != "user"}).status_code == 302
    assert Absence.objects.get().starts_at == stored.starts_at
    assert (
        "every week from Friday 18:00"
        in client.get(reverse("admin:organizations_user_change", args=(user.pk,))).content.decode()
    )


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"ends_at_0": "2030-07-01"}, "ends_at"),
        ({"starts_at_0": "2001-01-01", "ends_at_0": "2001-01-02"}, "ends_at"),
        ({"starts_at_1": "noon"}, "starts_at"),
        ({"organization": ""}, "organization"),
    ],
)
def test_a_bad_absence_is_an_error_of_its_field(
    client: Client, boss: User, organization: Organization, changed: dict[str, str], field: str
) -> None:
    guest = member(OrganizationFactory())
    MembershipFactory(organization=organization, user=guest)
    sent = {
        "user": guest.pk,
        "organization": organization.pk,
        "starts_at_0": "2030-07-05",
        "starts_at_1": "18:00",
        "ends_at_0": "2030-07-07",
        "ends_at_1": "06:00",
    }
    answer = client.post(reverse("admin:organizations_absence_add"), sent | changed)
    assert set(answer.context["adminform"].form.errors) == {field}
    assert not Absence.objects.exists()


def test_the_filters_know_who_is_absent_now(client: Client, boss: User, organization: Organization) -> None:
    now = timezone.now()
    hour, week = timedelta(hours=1), timedelta(days=7)
    away, weekly, there, elsewhere = (member(organization) for _ in range(4))
    other = OrganizationFactory()
    MembershipFactory(organization=other, user=elsewhere)
    current = absence(away, now - hour, 3)
    returning = absence(weekly, now - hour - 3 * week, 3, weekly=True, organization=organization)
    over = absence(there, now - 2 * week, 3)
    not_now = absence(there, now - week + 12 * hour, 3, weekly=True)
    absence(elsewhere, now - hour, 3, organization=other)

    def members(absent: str) -> set[User]:
        address = reverse("admin:organizations_membership_changelist")
        return {row.user for row in client.get(address, {"absent": absent}).context["cl"].result_list}

    def absences(time: str) -> set[Absence]:
        address = reverse("admin:organizations_absence_changelist")
        return set(client.get(address, {"time": time}).context["cl"].result_list)

    assert members("1") == {away, weekly}
    assert members("0") == {boss, there, elsewhere}
    assert absences("now") == {current, returning}
    assert absences("over") == {over}
    assert absences("later") == {not_now}


def test_a_device_that_is_there_cannot_become_another_that_is_there(admin_client: Client) -> None:
    device = DeviceFactory(way="app", address="phone-1")
    other = DeviceFactory(user=device.user, way="app", address="phone-2")
    address = reverse("admin:organizations_device_change", args=[other.pk])
    answer = admin_client.post(address, {"way": "app", "name": "Phone", "address": "phone-1", "is_active": "on"})
    assert answer.status_code == 200
    assert "already exists" in answer.content.decode()
    other.refresh_from_db()
    assert other.address == "phone-2"
