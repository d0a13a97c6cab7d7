"""The home of the admin: whose alarms it shows, how it keeps itself up to date, and at what price."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alarms.models import AlarmMessage, OrganizationGateway
from organizations.models import User
from tests.alarms.desk_home import ago, client_of, mine, recipients, run, section, things_of, words
from tests.factories import AlarmFactory, DeviceMessageFactory, OrganizationFactory, UserFactory, admin
from tests.processes import until

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", ["admin:index", "home-fragment"])
def test_an_admin_sees_their_own_organizations_alarms_and_messages_only(page: str) -> None:
    ours, theirs = OrganizationFactory(name="Ours"), OrganizationFactory(name="Theirs")
    things_of(ours, "our")
    things_of(theirs, "foreign")
    things_of(theirs, "foreign")
    text = words(client_of(admin(ours)), reverse(page))
    for shown in ("our event", "our text", "our person", "our reason", "our device", "our coming"):
        assert shown in text
    assert "foreign" not in text
    assert "Theirs" not in text
    assert "1 alarm is open." in text
    assert section(text, "Messages a minute in the last hour").strip().startswith("1 sent 1 failed")
    assert "1 failed" in section(text, "Failed messages of the last 24 hours")


def test_an_admin_of_two_organizations_sees_which_is_whose() -> None:
    one, two = OrganizationFactory(name="Brigade One"), OrganizationFactory(name="Brigade Two")
    user = admin(one)
    two.memberships.create(user=user, role="admin")
    things_of(one, "one")
    things_of(two, "two")
    text = mine(client_of(user), "Open alarms")
    for shown in ("one event", "Brigade One", "two event", "Brigade Two"):
        assert shown in text


def no_organization() -> User:
    return UserFactory()


def member_only() -> User:
    user: User = admin(OrganizationFactory())
    user.memberships.update(role="member")
    return user


def of_inactive_organization() -> User:
    return admin(OrganizationFactory(is_active=False))


@pytest.mark.parametrize("make", [no_organization, member_only, of_inactive_organization])
@pytest.mark.parametrize("page", ["admin:index", "home-fragment"])
def test_staff_without_an_organization_are_told_kindly_and_see_nothing(make: Any, page: str) -> None:
    user = make()
    things_of(user.managing_organization or OrganizationFactory(), "hidden")
    text = words(client_of(user), reverse(page))
    assert "you are not an admin of any active organization" in text
    for hidden in ("hidden", "Raise an alarm", "Worker"):
        assert hidden not in text


@pytest.mark.parametrize("page", ["admin:index", "home-fragment"])
def test_nobody_else_gets_in(client: Client, page: str) -> None:
    member = admin(OrganizationFactory())
    for user in (None, member):
        if user:
            client.force_login(user)
        answer = client.get(reverse(page))
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(reverse("admin:login"))


def test_there_is_a_button_to_raise_an_alarm(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:index")).content.decode()
    assert re.search(rf'<a class="desk-button[^"]*" href="{reverse("admin:alarms_alarm_add")}">', page)
    assert "Raise an alarm" in words(admin_client)


# What moves by itself


def test_the_part_that_moves_is_the_same_as_on_the_page(admin_client: Client) -> None:
    recipients(AlarmFactory(), positive=1, waiting=2)
    page = admin_client.get(reverse("admin:index")).content.decode()
    part = admin_client.get(reverse("home-fragment")).content.decode()
    assert part.strip() in page
    assert f'data-poll="{reverse("home-fragment")}"' in page


def test_an_unchanged_home_is_not_sent_again(admin_client: Client) -> None:
    run()
    recipients(AlarmFactory(), waiting=1)

    def ask_twice() -> tuple[dict[str, str], int]:
        first = admin_client.get(reverse("home-fragment"))
        assert "no-cache" in first.headers["Cache-Control"]
        seen = {"If-None-Match": first.headers["ETag"]}
        return seen, admin_client.get(reverse("home-fragment"), headers=seen).status_code

    # Where a minute has ended in between, the chart has moved on.
    seen, _status = until(lambda: asked if (asked := ask_twice())[1] == 304 else None)
    AlarmMessage.objects.update(response=True)
    answer = admin_client.get(reverse("home-fragment"), headers=seen)
    assert answer.status_code == 200
    assert "1 positive" in answer.content.decode()


def test_only_reading_is_answered(admin_client: Client) -> None:
    assert admin_client.post(reverse("home-fragment")).status_code == 405


# Its price


def queries(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(reverse(page)).status_code == 200
    return len(captured)


@pytest.mark.parametrize("page", ["admin:index", "home-fragment"])
def test_the_home_takes_as_many_queries_for_many_rows_as_for_one(page: str) -> None:
    organization = OrganizationFactory()
    client = client_of(admin(organization))
    things_of(organization, "first")
    queries(client, page)  # what is cached for good is cached now
    with_one = queries(client, page)
    for number in range(25):
        things_of(organization, f"number {number}")
    OrganizationGateway.objects.create(organization=organization, way="call", urls="broken", summary="broken")
    DeviceMessageFactory(way="sms", due_at=ago(seconds=11))
    # session, user, organization that manages them, organizations that they administer; open alarms, scheduled ones,
    # what was sent and what failed by minute, the newest that failed; processes, what is waiting, own gateways,
    # gateways that rest
    assert queries(client, page) == with_one == 12
