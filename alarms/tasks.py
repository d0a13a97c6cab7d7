"""The jobs. Thin: each takes ids, reads the present state and may run twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

# Some of these defer jobs of this module; of each other, they use nothing while they are imported.
from alarms import all_clear as clearing
from alarms import auditing, closing, heartbeat, planning, raising, telling_admins, troubles, upkeep
from alarms import retention as of_alarms
from alarms.hooks import DELIVER, delivering, outcomes, retention
from alarms.hooks import QUEUE as HOOKS
from messaging_project import database

logger = logging.getLogger(__name__)

# Of what asks others: their answers, or silence, hold up nothing of ours.
WATCH = "watch"

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


@app.task(name="alarms.all_clear", queue="alarms", retry=UNTIL_IT_WORKS)
def all_clear(*, alarm_id: int) -> None:
    with telling_failures("the all-clear", alarm_id):
        if not clearing.tell_all_clear(alarm_id=alarm_id, now=database.now()):
            all_clear.configure(schedule_in={"seconds": 1}).defer(alarm_id=alarm_id)


@app.periodic(cron="* * * * * */2", periodic_id="sweep")
@app.task(name="alarms.sweep", queue="upkeep")
def sweep(timestamp: int) -> None:
    upkeep.sweep(now=database.now())


@app.periodic(cron="* * * * * */5", periodic_id="audit")
@app.task(name="alarms.audit", queue="upkeep")
def audit(timestamp: int) -> None:
    auditing.audit(now=database.now())


@app.periodic(cron="* * * * * */10", periodic_id="tell_admins")
@app.task(name="alarms.tell_admins", queue=WATCH)
def tell_admins(timestamp: int) -> None:
    troubles.find()
    telling_admins.tell_admins(now=database.now())


@app.periodic(cron="* * * * *", periodic_id="heartbeat")
@app.task(name="alarms.heartbeat", queue=WATCH)
def beat(timestamp: int) -> None:
    if settings.HEARTBEAT_URL:
        heartbeat.beat()


@app.periodic(cron="17 * * * *", periodic_id="forget_rates")
@app.task(name="alarms.forget_rates", queue="upkeep")
def forget_rates(timestamp: int) -> None:
    upkeep.forget_rates(now=database.now())


@app.periodic(cron="* * * * * */2", periodic_id="retry_stalled_jobs")
@app.task(name="alarms.retry_stalled_jobs", queue="upkeep")
async def retry_stalled_jobs(timestamp: int) -> None:
    await upkeep.retry_stalled_jobs()


# One that failed is done by the next tick.
@app.task(name=DELIVER, queue=HOOKS, pass_context=True)
def deliver_hooks(context: JobContext) -> None:
    delivering.deliver(stop=context.should_abort)


@app.periodic(cron="* * * * * */5", periodic_id="deliver_hooks_again")
@app.task(name="alarms.deliver_hooks_again", queue=HOOKS, pass_context=True)
def deliver_hooks_again(context: JobContext, timestamp: int) -> None:
    outcomes.give_up_of_inactive()
    delivering.deliver(stop=context.should_abort)


@app.periodic(cron="37 3 * * *", periodic_id="purge_hook_events")
@app.task(name="alarms.purge_hook_events", queue=HOOKS, retry=RetryStrategy(max_attempts=5, wait=60), pass_context=True)
def purge_hook_events(context: JobContext, timestamp: int) -> None:
    purged = retention.purge(stop=context.should_abort)
    logger.info("purged: %d hook events older than %d days", purged, retention.DAYS)


@app.periodic(cron="57 3 * * *", periodic_id="drop_details")
@app.task(name="alarms.drop_details", queue=HOOKS, retry=RetryStrategy(max_attempts=5, wait=60), pass_context=True)
def drop_details(context: JobContext, timestamp: int) -> None:
    if months := settings.ALARM_RETENTION_MONTHS:
        dropped = of_alarms.drop_details(months=months, stop=context.should_abort)
        logger.info("dropped: %d device messages of alarms older than %d months", dropped, months)


@app.periodic(cron="47 3 * * *", periodic_id="prune_queue")
@app.task(name="alarms.prune_queue", queue="upkeep")
async def prune_queue(timestamp: int) -> None:
    await of_alarms.prune_queue()
