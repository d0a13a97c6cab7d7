"""GET and PATCH /alarm/{alarmID} (contract 4): who sees what of an alarm, and closing it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from alarms.models import AlarmMessage, DeviceMessage
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)


@pytest.fixture
def alarm():
    return AlarmFactory(event_name="B2 house", raised_by="Ada Lovelace")


@pytest.fixture
def boss(alarm, as_organization):
    """A client with an API token of the alarm's organization."""
    return as_organization(alarm.organization)


def url(alarm):
    return f"/api/v1/alarm/{alarm.pk}"


def notified(alarm, **fields):
    return AlarmMessageFactory(alarm=alarm, user=member(alarm.organization), **fields)


def read(client, alarm):
    answer = client.get(url(alarm))
    assert answer.status_code == 200, answer.json()
    return answer.json()


def status_of(message):
    message.refresh_from_db()
    return message.status


# Reading


def test_an_alarm_has_the_shape_that_clients_rely_on(alarm, boss, now):
    silent = notified(alarm)
    coming = notified(alarm, response=True, responded_at=now)
    absent = notified(alarm, response=False, responded_at=now)
    with timezone.override("Europe/Berlin"):
        answer = read(boss, alarm)
    date = now.isoformat().replace("+00:00", "Z")
    assert answer == {
        "id": alarm.pk,
        "message": "Fire in the hall",
        "organizationID": alarm.organization_id,
        "event": {"id": answer["event"]["id"], "name": "B2 house"},
        "startDate": alarm.starts_at.isoformat().replace("+00:00", "Z"),
        "endDate": (alarm.starts_at + timedelta(seconds=900)).isoformat().replace("+00:00", "Z"),
        "raisedBy": "Ada Lovelace",
        "closed": False,
        "feedback": [
            {"userID": silent.user_id, "state": "unknown", "response": None, "date": None},
            {"userID": coming.user_id, "state": "positive", "response": True, "date": date},
            {"userID": absent.user_id, "state": "negative", "response": False, "date": date},
        ],
        "feedbackQuantity": {"positive": 1, "negative": 1, "unknown": 1},
        "feedbackPercentage": answer["feedbackPercentage"],
    }
    assert isinstance(answer["event"]["id"], int)


def test_percentages_are_shares_of_all_recipients(alarm, boss):
    for response in (True, True, True, False, None, None, None, None):
        notified(alarm, response=response)
    notified(AlarmFactory(organization=alarm.organization), response=False)
    answer = read(boss, alarm)
    assert answer["feedbackQuantity"] == {"positive": 3, "negative": 1, "unknown": 4}
    assert answer["feedbackPercentage"] == {"positive": 37.5, "negative": 12.5, "unknown": 50.0}


def test_percentages_of_thirds_add_up_to_about_a_hundred(alarm, boss):
    for response in (True, False, None):
        notified(alarm, response=response)
    percentages = read(boss, alarm)["feedbackPercentage"].values()
    assert all(percentage == pytest.approx(100 / 3, abs=0.01) for percentage in percentages)


def test_an_admin_sees_everybodys_feedback_without_being_a_recipient(alarm, as_user):
    ids = {notified(alarm).user_id, notified(alarm, response=True).user_id}
    assert {entry["userID"] for entry in read(as_user(admin(alarm.organization)), alarm)["feedback"]} == ids


def test_a_notified_member_sees_their_own_entry_but_all_quantities(alarm, as_user):
    notified(alarm, response=True)
    own = notified(alarm, response=False)
    answer = read(as_user(own.user), alarm)
    assert [entry["userID"] for entry in answer["feedback"]] == [own.user_id]
    assert answer["feedbackQuantity"] == {"positive": 1, "negative": 1, "unknown": 0}
    assert answer["feedbackPercentage"] == {"positive": 50.0, "negative": 50.0, "unknown": 0.0}


def test_whoever_was_not_notified_does_not_know_of_the_alarm(alarm, as_user, as_organization):
    notified(alarm)
    elsewhere = OrganizationFactory()
    for client in (as_user(member(alarm.organization)), as_user(admin(elsewhere)), as_organization(elsewhere)):
        assert client.get(url(alarm)).status_code == 404
    assert APIClient().get(url(alarm)).status_code == 401


@pytest.mark.parametrize(("pk", "status"), [("0", 404), ("999999999", 404), ("x", 400), ("1.0", 400), (2**63, 400)])
def test_an_alarm_that_there_is_not_is_not_found_and_what_is_no_id_is_refused(boss, pk, status):
    assert boss.get(f"/api/v1/alarm/{pk}").status_code == status
    assert boss.patch(f"/api/v1/alarm/{pk}").status_code == status


