"""Health: whether this process lives, and whether the service does its work (nothing due is left lying)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from alarms.gateways import owned
from alarms.models import Audit, OrganizationGateway, Sender
from messaging_project.api import read_only
from messaging_project.database import migrations_applied

# A worker or a sender has to show a heartbeat within so many seconds, so that the death of the last one is told 15 s
# after it at the latest.
HEARTBEAT = 10
# The auditor has to have looked within so many seconds.
AUDIT = 15
# Nothing may be due for longer than so many seconds while its gateway starts nothing.
WAITING = 10
# What the auditor has found is told for so long.
TOLD_FOR = timedelta(minutes=10)
LIMITS = {"heartbeat": HEARTBEAT, "waiting": WAITING, "audit": AUDIT}

NOT_MIGRATED = ["database: migrations are not applied (manage.py upgrade)"]

HEARTBEATS = """
    SELECT
        EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %(heartbeat)s)),
        EXISTS (SELECT FROM alarms_sender WHERE heartbeat_at > now() - make_interval(secs => %(heartbeat)s))
"""

# Whatever keeps alarms from being raised when their time has come, and planning from being done: no worker, a job that
# fails again and again, a lock.
RAISING_AND_PLANNING_WAITING = """
    SELECT (
        SELECT count(*) FROM alarms_alarm a
        WHERE a.pending_resources IS NOT NULL AND a.closed_at IS NULL
            AND a.starts_at < now() - make_interval(secs => %(waiting)s)
    ), (
        SELECT count(*) FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
        WHERE r.planned_at IS NULL AND a.starts_at < now() - make_interval(secs => %(waiting)s)
    )
"""

UPKEEP_WAITING = """
    SELECT (
        SELECT count(*) FROM procrastinate_jobs j
        WHERE j.status = 'todo' AND j.queue_name = 'upkeep' AND (
            SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id
        ) < now() - make_interval(secs => %(waiting)s)
    ), (
        -- Every worker audits as it starts.
        SELECT coalesce(max(audited_at) < now() - make_interval(secs => %(audit)s), false) FROM alarms_audit
    )
"""

MESSAGES_WAITING = """
    SELECT m.way, m.gateways_of, count(*) FROM alarms_devicemessage m
    WHERE m.status = 0 AND m.due_at < now() - make_interval(secs => %(waiting)s)
        AND NOT EXISTS (
            SELECT FROM alarms_sender s
            WHERE (s.last_starts ->> (m.way || ' ' || m.gateways_of))::float8
                > extract(epoch FROM now()) - %(waiting)s
        )
    GROUP BY m.way, m.gateways_of ORDER BY m.way, m.gateways_of
"""


@read_only
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200: the web process lives."""
    return JsonResponse({"status": "ok"})


@read_only
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 where alarms go out, with what is to be seen to all the same; else 503 with the reasons."""
    warned: list[str] = []
    try:
        reasons = problems()
        if reasons != NOT_MIGRATED:
            warned = warnings()
    except DatabaseError:
        reasons = ["database: cannot be reached"]
    return JsonResponse(
        {"status": "unhealthy" if reasons else "ok", "reasons": reasons, "warnings": warned},
        status=503 if reasons else 200,
    )


def problems() -> list[str]:
    """Return what is wrong, for people; empty: nothing."""
    if not migrations_applied():
        return NOT_MIGRATED
    with connection.cursor() as cursor:
        cursor.execute(HEARTBEATS, LIMITS)
        worker, sender = cursor.fetchone()
        cursor.execute(RAISING_AND_PLANNING_WAITING, LIMITS)
        unraised, unplanned = cursor.fetchone()
        cursor.execute(UPKEEP_WAITING, LIMITS)
        upkeep, unaudited = cursor.fetchone()
        cursor.execute(MESSAGES_WAITING, LIMITS)
        messages = cursor.fetchall()
    reasons = []
    if not worker:
        reasons.append(f"worker: none has shown a heartbeat in the last {HEARTBEAT} s")
    if not sender:
        reasons.append(f"sender: none has shown a heartbeat in the last {HEARTBEAT} s")
    if unraised:
        reasons.append(f"start: {unraised} scheduled alarms should have been raised over {WAITING} s ago")
    if unplanned:
        reasons.append(f"planning: {unplanned} recipients have no plan for over {WAITING} s")
    if upkeep:
        reasons.append(f"upkeep: {upkeep} jobs are waiting for over {WAITING} s")
    if unaudited:
        reasons.append(f"audit: none in the last {AUDIT} s")
    reasons += [f"{way}{of(owner)}: {count} messages are due for over {WAITING} s" for way, owner, count in messages]
    return reasons


def warnings() -> list[str]:
    """Return what is to be seen to although alarms go out: gateways that rest, as others of their way do their work,
    those of organizations that cannot be used, for which the service's stand in, and what the auditor has found."""
    living = Sender.objects.filter(heartbeat_at__gt=Now() - timedelta(seconds=HEARTBEAT))
    now = timezone.now().isoformat()
    resting = (each for sender in living.values_list("resting", flat=True) for each in sender)
    found = {resting_text(each) for each in resting if each["until"] > now}
    rows = list(OrganizationGateway.objects.all())
    usable = owned.of(rows)
    broken = [row for row in rows if (row.way, row.organization_id) not in usable]
    return [
        *sorted(found),
        *(f"{row.way}{of(row.organization_id)}: its own gateway cannot be used" for row in broken),
        *map(audit_text, Audit.objects.filter(last_found_at__gt=Now() - TOLD_FOR).order_by("kind")),
    ]


def audit_text(audit: Audit) -> str:
    """Return what the auditor has found of a kind."""
    assert audit.last_found_at is not None
    when = "" if audit.found else f", put right or over, at {audit.last_found_at:%H:%M:%S} UTC"
    return f"audit: {audit.last_found} {audit.get_kind_display()}{when}"


def resting_text(resting: Mapping[str, Any]) -> str:
    """Return an entry of Sender.resting for everybody: what the gateway is called is for the admin."""
    where = f"{resting['way']}{of(resting['organization'])}: gateway {resting['place'] + 1}"
    return f"{where} keeps failing and rests ({resting['reason']})"


def of(organization_id: int) -> str:
    return f" of organization {organization_id}" if organization_id else ""
