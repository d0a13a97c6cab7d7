"""Organizations with people, and the rows that fill the tables: written by SQL, as the service would have left them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from organizations.models import ApiToken, Group, Organization, PersonalAccessToken, User

# One after the other, each with statistics of the one before: what checks a foreign key keeps the plan that it made
# when the table was empty.
USERS = """
    INSERT INTO organizations_user (login, password, is_superuser, first_name, last_name, email, language, description,
        is_active, is_staff, managing_organization_id, created_at)
    SELECT %(name)s || '-' || n, '!', false, 'First ' || n, 'Last ' || n, n || '@bench.example', 'en', '', true, false,
        %(organization)s, now()
    FROM generate_series(1, %(people)s) AS n
"""
DEVICES = """
    INSERT INTO organizations_device (user_id, way, name, address, is_active, created_at)
    SELECT id, %(way)s, 'Device',
        login || CASE WHEN %(hanging)s AND id %% 10 = 0 THEN '-hangs' WHEN %(way)s = 'email' THEN '@bench.example'
            ELSE '' END, true, now()
    FROM organizations_user WHERE managing_organization_id = %(organization)s
"""
MEMBERSHIPS = """
    INSERT INTO organizations_membership (user_id, organization_id, role)
    SELECT id, %(organization)s, 'member' FROM organizations_user WHERE managing_organization_id = %(organization)s
    ORDER BY id
"""
GROUPS = """
    INSERT INTO organizations_group_memberships (group_id, membership_id)
    SELECT g.id, member.id
    FROM unnest(%(groups)s::bigint[], %(sizes)s::int[]) AS g (id, size) CROSS JOIN LATERAL (
        SELECT id FROM organizations_membership WHERE organization_id = %(organization)s ORDER BY id LIMIT g.size
    ) member
"""


@dataclass(frozen=True)
class Team:
    """An organization, its people and its tokens."""

    id: int
    users: list[int]
    token: str
    groups: dict[int, int]
    """By their size."""

    @property
    def headers(self) -> dict[str, str]:
        return {"API-TOKEN": self.token}


def team(name: str, *, people: int, groups: tuple[int, ...], way: str = "app", hanging: bool = False) -> Team:
    """Make an organization of people with one device each; of those that hang every tenth does."""
    organization = Organization.objects.create(name=name)
    made = {size: Group.objects.create(organization=organization, name=f"{size}").pk for size in groups}
    with connection.cursor() as cursor:
        values: dict[str, str | int | bool | list[int]] = {
            "name": name,
            "organization": organization.pk,
            "people": people,
            "way": way,
            "hanging": hanging,
            "groups": list(made.values()),
            "sizes": list(made),
        }
        for statement in (USERS, DEVICES, MEMBERSHIPS, GROUPS):
            cursor.execute(statement, values)
            cursor.execute("ANALYZE")
    _row, token = ApiToken.issue(name="bench", organization=organization)
    users = User.objects.filter(memberships__organization=organization).order_by("pk")
    return Team(organization.pk, list(users.values_list("pk", flat=True)), token, made)


def personal_token(user_id: int) -> dict[str, str]:
    """Return the header of a new personal access token."""
    _row, text = PersonalAccessToken.issue(name="bench", user=User.objects.get(pk=user_id))
    return {"Personal-Access-Token": text}


ALARMS = """
    INSERT INTO alarms_alarm (organization_id, message, event_name, raised_by, starts_at, closed_at, response_timeout,
        organization_escalation)
    SELECT %(organization)s, 'An alarm of long ago', 'Fire', 'bench', at, at + interval '1 hour', 900, false
    FROM generate_series(1, %(alarms)s) AS n, LATERAL (SELECT now() - interval '1 day' - n * interval '1 minute') t (at)
    RETURNING id
"""
RECIPIENTS = """
    INSERT INTO alarms_alarmmessage (alarm_id, user_id, response, responded_at, first_sent_at, deadline, escalating,
        planned_at)
    SELECT a.id, u.id, CASE u.id %% 3 WHEN 0 THEN true WHEN 1 THEN false END, a.starts_at + interval '1 minute',
        a.starts_at, a.starts_at + interval '15 minutes', false, a.starts_at
    FROM alarms_alarm a CROSS JOIN unnest(%(users)s::bigint[]) AS u (id) WHERE a.id = ANY(%(alarms)s)
"""
MESSAGES = """
    INSERT INTO alarms_devicemessage (alarm_id, alarm_message_id, device_id, device_name, address, way, turn, status,
        due_at, changed_at, attempts, sent_at)
    SELECT r.alarm_id, r.id, r.user_id, 'Device', 'someone-' || r.user_id, way, turn,
        CASE WHEN turn = 1 THEN 2 + (r.id %% 2)::int ELSE 5 END, r.first_sent_at + turn * interval '1 minute',
        r.first_sent_at + turn * interval '1 minute', 1, CASE WHEN turn = 1 THEN r.first_sent_at END
    FROM alarms_alarmmessage r
        CROSS JOIN (VALUES ('app', 1), ('email', 2), ('sms', 3), ('call', 4)) AS ways (way, turn)
    WHERE r.alarm_id = ANY(%(alarms)s)
"""
INBOX = """
    WITH sent AS (
        INSERT INTO inbox_message (sender_id, type, text, translations, parameters, sent_at)
        SELECT %(sender)s, 'INFO', 'A message of long ago, number ' || n, '{}', '[]', now() - n * interval '1 minute'
        FROM generate_series(1, %(messages)s) AS n
        RETURNING id, sent_at
    )
    INSERT INTO inbox_inboxmessage (message_id, user_id, read_at)
    SELECT sent.id, u.id, CASE WHEN u.id %% 2 = 0 THEN sent.sent_at END
    FROM sent CROSS JOIN unnest(%(users)s::bigint[]) AS u (id)
"""
# Indexes that are no constraint's are made anew after the rows, which takes a third of the time.
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = %s::regclass AND NOT indisprimary
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def empty() -> None:
    """Forget all alarms and all messages of inboxes."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE alarms_alarm, inbox_message CASCADE")


def fill(*, of: Team, device_messages: int) -> None:
    """Write so many device messages of alarms that are over, of a thousand recipients each and four turns."""
    users = of.users[:1000]
    with connection.cursor() as cursor:
        cursor.execute(ALARMS, {"organization": of.id, "alarms": max(1, device_messages // (4 * len(users)))})
        alarms = {"alarms": [id_ for (id_,) in cursor.fetchall()], "users": users}
        cursor.execute(RECIPIENTS, alarms)
        cursor.execute(INDEXES, ["alarms_devicemessage"])
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute(MESSAGES, alarms)
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")


def fill_inbox(*, of: Team, messages: int) -> None:
    """Write so many messages into the inboxes of a hundred people."""
    readers = of.users[:100]
    with connection.cursor() as cursor:
        cursor.execute(INBOX, {"sender": of.users[0], "messages": max(1, messages // len(readers)), "users": readers})
        cursor.execute("ANALYZE")
