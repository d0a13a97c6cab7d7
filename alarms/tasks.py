"""The jobs. Thin: each takes ids, reads the present state and may run twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

# alarms.raising defers jobs of this module; of each other, the two use nothing while they are imported.
from alarms import closing, planning, raising, upkeep
from messaging_project import database

logger = logging.getLogger(__name__)

# A job that failed is tried again for good: an alarm whose planning was given up would be lost.
UNTIL_IT_WORKS = RetryStrategy(max_attempts=None, wait=2)


@contextmanager
def telling_failures(of: str, alarm_id: int) -> Iterator[None]:
    """Log why a job failed: the queue itself is quiet about what it will try again, and an alarm is at stake."""
    try:
        yield
    except Exception:
        logger.exception("%s failed, it is tried again: alarm=%d", of, alarm_id)
        raise


@app.task(name="alarms.plan", queue="alarms", retry=UNTIL_IT_WORKS)
def plan(*, alarm_id: int, first_id: int, last_id: int) -> None:
    with telling_failures("planning", alarm_id):
        planning.plan(alarm_id=alarm_id, first_id=first_id, last_id=last_id, now=database.now())


@app.task(name="alarms.start", queue="alarms", retry=UNTIL_IT_WORKS)
def start(*, alarm_id: int) -> None:
    with telling_failures("raising", alarm_id):
        raising.start_alarm(alarm_id=alarm_id, now=database.now())


@app.task(name="alarms.close", queue="alarms", retry=UNTIL_IT_WORKS)
def close(*, alarm_id: int) -> None:
    with telling_failures("closing", alarm_id):
        closing.close_alarm(alarm_id=alarm_id, now=database.now())


@app.periodic(cron="* * * * * */2", periodic_id="sweep")
@app.task(name="alarms.sweep", queue="upkeep")
def sweep(timestamp: int) -> None:
    upkeep.sweep(now=database.now())


@app.periodic(cron="* * * * * */2", periodic_id="retry_stalled_jobs")
@app.task(name="alarms.retry_stalled_jobs", queue="upkeep")
async def retry_stalled_jobs(timestamp: int) -> None:
    await upkeep.retry_stalled_jobs()
