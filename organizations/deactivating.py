"""Deactivating people and undoing it: they get no alarm and cannot log in, and everything of theirs stays."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import QuerySet

from organizations.models import User


class LastSuperuser(Exception):
    """Nobody would be left who sees everything."""


def keep_a_superuser(*, without: Collection[int]) -> None:
    """See to it that an active superuser is left when these people are not active any more. Lasts until the end of the
    transaction.

    Raises: LastSuperuser.
    """
    superusers = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True).order_by("pk")
    there = set(superusers.values_list("pk", flat=True))
    if there and there <= set(without):
        raise LastSuperuser


def deactivate_people(*, people: QuerySet[User], by: int) -> list[int]:
    """Deactivate people, but never who asks for it (`by`); return the ids of those who were active before.

    Raises: LastSuperuser; nobody is deactivated then.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).filter(pk__in=people.order_by().values("pk"))
        active = locked.filter(is_active=True).exclude(pk=by).order_by("pk")
        ids = list(active.values_list("pk", flat=True))
        keep_a_superuser(without=ids)
        User.objects.filter(pk__in=ids).update(is_active=False)
    return ids


def activate_people(*, people: QuerySet[User]) -> list[int]:
    """Undo it; return the ids of those who were not active before. Who is erased stays so."""
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).filter(pk__in=people.order_by().values("pk"))
        ids = list(locked.filter(is_active=False, erased_at=None).order_by("pk").values_list("pk", flat=True))
        User.objects.filter(pk__in=ids).update(is_active=True)
    return ids
