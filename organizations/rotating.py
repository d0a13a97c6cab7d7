"""Rotating a token: another one takes its place, and both work until whoever uses it has the new one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import transaction

from organizations.models import Token

AnyToken = TypeVar("AnyToken", bound=Token)


LONGEST = timedelta(days=36_500)


class CannotRotate(Exception):
    """The token is expired, revoked or has been replaced already."""


def overlap() -> timedelta:
    """Return for how long a token that is replaced goes on (setting TOKEN_OVERLAP_HOURS)."""
    return timedelta(hours=settings.TOKEN_OVERLAP_HOURS)


def can_rotate(token: Token, now: datetime) -> bool:
    return token.is_usable(now) and token.replacement() is None


def same_lifetime(token: Token, now: datetime) -> datetime | None:
    """Return when a token issued `now` ends that lives as long as `token` was issued for."""
    return None if token.expires_at is None else now + min(token.expires_at - token.created_at, LONGEST)


def rotate(
    *, token: AnyToken, now: datetime, expires_at: datetime | None, at_once: bool = False
) -> tuple[AnyToken, str]:
    """Issue a token of the same owner and name, and return it with its text, which cannot be had again.

    The old one ends after the overlap, or `at_once`; never later than it would have. Raises: CannotRotate, also where
    somebody else has rotated it at this moment.
    """
    model = type(token)
    with transaction.atomic():
        old = model._default_manager.select_for_update().filter(pk=token.pk).first()
        if old is None or not can_rotate(old, now):
            raise CannotRotate
        ends = now if at_once else now + overlap()
        if old.expires_at is None or old.expires_at > ends:
            old.expires_at = ends
            old.save(update_fields=["expires_at"])
        return model.issue(name=old.name, expires_at=expires_at, replaces=old, **{old.OWNER: old.owner})
