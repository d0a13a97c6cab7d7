"""The jobs. Thin: each takes ids, reads the present state and may run twice."""

from __future__ import annotations

import logging

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from alarms import planning, upkeep
from messaging_project import database

logger = logging.getLogger(__name__)

# A job that failed is tried again for good: an alarm whose planning was given up would be lost.
UNTIL_IT_WORKS = RetryStrategy(max_attempts=None, wait=2)


@app.task(name="alarms.plan", queue="alarms", retry=UNTIL_IT_WORKS)
def plan(*, alarm_id: int, first_id: int, last_id: int) -> None:
    try:
        planning.plan(alarm_id=alarm_id, first_id=first_id, last_id=last_id, now=database.now())
    except Exception:
        # The queue itself is quiet about what it will try again; an alarm that is not planned is not to be quiet about.
        logger.exception("planning failed, it is tried again: alarm=%d", alarm_id)
        raise


@app.periodic(cron="* * * * * */2", periodic_id="sweep")
@app.task(name="alarms.sweep", queue="upkeep")
def sweep(timestamp: int) -> None:
    upkeep.sweep(now=database.now())


@app.periodic(cron="* * * * * */2", periodic_id="retry_stalled_jobs")
@app.task(name="alarms.retry_stalled_jobs", queue="upkeep")
async def retry_stalled_jobs(timestamp: int) -> None:
    await upkeep.retry_stalled_jobs()
