"""Members of an organization from a CSV file (contract 8): `parse` reads it, `import_members` writes what it says."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.text import capfirst

from organizations.models import Device, Group, Membership, Organization, User, Way

PROFILE = ("first_name", "last_name", "email", "language")
COLUMNS = ("login", *PROFILE, "role", "groups", "app", "pager", "sms", "call")
MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 100_000
INSERT_BATCH = 5_000
# bulk_update() writes a CASE whose cost grows with the square of the batch.
UPDATE_BATCH = 500

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE_END = re.compile(rb"\r\n|\r|\n")

Key = TypeVar("Key")
Stored = TypeVar("Stored", bound=models.Model)


@dataclass(frozen=True)
class Row:
    """What one row says; `line` is the physical line it begins on, `devices` are pairs of way and address."""

    line: int
    login: str
    first_name: str
    last_name: str
    email: str
    language: str
    role: str
    groups: tuple[str, ...]
    devices: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be imported. Line 0 is the file as a whole, an empty column the row as a whole."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "the file"
        return f"{where}, {self.column}: {self.reason}" if self.column else f"{where}: {self.reason}"


class MembersInvalid(Exception):
    """The file has problems; nothing was imported."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def parse(data: bytes) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a CSV file that are good and the problems of the others, in the order of the file.

    UTF-8 with or without BOM; `,` or `;` between cells; the columns in any order; rows without any text are skipped.
    The rules are those of the models. Nothing is read from the database.
    """
    if len(data) > MAX_BYTES:
        return [], [Problem(0, "", f"larger than {MAX_BYTES // 1024 // 1024} MiB")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(LINE_END.findall(error.object[: error.start])) + 1
        return [], [Problem(line, "", "not UTF-8")]
    records = _records(text)
    line, header, reason = next(records, (1, [], "the file is empty"))
    if reasons := [reason] if reason else _header_reasons(header):
        return [], [Problem(line, "", reason) for reason in reasons]
    return _rows(header, records)


def _records(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line a record begins on, its cells without white space around them, and what is wrong with it if
    it cannot be split into cells."""
    first_line = text.lstrip().replace("\r", "\n").partition("\n")[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    # newline="" leaves line ends as they are, so that the reader counts physical lines.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], f"not CSV: {error}"
            continue
        if any(cells):
            yield line, cells, ""


def _header_reasons(header: list[str]) -> list[str]:
    found = {
        "unknown column": [column[:40] for column in header if column not in COLUMNS],
        "missing column": [column for column in COLUMNS if column not in header],
        "duplicate column": [column for column in COLUMNS if header.count(column) > 1],
    }
    return [f"{what}: {', '.join(map(repr, columns))}" for what, columns in found.items() if columns]


def _rows(header: list[str], records: Iterator[tuple[int, list[str], str]]) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    line_of: dict[str, int] = {}
    for number, (line, values, reason) in enumerate(records, 1):
        if number > MAX_ROWS:
            return [], [Problem(line, "", f"more than {MAX_ROWS} rows")]
        if not reason and len(values) != len(header):
            reason = f"{len(values)} cells instead of {len(header)} (a cell that holds a delimiter needs quotes)"
        if reason:
            problems.append(Problem(line, "", reason))
            continue
        cells = dict(zip(header, values, strict=True))
        row, reasons = _checked(_row(line, cells), cells)
        if (first := line_of.setdefault(row.login, line)) != line:
            reasons.setdefault("login", f"{row.login!r} stands in line {first} too")
        problems.extend(Problem(line, column, reasons[column]) for column in COLUMNS if column in reasons)
        rows.extend([] if reasons else [row])
    return rows, problems


def _row(line: int, cells: Mapping[str, str]) -> Row:
    def values(column: str) -> Iterable[str]:
        return dict.fromkeys(filter(None, (value.strip() for value in cells[column].split(";"))))

    return Row(
        line=line,
        login=User.normalize_username(cells["login"]),
        first_name=cells["first_name"],
        last_name=cells["last_name"],
        email=cells["email"],
        language=cells["language"] or settings.LANGUAGE_CODE,
        role=cells["role"] or Membership.Role.MEMBER,
        groups=tuple(values("groups")),
        # Every way has a column of its name, the e-mail address included. As they are written: see `_checked`.
        devices=tuple((way, address) for way in Way.values for address in values(way)),
    )


def _checked(row: Row, cells: Mapping[str, str]) -> tuple[Row, dict[str, str]]:
    """Return the row with its addresses as they are kept, each once, and the first thing wrong in each column."""
    reasons = {column: "has control characters" for column, cell in cells.items() if CONTROL_CHARACTER.search(cell)}
    profile = {name: getattr(row, name) for name in PROFILE}
    devices = [Device(way=way, address=address) for way, address in row.devices]
    checks: list[tuple[models.Model, dict[str, str]]] = [
        (User(login=row.login, **profile), {name: name for name in ("login", *PROFILE)}),
        (Membership(role=row.role), {"role": "role"}),
        *((Group(name=name), {"name": "groups"}) for name in row.groups),
        *((device, {"address": device.way}) for device in devices),
    ]
    for instance, columns in checks:
        for column, reason in _complaints(instance, columns):
            reasons.setdefault(column, reason)
    # Two spellings of one number are one device.
    return replace(row, devices=tuple(dict.fromkeys((device.way, device.address) for device in devices))), reasons


def _complaints(instance: models.Model, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what the model says against those of its fields that come from a column, as (column, reason)."""
    try:
        instance.clean_fields(exclude={field.name for field in instance._meta.fields} - columns.keys())
        if isinstance(instance, Device):
            instance.clean()
    except ValidationError as error:
        for field, messages in error.message_dict.items():
            yield columns[field], " ".join(messages)


def import_members(*, organization: Organization, data: bytes) -> list[User]:
    """Make the members of `organization` what a CSV file says, all or nothing, and return them in its order.

    - Of a user whom the organization manages, new ones included, names, e-mail, language and devices become what the
      row says. A device that is not in the row is deactivated, not deleted, as alarms refer to it; one that is in it
      is activated. A device keeps its name. The password and whether the user is active are not touched; new users
      have no usable password.
    - Of any other user, whether another organization manages them or none, nothing of that is touched.
    - Of both, the membership gets the role, and the member enters the groups of the row (made where missing) and
      leaves the organization's other groups. Groups stay, also when they are empty.
    - Members who are not in the file are not touched.

    The number of queries does not grow with the rows, but for one a batch of thousands. Raises MembersInvalid.
    """
    rows, problems = parse(data)
    if problems:
        raise MembersInvalid(problems)
    with transaction.atomic():
        # One import of an organization at a time. A lock on anything but the key leaves alarms free to refer to it.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        users = _write_users(organization, {row.login: row for row in rows})
        members = [(users[row.login], row) for row in rows]
        _write_memberships(organization, {user.pk: row for user, row in members})
        _write_devices({user.pk: row for user, row in members if user.managing_organization_id == organization.pk})
    return [user for user, _row in members]


def _ensure(
    stored: models.QuerySet[Stored], keys: Iterable[Key], key: Callable[[Stored], Key], make: Callable[[Key], Stored]
) -> dict[Key, Stored]:
    """Return the rows of `stored` by their key, after those of `keys` that are missing have been made."""
    found = {key(row): row for row in stored}
    if missing := [make(wanted) for wanted in keys if wanted not in found]:
        # Somebody else may make the same row at this moment: then theirs is the one that the second reading finds.
        stored.model._default_manager.bulk_create(missing, batch_size=INSERT_BATCH, ignore_conflicts=True)
        found = {key(row): row for row in stored.all()}
    return found


def _write_users(organization: Organization, rows: Mapping[str, Row]) -> dict[str, User]:
    def make(login: str) -> User:
        profile = {name: getattr(rows[login], name) for name in PROFILE}
        return User(login=login, password=make_password(None), managing_organization=organization, **profile)

    # In order: two imports that make the same users at once must not wait for each other in a circle.
    users = _ensure(User.objects.filter(login__in=rows), sorted(rows), lambda user: user.login, make)
    changed = []
    for login, user in users.items():
        new = {name: getattr(rows[login], name) for name in PROFILE}
        if user.managing_organization_id == organization.pk and any(getattr(user, name) != new[name] for name in new):
            for name in new:
                setattr(user, name, new[name])
            changed.append(user)
    User.objects.bulk_update(changed, PROFILE, batch_size=UPDATE_BATCH)
    return users


def _write_memberships(organization: Organization, rows: Mapping[int, Row]) -> None:
    """Write the membership of each user id, and in which groups it is."""
    memberships = _ensure(
        organization.memberships.filter(user__in=rows),
        rows,
        lambda membership: membership.user_id,
        lambda user_id: Membership(organization=organization, user_id=user_id, role=rows[user_id].role),
    )
    for role in Membership.Role.values:
        other = [found.pk for user_id, found in memberships.items() if rows[user_id].role == role != found.role]
        Membership.objects.filter(pk__in=other).update(role=role)
    names = {name for row in rows.values() for name in row.groups}
    groups = _ensure(
        organization.groups.filter(name__in=names),
        sorted(names),
        lambda group: group.name,
        lambda name: Group(organization=organization, name=name),
    )
    through = Group.memberships.through
    wanted = {(memberships[user_id].pk, groups[name].pk) for user_id, row in rows.items() for name in row.groups}
    stored = _ensure(
        through._default_manager.filter(membership__in=[membership.pk for membership in memberships.values()]),
        sorted(wanted),
        lambda row: (row.membership_id, row.group_id),
        lambda pair: through(membership_id=pair[0], group_id=pair[1]),
    )
    left = [row.pk for pair, row in stored.items() if pair not in wanted]
    through._default_manager.filter(pk__in=left).delete()


def _write_devices(rows: Mapping[int, Row]) -> None:
    """Write the devices of each user id."""
    stored = defaultdict[int, dict[tuple[str, str], Device]](dict)
    for device in Device.objects.filter(user__in=rows):
        stored[device.user_id][device.way, device.address] = device
    missing: list[Device] = []
    switched: dict[bool, list[int]] = {True: [], False: []}
    for user_id, row in rows.items():
        devices = stored[user_id]
        count = Counter(way for way, _address in devices)
        for way, address in row.devices:
            if (way, address) not in devices:
                count[way] += 1
                # Not the address: other organizations see the name in the message status.
                name = capfirst(Way(way).label) + (f" {count[way]}" if count[way] > 1 else "")
                missing.append(Device(user_id=user_id, way=way, address=address, name=name))
        for pair, device in devices.items():
            if device.is_active != (pair in row.devices):
                switched[not device.is_active].append(device.pk)
    Device.objects.bulk_create(missing, batch_size=INSERT_BATCH, ignore_conflicts=True)
    for is_active, ids in switched.items():
        Device.objects.filter(pk__in=ids).update(is_active=is_active)
