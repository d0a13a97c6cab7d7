"""When users are not available: they say so themselves, for one organization or for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.db import transaction
from rest_framework.exceptions import NotFound, ValidationError

from messaging_project.errors import Conflict
from organizations.models import Absence, User

MAX_ABSENCES = 100
# How requests call what they can be wrong about.
NAMES = {"starts_at": "from", "ends_at": "until"}

# Whether the user `u` of an outer query is not available at %(now)s for alarms of %(organization)s.
#
# What is weekly comes again at the same time by the clocks of the organization, so each time is found by its date there
# and only then made a moment: the difference to UTC may have changed. A time that is skipped in spring is an hour
# later; of one that comes twice in autumn the second is meant, so that in the first of these hours the time whose date
# has come may not have begun, and the one before it may not be over: both are looked at. A time zone that the database
# does not know would make an error of every query: without one, what is weekly comes once.
#
# Most entries of thousands are at another time of the week, whatever the clocks may have done meanwhile: by an hour or
# two, and once by a day, when Samoa went over the date line.
ABSENT = """
    EXISTS (
        SELECT FROM organizations_absence absence
        WHERE absence.user_id = u.id
        AND (absence.organization_id IS NULL OR absence.organization_id = %(organization)s)
        AND absence.starts_at <= %(now)s
        AND (absence.ends_at > %(now)s OR (absence.weekly AND (
            mod(extract(epoch FROM %(now)s - absence.starts_at)::bigint + 26 * 3600, 604800)
            <= extract(epoch FROM absence.ends_at - absence.starts_at)::bigint + 2 * 26 * 3600
        ) AND EXISTS (
            SELECT FROM (
                SELECT (
                    SELECT time_zone FROM organizations_organization
                    WHERE id = %(organization)s AND time_zone IN (SELECT name FROM pg_timezone_names)
                ) AS name OFFSET 0
            ) zone
            CROSS JOIN LATERAL (
                SELECT
                    absence.starts_at AT TIME ZONE zone.name AS first_start,
                    absence.ends_at AT TIME ZONE zone.name AS first_end,
                    %(now)s AT TIME ZONE zone.name AS local_now
            ) wall
            CROSS JOIN LATERAL (
                SELECT div(extract(epoch FROM local_now - first_start), 604800)::int AS weeks
            ) since
            CROSS JOIN LATERAL (
                VALUES (make_interval(days => 7 * weeks)), (make_interval(days => 7 * weeks - 7))
            ) occurrence (later)
            WHERE later > interval '0'
            AND (first_start + later) AT TIME ZONE zone.name <= %(now)s
            AND (first_end + later) AT TIME ZONE zone.name > %(now)s
        )))
    )
"""


def add_absence(*, absence: Absence, now: datetime) -> Absence:
    """Store a new entry of a user.

    Raises: ValidationError for times that do not fit; Conflict if there are MAX_ABSENCES, of which none is over;
    NotFound if the user has been deleted meanwhile.
    """
    _check(absence)
    if absence.ends_at <= now and not absence.weekly:
        raise ValidationError({"until": "Must be in the future."})
    with transaction.atomic():
        # Of two requests at once, the second counts what the first has added.
        if User.objects.select_for_update(no_key=True).filter(pk=absence.user_id).first() is None:
            raise NotFound(f"userID: there is no user {absence.user_id}.")
        written = Absence.objects.filter(user=absence.user_id)
        if written.count() >= MAX_ABSENCES:
            written.over(now).delete()
            if written.count() >= MAX_ABSENCES:
                raise Conflict(f"from: {MAX_ABSENCES} entries are the most that a user may have.")
        absence.save()
    return absence


def change_absence(*, user: User, absence_id: int, changes: Mapping[str, Any]) -> Absence:
    """Change fields of an entry of a user's own and return it. It may end in the past: whoever is back says so.

    Raises: NotFound if the user has no such entry; ValidationError for times that do not fit.
    """
    with transaction.atomic():
        absence = Absence.objects.select_for_update().filter(pk=absence_id, user=user).first()
        if absence is None:
            raise NotFound(f"id: there is no entry {absence_id}.")
        for field, value in changes.items():
            setattr(absence, field, value)
        _check(absence)
        absence.save(update_fields=list(changes))
    return absence


def _check(absence: Absence) -> None:
    try:
        absence.clean()
    except Invalid as error:
        raise ValidationError({NAMES[field]: reasons for field, reasons in error.message_dict.items()}) from error
