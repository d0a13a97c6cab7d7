from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from alarms import health
from alarms.models import Sender
from tests import factories

pytestmark = pytest.mark.django_db


def ask(client: Client) -> tuple[int, list[str]]:
    answer = client.get("/health")
    return answer.status_code, answer.json()["reasons"]


@pytest.fixture
def worker() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")


@pytest.fixture
def sender() -> Sender:
    return Sender.objects.create(host="here", pid=1)


def test_it_is_healthy_while_a_worker_and_a_sender_live(client: Client, worker: None, sender: Sender) -> None:
    assert ask(client) == (200, [])


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/live", "/health/live/"])
def test_both_spellings_of_the_paths_answer_json(client: Client, worker: None, sender: Sender, path: str) -> None:
    assert client.get(path).json()["status"] == "ok"


def test_the_web_process_lives_whatever_else_does_not(client: Client) -> None:
    assert client.get("/health/live").status_code == 200


def test_neither_a_worker_nor_a_sender_is_told(client: Client) -> None:
    assert ask(client) == (
        503,
        [
            "worker: none has shown a heartbeat in the last 10 s",
            "sender: none has shown a heartbeat in the last 10 s",
        ],
    )


def test_a_heartbeat_older_than_10_s_does_not_count(client: Client, worker: None, sender: Sender) -> None:
    Sender.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=11))
    assert ask(client) == (503, ["sender: none has shown a heartbeat in the last 10 s"])
    Sender.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=9))
    assert ask(client) == (200, [])


def test_a_message_that_is_due_for_over_10_s_is_told_with_its_way(client: Client, worker: None, sender: Sender) -> None:
    factories.DeviceMessageFactory(way="sms", due_at=timezone.now() - timedelta(seconds=11))
    factories.DeviceMessageFactory(way="call", due_at=timezone.now() - timedelta(seconds=8))
    assert ask(client) == (503, ["sms: 1 messages are due for over 10 s"])


def test_a_gateway_that_is_busy_starting_others_is_no_fault(client: Client, worker: None, sender: Sender) -> None:
    factories.DeviceMessageFactory(way="sms", due_at=timezone.now() - timedelta(seconds=60))
    Sender.objects.update(last_starts={"sms 0": timezone.now().timestamp() - 9})
    assert ask(client) == (200, [])
    Sender.objects.update(last_starts={"sms 0": timezone.now().timestamp() - 11, "call 0": timezone.now().timestamp()})
    assert ask(client)[0] == 503


def test_planning_that_waits_is_told_whatever_keeps_it(client: Client, worker: None, sender: Sender) -> None:
    alarm = factories.AlarmFactory(starts_at=timezone.now() - timedelta(seconds=11))
    factories.AlarmMessageFactory(alarm=alarm, planned_at=None)
    assert ask(client) == (503, ["planning: 1 recipients have no plan for over 10 s"])


def test_upkeep_that_waits_is_told(client: Client, worker: None, sender: Sender) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, args) VALUES ('alarms.sweep', 'upkeep', '{}')"
        )
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '11 seconds'")
    assert ask(client) == (503, ["upkeep: 1 jobs are waiting for over 10 s"])


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_other_methods_are_refused_in_json_even_without_a_csrf_token(path: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(path)
    assert answer.status_code == 405
    assert answer.json()["success"] is False


def test_a_database_that_is_away_is_told_as_json(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[str]:
        raise OperationalError("secret host")

    monkeypatch.setattr(health, "problems", away)
    assert ask(client) == (503, ["database: cannot be reached"])


def test_missing_migrations_are_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "migrations_applied", lambda: False)
    assert ask(client) == (503, ["database: migrations are not applied (manage.py upgrade)"])


def test_health_takes_few_queries(client: Client, worker: None, sender: Sender, django_assert_num_queries: Any) -> None:
    ask(client)  # The migrations are looked at once.
    # Heartbeats, waiting planning, waiting upkeep, waiting messages; resting gateways, organizations' gateways, what
    # the auditor has found.
    with django_assert_num_queries(7):
        ask(client)
