"""A version that goes on while its database is upgraded: what it asks all the time, and who keeps it waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Connect = Callable[[], psycopg.Connection[Any]]

HOT = (
    "alarms_alarm", "alarms_alarmmessage", "alarms_devicemessage", "alarms_feedback", "inbox_message",
    "inbox_inboxmessage", "organizations_apitoken", "organizations_personalaccesstoken", "organizations_user",
    "organizations_device", "procrastinate_jobs",
)  # fmt: skip

# An old alarm for each 1,000 people there might be, closed and answered: rows that make a table large.
FILL = (
    """INSERT INTO organizations_user (id, password, is_superuser, login, first_name, last_name, email, language,
        description, is_active, is_staff, created_at)
    SELECT 1000 + n, '', false, 'user' || n, 'Alex', 'Example', '', 'en', '', false, false, now()
    FROM generate_series(1, 1000) n""",
    """INSERT INTO alarms_alarm (id, organization_id, message, event_name, raised_by, starts_at, closed_at,
        response_timeout, organization_escalation)
    SELECT 1000 + n, 1, 'Fire in hall ' || n, '', 'a test', now() - n * interval '1 hour', now() - interval '1 hour',
        900, false FROM generate_series(1, 25000) n""",
    """INSERT INTO alarms_alarmmessage (id, alarm_id, user_id, response, responded_at, deadline, escalating, planned_at)
    SELECT 1000 + n, 1001 + n / 4, 1001 + n % 1000, true, now(), now() - interval '1 hour', false, now()
    FROM generate_series(0, 99999) n""",
    """INSERT INTO alarms_devicemessage (alarm_message_id, alarm_id, device_id, device_name, address, way, turn, status,
        due_at, sent_at)
    SELECT id, alarm_id, user_id, 'Phone', '+49', 'sms', 0, 2, deadline, deadline FROM alarms_alarmmessage
    WHERE id >= 1000""",
    """INSERT INTO alarms_feedback (alarm_message_id, response, source, created_at)
    SELECT id, true, 'answer page', deadline FROM alarms_alarmmessage WHERE id >= 1000""",
    """INSERT INTO inbox_message (id, type, text, translations, parameters, sent_at)
    SELECT 1000 + n, 'INFO', 'Drill', '{}', '[]', now() FROM generate_series(1, 1000) n""",
    """INSERT INTO inbox_inboxmessage (message_id, user_id)
    SELECT 1000 + m, 1000 + u FROM generate_series(1, 1000) m, generate_series(1, 100) u""",
    """INSERT INTO organizations_apitoken (name, prefix, digest, created_at, organization_id)
    SELECT 'token', 'ga_org_' || n, '', now(), 1 FROM generate_series(1, 1000) n""",
)

# As the release before writes and reads them. Each of these is a transaction.
STATEMENTS = (
    """WITH raised AS (
        INSERT INTO alarms_alarm (organization_id, message, event_name, raised_by, starts_at, response_timeout,
            organization_escalation, closed_at) VALUES (1, 'Fire', '', 'a test', now(), 900, false, now()) RETURNING id
    ), recipient AS (
        INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline, escalating, planned_at)
        SELECT id, 1001, now(), false, now() FROM raised RETURNING id, alarm_id
    ), answer AS (
        INSERT INTO alarms_feedback (alarm_message_id, response, source, created_at)
        SELECT id, true, 'SMS', now() FROM recipient
    )
    INSERT INTO alarms_devicemessage (alarm_id, alarm_message_id, device_id, device_name, address, way, turn, status,
        due_at) SELECT alarm_id, id, 1, 'Phone', '+49', 'sms', 0, 5, now() FROM recipient""",
    """UPDATE alarms_devicemessage SET status = 3, changed_at = now()
    WHERE id = (SELECT max(id) FROM alarms_devicemessage)""",
    "UPDATE alarms_alarmmessage SET response = false WHERE id = (SELECT max(id) FROM alarms_alarmmessage)",
    "UPDATE alarms_alarm SET closed_at = now() WHERE id = (SELECT max(id) FROM alarms_alarm)",
    """SELECT m.status, m.changed_at, f.response FROM alarms_devicemessage m
    JOIN alarms_alarmmessage r ON r.id = m.alarm_message_id LEFT JOIN alarms_feedback f ON f.alarm_message_id = r.id
    WHERE r.alarm_id = 5000 AND r.user_id = 1001""",
    """WITH sent AS (
        INSERT INTO inbox_message (type, text, translations, parameters, sent_at)
        VALUES ('INFO', 'Drill', '{}', '[]', now()) RETURNING id
    )
    INSERT INTO inbox_inboxmessage (message_id, user_id) SELECT id, 1001 FROM sent""",
    """SELECT i.id, m.text FROM inbox_inboxmessage i JOIN inbox_message m ON m.id = i.message_id
    WHERE i.user_id = 1001 ORDER BY i.id DESC LIMIT 10""",
    "UPDATE organizations_apitoken SET last_used_at = now() WHERE prefix = 'ga_org_7'",
    """SELECT t.digest, u.is_active FROM organizations_personalaccesstoken t
    JOIN organizations_user u ON u.id = t.user_id""",
    "SELECT count(*) FROM organizations_device d JOIN organizations_user u ON u.id = d.user_id",
)

# Of what keeps others from reading or writing.
STRONG = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
LOCKS = """
    SELECT l.pid, c.relname, l.mode, l.virtualtransaction, clock_timestamp() FROM pg_locks l
    JOIN pg_class c ON c.oid = l.relation
    WHERE l.granted AND l.mode = ANY(%s) AND c.relname = ANY(%s)
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
POLL = 0.01  # seconds


class Load:
    """What was seen while it went on."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        """The seconds that each statement took at most."""
        self.count = 0
        self.held: dict[tuple[Any, ...], float] = {}
        """For how many seconds a lock was seen, by who held it, the table, and its mode."""
        self.failures: list[BaseException] = []

    def longest_lock(self) -> float:
        return max(self.held.values(), default=0.0)

    def ask(self, connect: Connect, stop: threading.Event, first: int) -> None:
        with connect() as connection:
            turn = first
            while not stop.wait(POLL):
                statement = STATEMENTS[turn % len(STATEMENTS)]
                began = time.monotonic()
                connection.execute(statement)
                self.longest[statement] = max(self.longest.get(statement, 0.0), time.monotonic() - began)
                turn += 1
                self.count += 1

    def watch(self, connect: Connect, stop: threading.Event) -> None:
        since: dict[tuple[Any, ...], Any] = {}
        with connect() as connection:
            while not stop.wait(POLL):
                for *who, at in connection.execute(LOCKS, [list(STRONG), list(HOT)]):
                    began = since.setdefault(tuple(who), at)
                    self.held[tuple(who)] = (at - began).total_seconds()

    def guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self.failures.append(error)


@contextmanager
def load(connect: Connect, *, threads: int = 4) -> Iterator[Load]:
    """Ask as the old version does, over so many connections, and watch the locks."""
    seen, stop = Load(), threading.Event()
    everybody = [threading.Thread(target=seen.guarded, args=(seen.watch, connect, stop))]
    everybody += [
        threading.Thread(target=seen.guarded, args=(seen.ask, connect, stop, first * 3)) for first in range(threads)
    ]
    for thread in everybody:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in everybody:
            thread.join(60)
