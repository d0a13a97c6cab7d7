"""The metrics of the service, which any web process tells alike: counters are added up in the database
(alarms/counting.py), and how things stand is looked up there.

Labels are ways, states and other words of this service: nothing that a tenant has written, and nobody's address.
Whatever is looked up is bounded, so that it takes some milliseconds with full tables too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django import app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from alarms import counting, health
from alarms.counting import STATES
from alarms.gateways.base import KINDS
from alarms.models import Audit, Sender
from organizations.models import Way

# Of more than so many alarms or due messages it is only said that there are so many.
MOST = 50_000

ALARMS = """
    SELECT (
        SELECT count(*) FROM (
            SELECT FROM alarms_alarm WHERE closed_at IS NULL AND pending_resources IS NULL LIMIT %(most)s
        ) open
    ), (
        SELECT count(*) FROM (
            SELECT FROM alarms_alarm WHERE closed_at IS NULL AND pending_resources IS NOT NULL LIMIT %(most)s
        ) scheduled
    )
"""

# The oldest, so that their age is right however many there are.
DUE = """
    SELECT way, count(*), extract(epoch FROM now() - min(due_at))::float8
    FROM (
        SELECT way, due_at FROM alarms_devicemessage WHERE status = 0 AND due_at <= now()
        ORDER BY due_at LIMIT %(most)s
    ) due
    GROUP BY way
"""
UNDER_WAY = "SELECT way, count(*) FROM alarms_devicemessage WHERE status = 1 GROUP BY way"

# Those that are to be done later do not wait. One that has failed waits again since then.
JOBS = """
    SELECT queue_name, CASE WHEN later THEN 'scheduled' ELSE status::text END AS state, count(*),
        max(CASE WHEN status = 'todo' AND NOT later THEN extract(epoch FROM now() - greatest(
            scheduled_at, (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id)
        ))::float8 END)
    FROM (
        SELECT *, status = 'todo' AND coalesce(scheduled_at > now(), false) AS later FROM procrastinate_jobs
    ) j
    GROUP BY queue_name, state
"""
JOB_STATES = ("todo", "scheduled", "doing", "failed")

WORKERS = """
    SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %(heartbeat)s)
