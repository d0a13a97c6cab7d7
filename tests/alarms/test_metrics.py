"""GET /metrics: who may read it, what stands there, and what does not."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from alarms import health
from alarms.models import Sender
from organizations.models import Organization
from tests import factories
from tests.alarms.scraped import Scraped, scrape
from tests.processes import ROOT

pytestmark = pytest.mark.django_db

TOKEN = "a token for Prometheus"
WAYS = {"app", "pager", "sms", "call", "email"}
# Every word that may stand as the value of a label.
WORDS = {
    "way": WAYS,
    "state": {"scheduled", "sending", "sent", "delivered", "failed", "cancelled"},
    "response": {"positive", "negative"},
    "le": {"0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "+Inf"},
    "queue": {"alarms", "hooks", "inbox", "upkeep", "watch"},
    "status": {"todo", "scheduled", "doing", "failed"},
}
KINDS = {
    "alarm_gateway_errors_total": {
        *("refused", "unavailable", "no_answer", "no_connection", "address", "held_up", "fault", "receipt"),
    },
    "alarm_audit_found_total": {
        *("late", "leases", "unstarted", "unplanned", "unclosed", "uncleared", "without_messages"),
    },
}


@pytest.mark.parametrize(
    ("token", "request_", "status"),
    [
        ("", {}, 200),
        ("", {"REMOTE_ADDR": "127.8.9.1"}, 200),
        ("", {"REMOTE_ADDR": "::1"}, 200),
        ("", {"REMOTE_ADDR": "::ffff:127.0.0.1"}, 200),
        ("", {"REMOTE_ADDR": "10.0.0.7"}, 403),
        ("", {"REMOTE_ADDR": "::ffff:10.0.0.7"}, 403),
        ("", {"REMOTE_ADDR": "2001:db8::1"}, 403),
        # A proxy that comes over a socket.
        ("", {"REMOTE_ADDR": ""}, 403),
        # Over a proxy on this machine, whoever it says is asking.
        ("", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ("", {"HTTP_X_FORWARDED_FOR": ""}, 403),
        ("", {"HTTP_FORWARDED": "for=127.0.0.1"}, 403),
        ("", {"HTTP_X_FORWARDED_PROTO": "http"}, 403),
        ("", {"HTTP_X_REAL_IP": "127.0.0.1"}, 403),
        ("", {"HTTP_VIA": "1.1 proxy"}, 403),
        # Nobody has the empty token.
        ("", {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": "Bearer "}, 403),
        (TOKEN, {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, 200),
        (TOKEN, {"HTTP_X_FORWARDED_FOR": "10.0.0.7", "HTTP_AUTHORIZATION": f"bearer {TOKEN}"}, 200),
        # Where there is a token, being local is not enough.
        (TOKEN, {}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": "Bearer"}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}s"}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN[:-1]}"}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": "Bearer \xfcber"}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": f"Basic {TOKEN}"}, 401),
        (TOKEN, {"HTTP_AUTHORIZATION": TOKEN}, 401),
    ],
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_the_token_opens_it_and_without_one_only_this_machine_may_ask(
    settings: Any, proxies: int, token: str, request_: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = token
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    answer = Client().get("/metrics", **request_)
    assert answer.status_code == status
    assert (answer.get("WWW-Authenticate") == "Bearer") == (status == 401)
    assert "no-store" in answer["Cache-Control"]
    if status == 200:
        assert answer["Content-Type"].startswith("text/plain; version=")
    else:
        assert answer.json()["success"] is False
        assert TOKEN not in answer.content.decode()


def test_only_get_is_answered_and_a_trailing_slash_changes_nothing() -> None:
    assert Client().get("/metrics/").status_code == 200
    refused = Client(enforce_csrf_checks=True).post("/metrics")
    assert (refused.status_code, refused.json()["success"]) == (405, False)


def messages_of_alarms(now: Any) -> None:
    """One alarm is to come, one is closed, and one has messages that are due, to come and under way."""
    second = timedelta(seconds=1)
    factories.AlarmFactory(starts_at=now + timedelta(hours=1), pending_resources={})
    factories.AlarmFactory(closed_at=now)
    old = factories.AlarmFactory(starts_at=now - 100 * second)
    recipient = factories.AlarmMessageFactory(alarm=old)
    for way, late, status in (("sms", 40, 0), ("sms", 7, 0), ("call", 3, 0), ("call", -60, 0), ("app", 5, 1)):
        factories.DeviceMessageFactory(alarm_message=recipient, way=way, due_at=now - late * second, status=status)


def senders_and_jobs(now: Any) -> None:
    """Two senders live, which leave the same two gateways alone, and one is gone; there are jobs of each kind."""
    second = timedelta(seconds=1)
    resting = {"way": "sms", "organization": 0, "gateway": "one", "place": 0, "reason": "HTTP 500"}
    until = (timezone.now() + 30 * second).isoformat()
    for place in (0, 1):
        Sender.objects.create(
            host="here", pid=1, resting=[resting | {"until": until}, resting | {"place": place, "until": until}]
        )
    Sender.objects.create(host="gone", pid=2, resting=[resting | {"place": 7, "until": until}])
    Sender.objects.filter(host="gone").update(heartbeat_at=now - 60 * second)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now() - interval '1 hour')")
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, status, scheduled_at) VALUES"
            " ('a', 'alarms', 'todo', NULL), ('a', 'alarms', 'todo', now() - interval '20 s'),"
            " ('a', 'alarms', 'todo', now() + interval '1 hour'), ('a', 'hooks', 'doing', NULL),"
            " ('a', 'inbox', 'failed', NULL)"
        )
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '30 s'")


def test_how_things_stand_is_told(now: Any) -> None:
    messages_of_alarms(now)
    senders_and_jobs(now)
    found = scrape()
    expected: dict[Any, float] = {
        "alarm_healthy": 0,
        "alarm_alarms_open": 1,
        "alarm_alarms_scheduled": 1,
        ("alarm_device_messages_due", "sms"): 2,
        ("alarm_device_messages_due", "call"): 1,
        ("alarm_device_messages_due", "app"): 0,
        ("alarm_device_messages_under_way", "app"): 1,
        ("alarm_device_messages_under_way", "sms"): 0,
        "alarm_senders": 2,
        "alarm_workers": 1,
        ("alarm_gateways_resting", "sms"): 2,
        ("alarm_gateways_resting", "call"): 0,
        ("alarm_jobs", "alarms", "todo"): 2,
        ("alarm_jobs", "alarms", "scheduled"): 1,
        ("alarm_jobs", "hooks", "doing"): 1,
        ("alarm_jobs", "inbox", "failed"): 1,
        ("alarm_jobs", "upkeep", "todo"): 0,
        ("alarm_jobs_oldest_todo_seconds", "hooks"): 0,
        ("alarm_device_messages_oldest_due_seconds", "app"): 0,
    }
    assert {series: found[series] for series in expected} == expected
    # The database's clock stands still while a test runs.
    for series, seconds in {
        ("alarm_device_messages_oldest_due_seconds", "sms"): 40,
        ("alarm_device_messages_oldest_due_seconds", "call"): 3,
        ("alarm_jobs_oldest_todo_seconds", "alarms"): 30,
    }.items():
        assert found[series] == pytest.approx(seconds, abs=2)


def test_it_is_healthy_while_a_worker_and_a_sender_live_and_tells_no_more_than_that_without_a_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Sender.objects.create(host="here", pid=1)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    assert scrape()["alarm_healthy"] == 1

    def away() -> list[str]:
        raise OperationalError("secret host")

    for problems in (away, lambda: health.NOT_MIGRATED):
        monkeypatch.setattr(health, "problems", problems)
        assert scrape().values == {("alarm_healthy",): 0}


def test_labels_are_words_of_the_service_and_nothing_of_a_tenant_is_told() -> None:
    organization = Organization.objects.create(name="Brigade of Needleton")
    user = factories.member(organization, ways=tuple(WAYS), first_name="Needle", email="needle@example.org")
    alarm = factories.AlarmFactory(organization=organization, message="Needle in the hay", event_name="Needle")
    recipient = factories.AlarmMessageFactory(alarm=alarm, user=user)
    device = user.devices.get(way="sms")
    factories.DeviceMessageFactory(
        alarm_message=recipient,
        device=device,
        device_name="Needle",
        address="+4900needle",
        due_at=timezone.now() - timedelta(minutes=1),
    )
    until = (timezone.now() + timedelta(minutes=1)).isoformat()
    about = {"way": "sms", "organization": organization.pk, "gateway": "needle.example", "place": 0}
    Sender.objects.create(host="needle", pid=1, resting=[about | {"reason": "needle", "until": until}])
    found = scrape()
    assert found["alarm_gateways_resting", "sms"] == found["alarm_device_messages_due", "sms"] == 1
    assert "needle" not in found.text.lower()
    for family in found.families:
        assert family.documentation
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert value in (KINDS[sample.name] if label == "kind" else WORDS[label]), sample


def test_every_series_is_there_before_anything_has_happened() -> None:
    found = scrape()
    for name, labels in {
        "alarm_device_messages_total": ("state", "way"),
        "alarm_feedback_total": ("response",),
        "alarm_due_to_sent_seconds_bucket": ("le", "way"),
        "alarm_jobs": ("queue", "status"),
    }.items():
        expected = 1
        for label in labels:
            expected *= len(WORDS[label])
        assert len([series for series in found.values if series[0] == name]) == expected, name


def test_a_scrape_takes_as_many_queries_with_many_rows_as_with_none(django_assert_num_queries: Any) -> None:
    scrape()  # The migrations are looked at once.
    for _round in range(2):
        # Health: heartbeats, raising and planning, upkeep, messages; counters; alarms; due, under way; jobs; senders,
        # workers; the audit.
        with django_assert_num_queries(12):
            scrape()
        recipient = factories.AlarmMessageFactory()
        for number in range(20):
            factories.DeviceMessageFactory(alarm_message=recipient, turn=number)


def queries() -> list[str]:
    """Return what the dashboard asks."""
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_asks_for_all_that_there_is_and_for_nothing_else() -> None:
    found: Scraped = scrape()
    asked = {name for query in queries() for name in re.findall(r"\balarm_\w+", query)}
    assert asked == found.names
    words = {word for query in queries() for word in re.findall(r'=~?"([^"]*)"', query)}
    assert words == {"sent", "failed|cancelled", "5.0"}


def test_the_dashboard_can_be_imported_with_any_data_source() -> None:
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    assert [each["name"] for each in dashboard["__inputs"]] == ["DS_PROMETHEUS"]
    assert dashboard["id"] is None
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${DS_PROMETHEUS}"}, panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
