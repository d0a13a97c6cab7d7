"""A database of its own, with as many rows as the planner needs to have a choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# Of these numbers hangs which rows belong together: user u is a member of organization (u - 1) % 250 + 1, as are the
# recipients of alarm a of organization a % 250 + 1.
NEWEST, ITS_ORGANIZATION, ITS_RECIPIENT = 25000, 1, 1001

# Of the older alarms nobody knows any more whom they were for. The newest 20 are open: of their recipients a third has
# said yes and a third no, of the rest one device of the first turn has got something, and the other is due.
FILL = (
    """INSERT INTO organizations_organization (id, name, is_active, time_zone, disabled_ways, created_at)
    SELECT n, 'Brigade ' || n, true, 'Europe/Berlin', '{}', now() FROM generate_series(1, 250) n""",
    """INSERT INTO organizations_user (id, password, is_superuser, login, first_name, last_name, email, language,
        description, is_active, is_staff, created_at, managing_organization_id)
    SELECT n, '', false, 'user' || n, 'Alex', 'Example ' || n, 'user' || n || '@example.org', 'en', '', true, false,
        now(), (n - 1) % 250 + 1 FROM generate_series(1, 5000) n""",
    """INSERT INTO organizations_membership (id, role, user_id, organization_id)
    SELECT n, CASE WHEN n <= 500 THEN 'admin' ELSE 'member' END, n, (n - 1) % 250 + 1
    FROM generate_series(1, 5000) n""",
    """INSERT INTO organizations_group (id, name, description, organization_id)
    SELECT n, 'Platoon ' || n, '', (n - 1) % 250 + 1 FROM generate_series(1, 1000) n""",
    """INSERT INTO organizations_group_memberships (group_id, membership_id)
    SELECT (n - 1) % 1000 + 1, n FROM generate_series(1, 5000) n""",
    """INSERT INTO organizations_device (id, user_id, way, name, address, is_active, created_at)
    SELECT 4 * n + way.place, n, way.name, 'My ' || way.name, '+49151' || lpad((4 * n + way.place)::text, 8, '0'),
        true, now()
    FROM generate_series(1, 5000) n, (VALUES (0, 'app'), (1, 'pager'), (2, 'sms'), (3, 'call')) way (place, name)""",
    """INSERT INTO organizations_absence (user_id, starts_at, ends_at, weekly)
    SELECT n, now() - n * interval '2 hours', now() + (50 - n) * interval '1 hour', n % 3 = 0
    FROM generate_series(1, 5000) n""",
    """INSERT INTO escalations_escalationconfiguration (id, user_id) SELECT n, n FROM generate_series(1, 5000) n""",
    """INSERT INTO escalations_escalation (configuration_id, position, wayofalarm, delay)
    SELECT n, place, (ARRAY['app', 'sms', 'call'])[place + 1], 60 * place
    FROM generate_series(1, 5000) n, generate_series(0, 2) place""",
    """INSERT INTO organizations_apitoken (name, prefix, digest, created_at, organization_id)
    SELECT 'token', 'ga_org_' || n, '', now(), (n - 1) % 250 + 1 FROM generate_series(1, 5000) n""",
    """INSERT INTO organizations_personalaccesstoken (name, prefix, digest, created_at, user_id)
    SELECT 'token', 'ga_pat_' || n, '', now(), n FROM generate_series(1, 5000) n""",
    """INSERT INTO alarms_alarm (id, organization_id, message, event_name, raised_by, starts_at, closed_at,
        response_timeout, organization_escalation)
    SELECT n, n % 250 + 1, 'Fire in hall ' || n, 'Fire', 'a test', begun.at,
        CASE WHEN n <= 24980 THEN begun.at + interval '15 minutes' END, 3600, false
    FROM generate_series(1, 25000) n CROSS JOIN LATERAL (
        SELECT now() - (25000 - n) * CASE WHEN n <= 24980 THEN interval '10 minutes' ELSE interval '1 second' END
    ) begun (at)""",
    """INSERT INTO alarms_alarmmessage (id, alarm_id, user_id, response, responded_at, first_sent_at, deadline,
        escalating, planned_at)
    SELECT 10 * (a.id - 22501) + n, a.id, a.id % 250 + 1 + 250 * ((a.id / 250 + n - 1) % 20), answer.given,
        CASE WHEN answer.given IS NOT NULL THEN a.starts_at END, a.starts_at, a.starts_at + interval '1 hour',
        a.closed_at IS NULL AND answer.given IS NULL, a.starts_at
    FROM alarms_alarm a, generate_series(1, 10) n CROSS JOIN LATERAL (
        SELECT (ARRAY[true, false, NULL])[n % 3 + 1]
    ) answer (given) WHERE a.id > 22500""",
    """INSERT INTO alarms_devicemessage (alarm_message_id, alarm_id, device_id, device_name, address, way, turn, status,
        attempts, due_at, changed_at, sent_at, sender_id, lease_until)
    SELECT r.id, r.alarm_id, d.id, d.name, d.address, d.way, turn.number, turn.status,
        (turn.status BETWEEN 1 AND 4)::int, a.starts_at + turn.number * interval '10 minutes',
        r.planned_at + turn.number * interval '1 minute',
        CASE WHEN turn.status IN (2, 3) THEN r.planned_at + turn.number * interval '1 minute' END,
        CASE WHEN turn.status = 1 THEN 1 END, CASE WHEN turn.status = 1 THEN now() + interval '20 s' END
    FROM alarms_alarmmessage r JOIN alarms_alarm a ON a.id = r.alarm_id
    JOIN organizations_device d ON d.user_id = r.user_id
    CROSS JOIN LATERAL (SELECT d.id % 4) place (number)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN place.number < 2 THEN 0 ELSE place.number END, CASE
            WHEN place.number = 0 THEN CASE WHEN r.escalating AND r.id % 7 = 0 THEN 1 ELSE 2 + r.id % 2 END
            WHEN r.escalating THEN 0
            WHEN place.number = 3 THEN 4 + (r.id % 20 > 0)::int
            ELSE 2 + r.id % 2
        END
    ) turn (number, status)""",
    """INSERT INTO alarms_feedback (alarm_message_id, response, source, created_at)
    SELECT id, response, 'answer page', responded_at FROM alarms_alarmmessage WHERE response IS NOT NULL""",
    """INSERT INTO alarms_sender (id, host, pid, last_starts) VALUES (1, 'here', 1, '{}')""",
    """INSERT INTO alarms_devicerate (device_id, taken, granted, per_minute)
    SELECT n, ARRAY[now() - n * interval '1 second'], 1, 5 FROM generate_series(4, 20003) n""",
    """INSERT INTO alarms_hook (id, organization_id, url, events, secret, is_active, created_at)
    SELECT n, n, 'https://hook.example/' || n, '{alarm.raised,feedback.given,recipient.timed_out,message.failed,
        alarm.closed}', '', true, now() FROM generate_series(1, 250) n""",
    """INSERT INTO alarms_hookevent (id, hook_id, alarm_id, event, payload, created_at, due_at, attempts, delivered_at)
    SELECT 10 * (a.id - 22501) + n, a.organization_id, a.id, 'feedback.given', '{}', a.starts_at, a.starts_at,
        (a.closed_at IS NOT NULL)::int, a.closed_at
    FROM alarms_alarm a, generate_series(1, 10) n WHERE a.id > 22500""",
    """INSERT INTO alarms_hooktry (hook_id, hook_event_id, at, status, reason, seconds)
    SELECT hook_id, id, created_at, 200, '', 0.1 FROM alarms_hookevent WHERE delivered_at IS NOT NULL""",
    """INSERT INTO alarms_idempotencykey (principal, key, body_digest, alarm_id, created_at)
    SELECT 'organization ' || a.organization_id, n || '-' || a.id, '', a.id, now() - n * interval '20 s'
    FROM alarms_alarm a, generate_series(1, 4) n WHERE a.id > 22500""",
    """INSERT INTO inbox_message (id, sender_id, type, text, translations, parameters, sent_at)
    SELECT n, n, 'INFO', 'Drill ' || n, '{}', '[]', now() - (5000 - n) * interval '1 minute'
    FROM generate_series(1, 5000) n""",
    """INSERT INTO inbox_inboxmessage (id, message_id, user_id, read_at)
    SELECT 10 * (m - 1) + n, m, (m + 250 * n - 1) % 5000 + 1, CASE WHEN n > 1 THEN now() END
    FROM generate_series(1, 5000) m, generate_series(1, 10) n""",
    """INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT 'session' || n, '', now() + interval '1 day' FROM generate_series(1, 5000) n""",
    "INSERT INTO procrastinate_workers DEFAULT VALUES",
)

