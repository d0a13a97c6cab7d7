"""Requests and jobs about one alarm that come at the same moment: equal POSTs, a start and a closing, a start twice."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from rest_framework.test import APIClient

from alarms import planning
from alarms.closing import close_alarm
from alarms.models import Alarm, AlarmMessage, DeviceMessage, IdempotencyKey
from alarms.raising import start_alarm
from alarms.sending.claim import claim
from organizations.models import Organization
from tests import factories
from tests.processes import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fifty_at_once")]

AsOrganization = Callable[[Organization], APIClient]
Clients = Callable[[int], list[APIClient]]


# One more than are planned at once: the last has a job.
RECIPIENTS = 51


@pytest.fixture
def brigade() -> Organization:
    """A brigade with people to alarm."""
    organization: Organization = factories.OrganizationFactory()
    for _ in range(RECIPIENTS):
        factories.member(organization, ways=("sms",))
    return organization


@pytest.fixture
def clients(brigade: Organization, as_organization: AsOrganization) -> Clients:
    return lambda count: [as_organization(brigade) for _ in range(count)]


def while_waiting(first: Callable[[], object], then: Sequence[Callable[[], object]], *, fails: bool = False) -> None:
    """Do `first` in a transaction that ends, or fails, when all the others have come to wait for its locks."""

    def run(one: Callable[[], object]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # That a machine is slow is no fault.
        one()
        connection.close()

    threads = [threading.Thread(target=run, args=[one]) for one in then]
    with transaction.atomic():
        first()
        for thread in threads:
            thread.start()
        until(lambda: waiting_for_locks() == len(threads), seconds=25)
        transaction.set_rollback(fails)
    for thread in threads:
        thread.join(60)


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        # Of this database: the server may have others, in which other tests wait.
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ("
            " SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])


def jobs_of(alarm: Alarm, jobs: Callable[[], list[dict[str, Any]]]) -> list[str]:
    return [job["task_name"] for job in jobs() if job["args"].get("alarm_id") == alarm.pk]


# Equal requests with an Idempotency-Key


def post(client: APIClient, brigade: Organization, answers: dict[int, list[int]]) -> None:
    """Raise an alarm and keep the id of the answer under its status."""
    data = {"organizationID": brigade.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    answer = client.post("/api/v1/alarm", data, format="json", headers={"Idempotency-Key": "a key"})
    answers[answer.status_code].append(answer.json()["id"])


def no_alarm_can_be_written() -> None:
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE alarms_alarm IN SHARE MODE")


def counted(answers: dict[int, list[int]]) -> dict[int, int]:
    return {status: len(ids) for status, ids in answers.items()}


def test_of_8_equal_requests_at_once_one_raises_the_alarm(brigade: Organization, clients: Clients, jobs: Any) -> None:
    answers: dict[int, list[int]] = defaultdict(list)
    while_waiting(no_alarm_can_be_written, [partial(post, client, brigade, answers) for client in clients(8)])
    assert counted(answers) == {201: 1, 200: 7}
    alarm = Alarm.objects.get()
    assert set(answers[200] + answers[201]) == {alarm.pk}
    assert AlarmMessage.objects.count() == RECIPIENTS
    assert jobs_of(alarm, jobs) == ["alarms.plan"]


@pytest.mark.parametrize(("fails", "expected"), [(False, {201: 1, 200: 4}), (True, {201: 2, 200: 3})])
def test_who_comes_while_the_first_is_under_way_waits_for_what_becomes_of_it(
    brigade: Organization, clients: Clients, jobs: Any, fails: bool, expected: dict[int, int]
) -> None:
    answers: dict[int, list[int]] = defaultdict(list)
    first, *others = (partial(post, client, brigade, answers) for client in clients(5))
    while_waiting(first, others, fails=fails)
    assert counted(answers) == expected
    # Where the first has failed, what it answered was not so.
    alarm = Alarm.objects.get()
    assert set(answers[200]) == {alarm.pk} == {answers[201][-1]}
    assert AlarmMessage.objects.count() == RECIPIENTS
    assert jobs_of(alarm, jobs) == ["alarms.plan"]


def test_a_key_that_is_free_again_raises_one_alarm_too(brigade: Organization, clients: Clients) -> None:
    answers: dict[int, list[int]] = defaultdict(list)
    post(clients(1)[0], brigade, defaultdict(list))
    IdempotencyKey.objects.update(created_at=F("created_at") - timedelta(hours=24))
    while_waiting(no_alarm_can_be_written, [partial(post, client, brigade, answers) for client in clients(4)])
    assert counted(answers) == {201: 1, 200: 3}
    assert set(answers[200]) == set(answers[201])
    assert Alarm.objects.count() == IdempotencyKey.objects.count() + 1 == 2


# The start of a scheduled alarm


@pytest.fixture
def alarm(brigade: Organization, now: datetime) -> Alarm:
    """An alarm whose time has just come."""
    everybody = {"all_users": True, "users": [], "units": []}
    created: Alarm = factories.AlarmFactory(organization=brigade, starts_at=now, pending_resources=everybody)
    return created


def what_is_sent(alarm: Alarm, jobs: Callable[[], list[dict[str, Any]]], now: datetime) -> int:
    """Plan what is to be planned and return how many messages a sender takes up then."""
    for job in jobs():
        if job["task_name"] == "alarms.plan" and job["args"]["alarm_id"] == alarm.pk:
            planning.plan(**job["args"], now=now)
    return len(claim(sender_id=1, free={("sms", 0, 0): 100}).deliveries)


def test_a_cancelling_that_comes_during_the_start_stops_what_was_started(
    alarm: Alarm, jobs: Any, now: datetime
) -> None:
    start, close = (partial(function, alarm_id=alarm.pk, now=now) for function in (start_alarm, close_alarm))
    while_waiting(start, [close])
    alarm.refresh_from_db()
    assert alarm.closed_at == now
    assert not AlarmMessage.objects.filter(escalating=True).exists()
    assert what_is_sent(alarm, jobs, now) == 0
    assert set(DeviceMessage.objects.values_list("status", flat=True)) <= {DeviceMessage.Status.CANCELLED}


def test_a_start_that_comes_during_the_cancelling_alarms_nobody(alarm: Alarm, jobs: Any, now: datetime) -> None:
    start, close = (partial(function, alarm_id=alarm.pk, now=now) for function in (start_alarm, close_alarm))
    while_waiting(close, [start])
    alarm.refresh_from_db()
    assert alarm.closed_at == now
    assert not AlarmMessage.objects.exists()
    assert jobs_of(alarm, jobs) == []


def test_a_start_goes_on_where_the_cancelling_fails(alarm: Alarm, jobs: Any, now: datetime) -> None:
    start, close = (partial(function, alarm_id=alarm.pk, now=now) for function in (start_alarm, close_alarm))
    while_waiting(close, [start], fails=True)
    assert AlarmMessage.objects.count() == RECIPIENTS
    assert what_is_sent(alarm, jobs, now) == RECIPIENTS


def test_several_starts_at_once_alarm_nobody_twice(alarm: Alarm, jobs: Any, now: datetime) -> None:
    start = partial(start_alarm, alarm_id=alarm.pk, now=now)
    while_waiting(start, [start, start])
    assert AlarmMessage.objects.count() == RECIPIENTS
    assert jobs_of(alarm, jobs) == ["alarms.plan"]
    assert what_is_sent(alarm, jobs, now) == RECIPIENTS
