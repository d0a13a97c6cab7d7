"""What a page of the admin costs does not grow with what there is."""

# ruff: noqa: S608 - nothing of what is written here comes from outside

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alarms.models import AlarmTemplate
from escalations.models import Escalation, ResponseTimeout
from organizations.models import Group, Organization, User
from tests.factories import analyze
from tests.messaging_project.desk_walk import Page, pages
from tests.messaging_project.desk_world import NOBODYS, World, world

pytestmark = pytest.mark.django_db

MOST_QUERIES = 30

PERSON = "(SELECT id FROM organizations_user WHERE login = 'many-' || n)"
ELSEWHERE = "(SELECT id FROM organizations_organization WHERE name = 'many ' || n)"
RECIPIENT = f"(SELECT id FROM alarms_alarmmessage WHERE alarm_id = t.alarm_id AND user_id = {PERSON})"
OF_RECIPIENT = f"(SELECT r.id FROM alarms_alarmmessage r WHERE r.user_id = {PERSON})"

# In this order: what makes the n-th copy of a row another one.
COPIES: dict[str, dict[str, str]] = {
    "User": {"login": "'many-' || n"},
    "Organization": {"name": "'many ' || n"},
    "Membership": {"user_id": PERSON},
    "Group": {"name": "'many ' || n"},
    "Device": {"user_id": PERSON},
    "Absence": {"user_id": PERSON},
    "ApiToken": {"prefix": "'many-' || n"},
    "PersonalAccessToken": {"prefix": "'many-' || n", "user_id": PERSON},
    "EscalationConfiguration": {"user_id": PERSON, "organization_id": "NULL::bigint"},
    "ResponseTimeout": {"organization_id": ELSEWHERE},
    "OrganizationGateway": {"organization_id": ELSEWHERE},
    "AlarmTemplate": {"name": "'many ' || n"},
    "Alarm": {},
    "AlarmMessage": {"user_id": PERSON, "message_id": "gen_random_uuid()", "code": "'many-' || n"},
    "DeviceMessage": {"alarm_message_id": RECIPIENT},
    "Feedback": {"alarm_message_id": OF_RECIPIENT},
    "Hook": {},
    "HookEvent": {},
    "HookTry": {},
    "Message": {},
    "InboxMessage": {"user_id": PERSON},
    "IdempotencyKey": {"key": "'many ' || n"},
    "Sender": {},
    "ProcrastinateJob": {},
}


def copy(row: Model, changes: dict[str, str], first: int, last: int) -> None:
    options = row._meta
    columns = {each.column: f"t.{each.column}" for each in options.local_concrete_fields if not each.primary_key}
    columns |= changes
    names, values = ", ".join(columns), ", ".join(columns.values())
    table, pk = options.db_table, options.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, generate_series({first}, {last}) AS n"
            f" WHERE t.{pk} = %s",
            [row.pk],
        )


def join(made: World) -> None:
    """Put people into a group and into templates, and give each an entry of their own."""
    one = {model.__name__: row.pk for model, row in made.rows.items()}
    member, groups, users = (
        each.through._meta.db_table for each in (Group.memberships, AlarmTemplate.groups, AlarmTemplate.users)
    )
    with connection.cursor() as cursor:
        for statement in (
            f"INSERT INTO {member} (group_id, membership_id) SELECT {one['Group']}, id FROM organizations_membership"
            f" WHERE organization_id = {made.organization.pk}",
            f"INSERT INTO {users} (alarmtemplate_id, user_id) SELECT {one['AlarmTemplate']}, user_id"
            f" FROM organizations_membership WHERE organization_id = {made.organization.pk}",
            f"INSERT INTO {groups} (alarmtemplate_id, group_id) SELECT id, {one['Group']} FROM alarms_alarmtemplate"
            f" WHERE organization_id = {made.organization.pk}",
            f"INSERT INTO {Escalation._meta.db_table} (configuration_id, position, wayofalarm, delay)"
            " SELECT c.id, 0, 'sms', 60 FROM escalations_escalationconfiguration c"
            " WHERE NOT EXISTS (SELECT FROM escalations_escalation e WHERE e.configuration_id = c.id)",
        ):
            cursor.execute(f"{statement} ON CONFLICT DO NOTHING")


def fill(made: World, first: int, last: int) -> None:
    rows = {model.__name__: row for model, row in made.rows.items()}
    assert set(rows) == set(COPIES), "of everything that is shown there are many"
    for name, changes in COPIES.items():
        copy(rows[name], changes, first, last)
    join(made)
    analyze(*made.rows, Escalation, *(each.through for each in (Group.memberships, AlarmTemplate.users)))


def looked_at(made: World) -> list[tuple[str, Client, Page]]:
    """Return which pages who looks at: an admin of the organization, but for what is the superusers'."""
    found = []
    for page in pages():
        if not page.route.startswith("admin/") or page.name in {"logout", "login", "log_in_code", "search"}:
            continue
        if page.name.endswith("_changelist") and page.model in (*NOBODYS, Organization, ResponseTimeout):
            found.append(("superuser", made.clients["superuser"], page))
        if page.model not in NOBODYS:
            found.append(("own admin", made.clients["own admin"], page))
    return found


def counted(made: World) -> dict[str, int]:
    counts = {}
    for caller, client, page in looked_at(made):
        if "(?P" in page.route:
            continue
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(page.path(made))
            assert answer.status_code < 500, page
        if answer.status_code == 200:
            counts[f"{caller}: {page}"] = len(captured)
    return counts


def test_no_page_takes_more_queries_for_5000_rows_than_for_50_and_none_more_than_30() -> None:
    with connection.cursor() as cursor:
        # A page of 5,000 rows may take a slow machine long, and a test is one transaction.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    made = world()
    for model in [*admin.site._registry, User]:
        ContentType.objects.get_for_model(model)
    made.clients["superuser"].get("/admin/")  # what is cached for good is cached now
    fill(made, 1, 49)
    few = counted(made)
    fill(made, 50, 4999)
    many = counted(made)
    assert len([name for name in few if "changelist" in name]) >= len(admin.site._registry)
    grown = {name: (few[name], count) for name, count in many.items() if few[name] != count}
    # A page may ask less the second time, for what it has kept; a list keeps nothing.
    assert {name: counts for name, counts in grown.items() if "changelist" in name or counts[0] < counts[1]} == {}
    assert {name: count for name, count in many.items() if count > MOST_QUERIES} == {}
