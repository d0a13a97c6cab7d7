"""The all-clear on its way: what it says, how long it is tried, what does not stop it; and with real processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from alarms import texts, upkeep
from alarms.all_clear import tell_all_clear
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import Alarm, AlarmMessage, DeviceMessage, DeviceRate
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device, Organization, User
from tests import factories
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
A_MINUTE, AN_HOUR = timedelta(minutes=1), timedelta(hours=1)
BUSY = GatewayError("HTTP 503", permanent=False)
REFUSED = GatewayError("HTTP 400", permanent=True)


@pytest.fixture
def today() -> datetime:
    """The time of the database, which stands still within a test."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.fixture
def someone(brigade: Organization) -> User:
    return factories.member(brigade, ways=("sms",), language="de")


@pytest.fixture
def cleared(brigade: Organization, someone: User, today: datetime) -> DeviceMessage:
    """The all-clear to somebody whom an alarm reached that was closed just now."""
    alarm = factories.AlarmFactory(
        organization=brigade,
        event_name="B3",
        starts_at=today - A_MINUTE,
        closed_at=today,
        all_clear="Feuer aus",
        all_clear_at=today,
    )
    recipient = factories.AlarmMessageFactory(
        alarm=alarm, user=someone, escalating=False, first_sent_at=alarm.starts_at, code="0123456789ab"
    )
    factories.DeviceMessageFactory(
        alarm_message=recipient, device=Device.objects.get(), status=SENT, sent_at=alarm.starts_at
    )
    assert tell_all_clear(alarm_id=alarm.pk, now=today)
    return DeviceMessage.objects.get(kind=DeviceMessage.Kind.ALL_CLEAR)


def take(today: datetime) -> list[Delivery]:
    """Take up what is scheduled, as if its time had come."""
    DeviceMessage.objects.filter(status=SCHEDULED).update(due_at=today)
    return claim(sender_id=1, free={("sms", 0, 0): 9}).deliveries


def report(deliveries: list[Delivery], error: GatewayError | None, *, at: datetime, gateways: int = 1) -> None:
    results = [Result(delivery, "log", at=at, error=error) for delivery in deliveries]
    write(results, gateways={("sms", 0): gateways})


def status_of(message: DeviceMessage) -> int:
    message.refresh_from_db()
    return message.status


def test_it_says_in_the_language_of_the_recipient_that_all_is_clear_and_asks_for_no_answer(
    brigade: Organization, cleared: DeviceMessage, today: datetime
) -> None:
    (delivery,) = take(today)
    assert (delivery.kind, delivery.code, delivery.answer_url) == (DeviceMessage.Kind.ALL_CLEAR, "", "")
    assert texts.written(delivery) == f"ENTWARNUNG {brigade.name}: B3\nFeuer aus"
    assert delivery.idempotency_key == f"{cleared.alarm_message.message_id}-{cleared.pk}"
    report([delivery], None, at=today)
    assert status_of(cleared) == SENT
    assert take(today) == []


# How long it is tried


def test_it_is_tried_again_until_it_left(cleared: DeviceMessage, today: datetime) -> None:
    for _ in range(5):
        (delivery,) = take(today)
        report([delivery], BUSY, at=today)
        assert status_of(cleared) == SCHEDULED
        assert cleared.due_at > today
    report(take(today), None, at=today)
    assert status_of(cleared) == SENT
    assert (cleared.attempts, len(cleared.tried)) == (6, 5)


@pytest.mark.parametrize(
    ("ago", "status"),
    [
        (timedelta(minutes=59), SCHEDULED),
        (AN_HOUR - timedelta(seconds=4), FAILED),  # The next attempt would be in 5 s.
    ],
)
def test_it_is_tried_again_within_an_hour(cleared: DeviceMessage, today: datetime, ago: timedelta, status: int) -> None:
    Alarm.objects.update(all_clear_at=today - ago)
    report(take(today), BUSY, at=today)
    assert status_of(cleared) == status


@pytest.mark.parametrize(("attempts", "status"), [(0, CANCELLED), (3, FAILED)])
def test_after_an_hour_it_is_given_up(cleared: DeviceMessage, today: datetime, attempts: int, status: int) -> None:
    DeviceMessage.objects.filter(pk=cleared.pk).update(attempts=attempts)
    Alarm.objects.update(all_clear_at=today - AN_HOUR)
    assert take(today) == []
    assert status_of(cleared) == status


def test_what_is_refused_for_good_goes_to_the_next_gateway_and_then_fails(
    cleared: DeviceMessage, today: datetime
) -> None:
    report(take(today), REFUSED, at=today, gateways=2)
    assert (status_of(cleared), cleared.gateway) == (SCHEDULED, 1)
    report(claim(sender_id=1, free={("sms", 0, 1): 9}).deliveries, REFUSED, at=today, gateways=2)
    assert (status_of(cleared), len(cleared.tried)) == (FAILED, 2)


def test_what_a_dead_sender_held_goes_out_again(cleared: DeviceMessage, today: datetime) -> None:
    assert len(take(today)) == 1
    upkeep.return_lost()
    assert status_of(cleared) == SCHEDULED
    assert [delivery.attempt for delivery in take(today)] == [2]


