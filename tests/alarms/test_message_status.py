"""GET /messagestatus/{alarm_id} (contract 4)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    DeviceFactory,
    DeviceMessageFactory,
    OrganizationFactory,
    admin,
    member,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alarm():
    return AlarmFactory()


@pytest.fixture
def recipient(alarm):
    return AlarmMessageFactory(alarm=alarm, user=member(alarm.organization))


@pytest.fixture
def boss(alarm, as_organization):
    """A client with an API token of the alarm's organization."""
    return as_organization(alarm.organization)


def ask(client, alarm, user_id, organization=None):
    return client.get(
        f"/api/v1/messagestatus/{alarm.pk}",
        {"organization_id": (organization or alarm.organization).pk, "user_id": user_id},
    )


def devices(client, recipient):
    answer = ask(client, recipient.alarm, recipient.user_id)
    assert answer.status_code == 200, answer.json()
    return answer.json()["devices"]


# What it says


def test_it_says_what_became_of_each_device_message(boss, recipient, now):
    changed = now - timedelta(minutes=3)
    phone = DeviceFactory(user=recipient.user, way="call", name="Home")
    DeviceMessageFactory(alarm_message=recipient, way="app", status=2, changed_at=changed)
    DeviceMessageFactory(alarm_message=recipient, way="call", turn=1, device=phone, changed_at=now)
    with timezone.override("Europe/Berlin"):
        answer = ask(boss, recipient.alarm, recipient.user_id)
    assert answer.status_code == 200
    assert answer.json() == {
        "devices": [
            {"date": changed.isoformat().replace("+00:00", "Z"), "name": "My app", "status": 2, "type": "app"},
            {"date": now.isoformat().replace("+00:00", "Z"), "name": "Home", "status": 0, "type": "call"},
        ],
        "messageId": str(recipient.message_id),
    }
    assert str(UUID(answer.json()["messageId"])) == answer.json()["messageId"]


