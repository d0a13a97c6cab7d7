"""Counting: how often something has happened, for the metrics.

Whoever counts adds rows of its own, and upkeep adds them up. So nobody waits for anybody, as all would at one row that
is counted up; what is counted in the transaction in which it happens is counted if and only if it happened; and what
has been counted stays, whatever becomes of the alarms that it was about. Senders count in memory first
(alarms/sending/tally.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from django.db import connection

# The counters; with a way, and what is counted of it:
ALARMS = "alarms"  # raised, closed
DEVICE_MESSAGES = "device_messages"  # STATES
DUE_TO_SENT = "due_to_sent"  # BOUNDS, SUM
GATEWAY_ERRORS = "gateway_errors"  # KINDS
FEEDBACK = "feedback"  # positive, negative

Key = tuple[str, str, str]
"""A counter, a way of alarm (empty: of none), and what is counted."""

# As DeviceMessage.Status has them.
STATES = ("scheduled", "sending", "sent", "delivered", "failed", "cancelled")
# Seconds.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# The names of the buckets; what took longer is in the last.
BOUNDS = (*map(str, BUCKETS), "+Inf")
# Microseconds: whole numbers, as a sum of others may become less when it is added up in another order.
SUM = "sum"

# Rows are added up when there are more than so many, and
ENOUGH = 1000
# so many at once.
BATCH = 50_000

INTO = "INSERT INTO alarms_counterincrement (counter, way, kind, value)"

INSERT = f"""
    {INTO} SELECT * FROM unnest(%(counter)s::text[], %(way)s::text[], %(kind)s::text[], %(value)s::bigint[])
"""  # noqa: S608 - made of constants

# For whom nothing may hold up: where somebody has locked the whole table, it fails at once.
INSERT_AT_ONCE = f"LOCK TABLE alarms_counterincrement IN ROW EXCLUSIVE MODE NOWAIT; {INSERT}"

# One statement, so that whoever reads at this moment finds what there was or what there is, of the same sum.
ADD_UP = f"""
    WITH old AS (
        DELETE FROM alarms_counterincrement WHERE id IN (
            SELECT id FROM alarms_counterincrement
            WHERE (SELECT count(*) FROM alarms_counterincrement) > %(enough)s
            LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        )
        RETURNING counter, way, kind, value
    )
    {INTO} SELECT counter, way, kind, sum(value) FROM old GROUP BY counter, way, kind
"""  # noqa: S608 - made of constants

TOTALS = "SELECT counter, way, kind, sum(value)::bigint FROM alarms_counterincrement GROUP BY counter, way, kind"


def counted(rows: str, *, which: str = "true") -> str:
    """Return the SQL of a common table expression, `counted`, that counts the states which another has written. Its
    rows have how many, as their `value`.

    Args:
        rows: the expression that has written them; its rows have the `way` and the `status` of device messages.
        which: a condition for what is counted.
    """
    names = ", ".join(f"'{state}'" for state in STATES)
    return f"""counted AS (
        {INTO}
        SELECT '{DEVICE_MESSAGES}', way, (ARRAY[{names}])[status + 1], count(*) FROM {rows} WHERE {which}
        GROUP BY way, status
        RETURNING value
    )"""  # noqa: S608 - made of constants


def count(counts: Mapping[Key, int], *, at_once: bool = False) -> None:
    """Count what has happened, in the transaction in which it does.

    Args:
        at_once: wait for nobody; it may fail then.
    """
    columns = zip(*((*key, value) for key, value in counts.items() if value), strict=True)
    values = dict(zip(("counter", "way", "kind", "value"), map(list, columns), strict=False))
    if values:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_AT_ONCE if at_once else INSERT, values)


def add_up() -> None:
    """Leave few rows to be read."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_UP, {"enough": ENOUGH, "batch": BATCH})


def totals() -> Counter[Key]:
    """Return how often everything has happened."""
    with connection.cursor() as cursor:
        cursor.execute(TOTALS)
        return Counter({(counter, way, kind): value for counter, way, kind, value in cursor.fetchall()})
