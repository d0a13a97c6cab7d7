"""What an import changes, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from organizations.comparing import Changes, Pair, PersonChange
from organizations.models import Membership, User, Way

# How many people, and how many problems, a page names.
NAMED = 100


@dataclass(frozen=True)
class Line:
    label: str
    new: str
    old: str | None = None


@dataclass(frozen=True)
class Words:
    login: str
    name: str
    mark: str
    """The kind of mark, of messaging_project/desk.css."""
    word: str
    elsewhere: bool
    lines: list[Line]


@dataclass(frozen=True)
class Count:
    number: int
    word: str


def words_of(change: PersonChange) -> Words:
    if change.is_new:
        mark, word = "positive", _("new")
    elif change.joins:
        mark, word = "positive", _("becomes a member")
    else:
        mark, word = "waiting", _("changed")
    return Words(
        login=change.login,
        name=change.name,
        mark=mark,
        word=word,
        elsewhere=not change.is_managed,
        lines=_lines(change),
    )


def _lines(change: PersonChange) -> list[Line]:
    lines = [Line(_label(field), new or _("empty"), old or _("empty")) for field, old, new in change.profile]
    if change.is_new:
        lines += [Line(_label(field), text) for field in ("email", "language") if (text := getattr(change.row, field))]
    if change.role:
        old, new = change.role
        lines.append(Line(_("Role"), _role(new), _role(old)))
    elif change.joins:
        lines.append(Line(_("Role"), _role(change.row.role)))
    listed = (
        (_("Joins groups"), ", ".join(change.entered)),
        (_("Leaves groups"), ", ".join(change.left)),
        (_("New devices"), _devices(change.added)),
        (_("Devices switched on"), _devices(change.switched_on)),
        (_("Devices switched off"), _devices(change.switched_off)),
    )
    return lines + [Line(label, text) for label, text in listed if text]


def _label(field: str) -> str:
    return str(capfirst(User._meta.get_field(field).verbose_name))  # type: ignore[union-attr] # no relation


def _role(role: str) -> str:
    return str(Membership.Role(role).label)


def _devices(pairs: Iterable[Pair]) -> str:
    return ", ".join(f"{Way(way).label} {address}" for way, address in pairs)


def summary_of(changes: Changes) -> list[Count]:
    """Return what changes in numbers, leaving out what does not happen."""
    people = changes.people
    new, joining = changes.new_people, sum(change.joins and not change.is_new for change in people)
    roles, groups = sum(bool(change.role) for change in people), len(changes.new_groups)
    added = sum(len(change.added) for change in people)
    on = sum(len(change.switched_on) for change in people)
    off = sum(len(change.switched_off) for change in people)
    changed, elsewhere, same = len(people) - new, changes.managed_elsewhere, changes.unchanged
    counts = [
        Count(new, ngettext("new person", "new people", new)),
        Count(changed, ngettext("person with changes", "people with changes", changed)),
        Count(joining, ngettext("person who becomes a member", "people who become members", joining)),
        Count(roles, ngettext("changed role", "changed roles", roles)),
        Count(groups, ngettext("new group", "new groups", groups)),
        Count(added, ngettext("new device", "new devices", added)),
        Count(on, ngettext("device switched on", "devices switched on", on)),
        Count(off, ngettext("device switched off", "devices switched off", off)),
        Count(
            elsewhere,
            ngettext("person managed by another organization", "people managed by another organization", elsewhere),
        ),
        Count(same, ngettext("person of whom nothing changes", "people of whom nothing changes", same)),
    ]
    return [count for count in counts if count.number]