@pytest.mark.parametrize("count", [1, 50])
def test_reading_takes_3_queries(alarm, as_user, count):
    recipients = [notified(alarm) for _ in range(count)]
    for reader in (admin(alarm.organization), recipients[0].user):
        client = as_user(reader)
        # the token, the alarm with the reader's role, the answers with the quantities
        with CaptureQueriesContext(connection) as queries:
            read(client, alarm)
        assert len(queries) == 3


# The end


def test_the_end_is_the_latest_deadline_known(alarm, boss, now):
    notified(alarm, deadline=now + timedelta(minutes=40))
    notified(alarm, deadline=now + timedelta(minutes=20), response=True)
    assert parse_datetime(read(boss, alarm)["endDate"]) == now + timedelta(minutes=40)


def test_the_end_does_not_change_by_passing(boss, alarm, now):
    over = now - timedelta(days=1)
    notified(alarm, deadline=over, escalating=False)
    answer = read(boss, alarm)
    assert parse_datetime(answer["endDate"]) == over
    assert answer["closed"] is False


def test_the_end_of_a_closed_alarm_is_its_closing(alarm, boss):
    notified(alarm)
    before = timezone.now()
    boss.patch(url(alarm))
    answer = read(boss, alarm)
    assert answer["closed"] is True
    assert before <= parse_datetime(answer["endDate"]) <= timezone.now()


# Closing


def test_an_admin_and_an_api_token_may_close_an_alarm(alarm, boss, as_user):
    other = AlarmFactory(organization=alarm.organization)
    for client, closed in ((boss, alarm), (as_user(admin(alarm.organization)), other)):
        answer = client.patch(url(closed), {}, format="json")
        assert (answer.status_code, answer.json()) == (200, {"message": "success"})
        closed.refresh_from_db()
        assert closed.closed_at is not None


def test_nobody_else_may_close_an_alarm(alarm, as_user, as_organization):
    elsewhere = OrganizationFactory()
    refusals = [
        (as_user(notified(alarm).user), 403),
        (as_user(member(alarm.organization)), 404),
        (as_user(admin(elsewhere)), 404),
        (as_organization(elsewhere), 404),
        (APIClient(), 401),
    ]
    for client, status in refusals:
        answer = client.patch(url(alarm), {}, format="json")
        assert answer.status_code == status
        assert answer.json()["success"] is False
    alarm.refresh_from_db()
    assert alarm.closed_at is None


def test_closing_twice_is_no_error_and_keeps_the_first_closing(alarm, boss, now):
    alarm.closed_at = now - timedelta(hours=1)
    alarm.save(update_fields=["closed_at"])
    answer = boss.patch(url(alarm))
    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    alarm.refresh_from_db()
    assert alarm.closed_at == now - timedelta(hours=1)


def test_closing_ends_the_escalation_of_everybody(alarm, boss):
    waiting = [DeviceMessageFactory(alarm_message=notified(alarm)) for _ in range(2)]
    retried = DeviceMessageFactory(alarm_message=notified(alarm), attempts=2, reason="HTTP 503")
    unplanned = notified(alarm, planned_at=None)
    boss.patch(url(alarm))
    assert [status_of(message) for message in (*waiting, retried)] == [CANCELLED] * 3
    unplanned.refresh_from_db()
    assert not unplanned.escalating
    assert not AlarmMessage.objects.filter(alarm=alarm, escalating=True).exists()


def test_closing_says_when_a_message_was_cancelled(alarm, boss):
    message = DeviceMessageFactory(alarm_message=notified(alarm))
    before = timezone.now()
    DeviceMessage.objects.update(changed_at=alarm.starts_at)
    boss.patch(url(alarm))
    message.refresh_from_db()
    assert before <= message.changed_at <= timezone.now()


@pytest.mark.parametrize("status", [SENDING, SENT, DELIVERED, FAILED])
def test_closing_leaves_what_is_on_its_way_or_done_alone(alarm, boss, status):
    message = DeviceMessageFactory(alarm_message=notified(alarm), status=status)
    boss.patch(url(alarm))
    assert status_of(message) == status


def test_closing_leaves_other_alarms_alone(alarm, boss):
    other = AlarmFactory(organization=alarm.organization)
    message = DeviceMessageFactory(alarm_message=notified(other))
    boss.patch(url(alarm))
    assert status_of(message) == SCHEDULED
    other.refresh_from_db()
    assert other.closed_at is None
