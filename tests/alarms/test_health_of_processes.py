"""/health is red soon after the last sender's and the last worker's death, and green after their return; what is raised
in between is not lost."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from tests import factories
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink

AGES = """
    SELECT 'worker', extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers
    UNION ALL SELECT 'sender', extract(epoch FROM now() - max(heartbeat_at)) FROM alarms_sender
"""


def reasons(processes: Processes) -> list[str]:
    """What /health says is wrong."""
    try:
        with urllib.request.urlopen(f"{processes.url}/health", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    return list(found["reasons"])


def red(processes: Processes) -> bool:
    """Whether /health tells of both; fails where it does not tell of one that has shown no heartbeat for 15 s."""
    with connection.cursor() as cursor:
        cursor.execute(AGES)
        ages = dict(cursor.fetchall())
    told = {each.partition(":")[0] for each in reasons(processes)}
    assert not [name for name, age in ages.items() if age > 15 and name not in told]
    return ages.keys() <= told


def test_health_is_red_within_15_s_of_the_last_ones_death_and_nothing_raised_meanwhile_is_lost(
    processes: Processes, http_sink: HttpSink
) -> None:
    organization = factories.OrganizationFactory()
    factories.member(organization, ways=("app",))
    processes.start_all()
    client = Client(processes.url, organization)
    processes.kill("worker")
    processes.kill("sender")
    until(lambda: red(processes), what="both are told")
    body = {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    soon = (timezone.now() + timedelta(seconds=2)).isoformat()
    raised = {client.request("POST", "/alarm", body | {"startTime": start})[1]["id"] for start in (None, soon)}
    assert len(raised) == 2
    assert not http_sink.posts
    processes.start("worker", "sender")
    until(processes.healthy, what="green")
    until(lambda: {post.json["alarmID"] for post in http_sink.posts} == raised)
    assert len(http_sink.posts) == 2
