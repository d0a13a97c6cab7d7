"""Trying to log in: how often one may before one has to wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.crypto import salted_hmac

from organizations.models import LogInAttempt

logger = logging.getLogger(__name__)

Step = LogInAttempt.Step

WINDOW = timedelta(minutes=15)
DAY = timedelta(days=1)
BROWSER = "browser "

# How many attempts may fail within WINDOW: for one login from one source; from one address, behind which there may be
# many people; for one login from everywhere; and wrong codes of a second factor for one login within DAY, as whoever
# types them has the password.
OF_LOGIN_AND_SOURCE = 5
OF_SOURCE = 50
OF_LOGIN = 100
CODES_OF_LOGIN = 30


class TooManyAttempts(Exception):
    """One has to wait before the next one."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.seconds = max(1, -(-wait // timedelta(seconds=1)))

    @property
    def minutes(self) -> int:
        return -(-self.seconds // 60)


def digest_of(login: str) -> str:
    return salted_hmac("organizations.logging_in", login, algorithm="sha256").hexdigest()


def begin(*, login: str, source: str, step: Step, now: datetime) -> LogInAttempt:
    """Count an attempt before it is known what comes of it, so that many at the same moment are counted too. What
    becomes of it is for `succeeded` and `passed`; else it has failed.

    Args:
        source: a network address; or BROWSER and what only a browser has from which this login has been used before,
            which is counted by itself: however often others try elsewhere, whoever sits there gets in.

    Raises: TooManyAttempts, of which nothing is counted.
    """
    attempt = LogInAttempt.objects.create(login=digest_of(login), source=source, step=step, at=now)
    free_at = max(_free_again(attempt), default=now)
    if free_at > now:
        attempt.delete()
        wait = TooManyAttempts(free_at - now)
        logger.warning("log-in refused for %d s: too many attempts, here from %s", wait.seconds, source)
        raise wait
    return attempt


def _free_again(attempt: LogInAttempt) -> Iterator[datetime]:
    """Yield when each limit that is reached is not reached any more."""
    own, unknown = Q(login=attempt.login), ~Q(source__startswith=BROWSER)
    limits = [(own & Q(source=attempt.source), OF_LOGIN_AND_SOURCE, WINDOW)]
    if not attempt.source.startswith(BROWSER):
        limits += [
            (Q(source=attempt.source), OF_SOURCE, WINDOW),
            (own & unknown, OF_LOGIN, WINDOW),
        ]
        if attempt.step == Step.CODE:
            limits.append((own & unknown & Q(step=Step.CODE), CODES_OF_LOGIN, DAY))
    for which, most, within in limits:
        found = LogInAttempt.objects.filter(which, at__gt=attempt.at - within).exclude(pk=attempt.pk)
        # Of the newest that are too many, the oldest.
        for at in found.order_by("-at").values_list("at", flat=True)[most - 1 : most]:
            yield at + within


def passed(attempt: LogInAttempt) -> None:
    """Count an attempt no more: it was right, as far as it went. Those before it stay."""
    attempt.delete()


def succeeded(attempt: LogInAttempt) -> None:
    """Forget, with an attempt that was right to the end, those of the same login from the same source."""
    LogInAttempt.objects.filter(login=attempt.login, source=attempt.source).delete()


def unlock(*, login: str) -> int:
    """Let somebody try again at once; return how many attempts were forgotten."""
    count, _by_model = LogInAttempt.objects.filter(login=digest_of(login)).delete()
    return count


def forget(*, now: datetime) -> None:
    """Delete what counts no more."""
    LogInAttempt.objects.filter(at__lte=now - DAY).delete()
