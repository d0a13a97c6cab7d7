"""What a file of members changes: its rows beside what is stored. Pure; importing.py reads and writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from organizations.members_csv import PROFILE, Row
from organizations.models import Device, Membership, User, Way

Pair = tuple[str, str]
"""A way of alarm and an address."""


@dataclass(frozen=True)
class Stored:
    """What there is of the people of a file."""

    users: Mapping[str, User]
    """By login."""
    memberships: Mapping[int, Membership]
    """In the organization, by user id."""
    groups: Mapping[int, str]
    """The names of the organization's groups, by id."""
    in_groups: Mapping[int, Mapping[int, int]]
    """By membership id: the ids of the rows that put it into groups, by group id."""
    devices: Mapping[int, Mapping[Pair, Device]]
    """By user id."""


@dataclass(frozen=True)
class PersonChange:
    """What becomes different of one person."""

    row: Row
    name: str
    """What the person is called afterwards; empty where it is no business of the organization's."""
    is_new: bool = False
    is_managed: bool = True
    """Whether names, e-mail, language and devices are the organization's to change."""
    joins: bool = False
    profile: tuple[tuple[str, str, str], ...] = ()
    """Field, old, new."""
    role: tuple[str, str] | None = None
    """Old, new."""
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    added: tuple[Pair, ...] = ()
    switched_on: tuple[Pair, ...] = ()
    switched_off: tuple[Pair, ...] = ()

    @property
    def login(self) -> str:
        return self.row.login

    @property
    def is_any(self) -> bool:
        devices = self.added or self.switched_on or self.switched_off
        return bool(self.joins or self.profile or self.role or self.entered or self.left or devices)


@dataclass(frozen=True)
class Changes:
    """What an import changes."""

    people: tuple[PersonChange, ...] = ()
    """Those of whom something changes, in the order of the file."""
    new_groups: tuple[str, ...] = ()
    unchanged: int = 0
    managed_elsewhere: int = 0
    """Of how many people in the file nothing changes but membership, role and groups."""
    rows: int = field(default=0)

    @property
    def digest(self) -> str:
        """A text that is another one when anything of it is different."""
        return hashlib.sha256(repr((self.people, self.new_groups)).encode()).hexdigest()

    @property
    def new_people(self) -> int:
        return sum(change.is_new for change in self.people)


def compare(rows: Iterable[Row], stored: Stored, *, organization_id: int, superusers: bool) -> Changes:
    """Return what makes `stored` what the rows say; of superusers, only where `superusers` is set."""

    def managed(user: User) -> bool:
        return user.managing_organization_id == organization_id and (superusers or not user.is_superuser)

    found = [_of_person(row, stored, managed(user) if (user := stored.users.get(row.login)) else True) for row in rows]
    people = tuple(change for change in found if change.is_any)
    known = set(stored.groups.values())
    return Changes(
        people=people,
        new_groups=tuple(sorted({name for change in people for name in change.entered} - known)),
        unchanged=len(found) - len(people),
        managed_elsewhere=sum(not change.is_managed for change in found),
        rows=len(found),
    )


def _of_person(row: Row, stored: Stored, is_managed: bool) -> PersonChange:
    user = stored.users.get(row.login)
    if user is None:
        return PersonChange(
            row=row,
            name=f"{row.first_name} {row.last_name}".strip(),
            is_new=True,
            joins=True,
            entered=row.groups,
            added=row.devices,
        )
    membership = stored.memberships.get(user.pk)
    inside = stored.in_groups.get(membership.pk, {}) if membership else {}
    groups = [stored.groups[group_id] for group_id in inside if group_id in stored.groups]
    devices = stored.devices.get(user.pk, {}) if is_managed else {}
    wanted = row.devices if is_managed else ()
    name = f"{row.first_name} {row.last_name}".strip() if is_managed else user.get_full_name() if membership else ""
    return PersonChange(
        row=row,
        name=name,
        is_managed=is_managed,
        joins=membership is None,
        profile=_profile(row, user) if is_managed else (),
        role=(membership.role, row.role) if membership and membership.role != row.role else None,
        entered=tuple(name for name in row.groups if name not in groups),
        left=tuple(sorted(name for name in groups if name not in row.groups)),
        added=tuple(pair for pair in wanted if pair not in devices),
        switched_on=tuple(pair for pair in wanted if pair in devices and not devices[pair].is_active),
        switched_off=tuple(
            pair for pair, device in devices.items() if device.is_active and pair not in wanted and _said(pair, user)
        ),
    )


def _profile(row: Row, user: User) -> tuple[tuple[str, str, str], ...]:
    pairs = ((name, getattr(user, name), getattr(row, name)) for name in PROFILE)
    return tuple((name, old, new) for name, old, new in pairs if old != new)


def _said(pair: Pair, user: User) -> bool:
    """Whether a file that does not name a device says that there is none: of e-mail addresses it names only one."""
    way, address = pair
    return way != Way.EMAIL or address == user.email
