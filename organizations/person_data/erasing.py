"""Erasing a person: names and addresses go, in one transaction; what is counted stays."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from procrastinate.contrib.django import app

from organizations.deactivating import keep_a_superuser, lock_people
from organizations.models import User
from organizations.person_data.naming import person_of
from organizations.person_data.parts import Person, parts

logger = logging.getLogger(__name__)

ERASE_AGAIN = "organizations.erase_again"
# A failed job of this queue is tried again, and its workers are those that every service has.
QUEUE = "alarms"
# When nothing is under way any more that had been taken up, or planned, before the person was erased: seconds.
AGAIN_AFTER = 120

# One person at a time: two who stand in the same event of a hook do not wait for each other in a circle.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('a person is erased', 0))"


def erase_person(*, user_id: int, now: datetime) -> bool:
    """Erase a person; return whether there was anybody to erase: doing it twice is no error. `now` is the database's
    time.

    Raises: User.DoesNotExist; LastSuperuser.
    """
    with transaction.atomic():
        locked = _locked(user_id, with_superusers=True)
        person = person_of(locked[user_id])
        if person.user.erased_at is not None:
            _erase(person, now=now)
            return False
        keep_a_superuser(among=locked.values(), without=[user_id])
        # Nobody raises an alarm for them any more while this waits for those who have them in hand.
        User.objects.filter(pk=user_id).update(is_active=False)
        _erase(person, now=now)
        options: dict[str, Any] = {"queue": QUEUE, "schedule_in": {"seconds": AGAIN_AFTER}}
        app.configure_task(ERASE_AGAIN, **options).defer(user_id=user_id)
    logger.info("person erased: user=%d", user_id)
    return True


def erase_again(*, user_id: int, now: datetime) -> None:
    """Erase what has come since somebody was erased: a sender that had taken up a message writes what became of it."""
    with transaction.atomic():
        person = person_of(_locked(user_id)[user_id])
        if person.user.erased_at is not None:
            _erase(person, now=now)


def _locked(user_id: int, *, with_superusers: bool = False) -> dict[int, User]:
    """Lock a person, and the superusers where one has to be left. Raises: User.DoesNotExist."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    # Who adds a device or an absence takes this lock too; who only refers to the person does not wait for it.
    locked = lock_people(Q(pk=user_id), with_superusers=with_superusers)
    if user_id not in locked:
        raise User.DoesNotExist
    return locked


def _erase(person: Person, *, now: datetime) -> None:
    for part in parts():
        part.halt(person, now)
    for part in reversed(parts()):
        part.erase(person)
