"""The home of the admin: whether the service does its work, and who is told what of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from alarms.models import OrganizationGateway, Sender
from tests.alarms.desk_home import ago, ahead, client_of, mine, run, section, words
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, OrganizationFactory, admin

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> None:
    """A worker and a sender are running."""
    run()


TROUBLE = "Alarms do not go out as they should"


def test_a_service_that_works_has_no_banner(admin_client: Client, service: None) -> None:
    text = words(admin_client)
    assert TROUBLE not in text
    health = section(text, "Health of the service")
    assert re.match(r" Worker running .* Sender running .* Queue nothing due is waiting", health)
    assert "No gateway rests." in health


def late_message() -> None:
    DeviceMessageFactory(way="sms", due_at=ago(seconds=11))


def late_start() -> None:
    AlarmFactory(starts_at=ago(seconds=11), pending_resources={"allUsers": True})


def late_plan() -> None:
    AlarmMessageFactory(alarm__starts_at=ago(seconds=11), planned_at=None)


def late_upkeep() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, args) VALUES ('alarms.sweep', 'upkeep', '{}')"
        )
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '11 seconds'")


def no_sender() -> None:
    Sender.objects.update(heartbeat_at=ago(seconds=16))


def no_worker() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '16 seconds'")


@pytest.mark.parametrize(
    ("happen", "said"),
    [
        (no_worker, "No worker is running."),
        (no_sender, "No sender is running."),
        (late_message, "Messages that are due do not leave (SMS)."),
        (late_start, "Scheduled alarms are late."),
        (late_plan, "Planning is behind."),
        (late_upkeep, "Upkeep is behind."),
    ],
)
def test_what_keeps_alarms_from_going_out_stands_in_a_banner_for_everybody(
    admin_client: Client, service: None, happen: Any, said: str
) -> None:
    happen()
    for client in (admin_client, client_of(admin(OrganizationFactory()))):
        text = words(client)
        assert TROUBLE in text
        assert text.index(said) < text.index("Open alarms")


def test_a_missing_worker_and_sender_are_also_marked_as_not_running(admin_client: Client) -> None:
    health = mine(admin_client, "Health of the service")
    assert health.count("not running") == 2
    assert "nothing due is waiting" in health


def test_how_much_waits_is_told_to_superusers_only(admin_client: Client, service: None) -> None:
    late_message()
    late_message()
    assert "2 are waiting." in words(admin_client)
    assert "waiting." not in words(client_of(admin(OrganizationFactory())))


def rest(organization: int, gateway: str, **entry: Any) -> dict[str, Any]:
    return {
        "way": "sms",
        "organization": organization,
        "gateway": gateway,
        "place": 0,
        "reason": "HTTP 503",
        "until": ahead(seconds=20).isoformat(),
        **entry,
    }


def test_resting_gateways_are_told_once_with_their_reason(admin_client: Client, service: None) -> None:
    over = rest(0, "over", way="call", until=ago(seconds=1).isoformat())
    Sender.objects.update(resting=[rest(0, "sms.example"), over])
    Sender.objects.create(host="there", pid=2, resting=[rest(0, "sms.example")])
    Sender.objects.create(host="dead", pid=3, heartbeat_at=ago(seconds=16), resting=[rest(0, "dead", way="app")])
    health = mine(admin_client, "Health of the service")
    assert health.count("SMS: gateway 1 keeps failing") == 1
    assert "sms.example: HTTP 503" in health
    assert "call" not in health.lower()
    assert "dead" not in health


def test_own_gateways_are_told_to_their_own_admins_and_to_superusers(admin_client: Client, service: None) -> None:
    one, other = OrganizationFactory(name="Brigade One"), OrganizationFactory(name="Brigade Two")
    for organization in (one, other):
        OrganizationGateway.objects.create(organization=organization, way="call", urls="broken", summary="broken")
        DeviceMessageFactory(
            way="sms", gateways_of=organization.pk, due_at=ago(seconds=11), alarm_message__alarm__organization=one
        )
    resting = [rest(0, "the service's"), rest(one.pk, "own-one"), rest(other.pk, "own-two")]
    Sender.objects.update(resting=resting)

    of_one = words(client_of(admin(one)))
    assert "Messages of Brigade One that are due do not leave (SMS)." in of_one
    assert "SMS: gateway 1 of Brigade One keeps failing." in of_one
    assert "own-one: HTTP 503" in of_one
    assert "Call: the own gateway of Brigade One cannot be used." in of_one
    assert "SMS: gateway 1 keeps failing." in of_one
    for secret in ("Brigade Two", "own-two", "the service's", f"organization {other.pk}"):
        assert secret not in of_one

    of_all = words(admin_client)
    for told in ("Brigade One", "Brigade Two", "own-one", "own-two", "the service's"):
        assert told in of_all
