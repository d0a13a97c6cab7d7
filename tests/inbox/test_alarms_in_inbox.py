"""Alarms in the inbox, where an organization wants that: each recipient of an alarm finds it there, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import planning
from alarms.models import Alarm, AlarmMessage
from alarms.raising import start_alarm
from inbox.models import InboxMessage, Message
from organizations.models import Organization, User
from tests.client import Client
from tests.factories import GroupFactory, OrganizationFactory, member
from tests.inbox.conftest import compiled
from tests.processes import service, until
from tests.sinks import MailSink

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fifty_at_once")]

URL = "/api/v1/alarm"
EVERYBODY = {"allUsers": True}
HOSTILE = "{0} {1} {2} {} %s %(name)s <b>&amp;</b> \\n"

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]
Inbox = Callable[[User], list[dict[str, Any]]]
Schedule = Callable[[], Alarm]


@pytest.fixture
def brigade(db: None) -> Organization:
    """A brigade that wants its alarms in the inboxes of its members."""
    organization: Organization = OrganizationFactory(alarms_in_inbox=True)
    return organization


@pytest.fixture
def boss(brigade: Organization, as_organization: AsOrganization) -> APIClient:
    return as_organization(brigade)


def want(organization: Organization, wanted: bool) -> None:
    Organization.objects.filter(pk=organization.pk).update(alarms_in_inbox=wanted)


def ask(client: APIClient, organization: Organization, path: str = URL, key: str = "", **fields: object) -> Any:
    body = {"organizationID": organization.pk, "message": "Fire in the hall", "alarmResources": EVERYBODY} | fields
    return client.post(path, body, format="json", headers={"Idempotency-Key": key} if key else {})


def raised(client: APIClient, organization: Organization, **fields: object) -> Alarm:
    """Raise an alarm, of which only the first 50 recipients are planned."""
    answer = ask(client, organization, **fields)
    assert answer.status_code == 201, answer.content
    return Alarm.objects.get(pk=answer.json()["id"])


def plan(alarm: Alarm) -> None:
    """Plan the rest of an alarm's recipients, the last chunk first."""
    for job in ProcrastinateJob.objects.filter(task_name="alarms.plan", args__alarm_id=alarm.pk).order_by("-pk"):
        planning.plan(**job.args, now=alarm.starts_at)


def inboxes() -> dict[int, int]:
    """How many messages each user has who has any."""
    users = list(InboxMessage.objects.values_list("user_id", flat=True))
    return {user: users.count(user) for user in users}


# Who has it


def test_an_organization_that_has_not_asked_for_it_has_no_alarms_in_inboxes(as_organization: AsOrganization) -> None:
    organization = OrganizationFactory()
    member(organization)
    plan(raised(as_organization(organization), organization))
    assert AlarmMessage.objects.exclude(planned_at=None).exists()
    assert not Message.objects.exists()


def test_each_recipient_has_it_once_however_often_they_are_meant(brigade: Organization, boss: APIClient) -> None:
    first, second, third, _not_meant = (member(brigade) for _ in range(4))
    inactive = member(brigade, is_active=False)
    member(OrganizationFactory(alarms_in_inbox=True))
    units = [GroupFactory(organization=brigade) for _ in range(2)]
    for unit in units:
        unit.memberships.set(brigade.memberships.filter(user__in=[first, second, inactive]))
    resources = {"users": [first.pk, third.pk], "units": [unit.pk for unit in units]}
    plan(raised(boss, brigade, alarmResources=resources))
    assert inboxes() == {first.pk: 1, second.pk: 1, third.pk: 1}


def test_all_chunks_have_it_and_planning_again_changes_nothing(brigade: Organization, boss: APIClient) -> None:
    users = [member(brigade) for _ in range(120)]
    alarm = raised(boss, brigade)
    assert inboxes() == {user.pk: 1 for user in users[:50]}
    plan(alarm)
    assert inboxes() == {user.pk: 1 for user in users}
    InboxMessage.objects.filter(user=users[0]).delete()
    InboxMessage.objects.filter(user=users[1]).update(read_at=alarm.starts_at)
    before = list(InboxMessage.objects.order_by("pk").values())
    plan(alarm)
    assert list(InboxMessage.objects.order_by("pk").values()) == before