"""


class Metrics(Collector):
    """All that there is to tell. Where the database is away or not migrated: only that the service is not healthy."""

    def collect(self) -> list[Metric]:
        try:
            problems = health.problems()
            if problems == health.NOT_MIGRATED:
                return [healthy(False)]
            return [healthy(not problems), *counters(), *alarms(), *device_messages(), *jobs(), *processes(), audits()]
        except DatabaseError:
            return [healthy(False)]


def rows(statement: str, **values: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def gauge(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def by_way(name: str, text: str, values: Mapping[str, float]) -> Metric:
    return gauge(name, text, ["way"], {(way,): values.get(way, 0) for way in Way.values})


def healthy(is_healthy: bool) -> Metric:
    return GaugeMetricFamily("alarm_healthy", "Whether alarms go out, as /health has it: 1 or 0.", int(is_healthy))


def counters() -> Iterator[Metric]:
    totals = counting.totals()
    for kind in ("raised", "closed"):
        value = totals[counting.ALARMS, "", kind]
        yield CounterMetricFamily(f"alarm_alarms_{kind}", f"Alarms that were {kind}.", value)
    yield counter(
        "alarm_device_messages",
        "Device messages that have come to a state: scheduled (planned), sending (taken up, at each attempt), sent (a"
        " gateway took it), delivered (a receipt says so), failed (given up) or cancelled.",
        ["way", "state"],
        {(way, state): totals[counting.DEVICE_MESSAGES, way, state] for way, state in product(Way.values, STATES)},
    )
    yield counter(
        "alarm_gateway_errors",
        "Attempts that a gateway did not take, by what it said: refused (for good), unavailable, no_answer,"
        " no_connection, address (not valid, not asked), fault (of this service), receipt (of what it had taken).",
        ["way", "kind"],
        {(way, kind): totals[counting.GATEWAY_ERRORS, way, kind] for way, kind in product(Way.values, KINDS)},
    )
    answers: dict[tuple[str, ...], int] = {
        (kind,): totals[counting.FEEDBACK, "", kind] for kind in ("positive", "negative")
    }
    yield counter("alarm_feedback", "Answers to alarms, changed ones too.", ["response"], answers)
    yield due_to_sent(totals)


def counter(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def due_to_sent(totals: Mapping[counting.Key, int]) -> Metric:
    family = HistogramMetricFamily(
        "alarm_due_to_sent_seconds",
        "From when the turn of a device message came until a gateway first took it, with all attempts that failed"
        " before, the waiting for its device's minute, and what a sender that died had held up.",
        labels=["way"],
    )
    for way in Way.values:
        # An older version may have counted in others than those of now.
        counted = {
            float(kind): value
            for (name, of, kind), value in totals.items()
            if (name, of) == (counting.DUE_TO_SENT, way) and kind != counting.SUM
        }
        buckets = [
            (bound, sum(value for at, value in counted.items() if at <= float(bound))) for bound in counting.BOUNDS
        ]
        family.add_metric([way], buckets, totals.get((counting.DUE_TO_SENT, way, counting.SUM), 0) / 1_000_000)
    return family


def alarms() -> Iterator[Metric]:
    [(opened, scheduled)] = rows(ALARMS, most=MOST)
    yield GaugeMetricFamily("alarm_alarms_open", f"Alarms that are not closed, of at most {MOST}.", opened)
    yield GaugeMetricFamily("alarm_alarms_scheduled", f"Alarms whose time is to come, of at most {MOST}.", scheduled)


def device_messages() -> Iterator[Metric]:
    due = rows(DUE, most=MOST)
    yield by_way(
        "alarm_device_messages_due",
        f"Device messages that are due and wait for a sender; the {MOST} that have waited longest.",
        {way: count for way, count, _age in due},
    )
    yield by_way(
        "alarm_device_messages_oldest_due_seconds",
        "How long the one of them waits that has waited longest; 0: none does.",
        {way: age for way, _count, age in due},
    )
    yield by_way(
        "alarm_device_messages_under_way", "Device messages that senders have taken up.", dict(rows(UNDER_WAY))
    )


def jobs() -> Iterator[Metric]:
    found = rows(JOBS)
    queues = {task.queue for task in app.tasks.values() if not task.name.startswith("builtin:")}
    counts = dict.fromkeys(product(sorted(queues), JOB_STATES), 0) | {(row[0], row[1]): row[2] for row in found}
    yield gauge(
        "alarm_jobs",
        "Jobs of the queue by their status; todo: their time has come, scheduled: it has not.",
        ["queue", "status"],
        counts,
    )
    waits = dict.fromkeys(sorted(queues), 0.0) | {row[0]: max(0.0, row[3]) for row in found if row[3] is not None}
    yield gauge(
        "alarm_jobs_oldest_todo_seconds",
        "How long the job waits that has waited longest; 0: none does.",
        ["queue"],
        {(queue,): seconds for queue, seconds in waits.items()},
    )


def processes() -> Iterator[Metric]:
    living = Sender.objects.filter(heartbeat_at__gt=Now() - timedelta(seconds=health.HEARTBEAT))
    senders = living.values_list("resting", flat=True)
    [(workers,)] = rows(WORKERS, heartbeat=health.HEARTBEAT)
    alive = f"with a heartbeat in the last {health.HEARTBEAT} s"
    yield GaugeMetricFamily("alarm_senders", f"Senders {alive}.", len(senders))
    yield GaugeMetricFamily("alarm_workers", f"Workers {alive}: in each process there is one for every queue.", workers)
    now = timezone.now().isoformat()
    resting = {
        (each["way"], each["organization"], each["place"])
        for by_sender in senders
        for each in by_sender
        if each["until"] > now
    }
    yield by_way(
        "alarm_gateways_resting",
        "Gateways that senders leave alone as they keep failing, while others of their way stand in.",
        Counter(way for way, _organization, _place in resting),
    )


def audits() -> Metric:
    found = dict.fromkeys(Audit.Kind.values, 0) | dict(Audit.objects.values_list("kind", "total"))
    text = "What the auditor has found and, where it can be, put right."
    return counter("alarm_audit_found", text, ["kind"], {(kind,): total for kind, total in found.items()})
