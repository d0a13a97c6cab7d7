"""Health: whether this process lives, and whether the service does its work (nothing due is left lying)."""

from __future__ import annotations

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from messaging_project.api import read_only
from messaging_project.database import migrations_applied

# A worker or a sender has to show a heartbeat within so many seconds.
HEARTBEAT = 15
# Nothing may be due for longer than so many seconds while its gateway starts nothing.
WAITING = 10

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
    SELECT count(*) FROM procrastinate_jobs j
    WHERE j.status = 'todo' AND j.queue_name = 'upkeep' AND (
        SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id
    ) < now() - make_interval(secs => %(waiting)s)
"""

MESSAGES_WAITING = """
    SELECT m.way, count(*) FROM alarms_devicemessage m
    WHERE m.status = 0 AND m.due_at < now() - make_interval(secs => %(waiting)s)
        AND NOT EXISTS (
            SELECT FROM alarms_sender s
            WHERE (s.last_starts ->> m.way)::float8 > extract(epoch FROM now()) - %(waiting)s
        )
    GROUP BY m.way ORDER BY m.way
"""


@read_only
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200: the web process lives."""
    return JsonResponse({"status": "ok"})


@read_only
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 where alarms go out, else 503 with the reasons."""
    try:
        reasons = problems()
    except DatabaseError:
        reasons = ["database: cannot be reached"]
    return JsonResponse(
        {"status": "unhealthy" if reasons else "ok", "reasons": reasons}, status=503 if reasons else 200
    )


def problems() -> list[str]:
    """Return what is wrong, for people; empty: nothing."""
    if not migrations_applied():
        return ["database: migrations are not applied (manage.py migrate)"]
    limits = {"heartbeat": HEARTBEAT, "waiting": WAITING}
    with connection.cursor() as cursor:
        cursor.execute(HEARTBEATS, limits)
        worker, sender = cursor.fetchone()
        cursor.execute(RAISING_AND_PLANNING_WAITING, limits)
        unraised, unplanned = cursor.fetchone()
        cursor.execute(UPKEEP_WAITING, limits)
        (upkeep,) = cursor.fetchone()
        cursor.execute(MESSAGES_WAITING, limits)
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
    reasons += [f"{way}: {count} messages are due for over {WAITING} s" for way, count in messages]
    return reasons
