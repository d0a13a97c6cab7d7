"""POST /messaging/feedback (contracts 4 and 5)."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import product

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from alarms.models import Alarm, DeviceMessage, Feedback
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    DeviceMessageFactory,
    MembershipFactory,
    OrganizationFactory,
    UserFactory,
    admin,
    member,
)

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)


@pytest.fixture
def alarm():
    return AlarmFactory()


@pytest.fixture
def recipient(alarm):
    return AlarmMessageFactory(alarm=alarm, user=member(alarm.organization))


@pytest.fixture
def own(recipient, as_user):
    return as_user(recipient.user)


@pytest.fixture
def boss(alarm, as_organization):
    """A client with an API token of the alarm's organization."""
    return as_organization(alarm.organization)


def post(client, recipient, response=True, **fields):
    data = {"alarmID": recipient.alarm_id, "userID": recipient.user_id, "response": response} | fields
    return client.post("/api/v1/messaging/feedback", json.dumps(data), content_type="application/json")


def answered(client, recipient, response=True, **fields):
    answer = post(client, recipient, response, **fields)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    recipient.refresh_from_db()


def refused(status, client, recipient, response=True, **fields):
    answer = post(client, recipient, response, **fields)
    assert answer.status_code == status, answer.json()
    assert answer.json()["success"] is False
    return answer.json()["error"]


def another(alarm, **fields):
    return AlarmMessageFactory(alarm=alarm, user=member(alarm.organization), **fields)


def move(alarm, **span):
    """Let the time of an alarm's recipients be so much nearer to its end."""
    alarm.alarm_messages.update(deadline=F("deadline") - timedelta(**span))


def history(recipient):
    return list(recipient.feedback.values_list("response", flat=True))


# Answering


@pytest.mark.parametrize("response", [True, False])
def test_an_answer_is_kept_with_time_and_source(own, recipient, response):
    before = timezone.now()
    answered(own, recipient, response)
    assert recipient.response is response
    assert before <= recipient.responded_at <= timezone.now()
    kept = Feedback.objects.get()
    assert (kept.alarm_message_id, kept.response) == (recipient.pk, response)
    assert kept.created_at == recipient.responded_at
    assert kept.source


def test_an_answer_may_be_changed_within_the_time_and_each_stays_in_the_history(own, boss, recipient):
    for client, response in ((own, True), (boss, False), (own, True)):
        answered(client, recipient, response)
        assert recipient.response is response
    assert history(recipient) == [True, False, True]
    by_user, by_token, by_user_again = recipient.feedback.values_list("source", flat=True)
    assert by_user == by_user_again != by_token


def test_repeating_the_answer_in_force_adds_no_history(own, recipient):
    for response in (True, False):
        answered(own, recipient, response)
        first = recipient.responded_at
        answered(own, recipient, response)
        assert recipient.responded_at == first
    assert history(recipient) == [True, False]


def test_whoever_has_not_been_reached_or_planned_yet_can_answer_too(own, boss, alarm, recipient):
    DeviceMessageFactory(alarm_message=recipient, due_at=alarm.starts_at + timedelta(minutes=5))
    answered(own, recipient)
    answered(boss, another(alarm, planned_at=None))


# Who may


def test_a_user_answers_for_nobody_else(alarm, recipient, as_user):
    for someone in (another(alarm).user, admin(alarm.organization)):
        refused(403, as_user(someone), recipient)
    assert history(recipient) == []


def test_an_api_token_answers_for_any_user_of_its_organization(boss, alarm, recipient):
    guest = UserFactory()
    MembershipFactory(organization=alarm.organization, user=guest)
    for whose in (recipient, AlarmMessageFactory(alarm=alarm, user=guest)):
        answered(boss, whose)
        assert whose.response is True


def test_an_api_token_does_not_know_alarms_of_another_organization(recipient, as_organization):
    elsewhere = OrganizationFactory()
    MembershipFactory(organization=elsewhere, user=recipient.user)
    client = as_organization(elsewhere)
    refused(404, client, recipient)
    refused(404, client, recipient, organizationID=elsewhere.pk)
    refused(404, client, recipient, organizationID=recipient.alarm.organization_id)
    refused(404, client, recipient, alarmID=0, organizationID=recipient.alarm.organization_id)


def test_whoever_is_no_recipient_is_not_found_and_nobody_is_asked_to_authenticate(boss, alarm, recipient, as_user):
    unasked, stranger = member(alarm.organization), admin(OrganizationFactory())
    for user in (unasked, stranger):
        refused(404, as_user(user), recipient, userID=user.pk)
        refused(404, boss, recipient, userID=user.pk)
    refused(404, boss, recipient, userID=999_999_999)
    refused(404, boss, recipient, alarmID=999_999_999)
    refused(401, APIClient(), recipient)


# Which alarm


def test_an_organization_given_beside_the_alarm_must_be_the_alarms(own, recipient):
    second = MembershipFactory(user=recipient.user)
    refused(404, own, recipient, organizationID=second.organization_id)
    refused(404, own, recipient, organizationID=OrganizationFactory().pk)
    assert history(recipient) == []
    answered(own, recipient, organizationID=recipient.alarm.organization_id)


