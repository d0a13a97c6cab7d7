"""What each app holds about people: how it is found, and what becomes of it when somebody is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet, TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from organizations.models import User

ERASED_PERSON = "erased person"
"""What stands where a text has named somebody who is erased."""
ERASED = "erased"
"""What stands where there was a name of a device, or the words of a gateway."""


class Fate(TextChoices):
    """What becomes of something when the person is erased."""

    GOES = "goes", _("deleted")
    BARE = "bare", _("stays, without names and addresses")
    STAYS = "stays", _("stays")


@dataclass(frozen=True)
class Person:
    """Somebody, and how texts name them."""

    user: User
    designations: tuple[str, ...] = ()
    """As texts of the service have written them, now and earlier; empty for somebody who is erased."""

    @property
    def pk(self) -> int:
        return self.user.pk


@dataclass(frozen=True)
class Scope:
    """What of a person's data somebody may see."""

    organizations: frozenset[int] | None = None
    """Only what belongs to these; None: everything."""
    account: bool = True
    """Their tokens too."""

    @property
    def is_complete(self) -> bool:
        return self.organizations is None

    def within(self, path: str = "organization") -> Q:
        """Return which rows are in it, where `path` leads to their organization."""
        return Q() if self.organizations is None else Q(**{f"{path}__in": self.organizations})


def fields_of(row: Model, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the columns of a row by their names, new ones too."""
    left_out = set(without)
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in left_out
    }


@dataclass(frozen=True)
class Section:
    """A list in the file about a person."""

    name: str
    title: str | Promise
    fate: Fate
    rows: QuerySet[Any]
    row: Callable[[Any], Mapping[str, Any]] = fields_of


@dataclass(frozen=True)
class Part:
    """What one app holds.

    Args:
        sections: what of it somebody may see.
        erase: erases it, in the transaction of all. May be called again later, for what has come meanwhile.
        halt: sees to it that the person gets nothing more; called before anything is erased, with the locks to take
            first.
        personal: what holds personal data (`app.Model.field`), and what erasing does with it.
        not_personal: what only looks like it (`app.Model` or `app.Model.field`), and why.
    """

    sections: Callable[[Person, Scope], Iterable[Section]]
    erase: Callable[[Person], None]
    personal: Mapping[str, str]
    not_personal: Mapping[str, str]
    halt: Callable[[Person, datetime], None] = lambda _person, _now: None


_parts: dict[str, Part] = {}


def register(app: str, part: Part) -> None:
    """Add what an app holds; called once, when it is ready."""
    _parts[app] = part


def parts() -> list[Part]:
    """Return what all apps hold, each before those that build on it."""
    return list(_parts.values())
