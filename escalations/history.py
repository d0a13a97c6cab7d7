"""The history of escalations, whose entries are told as lists, and of response timeouts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Case, Exists, F, Max, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from escalations.durations import in_words
from escalations.models import Escalation, EscalationConfiguration, ResponseTimeout
from organizations.history import (
    ADDED,
    CHANGED,
    KNOWN,
    LABELS,
    REMOVED,
    Change,
    Difference,
    History,
    Names,
    Values,
    events_of,
)
from organizations.models import User, Way

# What one request, or one command, writes at once: it is one change of the list.
TOGETHER = ("configuration_id", "pgh_created_at", "pgh_context_id")


@dataclass(frozen=True)
class TimeoutHistory(History):
    def told(self, each: Any, value: Any, names: Names) -> str:
        return in_words(value) if each.name == "seconds" else super().told(each, value, names)

    def differences(self, change: Change, names: Names) -> list[Difference]:
        default = [_("the default")]
        return [
            Difference(each.label, each.before or default, each.after or default)
            for each in super().differences(change, names)
            if each.label == str(LABELS["seconds"])
        ]


class EntriesHistory(History):
    """A change of an escalation is all that happens to the entries of its configuration at once."""

    def of(self, row: EscalationConfiguration) -> Q:
        # Those too that its owner had before it.
        return Q(user=row.user_id) if row.user_id else Q(organization=row.organization_id)

    def found(self, which: Q, number: int) -> QuerySet[Any]:
        configurations = self.events.filter(which).order_by().values("pgh_obj_id")
        changes = _entries().exclude(pgh_label=KNOWN).filter(configuration__in=configurations).values(*TOGETHER)
        changes = changes.annotate(change=Max("pgh_id"), number=Value(number))
        found: QuerySet[Any] = changes.values_list("pgh_created_at", "change", "number").order_by()
        return found

    def changes(self, ids: Collection[int], seen: Q) -> dict[int, Change]:
        together = Q(pk__in=[])
        for key in _entries().filter(pgh_id__in=ids).values_list(*TOGETHER):
            together |= Q(**dict(zip(TOGETHER, key, strict=True)))
        rows = defaultdict[tuple[Any, ...], list[Any]](list)
        for row in _entries().exclude(pgh_label=KNOWN).filter(together).order_by("pgh_id"):
            rows[tuple(getattr(row, name) for name in TOGETHER)].append(row)
        lists = _before(rows.values())
        owners = self._owners(lists)
        changes = (
            self._of(written, lists[written[0].configuration_id], owners[written[0].configuration_id])
            for written in sorted(rows.values(), key=lambda written: written[-1].pgh_id)
        )
        return dict(changes)

    def _owners(self, configurations: Collection[int]) -> dict[int, Values]:
        """Return whose the configurations are, also of those that are gone."""
        rows = self.events.filter(pgh_obj_id__in=configurations)
        owners = {row.pgh_obj_id: {"user": row.user_id, "organization": row.organization_id} for row in rows}
        return defaultdict(lambda: {"user": None, "organization": None}, owners)

    def _of(self, written: Sequence[Any], entries: dict[int, Any], owner: Values) -> tuple[int, Change]:
        """Return the change that these rows are, and do in `entries` what they did."""
        before = _in_order(entries)
        for row in written:
            if row.pgh_label == REMOVED:
                entries.pop(row.pgh_obj_id, None)
            else:
                entries[row.pgh_obj_id] = row
        after = _in_order(entries)
        change = Change(
            at=written[-1].pgh_created_at,
            kind=CHANGED if before and after else REMOVED if before else ADDED,
            context=written[-1].pgh_context,
            history=self,
            before={**owner, "entries": before},
            after={**owner, "entries": after},
        )
        return written[-1].pgh_id, change

    def differences(self, change: Change, names: Names) -> list[Difference]:
        nothing = _("none: each person's own") if change.values["organization"] else _("the default")
        before, after = (values["entries"] or [nothing] for values in (change.before, change.after))
        return [Difference(_("Ways of alarm"), before, after)]


def _entries() -> QuerySet[Any]:
    return events_of(Escalation)


def _before(changes: Iterable[Sequence[Any]]) -> dict[int, dict[int, Any]]:
    """Return the last row of each entry of the configurations, by their ids, before the first of the changes."""
    first: dict[int, int] = {}
    for written in changes:
        configuration, row = written[0].configuration_id, written[0].pgh_id
        first[configuration] = min(row, first.get(configuration, row))
    lists: dict[int, dict[int, Any]] = {configuration: {} for configuration in first}
    whens = [When(configuration_id=configuration, then=Value(row)) for configuration, row in first.items()]
    earlier = _entries().annotate(first=Case(*whens, output_field=BigIntegerField()))
    later = _entries().filter(
        pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__gt=OuterRef("pgh_id"), pgh_id__lt=OuterRef("first")
    )
    known = earlier.filter(~Exists(later), configuration_id__in=first, pgh_id__lt=F("first"))
    for row in known.exclude(pgh_label=REMOVED) if first else ():
        lists[row.configuration_id][row.pgh_obj_id] = row
    return lists


def _in_order(entries: Mapping[int, Any]) -> list[str]:
    """Return the entries as people read them."""
    rows = sorted(entries.values(), key=lambda row: (row.position, row.pgh_obj_id))
    return [
        _("%(way)s after %(time)s") % {"way": Way(row.wayofalarm).label, "time": in_words(row.delay)} for row in rows
    ]


def _timeout(_values: Values, _names: Names) -> str:
    return _("Response timeout")


def _escalation(values: Values, names: Names) -> str:
    if values["organization"]:
        return _("Escalation that the organization prescribes")
    return _("Escalation of %(person)s") % {"person": names.of(User, values["user"])}


def _escalations_of(organization: int) -> Q:
    managed = User.objects.filter(managing_organization=organization)
    return Q(organization=organization) | Q(user__in=managed)


ESCALATIONS = EntriesHistory(EscalationConfiguration, gettext_lazy("Escalations"), _escalation, _escalations_of)
TIMEOUTS = TimeoutHistory(
    ResponseTimeout, gettext_lazy("Response timeout"), _timeout, lambda organization: Q(organization=organization)
)
