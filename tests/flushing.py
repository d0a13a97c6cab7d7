"""After a test that commits, the database is emptied: what is not empty, and without Django's making its content types
and permissions anew each time, which takes ten times as long."""

from __future__ import annotations

from functools import cache

from django.db import connection
from django.test import TransactionTestCase

# Are the same for all tests.
STAY = {"django_content_type", "auth_permission", "django_migrations"}
QUEUE = ("procrastinate_events", "procrastinate_jobs", "procrastinate_workers", "procrastinate_periodic_defers")


@cache
def tables() -> tuple[str, ...]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return (*sorted(set(names) - STAY - set(QUEUE)), *QUEUE)


def empty_tables(_test_case: TransactionTestCase) -> None:
    """Stand in for TransactionTestCase._fixture_teardown()."""
    with connection.cursor() as cursor:
        looks = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables())  # noqa: S608 - their names
        cursor.execute(" UNION ALL ".join(looks))
        used = [name for (name,) in cursor.fetchall()]
        if not used:
            return
        # Neither foreign keys nor triggers: everything goes, and nothing is told of it.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("; ".join(f"DELETE FROM {name}" for name in used))  # noqa: S608 - their names
        cursor.execute("SET session_replication_role = origin")
        # What was deleted is not read again by all tests to come: nobody else cleans up here.
        cursor.execute(f"VACUUM {', '.join(used)}")
