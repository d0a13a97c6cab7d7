"""What the address of a list in the admin may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from django.contrib.admin import SimpleListFilter
from django.db.models.constants import LOOKUP_SEP

# What may stand behind the field of a filter or a link in the address of a list.
SUFFIXES = frozenset({"", "exact", "in", "isnull", "isempty", "gte", "gt", "lte", "lt", "year", "month", "day"})
# Of which every time zone makes a time.
YEARS = range(1970, 3000)


def is_offered(lookup: str, value: str, offered: Iterable[Any]) -> bool:
    """Whether a lookup is one of a filter, a link or the date hierarchy of a list, with a value that makes sense."""
    found = [each[0] if isinstance(each, tuple) else each for each in offered if each]
    if lookup in [each.parameter_name for each in found if _is_simple(each)]:
        return True
    return _is_sound(lookup, value) and any(_is_of(lookup, field) for field in found if isinstance(field, str))


def _is_simple(each: object) -> TypeGuard[type[SimpleListFilter]]:
    return isinstance(each, type) and issubclass(each, SimpleListFilter)


def _is_sound(lookup: str, value: str) -> bool:
    """Whether the database and Python's calendar know such a value."""
    if lookup.endswith(f"{LOOKUP_SEP}year"):
        return value.isdecimal() and len(value) == 4 and int(value) in YEARS
    return "\x00" not in value and len(value) < 1000


def _is_of(lookup: str, field: str) -> bool:
    name, _colon, rest = lookup.partition(field)
    if name:
        return False
    parts = [part for part in rest.split(LOOKUP_SEP) if part not in {"id", "pk"}]
    return (not rest or rest.startswith(LOOKUP_SEP)) and set(parts) <= SUFFIXES