def test_every_status_is_an_integer(boss, recipient):
    for status in range(6):
        DeviceMessageFactory(alarm_message=recipient, status=status, turn=status)
    assert [device["status"] for device in devices(boss, recipient)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("way", ["app", "pager", "sms", "call", "email"])
def test_the_type_is_the_way(boss, recipient, way):
    DeviceMessageFactory(alarm_message=recipient, way=way)
    assert [device["type"] for device in devices(boss, recipient)] == [way]


def test_all_devices_of_a_way_and_every_turn_are_listed(boss, recipient):
    work, private = (DeviceFactory(user=recipient.user, name=name) for name in ("Work", "Private"))
    for device, turn in ((work, 0), (private, 0), (work, 1)):
        DeviceMessageFactory(alarm_message=recipient, device=device, turn=turn)
    assert [device["name"] for device in devices(boss, recipient)] == ["Work", "Private", "Work"]


def test_it_names_devices_as_they_were_when_the_alarm_was_planned(boss, recipient):
    message = DeviceMessageFactory(alarm_message=recipient)
    message.device.name = "Renamed"
    message.device.save(update_fields=["name"])
    assert [device["name"] for device in devices(boss, recipient)] == ["My sms"]
    message.device.delete()
    assert [device["name"] for device in devices(boss, recipient)] == ["My sms"]


def test_a_recipient_who_is_not_planned_yet_has_no_devices(boss, alarm):
    unplanned = AlarmMessageFactory(alarm=alarm, user=member(alarm.organization), planned_at=None)
    assert devices(boss, unplanned) == []


def test_messages_of_others_and_of_other_alarms_are_not_listed(boss, recipient):
    DeviceMessageFactory(alarm_message=AlarmMessageFactory(alarm=recipient.alarm))
    other = AlarmFactory(organization=recipient.alarm.organization)
    DeviceMessageFactory(alarm_message=AlarmMessageFactory(alarm=other, user=recipient.user))
    assert devices(boss, recipient) == []


def test_messages_have_ids_of_their_own(boss, recipient):
    second = AlarmMessageFactory(alarm=recipient.alarm)
    answers = [ask(boss, recipient.alarm, user).json() for user in (recipient.user_id, second.user_id)]
    assert answers[0]["messageId"] != answers[1]["messageId"]


# Who may


def test_the_user_themselves_an_admin_and_the_api_token_may_read_it(boss, recipient, as_user):
    organization = recipient.alarm.organization
    for client in (as_user(recipient.user), as_user(admin(organization)), boss):
        assert ask(client, recipient.alarm, recipient.user_id).status_code == 200


def test_a_member_may_not_read_that_of_another(recipient, as_user):
    colleague = AlarmMessageFactory(alarm=recipient.alarm, user=member(recipient.alarm.organization))
    answer = ask(as_user(colleague.user), recipient.alarm, recipient.user_id)
    assert answer.status_code == 403
    assert answer.json()["success"] is False


def test_nobody_is_asked_to_authenticate(recipient):
    assert ask(APIClient(), recipient.alarm, recipient.user_id).status_code == 401


def test_strangers_do_not_know_of_the_organization(recipient, as_user, as_organization):
    elsewhere = OrganizationFactory()
    for client in (as_user(admin(elsewhere)), as_organization(elsewhere)):
        assert ask(client, recipient.alarm, recipient.user_id).status_code == 404
        assert ask(client, recipient.alarm, recipient.user_id, elsewhere).status_code == 404


def test_an_admin_of_two_organizations_reads_an_alarm_only_in_its_own(recipient, as_user):
    chief, elsewhere = admin(recipient.alarm.organization), OrganizationFactory()
    elsewhere.memberships.create(user=chief, role="admin")
    client = as_user(chief)
    assert ask(client, recipient.alarm, recipient.user_id, elsewhere).status_code == 404
    assert ask(client, recipient.alarm, recipient.user_id).status_code == 200


def test_whom_the_alarm_did_not_notify_is_not_found(boss, alarm, recipient, as_user):
    unasked = member(alarm.organization)
    assert ask(boss, alarm, unasked.pk).status_code == 404
    assert ask(boss, alarm, 999_999_999).status_code == 404
    assert ask(as_user(unasked), alarm, unasked.pk).status_code == 404
    assert ask(boss, AlarmFactory(organization=alarm.organization), recipient.user_id).status_code == 404
    assert ask(boss, AlarmFactory.build(pk=999_999_999), recipient.user_id, alarm.organization).status_code == 404


# What is no question


@pytest.mark.parametrize("missing", ["organization_id", "user_id"])
def test_both_parameters_are_required(boss, recipient, missing):
    parameters = {"organization_id": recipient.alarm.organization_id, "user_id": recipient.user_id}
    for query in ({}, {missing: ""}, {missing: 0}):
        given = {name: value for name, value in parameters.items() if name != missing} | query
        answer = boss.get(f"/api/v1/messagestatus/{recipient.alarm_id}", given)
        assert answer.status_code == 400
        assert answer.json()["success"] is False
        assert missing in answer.json()["error"]


@pytest.mark.parametrize("value", ["x", "-1", "1.0", "1e3", "true", "0x1", "٣", " ", "\0", str(2**63), "9" * 400])
def test_what_is_no_id_is_refused_by_name(boss, recipient, value):
    right = {"organization_id": recipient.alarm.organization_id, "user_id": recipient.user_id}
    for name in right:
        answer = boss.get(f"/api/v1/messagestatus/{recipient.alarm_id}", right | {name: value})
        assert answer.status_code == 400
        assert name in answer.json()["error"]


@pytest.mark.parametrize(("alarm_id", "status"), [("x", 400), ("-1", 400), ("1.0", 400), (2**63, 400), ("0", 404)])
def test_what_is_no_alarms_id_is_refused(boss, recipient, alarm_id, status):
    right = {"organization_id": recipient.alarm.organization_id, "user_id": recipient.user_id}
    assert boss.get(f"/api/v1/messagestatus/{alarm_id}", right).status_code == status


@pytest.mark.parametrize("count", [1, 50])
def test_it_takes_3_queries(recipient, as_user, count):
    for turn in range(count):
        DeviceMessageFactory(alarm_message=recipient, turn=turn)
    client = as_user(admin(recipient.alarm.organization))
    # the token, the membership with its organization, the recipient with the device messages
    with CaptureQueriesContext(connection) as queries:
        assert len(devices(client, recipient)) == count
    assert len(queries) == 3