def test_its_device_gets_no_more_in_a_minute_than_is_allowed(
    cleared: DeviceMessage, someone: User, today: datetime, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = {"sms": 1}
    recipient = factories.AlarmMessageFactory(user=someone)
    factories.DeviceMessageFactory(alarm_message=recipient, device=Device.objects.get(), due_at=today - A_MINUTE)
    DeviceMessage.objects.filter(pk=cleared.pk).update(due_at=today)
    first = claim(sender_id=1, free={("sms", 0, 0): 9})
    assert [delivery.kind for delivery in first.deliveries] == [DeviceMessage.Kind.ALARM]
    assert (status_of(cleared), cleared.due_at) == (SCHEDULED, today + A_MINUTE)
    DeviceRate.objects.update(taken=[today - A_MINUTE])
    assert [delivery.kind for delivery in take(today)] == [DeviceMessage.Kind.ALL_CLEAR]


# What stops it, and what does not


def repeats_their_answer(message: DeviceMessage, client: APIClient) -> None:
    recipient = message.alarm_message
    AlarmMessage.objects.update(response=True)
    for response, status in ((True, 200), (False, 409)):
        answer = {"alarmID": message.alarm_id, "userID": recipient.user_id, "response": response}
        assert client.post("/api/v1/messaging/feedback", answer, format="json").status_code == status


def runs_out_of_time(message: DeviceMessage, _client: APIClient) -> None:
    AlarmMessage.objects.update(deadline=message.alarm.starts_at)
    upkeep.time_out(now=message.due_at)


def is_closed_again(message: DeviceMessage, client: APIClient) -> None:
    for body in ({}, {"allClear": "Feuer aus"}):
        assert client.patch(f"/api/v1/alarm/{message.alarm_id}", body, format="json").status_code == 200


@pytest.mark.parametrize("happens", [repeats_their_answer, runs_out_of_time, is_closed_again])
def test_neither_an_answer_nor_the_deadline_nor_another_closing_stops_it(
    cleared: DeviceMessage, boss: APIClient, today: datetime, happens: Callable[[DeviceMessage, APIClient], None]
) -> None:
    happens(cleared, boss)
    deliveries = take(today)
    happens(cleared, boss)
    report(deliveries, BUSY, at=today)
    assert (len(deliveries), status_of(cleared)) == (1, SCHEDULED)


@pytest.mark.parametrize("model", [User, Device])
def test_whoever_is_deactivated_gets_nothing(
    cleared: DeviceMessage, today: datetime, model: type[User] | type[Device]
) -> None:
    model.objects.update(is_active=False)
    assert take(today) == []
    assert status_of(cleared) == CANCELLED


# With real processes


def all_clears() -> Any:
    return DeviceMessage.objects.filter(kind=DeviceMessage.Kind.ALL_CLEAR)


def all_is_done() -> bool:
    """Whether no all-clear is to be written or sent any more."""
    waiting = all_clears().filter(status__in=[SCHEDULED, SENDING])
    return not (ProcrastinateJob.objects.filter(task_name="alarms.all_clear").exists() or waiting.exists())


def test_of_three_the_two_who_did_not_decline_are_told_once(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory(name="Feuerwehr")
    comes, declines, silent = (
        factories.member(organization, ways=("app", "sms"), language=language) for language in ("de", "de", "en")
    )
    processes.start_all()
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)
    until(lambda: DeviceMessage.objects.filter(way="app", status=SENT).count() == 3)
    assert (client.answer(alarm["id"], comes.pk, True), client.answer(alarm["id"], declines.pk, False)) == (200, 200)
    path, text = f"/alarm/{alarm['id']}", {"allClear": "The museum is safe"}
    assert client.request("PATCH", path, text) == (200, {"message": "success"})
    until(lambda: all_clears().filter(status=SENT).count() == 2)
    assert client.request("PATCH", path, text)[0] == client.request("PATCH", path)[0] == 200
    assert client.request("PATCH", path, {"allClear": "Go on"})[0] == 409
    until(all_is_done)

    told = [post.json for post in http_sink.posts if "kind" in post.json]
    assert {(json["userID"], json["way"], json["kind"], json["answerURL"], json["text"]) for json in told} == {
        (comes.pk, "app", "allClear", "", "ENTWARNUNG Feuerwehr: B2\nThe museum is safe"),
        (silent.pk, "app", "allClear", "", "ALL-CLEAR Feuerwehr: B2\nThe museum is safe"),
    }
    assert len(told) == 2
    assert all("/a/" in post.json["answerURL"] for post in http_sink.posts if "kind" not in post.json)
    assert len({post.key for post in http_sink.posts}) == len(http_sink.posts)
    status = client.get(f"/messagestatus/{alarm['id']}?organization_id={organization.pk}&user_id={comes.pk}")
    assert [(entry["type"], entry["status"]) for entry in status["devices"]] == [("app", 2), ("sms", 5), ("app", 2)]


def test_who_is_being_reached_when_the_alarm_is_closed_is_told_too(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    someone = factories.member(organization, ways=("app",))
    released = threading.Event()

    async def hold_back(_request: web.Request, before: int) -> web.Response:
        while before == 0 and not released.is_set():
            await asyncio.sleep(0.02)
        return web.Response()

    http_sink.behaviours[Device.objects.get().address] = hold_back
    processes.start_all()
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)
    until(lambda: http_sink.posts)
    assert client.request("PATCH", f"/alarm/{alarm['id']}", {"allClear": "Over"})[0] == 200
    # The job has run, and waits.
    until(lambda: ProcrastinateJob.objects.filter(task_name="alarms.all_clear", scheduled_at__isnull=False).exists())
    assert not all_clears().exists()
    released.set()
    until(lambda: all_clears().filter(status=SENT).exists())
    assert [(post.json["userID"], post.json.get("kind")) for post in http_sink.posts] == [
        (someone.pk, None),
        (someone.pk, "allClear"),
    ]
