"""What a sender waits out, and what it does not let hold up the others."""

from __future__ import annotations

import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from alarms import upkeep
from alarms.answering import answer_alarm
from alarms.closing import close_alarm
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, ThreadGateway
from alarms.gateways.email import failure
from alarms.models import AlarmMessage, DeviceMessage, Sender
from alarms.sending import presence
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.outlets import ThreadOutlet
from alarms.sending.results import Turn, write
from messaging_project.errors import Conflict
from tests import factories
from tests.alarms.test_texts import to
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink

Status = DeviceMessage.Status
GONE = GatewayError("HTTP 404", permanent=True)
BUSY = GatewayError("HTTP 503", permanent=False)


def elsewhere(work: Callable[[], object]) -> threading.Thread:
    """Do some work over a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def statuses() -> dict[int, int]:
    return dict(DeviceMessage.objects.values_list("pk", "status"))


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        # Of this database: the server may have others, in which other tests wait.
        cursor.execute(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid IN ("
            " SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_recipient_that_somebody_has_locked_holds_up_no_other_and_comes_later(now: datetime) -> None:
    locked, free = factories.DeviceMessageFactory(), factories.DeviceMessageFactory()
    deliveries = claim(sender_id=1, free={("sms", 0, 0): 2}).deliveries
    results = [Result(delivery, "log", at=now) for delivery in deliveries]
    later: list[tuple[list[Result], list[Turn]]] = []
    with transaction.atomic():
        AlarmMessage.objects.select_for_update(no_key=True).get(pk=locked.alarm_message_id)
        elsewhere(lambda: later.append(write(results, gateways={("sms", 0): 1}))).join(30)
    assert statuses() == {locked.pk: Status.SENDING, free.pk: Status.SENT}
    ((left, _over),) = later
    assert write(left, gateways={("sms", 0): 1}) == ([], [])
    assert set(statuses().values()) == {Status.SENT}


@pytest.mark.django_db(transaction=True)
def test_what_dead_senders_held_comes_back_although_somebody_has_locked_one_of_it() -> None:
    locked, free = factories.DeviceMessageFactory(), factories.DeviceMessageFactory()
    claim(sender_id=1, free={("sms", 0, 0): 2})
    with transaction.atomic():
        AlarmMessage.objects.select_for_update(no_key=True).get(pk=locked.alarm_message_id)
        elsewhere(upkeep.return_lost).join(30)
    assert statuses() == {locked.pk: Status.SENDING, free.pk: Status.SCHEDULED}


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_waited_for_the_closing_is_a_conflict(now: datetime) -> None:
    recipient = factories.AlarmMessageFactory()
    refused: list[str] = []

    def answer() -> None:
        try:
            answer_alarm(
                alarm_id=recipient.alarm_id, user_id=recipient.user_id, response=True, source="a", organization=None
            )
        except Conflict as conflict:
            refused.append(str(conflict))

    with transaction.atomic():
        close_alarm(alarm_id=recipient.alarm_id, now=now)
        answering = elsewhere(answer)
        until(somebody_waits)
    answering.join(30)
    assert refused == [f"alarmID: alarm {recipient.alarm_id} is closed."]
    recipient.refresh_from_db()
    assert recipient.response is None


@pytest.mark.parametrize(
    ("gateway", "refused", "error", "outcome", "following", "least"),
    [
        (0, 0b00, BUSY, "again", 1, 0.0),
        (0, 0b00, GONE, "again", 1, 0.0),
        # What the first asks for is not waited for before the second is asked.
        (0, 0b00, GatewayError("HTTP 429", permanent=False, retry_after=60), "again", 1, 0.0),
        (1, 0b00, BUSY, "again", 0, 5.0),
        # The second's no is not the first's, which was only busy.
        (1, 0b00, GONE, "again", 0, 5.0),
        (1, 0b01, GONE, "failed", 1, 0.0),
        # The first has refused for good: only the second is asked again.
        (1, 0b01, GatewayError("HTTP 429", permanent=False, retry_after=60), "again", 1, 60.0),
        # What the second asks for is not waited for before the first is asked.
        (1, 0b00, GatewayError("HTTP 429", permanent=False, retry_after=3600), "again", 0, 5.0),
    ],
)
def test_of_two_gateways_each_is_asked_until_it_refuses_for_good(
    now: datetime, gateway: int, refused: int, error: GatewayError, outcome: str, following: int, least: float
) -> None:
    found = Result(to(gateway=gateway, refused=refused, attempt=2), "log", at=now, error=error).outcome(2)
    assert (found.outcome, found.gateway) == (outcome, following)
    assert least <= found.wait <= least * 1.2


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (ssl.SSLCertVerificationError("expired"), False),
        (smtplib.SMTPConnectError(554, b"not now"), False),
        (smtplib.SMTPDataError(554, b"spam"), True),
        (smtplib.SMTPDataError(451, b"later"), False),
        (TimeoutError(), False),
        (ValueError("header"), True),
    ],
)
def test_only_what_is_about_the_message_is_permanent(error: Exception, permanent: bool) -> None:
    assert failure(error).permanent is permanent


class Hanging(ThreadGateway):
    connections = 1

    def __init__(self) -> None:
        super().__init__("hanging:")
        self.released = threading.Event()

    def send(self, delivery: Delivery) -> None:
        if delivery.device_message_id == 1:
            self.released.wait(60)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    gateway = Hanging()
    yield gateway
    gateway.released.set()


def test_the_place_of_a_delivery_that_hangs_is_given_to_others(hanging: Hanging) -> None:
    reported: list[Result] = []
    outlet = ThreadOutlet(hanging, reported.append)
    outlet.submit([to(device_message_id=1), to(device_message_id=2)], time.monotonic())
    outlet.abandon(1)
    until(lambda: [result.delivery.device_message_id for result in reported] == [2])
    hanging.released.set()
    until(lambda: len(reported) == 2)
    until(lambda: len(outlet._threads) == 1, what="the thread that hung has left")
    outlet.close()


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_sender_whose_clock_is_wrong_ends_nobodys_time(now: datetime, wrong: timedelta) -> None:
    message = factories.DeviceMessageFactory(due_at=now - timedelta(minutes=1))
    (delivery,) = claim(sender_id=1, free={("sms", 0, 0): 1}).deliveries
    write([Result(delivery, "log", at=now + wrong)], gateways={("sms", 0): 1})
    recipient = message.alarm_message
    recipient.refresh_from_db()
    assert abs(recipient.deadline - now - recipient.alarm.timeout) < timedelta(seconds=10)


@pytest.mark.django_db
def test_a_sender_whose_row_is_gone_comes_back_under_its_id() -> None:
    sender_id = presence.enter()
    Sender.objects.all().delete()
    presence.beat(sender_id, last_starts={}, resting=[], under_way=[])
    assert Sender.objects.get().pk == sender_id


@pytest.mark.django_db(transaction=True)
def test_what_a_sender_has_taken_up_without_knowing_goes_back() -> None:
    known, unknown = factories.DeviceMessageFactory(), factories.DeviceMessageFactory()
    claim(sender_id=1, free={("sms", 0, 0): 2})
    presence.let_go(1, under_way=[known.pk])
    assert statuses() == {known.pk: Status.SENDING, unknown.pk: Status.SCHEDULED}


def test_a_sender_waits_out_whatever_the_database_does(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    for number in range(50):
        factories.DeviceFactory(user=factories.member(organization), way="app", address=f"app-{number}")
    http_sink.delay = 1.0
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    for received in (1, 10, 30):
        until(lambda received=received: len(http_sink.posts) >= received)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        processes.restart_ended("worker")
    until(lambda: list(statuses().values()) == [Status.SENT] * 50)
    assert len({post.key for post in http_sink.posts}) == 50
    assert processes.stop("sender") == 0
    assert "Traceback" not in processes.log("sender")


def test_what_somebody_holds_while_it_is_due_goes_out_once_they_let_go_of_it(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization = factories.OrganizationFactory()
    factories.member(organization, ways=("app",))
    processes.start("web")
    until(processes.alive)
    Client(processes.url, organization).raise_alarm(organization)
    with transaction.atomic():
        held = DeviceMessage.objects.select_for_update().get()
        processes.start("sender")
        sender = until(Sender.objects.first)
        until(lambda: Sender.objects.filter(heartbeat_at__gt=sender.heartbeat_at))
        assert DeviceMessage.objects.get() == held
        assert not http_sink.posts
    # Nothing has told the sender.
    until(lambda: http_sink.posts)
