"""How texts that the service has kept name a person."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from organizations.models import User
from organizations.person_data.parts import Person

# What no text has, so that there always is something to choose among.
NOTHING = r"\x01"


def person_of(user: User) -> Person:
    """Return a person with every name by which texts call them: who raised an alarm was called by the name of that day,
    and of earlier ones the log of the admin knows."""
    if user.erased_at is not None:
        return Person(user)
    earlier = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    named = {str(user), *earlier.order_by().values_list("object_repr", flat=True).distinct()}
    return Person(user, tuple(sorted(named - {""})))


def pattern(person: Person) -> str | None:
    """Return a regular expression of PostgreSQL that finds the names of a person in a text; None for somebody without
    any."""
    if not person.designations:
        return None
    full, bare = _names(person, str)
    return rf"((^|\s){full}|^{bare})($|[\s,])"


def pattern_in_log(person: Person) -> str | None:
    """Return one that finds the things of which the admin's log tells in JSON, where one is called by such a name."""
    if not person.designations:
        return None
    full, bare = _names(person, lambda name: json.dumps(name)[1:-1])
    rest = r'([^"\\]|\\.)*'
    return rf'"object": "(({rest}\s)?{full}|{bare})([\s,]{rest})?"'


def _names(person: Person, written: Callable[[str], str]) -> tuple[str, str]:
    """Return the names with their logins, and the logins of who had no name: such a one may be a word like any other,
    so it counts where the text begins with it."""
    found: dict[bool, list[str]] = {True: [NOTHING], False: [NOTHING]}
    for name in person.designations:
        found[name.endswith(")")].append(re.escape(written(name)))
    full, bare = (f"({'|'.join(sorted(found[kind]))})" for kind in (True, False))
    return full, bare
