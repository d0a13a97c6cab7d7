"""Worker and sender are killed in the middle of the work: nothing is missing, and repeats carry the same key."""

from __future__ import annotations

import time
from collections import Counter

from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from alarms.models import AlarmMessage, DeviceMessage
from alarms.raising import PLANNED_AT_ONCE
from organizations.models import Device, Organization, User
from tests import factories
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink

RECIPIENTS = 2000


def test_2000_messages_arrive_although_worker_and_sender_are_killed_twice(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization = factories.OrganizationFactory()
    users = [factories.member(organization) for _ in range(RECIPIENTS)]
    for number, user in enumerate(users):
        factories.DeviceFactory(user=user, way="app", address=f"app-{number}")
    gets_later(users[0], PLANNED_AT_ONCE - RECIPIENTS // 3)
    # Slow enough that a kill falls into the middle.
    http_sink.delay = 0.8
    processes.start_all()
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)

    def reached() -> int:
        return len({post.json["address"] for post in http_sink.posts})

    for received in (50, 700):
        until(lambda received=received: reached() >= received)
        processes.kill("sender")
        processes.kill("worker")
        assert reached() < RECIPIENTS, "the kill came too late to prove anything"
        processes.start("worker", "sender")
    until(lambda: reached() == RECIPIENTS)
    messages = DeviceMessage.objects.filter(alarm_id=alarm["id"], way="app")
    until(lambda: not messages.exclude(status=DeviceMessage.Status.SENT).exists())
    keys = {(post.json["address"], post.key) for post in http_sink.posts}
    assert len(keys) == RECIPIENTS, "one device message went out under two keys"
    assert messages.count() == RECIPIENTS
    repeats = Counter(post.key for post in http_sink.posts)
    assert max(repeats.values()) <= 3


def test_what_a_killed_sender_had_on_the_wire_goes_out_again_under_the_same_key(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization = factories.OrganizationFactory()
    factories.member(organization, ways=("app",))
    http_sink.delay = 5.0
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    until(lambda: http_sink.posts)
    processes.kill("sender")
    killed_at = time.time()
    processes.start("sender")
    until(lambda: len(http_sink.posts) == 2)
    first, second = http_sink.posts
    print(f"\nsent again {second.at - killed_at:.1f} s after the sender was killed")
    assert first.key == second.key
    assert (first.json["attempt"], second.json["attempt"]) == (1, 2)


def gets_later(user: User, messages: int) -> None:
    """Let a user get so many messages after the test, so that fewer of the others' are planned with the raising and the
    rest by the worker."""
    factories.escalation(user, ("app", 0), ("sms", 600))
    devices = (Device(user=user, way="sms", name="One of many", address=f"+49{n}") for n in range(messages))
    Device.objects.bulk_create(devices)


def one_for_a_job() -> Organization:
    """Return an organization of two people: the first gets as many messages later as are planned with the raising, so
    that the other is left for a job."""
    organization: Organization = factories.OrganizationFactory()
    first, _other = (factories.member(organization, ways=("app",)) for _ in range(2))
    gets_later(first, PLANNED_AT_ONCE)
    return organization


def test_what_a_killed_worker_was_planning_is_planned_by_the_next(processes: Processes, http_sink: HttpSink) -> None:
    organization = one_for_a_job()
    processes.start("web", "sender")
    until(processes.alive)
    Client(processes.url, organization).raise_alarm(organization)
    with transaction.atomic():
        # Planning locks its recipients: it waits here until the worker is dead.
        assert len(AlarmMessage.objects.select_for_update().filter(planned_at=None)) == 1
        processes.start("worker")
        until(lambda: ProcrastinateJob.objects.filter(task_name="alarms.plan", status="doing").exists())
        processes.kill("worker")
        killed_at = time.time()
    processes.start("worker")
    until(lambda: len(http_sink.posts) == 2)
    print(f"\nsent {http_sink.posts[-1].at - killed_at:.1f} s after the worker was killed")
    assert DeviceMessage.objects.filter(way="app").count() == 2


def test_an_alarm_raised_while_no_worker_and_no_sender_runs_goes_out_when_they_come(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization = one_for_a_job()
    processes.start("web")
    until(processes.alive)
    Client(processes.url, organization).raise_alarm(organization)
    assert not http_sink.posts
    processes.start("sender")
    until(lambda: len(http_sink.posts) == 1, what="what is planned with the raising needs no worker")
    processes.start("worker")
    until(lambda: len(http_sink.posts) == 2)


def test_a_sender_that_is_asked_to_stop_finishes_what_is_on_the_wire(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    for number in range(20):
        factories.DeviceFactory(user=factories.member(organization), way="app", address=f"app-{number}")
    http_sink.delay = 2.0
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    until(lambda: len(http_sink.posts) == 20)
    assert processes.stop("sender") == 0
    assert DeviceMessage.objects.filter(status=DeviceMessage.Status.SENT, attempts=1).count() == 20
    assert len(http_sink.posts) == 20