SET_SEQUENCES = """
    SELECT setval(pg_get_serial_sequence(table_name, column_name), 1000000) FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'id' AND is_identity = 'YES' AND table_name !~ '^procrastinate'
"""


# What is done a row, for hundreds of thousands of them, takes longer than all the rest: references are checked together
# at the end, and no history is kept. Each answers what is run before, and what after.
BESIDES = (
    """SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace""",
    """SELECT DISTINCT format('ALTER TABLE %s DISABLE TRIGGER USER', tgrelid::regclass),
        format('ALTER TABLE %s ENABLE TRIGGER USER', tgrelid::regclass)
    FROM pg_trigger WHERE NOT tgisinternal""",
    # As many pages as ten times the rows would take: to read all of them is not the least work for a batch of rows. Of
    # the largest two there are enough.
    """SELECT format('ALTER TABLE %s SET (fillfactor = 10)', oid::regclass),
        format('ALTER TABLE %s RESET (fillfactor)', oid::regclass)
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('alarms_devicemessage', 'inbox_inboxmessage')""",
)


@contextmanager
def database_with_many_rows() -> Iterator[None]:
    """Work on a copy of the test database with many rows in it; nobody else's statistics or tables are touched."""
    creation, mine = connection.creation, connection.settings_dict
    empty = mine["NAME"]
    creation.clone_test_db("many_rows", verbosity=0, autoclobber=True)
    mine["NAME"] = creation.get_test_db_clone_settings("many_rows")["NAME"]
    try:
        fill()
        yield
    finally:
        connection.close()
        mine["NAME"] = empty
        creation.destroy_test_db(verbosity=0, suffix="many_rows")


def fill() -> None:
    before, after = [], []
    with connection.cursor() as cursor:
        for query in BESIDES:
            cursor.execute(query)
            for do, undo in cursor.fetchall():
                before.append(do)
                after.append(undo)
        for statement in (*before, *FILL, SET_SEQUENCES, *after, "VACUUM ANALYZE"):
            cursor.execute(statement)
