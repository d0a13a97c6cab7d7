"""Members of an organization from a CSV file (contract 8): `preview_import` tells what the file changes,
`import_members` changes it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pghistory
from django.contrib.auth.hashers import make_password
from django.db import models, transaction
from django.utils.text import capfirst
from django.utils.translation import gettext, override

from organizations.comparing import Changes, Pair, PersonChange, Stored, compare
from organizations.members_csv import COLUMNS as COLUMNS
from organizations.members_csv import MAX_BYTES as MAX_BYTES
from organizations.members_csv import PROFILE, Problem, Row, parse
from organizations.models import Device, Group, Membership, Organization, User, Way
from organizations.whose import people_of

INSERT_BATCH = 5_000
# bulk_update() writes a CASE whose cost grows with the square of the batch.
UPDATE_BATCH = 500

Key = TypeVar("Key")
Kept = TypeVar("Kept", bound=models.Model)


class MembersInvalid(Exception):
    """The file has problems; nothing was imported."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class OutcomeChanged(Exception):
    """The import would change something else than what was agreed to; nothing was imported."""


@dataclass(frozen=True)
class Imported:
    users: list[User]
    """In the order of the file."""
    changes: Changes


def preview_import(*, organization: Organization, data: bytes, by: Collection[int] | None) -> Changes:
    """Return what `import_with_changes` would change at this moment. Raises MembersInvalid."""
    rows = _rows(data)
    stored = _read(organization, rows, by, among=User.objects.all())
    return compare(rows, stored, organization_id=organization.pk, superusers=by is None)


def import_members(*, organization: Organization, data: bytes) -> list[User]:
    """Make the members of `organization` what a CSV file says, all or nothing, and return them in its order.

    - Of a user whom the organization manages, new ones included, names, e-mail, language and devices become what the
      row says. A device that is not in the row is deactivated, not deleted, as alarms refer to it; one that is in it
      is activated. A device keeps its name. Of e-mail devices, only that of the user's e-mail address is in question,
      as the row cannot name another. The password and whether the user is active are not touched; new users have no
      usable password.
    - Of any other user, whether another organization manages them or none, nothing of that is touched.
    - Of both, the membership gets the role, and the member enters the groups of the row (made where missing) and
      leaves the organization's other groups. Groups stay, also when they are empty.
    - Members who are not in the file are not touched. What is left of somebody who was erased is nobody's login: a row
      that names it is refused.

    The number of queries does not grow with the rows, but for one a batch of thousands. Raises MembersInvalid.
    """
    return import_with_changes(organization=organization, data=data, by=None).users


def import_with_changes(
    *, organization: Organization, data: bytes, by: Collection[int] | None, agreed: str | None = None
) -> Imported:
    """Do what `import_members` does, and return what has changed too.

    `by` are the organizations whose admin asks for it, None: somebody who may do everything. An admin makes nobody a
    member whom they do not know, as by that they would come to see the person, and changes no superuser. With `agreed`,
    the digest of the changes that were shown to somebody, nothing else is done. Raises MembersInvalid, OutcomeChanged.
    """
    rows = _rows(data)
    with pghistory.context(what="import"), transaction.atomic():
        # One import of an organization at a time. A lock on anything but the key leaves alarms free to refer to it.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)

        def planned(stored: Stored) -> Changes:
            changes = compare(rows, stored, organization_id=organization.pk, superusers=by is None)
            if agreed not in (None, changes.digest):
                raise OutcomeChanged
            return changes

        # What is read of people holds until it is written: who is being erased is waited for. Whoever locks several
        # people does so in the order of their ids, so that none waits in a circle.
        people = User.objects.select_for_update(no_key=True).order_by("pk")
        stored = _read(organization, rows, by, among=people)
        changes = planned(stored)
        made, theirs = _make_users(organization, changes.people)
        if theirs:
            # Somebody else has made the same users at this moment.
            stored = _read(organization, rows, by, among=people)
            changes = planned(replace(stored, users={k: v for k, v in stored.users.items() if k not in made}))
        users = {**stored.users, **made}
        _write(organization, changes, replace(stored, users=users))
    return Imported([users[row.login] for row in rows], changes)


def _rows(data: bytes) -> list[Row]:
    rows, problems = parse(data)
    if problems:
        raise MembersInvalid(problems)
    return rows


def _read(
    organization: Organization, rows: Sequence[Row], by: Collection[int] | None, *, among: models.QuerySet[User]
) -> Stored:
    users = {user.login: user for user in among.filter(login__in=[row.login for row in rows])}
    ids = [user.pk for user in users.values()]
    if problems := _refused(rows, users, by):
        raise MembersInvalid(problems)
    memberships = {found.user_id: found for found in organization.memberships.filter(user__in=ids)}
    in_groups = defaultdict[int, dict[int, int]](dict)
    through = Group.memberships.through._default_manager
    for row in through.filter(membership__in=[membership.pk for membership in memberships.values()]):
        in_groups[row.membership_id][row.group_id] = row.pk
    devices = defaultdict[int, dict[Pair, Device]](dict)
    managed = [user.pk for user in users.values() if user.managing_organization_id == organization.pk]
    for device in Device.objects.filter(user__in=managed):
        devices[device.user_id][device.way, device.address] = device
    return Stored(
        users=users,
        memberships=memberships,
        groups=dict(organization.groups.values_list("pk", "name")),
        in_groups=in_groups,
        devices=devices,
    )


