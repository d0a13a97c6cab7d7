"""Deactivating people and undoing it: they get no alarm and cannot log in, and everything of theirs stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import Q, QuerySet

from organizations.models import User


class LastSuperuser(Exception):
    """Nobody would be left who sees everything."""


def lock_people(people: Q, *, with_superusers: bool = False) -> dict[int, User]:
    """Lock people until the end of the transaction, and all active superusers where one of them has to be left; return
    who is locked, by their ids. Whoever locks several people, as an import does too, locks them in the order of their
    ids, so that none waits in a circle: so the superusers are never locked after somebody else."""
    wanted = people | Q(is_superuser=True, is_active=True) if with_superusers else people
    locked = User.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
    return {user.pk: user for user in locked}


def keep_a_superuser(*, among: Iterable[User], without: Collection[int]) -> None:
    """See to it that an active superuser is left when these people are not active any more.

    Args:
        among: all active superusers, locked, and who else is.

    Raises: LastSuperuser.
    """
    there = {user.pk for user in among if user.is_superuser and user.is_active}
    if there and there <= set(without):
        raise LastSuperuser


def deactivate_people(*, people: QuerySet[User], by: int) -> list[int]:
    """Deactivate people, but never who asks for it (`by`); return the ids of those who were active before.

    Raises: LastSuperuser; nobody is deactivated then.
    """
    with transaction.atomic():
        wanted = set(people.order_by().values_list("pk", flat=True)) - {by}
        locked = lock_people(Q(pk__in=wanted, is_active=True), with_superusers=True)
        ids = [pk for pk in locked if pk in wanted]
        keep_a_superuser(among=locked.values(), without=ids)
        User.objects.filter(pk__in=ids).update(is_active=False)
    return ids


def activate_people(*, people: QuerySet[User]) -> list[int]:
    """Undo it; return the ids of those who were not active before. Who is erased stays so."""
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).filter(pk__in=people.order_by().values("pk"))
        ids = list(locked.filter(is_active=False, erased_at=None).order_by("pk").values_list("pk", flat=True))
        User.objects.filter(pk__in=ids).update(is_active=True)
    return ids
