"""No statement that runs often reads a large table from its beginning to its end, or sorts more than a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.many_rows import database_with_many_rows
from tests.messaging_project import hot_requests  # noqa: F401 - it adds to what is hot
from tests.messaging_project.hot import HOT
from tests.plans import LARGE, Plan, plans, read_relations

pytestmark = pytest.mark.django_db

GROWING = {
    "alarms_alarm",
    "alarms_alarmmessage",
    "alarms_devicemessage",
    "alarms_devicerate",
    "alarms_feedback",
    "alarms_hookevent",
    "alarms_hooktry",
    "alarms_idempotencykey",
    "django_session",
    "escalations_escalation",
    "escalations_escalationconfiguration",
    "inbox_inboxmessage",
    "inbox_message",
    "organizations_absence",
    "organizations_apitoken",
    "organizations_device",
    "organizations_group_memberships",
    "organizations_membership",
    "organizations_personalaccesstoken",
    "organizations_user",
}


@pytest.fixture(scope="module", autouse=True)
def many_rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), database_with_many_rows():
        yield


def bad(found: list[Plan]) -> str:
    return "\n\n".join(f"{', '.join(plan.findings())}\n{plan}" for plan in found if plan.findings())


@pytest.mark.parametrize("generic", [False, True], ids=["with its values", "prepared"])
@pytest.mark.parametrize("name", HOT)
def test_what_runs_often_reads_no_large_table_as_a_whole(name: str, generic: bool) -> None:
    table, prepare = HOT[name]
    run = prepare()
    with plans(generic=generic) as found:
        run()
    assert table in {name for plan in found for name in plan.names()}
    assert not bad(found), bad(found)


# That it can fail


def test_what_grows_is_large() -> None:
    large = {relation.name for relation in read_relations().values() if relation.rows >= LARGE}
    assert large >= GROWING


def test_without_its_index_what_runs_often_is_found_and_named() -> None:
    _table, prepare = HOT["get_message_status_as_a_recipient"]
    run = prepare()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alarms_devicemessage DROP CONSTRAINT each_device_once_per_turn")
    with plans() as found:
        run()
    said = bad(found)
    assert said.startswith("sequential scan on alarms_devicemessage\nalarms/")
    assert "SEQSCAN on alarms_devicemessage, " in said


@pytest.mark.parametrize(
    ("statement", "findings"),
    [
        ("SELECT name FROM organizations_organization", []),
        ("SELECT message FROM alarms_alarm WHERE id = 1", []),
        ("SELECT id FROM alarms_alarm ORDER BY id DESC LIMIT 5", []),
        ("SELECT id FROM alarms_alarm WHERE closed_at IS NOT NULL ORDER BY id DESC LIMIT 5", []),
        ("SELECT max(id) FROM alarms_alarm", []),
        ("SELECT message FROM alarms_alarm WHERE all_clear = 'over'", ["sequential scan on alarms_alarm"]),
        (
            "WITH done AS (UPDATE alarms_alarm SET repeat = 1 WHERE all_clear = 'over' RETURNING id) SELECT FROM done",
            ["sequential scan on alarms_alarm"],
        ),
        (
            "SELECT FROM organizations_organization o"
            " WHERE EXISTS (SELECT FROM alarms_alarm a WHERE a.repeat > o.id AND a.repeat < o.id + 3)",
            ["sequential scan on alarms_alarm"],
        ),
        (
            "SELECT id FROM alarms_alarm WHERE closed_at IS NULL ORDER BY id LIMIT 5",
            ["scan of the whole index alarms_alarm_pkey"],
        ),
        (
            "SELECT id FROM alarms_alarm WHERE starts_at > now() + interval '1 day'",
            ["scan of the whole index alarms_of_an_organization"],
        ),
        (
            "SELECT FROM alarms_alarm WHERE id <= 5000 ORDER BY message",
            ["sort of 5000 rows"],
        ),
        (
            "DO $$ BEGIN PERFORM FROM alarms_alarm WHERE all_clear = 'over'; END $$",
            ["sequential scan on alarms_alarm"],
        ),
    ],
)
def test_a_statement_is_told_for_what_takes_longer_the_more_rows_there_are(statement: str, findings: list[str]) -> None:
    with plans() as found, connection.cursor() as cursor:
        cursor.execute(statement)
    assert [finding for plan in found for finding in plan.findings()] == findings


def test_what_is_prepared_by_another_cursor_is_found_with_the_plan_that_it_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.ensure_connection()
    raw = connection.connection
    assert raw is not None
    # Without it nothing is prepared.
    monkeypatch.setattr(raw, "prepare_threshold", 5)
    statement = "SELECT id FROM alarms_alarm WHERE closed_at IS NOT DISTINCT FROM %s AND all_clear = %s"
    raw.execute(statement, [None, ""], prepare=True)
    with plans(generic=True) as found:
        raw.execute(statement, [None, "over"], prepare=True)
    [plan] = found
    assert plan.statement == statement
    assert plan.where.startswith("tests/messaging_project/test_query_plans.py:")
    assert plan.findings() == ["sequential scan on alarms_alarm"]
