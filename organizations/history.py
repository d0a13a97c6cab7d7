"""Reading the history that the triggers write (django-pghistory): what was changed, from what to what, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, Field, ForeignKey, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import JSONObject
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from organizations.authors import Context
from organizations.models import Organization, User

ADDED, CHANGED, REMOVED = "insert", "update", "delete"
# Of what was there when the history began, which is no change.
KNOWN = "known"
PAGE = 50

Values = Mapping[str, Any]
"""Of a row, by the names of its columns."""

LABELS = {
    "name": gettext_lazy("Name"),
    "is_active": gettext_lazy("Active"),
    "time_zone": gettext_lazy("Time zone"),
    "disabled_ways": gettext_lazy("Disabled ways of alarm"),
    "alarms_in_inbox": gettext_lazy("Alarms in the inbox"),
    "user": gettext_lazy("Person"),
    "organization": gettext_lazy("Organization"),
    "role": gettext_lazy("Role"),
    "way": gettext_lazy("Way of alarm"),
    "address": gettext_lazy("Address"),
    "prefix": gettext_lazy("Beginning"),
    "expires_at": gettext_lazy("Ends"),
    "revoked_at": gettext_lazy("Revoked"),
    "seconds": gettext_lazy("Response timeout"),
}
NOTHING = "-"
EMPTY = {
    "disabled_ways": pgettext_lazy("ways of alarm", "none"),
    "expires_at": pgettext_lazy("end of a token", "never"),
    "revoked_at": pgettext_lazy("end of a token", "never"),
}


def events_of(model: Any) -> QuerySet[Any]:
    """Return the rows that the history has of a model."""
    rows: QuerySet[Any] = model.events.rel.related_model._default_manager.all()
    return rows


@dataclass(frozen=True)
class Names:
    """What the rows that a page refers to are called."""

    people: Mapping[int, str]
    organizations: Mapping[int, str]

    def of(self, to: type[Model], pk: int) -> str:
        return self.people.get(pk, _("a person who has been deleted")) if to is User else self._organization(pk)

    def _organization(self, pk: int) -> str:
        return self.organizations.get(pk, _("an organization that has been deleted"))


@dataclass(frozen=True)
class Difference:
    """One line of a change: from these lines of text to those."""

    label: str
    before: Sequence[str]
    after: Sequence[str]


@dataclass
class Change:
    at: datetime
    kind: str
    context: Context | None
    history: History
    before: Values
    after: Values
    subject: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def values(self) -> Values:
        """What was there, the last known of it."""
        return self.after or self.before


@dataclass(frozen=True)
class History:
    """How the history of a model is read and told."""

    model: type[Model]
    title: str | Promise
    """What its rows are called, where there are those of several models."""
    subject: Callable[[Values, Names], str]
    """What one row is called."""
    of_organization: Callable[[int], Q]
    """Which rows of the history belong to an organization."""

    @property
    def events(self) -> QuerySet[Any]:
        return events_of(self.model)

    def of(self, row: Any) -> Q:
        """Return which rows of the history are about a row."""
        return Q(pgh_obj_id=row.pk)

    def found(self, which: Q, number: int) -> QuerySet[Any]:
        """Return time, id and `number` of the changes in the rows `which`."""
        rows = self.events.filter(which).exclude(pgh_label=KNOWN).annotate(change=F("pgh_id"), number=Value(number))
        found: QuerySet[Any] = rows.values_list("pgh_created_at", "change", "number").order_by()
        return found

    def changes(self, ids: Collection[int], seen: Q) -> dict[int, Change]:
        """Return the changes with these ids, with the values before them from those rows that are `seen`."""
        columns = {each.name: each.attname for each in self.fields}
        earlier = self.events.filter(seen, pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id"))
        before = earlier.order_by("-pgh_id").values(row=JSONObject(**columns))[:1]
        rows = self.events.filter(pgh_id__in=ids).annotate(before=Subquery(before))
        return {row.pgh_id: self._change(row) for row in rows}

    @property
    def fields(self) -> list[Field[Any, Any]]:
        """The fields that the history has of the model and people understand."""
        kept = {each.name for each in self.events.model._meta.fields}
        return [each for each in self.model._meta.fields if each.name in kept and each.name in LABELS]

    def _change(self, row: Any) -> Change:
        now = {each.name: getattr(row, each.attname) for each in self.fields}
        then = {each.name: each.to_python(row.before[each.name]) for each in self.fields} if row.before else {}
        before = {ADDED: {}, CHANGED: then, REMOVED: now}[row.pgh_label]
        return Change(
            at=row.pgh_created_at,
            kind=row.pgh_label,
            context=row.pgh_context,
            history=self,
            before=before,
            after={} if row.pgh_label == REMOVED else now,
        )

    def referred(self, changes: Iterable[Change], to: type[Model]) -> set[int]:
        """Return the ids of the users or organizations that the changes refer to."""
        names = [each.name for each in self.fields if isinstance(each, ForeignKey) and each.related_model is to]
        each_side = (values for change in changes for values in (change.before, change.after))
        return {values[name] for values in each_side for name in names if values.get(name)}

    def differences(self, change: Change, names: Names) -> list[Difference]:
        def told(each: Field[Any, Any], values: Values) -> list[str]:
            return [self.told(each, values[each.name], names)] if values else []

        return [
            Difference(str(LABELS[each.name]), told(each, change.before), told(each, change.after))
            for each in self.fields
            if (change.before and change.after and change.before[each.name] != change.after[each.name])
            # Of what comes or goes, whatever was said of it.
            or (not (change.before and change.after) and change.values[each.name] not in (None, "", []))
        ]

    def told(self, each: Field[Any, Any], value: Any, names: Names) -> str:
        if value in (None, "", []):
            return str(EMPTY.get(each.name, NOTHING))
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, datetime):
            return date_format(timezone.localtime(value), "DATETIME_FORMAT")
        if isinstance(each, ForeignKey):
            return names.of(each.remote_field.model, value)
        labels = dict((getattr(each, "base_field", None) or each).flatchoices)
        return ", ".join(str(labels.get(one, one)) for one in (value if isinstance(value, list) else [value]))


@dataclass(frozen=True)
class Part:
    """What a page shows of a model's history."""

    history: History
    which: Q
    seen: Q


def page_of(parts: Sequence[Part], number: str | None) -> tuple[Any, list[Change]]:
    """Return a page of the changes in all the parts, newest first, and what is on it; `number` may be anything."""
    found = [part.history.found(part.seen & part.which, index) for index, part in enumerate(parts)]
    rows = found[0].union(*found[1:], all=True) if len(found) > 1 else found[0]
    page = Paginator(rows.order_by("-pgh_created_at", "number", "-change"), PAGE).get_page(number)
    keys = [(index, change) for _at, change, index in page.object_list]
    read = {
        index: part.history.changes([change for at, change in keys if at == index], part.seen)
        for index, part in enumerate(parts)
        if any(at == index for at, _change in keys)
    }
    changes = [read[index][change] for index, change in keys if change in read[index]]
    _tell(changes)
    return page, changes


def _tell(changes: Sequence[Change]) -> None:
    ids: dict[type[Model], set[int]] = {
        to: set().union(*(change.history.referred([change], to) for change in changes)) for to in (User, Organization)
    }
    people = {user.pk: str(user) for user in User.objects.filter(pk__in=ids[User])} if ids[User] else {}
    organizations = dict(Organization.objects.filter(pk__in=ids[Organization]).values_list("pk", "name"))
    names = Names(people, organizations)
    for change in changes:
        change.subject = change.history.subject(change.values, names)
        change.differences = change.history.differences(change, names)
