"""Everything that the service holds about a person, as one JSON file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from django.core.serializers.json import DjangoJSONEncoder

from organizations.models import Organization, User
from organizations.person_data.naming import person_of
from organizations.person_data.parts import Scope, Section, fields_of, parts

CHUNK = 500
COMPLETE = "Everything that this service holds about this person."
PART = (
    "A part of what this service holds about this person: what belongs to the organizations that are named here. What"
    " other organizations hold, and the log of the admin, only a superuser may export."
)


class Encoder(DjangoJSONEncoder):
    """Writes times in UTC, and whatever else has no JSON as text."""

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime):
            return o.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return super().default(o)


def sections_of(user: User, scope: Scope) -> list[Section]:
    """Return what all apps hold about somebody, nothing of it read yet."""
    person = person_of(user)
    return [section for part in parts() for section in part.sections(person, scope)]


def write_person(out: TextIO, *, user: User, scope: Scope, now: datetime, made_by: str) -> None:
    """Write the file, row by row: it may be of any size."""
    out.write("{\n")
    _value(out, "about", _about(scope, now=now, made_by=made_by))
    out.write(",\n")
    _value(out, "person", {**fields_of(user, without=["password"]), "has_password": user.has_usable_password()})
    for section in sections_of(user, scope):
        out.write(",\n")
        _list(out, section.name, map(section.row, section.rows.iterator(chunk_size=CHUNK)))
    out.write("\n}\n")


def _about(scope: Scope, *, now: datetime, made_by: str) -> dict[str, Any]:
    about = {"note": COMPLETE if scope.is_complete else PART, "complete": scope.is_complete}
    if scope.organizations is not None:
        organizations = Organization.objects.filter(pk__in=scope.organizations).order_by("pk")
        about["organizations"] = list(organizations.values("id", "name"))
    return {**about, "made_at": now, "made_by": made_by}


def _value(out: TextIO, name: str, value: object) -> None:
    out.write(textwrap.indent(f"{json.dumps(name)}: {_json(value)}", "  "))


def _list(out: TextIO, name: str, rows: Iterable[object]) -> None:
    out.write(f"  {json.dumps(name)}: [")
    separator = "\n"
    for row in rows:
        out.write(separator + textwrap.indent(_json(row), "    "))
        separator = ",\n"
    out.write("]" if separator == "\n" else "\n  ]")


def _json(value: object) -> str:
    return json.dumps(value, cls=Encoder, ensure_ascii=False, indent=2)
