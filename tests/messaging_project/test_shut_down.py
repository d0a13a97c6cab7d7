"""All is told to end at once, as when a machine goes down: each process finishes what it is at."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from alarms import tasks
from alarms.models import AlarmMessage, DeviceMessage
from organizations.models import User
from tests import factories
from tests.client import Client
from tests.processes import service, until, url_of_the_test_database
from tests.sinks import HttpSink

# The locks by which this test has job and request take long are waited for.
PATIENT = quote("-c lock_timeout=120s -c pgtrigger.ignore={}")


def asked(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def job_and_request_are_under_way() -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return asked(waiting) == 2 and ProcrastinateJob.objects.filter(task_name="alarms.plan", status="doing").exists()


def the_grace_of_the_worker_is_over() -> bool:
    """It shows no heartbeats any more, for longer than it waits for its jobs as such."""
    return (
        asked("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > clock_timestamp() - interval '7 s'")
        == 0
    )


def defer(recipient: AlarmMessage) -> None:
    try:
        tasks.plan.defer(alarm_id=recipient.alarm_id, first_id=recipient.pk, last_id=recipient.pk)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_each_process_finishes_what_it_is_at(tmp_path: Path) -> None:
    organization = factories.OrganizationFactory()
    first, second = (factories.member(organization, ways=("app",)) for _ in range(2))
    # Of an alarm to come, so that the auditor does not have it planned before.
    alarm = factories.AlarmFactory(organization=organization, starts_at=timezone.now() + timedelta(hours=1))
    user = factories.member(organization, ways=("pager",))
    to_plan = factories.AlarmMessageFactory(alarm=alarm, user=user, planned_at=None)
    sink, url = HttpSink(), url_of_the_test_database()
    sink.delay = 3.0
    gateways = {"GATEWAY_APP": sink.url, "GATEWAY_PAGER": sink.url}
    url += f"{'&' if '?' in url else '?'}options={PATIENT}"
    with service(tmp_path, DATABASE_URL=url, **gateways) as processes, ThreadPoolExecutor(4) as threads:
        processes.start_all()
        client = Client(processes.url, organization)
        with transaction.atomic():
            AlarmMessage.objects.select_for_update().get(pk=to_plan.pk)
            User.objects.select_for_update().get(pk=second.pk)
            client.raise_alarm(organization, users=[first.pk])
            request = threads.submit(client.raise_alarm, organization, users=[second.pk])
            # Over a connection of its own, so that it is committed.
            threads.submit(defer, to_plan).result()
            until(job_and_request_are_under_way)
            until(lambda: sink.posts)
            stopped = {name: threads.submit(processes.stop, name) for name in ("web", "worker", "sender")}
            assert stopped["sender"].result() == 0
            until(lambda: not processes.alive(), what="no new requests are taken")
            until(the_grace_of_the_worker_is_over)
            assert not request.done()
            assert not any(stopped[name].done() for name in ("web", "worker"))
        raised = request.result()
        assert {name: each.result() for name, each in stopped.items()} == {"web": 0, "worker": 0, "sender": 0}
    sink.close()
    assert AlarmMessage.objects.filter(alarm_id=raised["id"], user=second).exists()
    assert DeviceMessage.objects.filter(alarm_message=to_plan).count() == 1
    assert not ProcrastinateJob.objects.filter(task_name="alarms.plan").exists()
    assert [(post.json["userID"], post.json["attempt"]) for post in sink.posts] == [(first.pk, 1)]
    assert DeviceMessage.objects.get(alarm_message__user=first).status == DeviceMessage.Status.SENT


def test_workers_whose_master_was_killed_make_room_for_the_next_one_though_a_client_keeps_them(
    tmp_path: Path, transactional_db: None
) -> None:
    with service(tmp_path) as processes, socket.socket() as client:
        processes.start("web")
        until(processes.alive)
        client.connect(("127.0.0.1", processes.port))
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: local")
        processes.kill("web")
        processes.start("web")
        until(processes.web_answers_by_its_own_workers)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):  # It has not been cut yet.
            client.recv(1)
        assert processes.stop("web") == 0
