"""The jobs. Thin: each takes ids, reads the present state and may run twice."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from messaging_project import database
from organizations import logging_in
from organizations.models import MembersFile
from organizations.person_data import erasing


@app.task(name=erasing.ERASE_AGAIN, queue=erasing.QUEUE, retry=RetryStrategy(max_attempts=20, linear_wait=30))
def erase_again(*, user_id: int) -> None:
    erasing.erase_again(user_id=user_id, now=database.now())


@app.periodic(cron="*/10 * * * *", periodic_id="purge_members_files")
@app.task(name="organizations.purge_members_files", queue="upkeep")
def purge_members_files(timestamp: int) -> None:
    MembersFile.objects.over(database.now()).delete()


@app.periodic(cron="23 * * * *", periodic_id="forget_log_ins")
@app.task(name="organizations.forget_log_ins", queue="upkeep")
def forget_log_ins(timestamp: int) -> None:
    now = database.now()
    logging_in.forget(now=now)
    Session.objects.filter(expire_date__lte=now).delete()