def test_a_request_that_raises_no_alarm_tells_of_none(brigade: Organization, boss: APIClient) -> None:
    user = member(brigade)
    assert ask(boss, brigade, key="k").json() == ask(boss, brigade, key="k").json()
    assert ask(boss, brigade, path=f"{URL}/preview").status_code == 200
    assert ask(boss, brigade, alarmResources={"users": [user.pk, user.pk + 999]}).status_code == 400
    plan(Alarm.objects.get())
    assert inboxes() == {user.pk: 1}
    assert Message.objects.count() == 1


# What they have


def test_it_is_critical_and_from_the_organization(brigade: Organization, boss: APIClient, inbox_of: Inbox) -> None:
    user = member(brigade)
    alarm = raised(boss, brigade, eventName="B2")
    plan(alarm)
    (message,) = inbox_of(user)
    text, number = message.pop("message"), message.pop("id")
    assert all(part in text for part in (brigade.name, "B2", "Fire in the hall"))
    assert number == user.inbox_messages.get().pk
    nobody = {"id": 0, "firstName": "", "description": "", "email": "", "groups": [], "login": ""}
    assert message == {
        "fieldName": "",
        "type": "CRITICAL",
        "timestamp": int(alarm.starts_at.timestamp()),
        "image": "",
        "isInstantMessage": False,
        "sender": nobody | {"lastName": brigade.name},
    }


@pytest.mark.parametrize("event", [{}, {"eventName": f"Event {HOSTILE}"}], ids=["no event", "an event"])
@pytest.mark.parametrize("language", ["en", "de", "de-AT", "tlh"])
def test_what_looks_like_a_placeholder_or_markup_stays_as_it_is(
    brigade: Organization, boss: APIClient, inbox_of: Inbox, language: str, event: dict[str, str]
) -> None:
    Organization.objects.filter(pk=brigade.pk).update(name=f"Name {HOSTILE}")
    user = member(brigade, language=language)
    plan(raised(boss, brigade, message=f"Text {HOSTILE}", **event))
    (message,) = inbox_of(user)
    parts = [f"Name {HOSTILE}", *event.values(), f"Text {HOSTILE}"]
    assert [message["message"].count(part) for part in parts] == [1] * len(parts)
    assert message["message"].count("{0}") == len(parts)
    assert message["sender"]["lastName"] == parts[0]


@pytest.mark.parametrize("event", [{}, {"eventName": "B2"}], ids=["no event", "an event"])
def test_each_reads_it_in_their_language(
    brigade: Organization, boss: APIClient, inbox_of: Inbox, settings: Any, tmp_path: Path, event: dict[str, str]
) -> None:
    french, english = member(brigade, language="fr-CA"), member(brigade, language="en")
    plan(raised(boss, brigade, **event))
    sent = Message.objects.get()
    parts = [brigade.name, *event.values(), "Fire in the hall"]
    places = [f"{{{number}}}" for number in range(len(parts))]
    assert all(place in sent.text for place in places)
    translation = " | ".join(["ALERTE", *reversed(places)])
    settings.LOCALE_PATHS = [str(compiled(tmp_path, "fr", **{sent.text: translation}))]
    assert [message["message"] for message in inbox_of(french)] == [" | ".join(["ALERTE", *reversed(parts)])]
    (message,) = inbox_of(english)
    assert "ALERTE" not in message["message"]
    assert all(part in message["message"] for part in parts)


def test_its_recipient_views_marks_and_deletes_it_like_any_other(
    brigade: Organization, boss: APIClient, as_user: AsUser, inbox_of: Inbox
) -> None:
    user, other = member(brigade), member(brigade)
    plan(raised(boss, brigade))
    client, (message,) = as_user(user), inbox_of(user)
    assert client.get(f"/api/v1/msg/{message['id']}").json()["messages"] == [message]
    assert as_user(other).get(f"/api/v1/msg/{message['id']}").status_code == 404
    read = client.post("/api/v1/msg/read", {"messages": [message["id"]]}, format="json")
    assert (read.status_code, read.json()["messages"]) == (201, [message])
    assert client.get("/api/v1/msg/list?unread=true").json()["messages"] == []
    assert client.delete(f"/api/v1/msg/{message['id']}").status_code == 204
    assert inboxes() == {other.pk: 1}


def costs(client: APIClient, organization: Organization) -> tuple[int, int]:
    """Return how many queries raising an alarm and planning the rest of it take."""
    with CaptureQueriesContext(connection) as at_once:
        alarm = raised(client, organization)
    with CaptureQueriesContext(connection) as planned:
        plan(alarm)
    return len(at_once), len(planned)


