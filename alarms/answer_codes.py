"""The codes of the answer page: whom one belongs to, and how guessing them is throttled."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.db import connection
from django.db.models.functions import Now

from alarms.models import AlarmMessage, WrongCode
from alarms.models.answer_code import ALPHABET, LENGTH

CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
# Letters that no code has, for the digits that they look like.
MISREAD = str.maketrans("oil", "011")

# An address that has asked for so many wrong codes within a minute gets no page until that minute is over.
WRONG_CODES = 10
MINUTE = timedelta(minutes=1)

# A minute begins with the first wrong code after the last one.
COUNT = """
    INSERT INTO alarms_wrongcode AS w (address, count, since) VALUES (%(address)s, 1, statement_timestamp())
    ON CONFLICT (address) DO UPDATE SET
        count = CASE WHEN w.since > excluded.since - interval '1 minute' THEN w.count + 1 ELSE 1 END,
        since = CASE WHEN w.since > excluded.since - interval '1 minute' THEN w.since ELSE excluded.since END
    RETURNING count
"""


def recipient_of(code: str) -> AlarmMessage | None:
    """Return the recipient whom a code belongs to, typed in upper case too, with alarm, organization and user, and with
    the database's time as `database_now`."""
    code = code.lower().translate(MISREAD)
    if not CODE.fullmatch(code):
        return None
    recipients = AlarmMessage.objects.select_related("alarm__organization", "user").annotate(database_now=Now())
    return recipients.filter(code=code).first()


def seconds_to_wait(address: str) -> int:
    """Return how many seconds an address gets no page; 0 for one that has not guessed."""
    guessing = WrongCode.objects.filter(address=address, count__gte=WRONG_CODES).annotate(database_now=Now())
    if (row := guessing.first()) is None:
        return 0
    left = row.since + MINUTE - row.database_now
    return max(0, -(-left // timedelta(seconds=1)))


def count_wrong(address: str) -> bool:
    """Count a wrong code of an address; return whether it is one too many, as many may come at the same moment."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"address": address})
        count: int = cursor.fetchone()[0]
    return count > WRONG_CODES


def forget(*, now: datetime) -> None:
    """Delete the counts whose minute is over."""
    WrongCode.objects.filter(since__lte=now - MINUTE).delete()