@pytest.mark.parametrize("asking", ["own", "boss"])
def test_an_organization_alone_means_every_alarm_of_it_that_can_still_be_answered(request, alarm, recipient, asking):
    def of_user(response=None, **fields):
        return AlarmMessageFactory(alarm=AlarmFactory(**fields), user=recipient.user, response=response)

    ours = {"organization": alarm.organization}
    open_too, changed, same = (of_user(response, **ours) for response in (None, False, True))
    closed, foreign, over = of_user(**ours, closed_at=alarm.starts_at), of_user(), of_user(**ours)
    move(over.alarm, hours=1)
    colleague = another(alarm)
    answered(request.getfixturevalue(asking), recipient, alarmID=0, organizationID=alarm.organization_id)
    assert [history(each) for each in (recipient, open_too, changed)] == [[True]] * 3
    assert [history(each) for each in (closed, foreign, over, same, colleague)] == [[]] * 5


def test_an_organization_alone_with_nothing_to_answer_is_a_conflict(own, boss, alarm, recipient):
    only = {"alarmID": 0, "organizationID": alarm.organization_id}
    refused(409, boss, recipient, **only, userID=member(alarm.organization).pk)
    refused(404, boss, recipient, **only, userID=UserFactory().pk)
    refused(404, own, recipient, alarmID=0, organizationID=OrganizationFactory().pk)
    move(alarm, hours=1)
    refused(409, own, recipient, **only)


def test_neither_alarm_nor_organization_is_refused(own, boss, recipient):
    for client in (own, boss):
        assert "alarmID" in refused(400, client, recipient, alarmID=0)
        assert "alarmID" in refused(400, client, recipient, alarmID=0, organizationID=0)


# What is no answer


WRONG_IDS = ("1", 1.0, True, -1, 2**63, [1])
WRONG = [("response", value) for value in ("true", "", 1, 0, None, [])]
WRONG += [(name, value) for name in ("userID", "alarmID", "organizationID") for value in WRONG_IDS] + [("userID", 0)]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_field_of_another_type_is_refused_by_name(own, recipient, field, value):
    assert field in refused(400, own, recipient, **{field: value})
    assert history(recipient) == []


def test_user_and_response_are_required(own):
    answer = own.post("/api/v1/messaging/feedback", {"alarmID": 1}, format="json")
    assert answer.status_code == 400
    assert "userID" in answer.json()["error"]
    assert "response" in answer.json()["error"]


# Until when


def test_the_time_ends_at_the_deadline(own, boss, alarm, recipient):
    move(alarm, seconds=600)
    answered(own, recipient)
    move(alarm, seconds=300)
    assert "time" in refused(409, own, recipient, False)
    assert history(recipient) == [True]
    refused(409, boss, another(alarm, deadline=timezone.now()))


def test_a_closed_alarm_takes_no_answer(own, boss, alarm, recipient):
    Alarm.objects.filter(pk=alarm.pk).update(closed_at=timezone.now())
    assert "closed" in refused(409, own, recipient)
    refused(409, boss, recipient)
    refused(409, own, recipient, alarmID=0, organizationID=alarm.organization_id)
    assert history(recipient) == []


@pytest.mark.parametrize("response", [True, False])
def test_repeating_the_answer_in_force_is_no_error_at_any_time(own, alarm, recipient, response):
    answered(own, recipient, response)
    move(alarm, hours=1)
    answered(own, recipient, response)
    Alarm.objects.filter(pk=alarm.pk).update(closed_at=timezone.now())
    answered(own, recipient, response)
    refused(409, own, recipient, not response)
    assert history(recipient) == [response]


# What it stops


@pytest.mark.parametrize("response", [True, False])
def test_an_answer_ends_the_escalation_and_changing_it_resumes_nothing(own, alarm, recipient, response):
    later = alarm.starts_at + timedelta(minutes=1)
    due = DeviceMessageFactory(alarm_message=recipient)
    planned = DeviceMessageFactory(alarm_message=recipient, turn=1, due_at=later)
    retried = DeviceMessageFactory(alarm_message=recipient, attempts=3, due_at=later, reason="HTTP 503")
    DeviceMessage.objects.update(changed_at=alarm.starts_at)
    before = timezone.now()
    for answer in (response, not response):
        answered(own, recipient, answer)
        assert not recipient.escalating
        for message in (due, planned, retried):
            message.refresh_from_db()
            assert message.status == CANCELLED
            assert message.changed_at >= before


def test_an_answer_leaves_alone_what_is_on_its_way_or_done_and_what_is_not_its_own(own, alarm, recipient):
    done = (SENDING, SENT, DELIVERED, FAILED)
    for turn, status in enumerate(done):
        DeviceMessageFactory(alarm_message=recipient, turn=turn, status=status, attempts=1)
    elsewhere = AlarmMessageFactory(alarm=AlarmFactory(organization=alarm.organization), user=recipient.user)
    others = [DeviceMessageFactory(alarm_message=other) for other in (another(alarm), elsewhere)]
    answered(own, recipient)
    assert tuple(recipient.device_messages.values_list("status", flat=True)) == done
    for message in others:
        message.refresh_from_db()
        other = message.alarm_message
        assert (message.status, other.response, other.escalating) == (SCHEDULED, None, True)


@pytest.mark.parametrize("count", [1, 50])
def test_an_answer_takes_at_most_6_queries(own, boss, alarm, recipient, count):
    for turn in range(count):
        DeviceMessageFactory(alarm_message=recipient, turn=turn)
    # the token, the membership, the recipient locked, the answer (with messages, history and whether a hook is told);
    # two of a savepoint
    for client, alarm_id in product((own, boss), (alarm.pk, 0)):
        DeviceMessage.objects.update(status=SCHEDULED)
        with CaptureQueriesContext(connection) as queries:
            answer = post(client, recipient, bool(alarm_id), alarmID=alarm_id, organizationID=alarm.organization_id)
        assert answer.status_code == 200
        assert len(queries) <= 6
    assert history(recipient) == [True, False, True, False]