def _refused(rows: Iterable[Row], users: Mapping[str, User], by: Collection[int] | None) -> list[Problem]:
    """Return which rows are about people of whom nothing may be written."""
    reasons = {
        user.pk: gettext("This login is what is left of a person who was erased.")
        for user in users.values()
        if user.erased_at is not None
    }
    if by is not None:
        ids = {user.pk for user in users.values()}
        known = User.objects.filter(people_of(by), pk__in=ids).values_list("pk", flat=True)
        # Of strangers it is not told either that they were erased.
        reasons |= dict.fromkeys(ids.difference(known), gettext("This login is not available."))
    found = ((row.line, users[row.login].pk) for row in rows if row.login in users)
    return [Problem(line, "login", reasons[pk]) for line, pk in found if pk in reasons]


def _make_users(organization: Organization, people: Iterable[PersonChange]) -> tuple[dict[str, User], set[str]]:
    """Make the new users; return them by login, and the logins that somebody else has taken at this moment."""
    rows = {change.login: change.row for change in people if change.is_new}
    if not rows:
        return {}, set()
    # In order: two imports that make the same users at once must not wait for each other in a circle.
    wanted = {
        login: User(
            login=login,
            password=make_password(None),
            managing_organization=organization,
            **{name: getattr(rows[login], name) for name in PROFILE},
        )
        for login in sorted(rows)
    }
    User.objects.bulk_create(wanted.values(), batch_size=INSERT_BATCH, ignore_conflicts=True)
    found = {user.login: user for user in User.objects.filter(login__in=rows)}
    # No two have the same unusable password.
    theirs = {login for login, user in found.items() if user.password != wanted[login].password}
    return {login: user for login, user in found.items() if login not in theirs}, theirs


def _write(organization: Organization, changes: Changes, stored: Stored) -> None:
    _write_profiles(changes.people, stored.users)
    memberships = _write_memberships(organization, changes.people, stored)
    _write_groups(organization, changes, stored, memberships)
    _write_devices(changes.people, stored)


def _write_profiles(people: Iterable[PersonChange], users: Mapping[str, User]) -> None:
    changed = [change for change in people if change.profile]
    for change in changed:
        for name, _old, new in change.profile:
            setattr(users[change.login], name, new)
    User.objects.bulk_update([users[change.login] for change in changed], PROFILE, batch_size=UPDATE_BATCH)


def _ensure(
    stored: models.QuerySet[Kept], keys: Iterable[Key], key: Callable[[Kept], Key], make: Callable[[Key], Kept]
) -> dict[Key, Kept]:
    """Return the rows of `stored` by their key, after those of `keys`, which are missing, have been made."""
    if missing := [make(wanted) for wanted in keys]:
        # Somebody else may make the same row at this moment: then theirs is the one that the reading finds.
        stored.model._default_manager.bulk_create(missing, batch_size=INSERT_BATCH, ignore_conflicts=True)
        return {key(row): row for row in stored.all()}
    return {}


def _write_memberships(
    organization: Organization, people: Sequence[PersonChange], stored: Stored
) -> dict[int, Membership]:
    """Return the memberships by user id."""
    joining = {stored.users[change.login].pk: change.row.role for change in people if change.joins}
    made = _ensure(
        organization.memberships.filter(user__in=joining),
        joining,
        lambda membership: membership.user_id,
        lambda user_id: Membership(organization=organization, user_id=user_id, role=joining[user_id]),
    )
    memberships = {**stored.memberships, **made}
    roles = {stored.users[change.login].pk: change.row.role for change in people if change.role}
    # Whoever has become a member at this moment may have another role than the file gives.
    roles |= {user_id: role for user_id, role in joining.items() if made[user_id].role != role}
    for role in Membership.Role.values:
        if ids := [memberships[user_id].pk for user_id, wanted in roles.items() if wanted == role]:
            Membership.objects.filter(pk__in=ids).update(role=role)
    return memberships


def _write_groups(
    organization: Organization, changes: Changes, stored: Stored, memberships: Mapping[int, Membership]
) -> None:
    made = _ensure(
        organization.groups.filter(name__in=changes.new_groups),
        changes.new_groups,
        lambda group: group.name,
        lambda name: Group(organization=organization, name=name),
    )
    ids = {name: group_id for group_id, name in stored.groups.items()}
    ids |= {name: group.pk for name, group in made.items()}
    through = Group.memberships.through
    entered, left = [], []
    for change in changes.people:
        membership_id = memberships[stored.users[change.login].pk].pk
        inside = stored.in_groups.get(membership_id, {})
        entered += [through(membership_id=membership_id, group_id=ids[name]) for name in change.entered]
        left += [row_id for group_id, row_id in inside.items() if stored.groups.get(group_id) in change.left]
    through._default_manager.bulk_create(entered, batch_size=INSERT_BATCH, ignore_conflicts=True)
    through._default_manager.filter(pk__in=left).delete()


def _write_devices(people: Iterable[PersonChange], stored: Stored) -> None:
    missing: list[Device] = []
    with override("en"):
        # In one language whoever imports: the names are kept, and recipients and programs see them.
        names = {way.value: str(capfirst(way.label)) for way in Way}
    switched: dict[bool, list[int]] = {True: [], False: []}
    for change in people:
        user = stored.users[change.login]
        devices = stored.devices.get(user.pk, {})
        count = Counter(way for way, _address in devices)
        for way, address in change.added:
            count[way] += 1
            # Not the address: other organizations see the name in the message status.
            name = names[way] + (f" {count[way]}" if count[way] > 1 else "")
            missing.append(Device(user_id=user.pk, way=way, address=address, name=name))
        switched[True] += [devices[pair].pk for pair in change.switched_on]
        switched[False] += [devices[pair].pk for pair in change.switched_off]
    Device.objects.bulk_create(missing, batch_size=INSERT_BATCH, ignore_conflicts=True)
    for is_active, ids in switched.items():
        Device.objects.filter(pk__in=ids).update(is_active=is_active)
