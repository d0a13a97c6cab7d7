"""How texts that the service has kept name a person."""

from __future__ import annotations

import json
import re

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from organizations.models import User
from organizations.person_data.parts import Person


def person_of(user: User) -> Person:
    """Return a person with every name by which texts call them: who raised an alarm was called by the name of that day,
    and of earlier ones the log of the admin knows."""
    if user.erased_at is not None:
        return Person(user)
    earlier = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    named = {str(user), *earlier.order_by().values_list("object_repr", flat=True).distinct()}
    return Person(user, tuple(sorted(named - {""})))


def pattern(person: Person) -> str | None:
    """Return a regular expression of PostgreSQL that finds the names of a person in a text, also where it is JSON; None
    for somebody without any."""
    written = {form for name in person.designations for form in (name, json.dumps(name)[1:-1])}
    if not written:
        return None
    return rf'(^|[\s"])({"|".join(map(re.escape, sorted(written)))})($|[\s"])'
