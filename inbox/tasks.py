"""The jobs. Thin: each takes ids, reads the present state and may run twice. As nothing else can end a job that runs in
a thread, each asks whether its worker is to end."""

from __future__ import annotations

import logging

from django.conf import settings
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from inbox import mailing, retention
from messaging_project import database

logger = logging.getLogger(__name__)

QUEUE = "inbox"
# Seconds between attempts, growing; the job itself gives up in the end.
LATER_AND_LATER = RetryStrategy(wait=2, linear_wait=5)


@app.task(name="inbox.mail_copies", queue=QUEUE, retry=LATER_AND_LATER, pass_context=True)
def mail_copies(context: JobContext, *, message_id: int, first_id: int, last_id: int) -> None:
    try:
        mailing.mail_copies(
            message_id=message_id,
            first_id=first_id,
            last_id=last_id,
            now=database.now(),
            stop=context.should_abort,
        )
    except mailing.CopiesLeft:
        raise
    except Exception:
        # The queue itself is quiet about what it will try again.
        logger.exception("copies by e-mail failed, they are tried again: message=%d", message_id)
        raise


@app.periodic(cron="17 3 * * *", periodic_id="purge_messages")
@app.task(name="inbox.purge_messages", queue=QUEUE, retry=RetryStrategy(max_attempts=5, wait=60), pass_context=True)
def purge_messages(context: JobContext, timestamp: int) -> None:
    purged = retention.purge(months=settings.INBOX_RETENTION_MONTHS, stop=context.should_abort)
    logger.info("purged: %d messages older than %d months", purged, settings.INBOX_RETENTION_MONTHS)
