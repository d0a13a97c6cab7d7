"""POST /alarm with a `startTime` in the future (contract 4): until then nobody is alarmed and it can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms.closing import close_alarm
from alarms.models import Alarm, AlarmMessage
from alarms.raising import start_alarm
from messaging_project import database
from organizations.models import Organization, User
from tests.dialect import refused
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarm"
EVERYBODY = {"allUsers": True}
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
NOBODY = {"positive": 0, "negative": 0, "unknown": 0}

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]


@pytest.fixture
def start(now: datetime) -> datetime:
    return now + HOUR


@pytest.fixture
def scheduled(brigade: Organization, boss: APIClient, start: datetime) -> Callable[..., Alarm]:
    """Posts an alarm that starts in an hour."""

    def post(resources: object = EVERYBODY) -> Alarm:
        answer = boss.post(URL, body(brigade, resources, startTime=start.isoformat()), format="json")
        assert answer.status_code == 201, answer.content
        return Alarm.objects.get(pk=answer.json()["id"])

    return post


def body(organization: Organization, resources: object = EVERYBODY, **fields: object) -> dict[str, Any]:
    return {"organizationID": organization.pk, "message": "Drill", "alarmResources": resources} | fields


def answers(client: APIClient, user: User, **ids: int) -> Any:
    return client.post("/api/v1/messaging/feedback", {"userID": user.pk, "response": True} | ids, format="json")


def status(client: APIClient, alarm: Alarm, user: User) -> Any:
    query = {"organization_id": alarm.organization_id, "user_id": user.pk}
    return client.get(f"/api/v1/messagestatus/{alarm.pk}", query)


# Until its start


def test_nobody_is_alarmed_and_a_job_waits_for_the_start(
    brigade: Organization, boss: APIClient, as_user: AsUser, start: datetime
) -> None:
    member(brigade)
    answer = boss.post(URL, body(brigade, startTime=start.isoformat()), format="json")
    assert answer.status_code == 201
    alarm = answer.json()
    assert (parse_datetime(alarm["startDate"]), parse_datetime(alarm["endDate"])) == (start, start + 900 * SECOND)
    assert (alarm["closed"], alarm["feedback"], alarm["feedbackQuantity"]) == (False, [], NOBODY)
    for client in (boss, as_user(admin(brigade))):
        assert client.get(f"{URL}/{alarm['id']}").json() == alarm
    assert not AlarmMessage.objects.exists()
    job = ProcrastinateJob.objects.get()
    assert (job.scheduled_at, job.args) == (start, {"alarm_id": alarm["id"]})


def test_a_member_does_not_know_of_it(brigade: Organization, as_user: AsUser, scheduled: Any) -> None:
    someone = member(brigade)
    client, alarm = as_user(someone), scheduled()
    assert refused(client.get(f"{URL}/{alarm.pk}"), 404)
    assert refused(client.patch(f"{URL}/{alarm.pk}"), 404)
    assert client.get("/api/v1/alarms", {"organization": brigade.pk}).json() == {"alarms": [], "totalAlarms": 0}


def test_there_is_no_message_status(brigade: Organization, boss: APIClient, as_user: AsUser, scheduled: Any) -> None:
    someone, alarm = member(brigade, ways=("sms",)), scheduled()
    for client in (boss, as_user(someone), as_user(admin(brigade))):
        assert refused(status(client, alarm, someone), 404)


def test_it_cannot_be_answered(brigade: Organization, boss: APIClient, as_user: AsUser, scheduled: Any) -> None:
    someone, alarm = member(brigade), scheduled()
    for client in (boss, as_user(someone)):
        assert refused(answers(client, someone, alarmID=alarm.pk), 409, "alarmID")
        assert refused(answers(client, someone, alarmID=alarm.pk, organizationID=brigade.pk), 409, "alarmID")
        assert refused(answers(client, someone, organizationID=brigade.pk), 409, "organizationID")


def test_a_stranger_does_not_learn_of_it_by_answering(
    brigade: Organization, boss: APIClient, as_user: AsUser, scheduled: Any
) -> None:
    member(brigade)
    alarm, stranger, elsewhere = scheduled(), UserFactory(), member(OrganizationFactory())
    for user in (stranger, elsewhere):
        assert refused(answers(as_user(user), user, alarmID=alarm.pk), 404)
        assert refused(answers(boss, user, alarmID=alarm.pk), 404)


def test_nor_does_another_organization_of_one_of_its_members(
    brigade: Organization, as_organization: AsOrganization, scheduled: Any
) -> None:
    someone, elsewhere = member(brigade), OrganizationFactory()
    MembershipFactory(organization=elsewhere, user=someone)
    assert refused(answers(as_organization(elsewhere), someone, alarmID=scheduled().pk), 404)


def test_an_alarm_of_another_organization_than_the_one_named_is_not_found(
    brigade: Organization, as_user: AsUser, scheduled: Any
) -> None:
    someone, elsewhere = member(brigade), OrganizationFactory()
    MembershipFactory(organization=elsewhere, user=someone)
    answer = answers(as_user(someone), someone, alarmID=scheduled().pk, organizationID=elsewhere.pk)
    assert refused(answer, 404)


@pytest.mark.parametrize(("ahead", "status"), [(366 * DAY, 201), (366 * DAY + SECOND, 400), (3000 * DAY, 400)])
def test_it_may_be_366_days_ahead(
    brigade: Organization, boss: APIClient, monkeypatch: Any, ahead: Any, status: int
) -> None:
    member(brigade)
    now = timezone.now()
    monkeypatch.setattr(database, "now", lambda: now)
    answer = boss.post(URL, body(brigade, startTime=(now + ahead).isoformat()), format="json")
    assert answer.status_code == status
    assert status == 201 or refused(answer, 400, "startTime")


@pytest.mark.parametrize("ahead", [0 * SECOND, -timedelta(microseconds=1), -DAY])
def test_a_start_now_or_before_is_at_once(brigade: Organization, boss: APIClient, monkeypatch: Any, ahead: Any) -> None:
    someone, now = member(brigade), timezone.now()
    monkeypatch.setattr(database, "now", lambda: now)
    answer = boss.post(URL, body(brigade, startTime=(now + ahead).isoformat()), format="json")
    assert parse_datetime(answer.json()["startDate"]) == now
    assert AlarmMessage.objects.get().user == someone


def test_what_an_alarm_now_would_be_refused_for_is_refused(
    brigade: Organization, boss: APIClient, start: datetime, jobs: Any
) -> None:
    stranger, inactive = member(OrganizationFactory()), member(brigade, is_active=False)
    unit, empty = GroupFactory(), GroupFactory(organization=brigade)
    wrong = [
        ("message", {"message": ""}),
        ("labels", {"alarmResources": {"labels": [1]}}),
        (str(stranger.pk), {"alarmResources": {"users": [stranger.pk]}}),
        (str(unit.pk), {"alarmResources": {"units": [unit.pk]}}),
        ("alarmResources", {}),
        ("alarmResources", {"alarmResources": {"users": [inactive.pk]}}),
        ("alarmResources", {"alarmResources": {"units": [empty.pk]}}),
    ]
    for naming, fields in wrong:
        data = body(brigade, startTime=start.isoformat(), scheduledEndTime=(start + HOUR).isoformat()) | fields
        assert refused(boss.post(URL, data, format="json"), 400, naming)
    assert not Alarm.objects.exists()
    assert jobs() == []


def test_cancelling_it_alarms_nobody_ever(
    brigade: Organization, boss: APIClient, as_user: AsUser, scheduled: Any, start: datetime, jobs: Any
) -> None:
    someone, alarm = member(brigade, ways=("sms",)), scheduled()
    before = timezone.now()
    for _ in range(2):
        assert boss.patch(f"{URL}/{alarm.pk}").json() == {"message": "success"}
    start_alarm(alarm_id=alarm.pk, now=start)
    assert not AlarmMessage.objects.exists()
    assert [job["task_name"] for job in jobs()] == ["alarms.start"]
    read = boss.get(f"{URL}/{alarm.pk}").json()
    assert read["closed"] is True
    assert before <= parse_datetime(read["endDate"]) <= timezone.now()
    assert refused(answers(as_user(someone), someone, alarmID=alarm.pk), 409)
    assert refused(status(boss, alarm, someone), 404)
    assert refused(as_user(someone).get(f"{URL}/{alarm.pk}"), 404)


# Who watches


def test_health_tells_of_one_that_is_overdue(brigade: Organization, scheduled: Any, client: Client, now: Any) -> None:
    member(brigade)
    alarm = scheduled()

    def told() -> bool:
        return any(reason.startswith("start:") for reason in client.get("/health").json()["reasons"])

    for late, overdue in ((-HOUR, False), (8 * SECOND, False), (12 * SECOND, True)):
        Alarm.objects.update(starts_at=now - late)
        assert told() is overdue
    close_alarm(alarm_id=alarm.pk, now=now)
    assert not told()


def test_the_admin_tells_scheduled_from_cancelled(brigade: Organization, scheduled: Any, admin_client: Client) -> None:
    member(brigade)
    alarm = scheduled()
    pages = [reverse("admin:alarms_alarm_changelist"), reverse("admin:alarms_alarm_change", args=[alarm.pk])]
    for word in ("scheduled", "cancelled"):
        for page in pages:
            shown = admin_client.get(page)
            assert shown.status_code == 200
            assert f">{word}<" in shown.content.decode()
        close_alarm(alarm_id=alarm.pk, now=timezone.now())
