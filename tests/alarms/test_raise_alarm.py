"""POST /alarm (contract 4): who may, what is refused, whom it reaches, and what one transaction writes."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import tasks
from alarms.models import Alarm, AlarmMessage
from escalations.models import ResponseTimeout
from organizations.models import Device, Membership, User
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarm"
EVERYBODY = {"allUsers": True}


def body(organization, resources=EVERYBODY, **fields):
    return {"organizationID": organization.pk, "message": "Fire in the hall", "alarmResources": resources} | fields


@pytest.fixture
def client(brigade, as_organization):
    return as_organization(brigade)


@pytest.fixture
def refused(client, jobs):
    """Posts a body and returns the details of its 400, after which there is nothing in the database."""

    def post(data, status=400, client=client):
        answer = client.post(URL, json.dumps(data), content_type="application/json")
        assert answer.status_code == status, answer.json()
        assert answer.json()["success"] is False
        assert not Alarm.objects.exists()
        assert not AlarmMessage.objects.exists()
        assert jobs() == []
        return answer.json()["error"]

    return post


@pytest.fixture
def raised(client):
    """Posts a body and returns the alarm of its 201."""

    def post(data, client=client):
        answer = client.post(URL, json.dumps(data), content_type="application/json")
        assert answer.status_code == 201, answer.json()
        return answer.json()

    return post


def recipients(alarm):
    return set(AlarmMessage.objects.filter(alarm_id=alarm["id"]).values_list("user_id", flat=True))


def group(brigade, *users):
    created = GroupFactory(organization=brigade)
    created.memberships.set(Membership.objects.filter(organization=brigade, user__in=users))
    return created


# Who may


def test_an_admin_and_an_api_token_may_raise_an_alarm(brigade, as_user, raised):
    chief = admin(brigade, first_name="Ada", last_name="Lovelace")
    alarm = raised(body(brigade), as_user(chief))
    assert "Ada Lovelace" in alarm["raisedBy"]
    assert recipients(alarm) == recipients(raised(body(brigade))) == {chief.pk}


def test_who_may_not_raise_an_alarm(brigade, as_user, as_organization, refused):
    elsewhere = OrganizationFactory()
    refused(body(brigade), 403, as_user(member(brigade)))
    refused(body(brigade), 404, as_user(admin(elsewhere)))
    refused(body(brigade), 404, as_organization(elsewhere))
    refused(body(brigade), 401, APIClient())


# The alarm


def test_the_alarm_has_the_shape_that_clients_rely_on(brigade, raised):
    someone = member(brigade)
    before = timezone.now()
    with timezone.override("Europe/Berlin"):
        alarm = raised(body(brigade, eventName="x" * 255, unknown="ignored"))
    start, end = parse_datetime(alarm["startDate"]), parse_datetime(alarm["endDate"])
    assert before <= start <= timezone.now()
    assert end == start + timedelta(seconds=900)
    assert alarm["startDate"].endswith("Z")
    assert alarm["endDate"].endswith("Z")
    assert [type(alarm["id"]), type(alarm["event"]["id"]), type(alarm["raisedBy"])] == [int, int, str]
    assert alarm == {
        "id": alarm["id"],
        "message": "Fire in the hall",
        "organizationID": brigade.pk,
        "event": {"id": alarm["event"]["id"], "name": "x" * 255},
        "startDate": alarm["startDate"],
        "endDate": alarm["endDate"],
        "raisedBy": alarm["raisedBy"],
        "closed": False,
        "feedback": [{"userID": someone.pk, "state": "unknown", "response": None, "date": None}],
        "feedbackQuantity": {"positive": 0, "negative": 0, "unknown": 1},
        "feedbackPercentage": {"positive": 0.0, "negative": 0.0, "unknown": 100.0},
    }


def test_the_timeout_in_force_at_the_post_counts(brigade, raised):
    member(brigade)
    ResponseTimeout.objects.create(organization=brigade, seconds=60)
    alarm = raised(body(brigade))
    assert parse_datetime(alarm["endDate"]) - parse_datetime(alarm["startDate"]) == timedelta(seconds=60)


@pytest.mark.parametrize("hours", [0, -1, -24 * 400])
def test_a_start_in_the_past_or_now_raises_it_at_once(brigade, raised, hours):
    member(brigade)
    start = (timezone.now() + timedelta(hours=hours)).isoformat()
    assert len(recipients(raised(body(brigade, startTime=start)))) == 1


# Fields and their bounds


@pytest.mark.parametrize("message", ["x", "x" * 960, "ß" * 960, "🚒" * 960, "  two\n lines "])
def test_a_message_of_1_to_960_characters_is_kept_as_it_is(brigade, raised, message):
    member(brigade)
    assert raised(body(brigade, message=message))["message"] == message


WRONG_FIELDS = {
    "message": ["", "x" * 961, None, 7, ["x"], "nul \0", "alone \ud800"],
    "eventName": ["x" * 256, 7],
    "organizationID": [0, -1, 1.0, True, "1", 2**63, None],
    "alarmResources": [None, [], "all"],
    "startTime": ["tomorrow", 7],
}
WRONG_RESOURCES = {
    "allUsers": ["true", 1, None],
    "users": [1, ["1"], [1.0], [True], [0], [-1], [2**63]],
    "units": [{"1": 1}, [None], [[1]]],
}


def each(wrong):
    return [(name, value) for name, values in wrong.items() for value in values]


@pytest.mark.parametrize(("field", "value"), each(WRONG_FIELDS))
def test_a_field_out_of_bounds_is_refused_by_name(brigade, refused, field, value):
    member(brigade)
    assert field in refused(body(brigade, **{field: value}))


@pytest.mark.parametrize("field", ["organizationID", "message", "alarmResources"])
def test_a_required_field_is_asked_for_by_name(brigade, refused, field):
    member(brigade)
    data = body(brigade)
    del data[field]
    assert field in refused(data)


# Whom it reaches


def test_users_units_and_all_are_united_with_each_user_once(brigade, raised):
    a, b, c, d = (member(brigade) for _ in range(4))
    first, second = group(brigade, a, b), group(brigade, b, c)
    ids = [first.pk, second.pk, first.pk]
    assert recipients(raised(body(brigade, {"users": [a.pk, a.pk, d.pk]}))) == {a.pk, d.pk}
    assert recipients(raised(body(brigade, {"units": ids}))) == {a.pk, b.pk, c.pk}
    assert recipients(raised(body(brigade, {"units": [first.pk], "users": [a.pk, d.pk]}))) == {a.pk, b.pk, d.pk}
    everybody = {"allUsers": True, "units": ids, "users": [a.pk]}
    assert recipients(raised(body(brigade, everybody))) == {a.pk, b.pk, c.pk, d.pk}


def test_all_users_are_the_organizations_own_and_its_guests(brigade, raised):
    own, guest = member(brigade), member(OrganizationFactory())
    MembershipFactory(organization=brigade, user=guest)
    member(OrganizationFactory())
    UserFactory()
    assert recipients(raised(body(brigade))) == {own.pk, guest.pk}


def test_inactive_users_are_left_out(brigade, raised):
    active, inactive = member(brigade), member(brigade, is_active=False)
    unit = group(brigade, active, inactive)
    for resources in (EVERYBODY, {"users": [active.pk, inactive.pk]}, {"units": [unit.pk]}):
        assert recipients(raised(body(brigade, resources))) == {active.pk}


def test_unknown_users_and_units_are_named_and_nothing_is_raised(brigade, refused):
    known, unit = member(brigade), GroupFactory(organization=brigade)
    stranger, foreign = member(OrganizationFactory()), GroupFactory()
    wrong = {"users": [known.pk, stranger.pk, 10**15], "units": [unit.pk, foreign.pk]}
    for resources in (wrong, wrong | EVERYBODY):
        error = refused(body(brigade, resources))
        assert {"users", "units"} <= set(re.findall("[a-z]+", error))
        assert {str(stranger.pk), str(10**15), str(foreign.pk)} <= set(re.findall("[0-9]+", error))


@pytest.mark.parametrize("name", ["labels", "scenarios"])
def test_labels_and_scenarios_are_named_as_not_supported(brigade, refused, name):
    member(brigade)
    error = refused(body(brigade, {"allUsers": True, name: [1]}))
    assert name in error
    assert "not supported" in error.lower()


def test_where_no_recipient_is_left_nothing_is_raised(brigade, refused):
    inactive, empty = member(brigade, is_active=False), GroupFactory(organization=brigade)
    only_them = [EVERYBODY, {"users": [inactive.pk]}, {"units": [empty.pk]}]
    for resources in (*only_them, {}, {"allUsers": False}, {"users": []}, {"users": [], "units": []}):
        assert "alarmResources" in refused(body(brigade, resources))


@pytest.mark.parametrize(("name", "value"), each(WRONG_RESOURCES))
def test_resources_of_another_type_are_refused_by_name(brigade, refused, name, value):
    member(brigade)
    assert name in refused(body(brigade, {"allUsers": True} | {name: value}))


# One transaction, a fixed number of queries


@pytest.mark.usefixtures("fifty_at_once")
def test_who_is_not_planned_at_once_is_in_one_job_of_at_most_500(brigade, raised):
    members_of(brigade, 1051)
    alarm = raised(body(brigade))
    deferred = list(ProcrastinateJob.objects.order_by("id"))
    assert {job.task_name for job in deferred} == {"alarms.plan"}
    assert {job.args["alarm_id"] for job in deferred} == {alarm["id"]}
    of_alarm = AlarmMessage.objects.filter(alarm_id=alarm["id"])
    not_planned = set(of_alarm.filter(planned_at=None).values_list("pk", flat=True))
    chunks = [
        set(of_alarm.filter(pk__range=(job.args["first_id"], job.args["last_id"])).values_list("pk", flat=True))
        for job in deferred
    ]
    assert max(len(chunk) for chunk in chunks) == 500
    assert set.union(*chunks) == not_planned
    assert sum(len(chunk) for chunk in chunks) == len(not_planned) == 1001


@pytest.mark.usefixtures("fifty_at_once")
def test_jobs_belong_to_the_transaction_of_the_alarm(brigade, raised, jobs):
    members_of(brigade, 51)
    with transaction.atomic():
        raised(body(brigade))
        assert len(jobs()) == 1
        transaction.set_rollback(True)
    assert jobs() == []


@pytest.mark.usefixtures("fifty_at_once")
def test_an_alarm_whose_jobs_cannot_be_deferred_is_not_raised(brigade, refused, monkeypatch):
    members_of(brigade, 51)

    def fail(*_jobs):
        raise RuntimeError

    monkeypatch.setattr(tasks.plan, "batch_defer", fail)
    refused(body(brigade), 500)


def test_10000_recipients_take_as_many_queries_as_one_and_those_with_a_job_two_more(brigade, client):
    numbers = []
    for count in (1, 9_999, 1):
        ids = members_of(brigade, count)
        with CaptureQueriesContext(connection) as queries:
            answer = client.post(URL, body(brigade, {"allUsers": True, "users": ids}), format="json")
        assert answer.status_code == 201
        numbers.append(len(queries))
    assert sum(answer.json()["feedbackQuantity"].values()) == 10_001
    assert numbers[0] == numbers[1] == numbers[2] - 2


def members_of(brigade, count):
    """Give an organization so many members more, each with a device, and return their ids."""
    taken = User.objects.count()
    users = User.objects.bulk_create(User(login=f"many{taken + number}") for number in range(count))
    Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
    Device.objects.bulk_create(Device(user=user, way="sms", name="x", address="1") for user in users)
    return [user.pk for user in users]