def test_raising_takes_two_queries_more_however_many_have_it(brigade: Organization, boss: APIClient) -> None:
    taken = {}
    for recipients in (1, 50, 51, 90):
        for _ in range(recipients - brigade.memberships.count()):
            member(brigade, ways=("sms",))
        for wanted in (False, True):
            want(brigade, wanted)
            taken[recipients, wanted] = costs(boss, brigade)
    for few, many in ((1, 50), (51, 90)):
        assert [taken[few, wanted] for wanted in (False, True)] == [taken[many, wanted] for wanted in (False, True)]
        # The message, and the inboxes of those planned at once. A job asks in any case whether there is a message.
        assert taken[few, True] == (taken[few, False][0] + 2, taken[few, False][1])


# When


@pytest.fixture
def schedule(brigade: Organization, boss: APIClient, now: datetime) -> Callable[[], Alarm]:
    """Raises an alarm for everybody that starts in an hour."""
    member(brigade)
    return lambda: raised(boss, brigade, startTime=(now + timedelta(hours=1)).isoformat())


def begin(alarm: Alarm) -> None:
    """Let the time of a scheduled alarm come."""
    start_alarm(alarm_id=alarm.pk, now=alarm.starts_at)
    plan(alarm)


def test_who_is_alarmed_at_the_start_has_it_then(brigade: Organization, schedule: Schedule, inbox_of: Inbox) -> None:
    alarm = schedule()
    assert not Message.objects.exists()
    late = member(brigade)
    for _time in range(2):
        begin(alarm)
    assert set(inboxes().values()) == {1}
    assert inboxes().keys() == set(brigade.memberships.values_list("user_id", flat=True))
    assert [message["timestamp"] for message in inbox_of(late)] == [int(alarm.starts_at.timestamp())]


def test_a_scheduled_alarm_that_is_cancelled_is_told_of_never(boss: APIClient, schedule: Schedule) -> None:
    alarm = schedule()
    assert boss.patch(f"{URL}/{alarm.pk}").status_code == 200
    begin(alarm)
    assert (Message.objects.count(), inboxes()) == (0, {})


@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_wanted_at_the_start_counts(brigade: Organization, schedule: Schedule, wanted: bool) -> None:
    want(brigade, not wanted)
    alarm = schedule()
    want(brigade, wanted)
    begin(alarm)
    assert list(inboxes().values()) == [1] * wanted


@pytest.mark.parametrize("wanted", [True, False])
def test_to_change_it_before_the_planning_does_no_harm(brigade: Organization, boss: APIClient, wanted: bool) -> None:
    users = [member(brigade).pk for _ in range(52)]
    want(brigade, not wanted)
    alarm = raised(boss, brigade)
    want(brigade, wanted)
    plan(alarm)
    assert not AlarmMessage.objects.filter(planned_at=None).exists()
    before = inboxes()
    assert set(before.values()) <= {1}
    plan(raised(boss, brigade))
    assert {inboxes().get(user, 0) - before.get(user, 0) for user in users} == {wanted}


def test_nobody_gets_a_copy_by_email(brigade: Organization, boss: APIClient) -> None:
    users = [member(brigade, inbox_to_email=True) for _ in range(51)]
    plan(raised(boss, brigade))
    assert len(inboxes()) == len(users)
    assert set(ProcrastinateJob.objects.values_list("task_name", flat=True)) == {"alarms.plan"}


@pytest.mark.django_db(transaction=True)
def test_a_worker_puts_it_into_each_inbox_once_and_mails_nothing(brigade: Organization, tmp_path: Path) -> None:
    users = [member(brigade, inbox_to_email=True, language=language) for language in ("en", "de", "fr") * 20]
    mails = MailSink()
    try:
        with service(tmp_path, EMAIL_URL=mails.url) as processes:
            processes.start("web", "worker")
            until(processes.alive)
            Client(processes.url, brigade).raise_alarm(brigade)
            until(lambda: InboxMessage.objects.count() == len(users))
            until(lambda: not ProcrastinateJob.objects.filter(queue_name__in=["alarms", "inbox"]).exists())
            (message,) = Client(processes.url, users[1]).get("/msg/list")["messages"]
    finally:
        mails.close()
    assert inboxes() == {user.pk: 1 for user in users}
    assert (message["type"], message["sender"]["lastName"]) == ("CRITICAL", brigade.name)
    assert all(part in message["message"] for part in (brigade.name, "B2", "Smoke in the museum"))
    assert mails.mails == []
