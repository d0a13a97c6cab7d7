"""Members as CSV (contract 8): what a file says, and how a cell is written so that it is read as what it was."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from organizations.models import Device, Group, Membership, User, Way

PROFILE = ("first_name", "last_name", "email", "language")
SINGLE = ("login", *PROFILE, "role")
SEVERAL = ("groups", "app", "pager", "sms", "call")
COLUMNS = (*SINGLE, *SEVERAL)
MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 100
MAX_VALUES = 1_000  # of a cell
MAX_PROBLEMS = 10_000

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE_END = re.compile(rb"\r\n|\r|\n")
# Where a spreadsheet would take what comes for a formula, and where an apostrophe keeps it from that: at the start of a
# cell, and after a semicolon, as some take that for the end of a cell, whatever stands in quotes.
FORMULA = re.compile(r"""((?:\A|;)"*)(?='*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])""")
GUARDED = re.compile(r"""((?:\A|;)"*)'(?='*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])""")
# Of several values in a cell, one in double quotes may have a semicolon; double quotes in it are doubled.
VALUE = re.compile(r'(?:\s*"((?:[^"]|"")*)"\s*|([^;]*))(?:;|\Z)')
# An e-mail address at which no alarms are wanted: the person has it, but no device has.
ONLY_ADDRESS = re.compile(r"<([^<>]*)>")


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


def guarded(text: str) -> str:
    """Return how a text is written so that no spreadsheet takes any of it for a formula: with an apostrophe before."""
    return FORMULA.sub(r"\1'", text)


def unguarded(cell: str) -> str:
    return GUARDED.sub(r"\1", cell)


def joined(values: Iterable[str]) -> str:
    """Return several values as one cell."""

    def quoted(value: str) -> str:
        return '"{}"'.format(value.replace('"', '""')) if ";" in value or value.startswith('"') else value

    return ";".join(quoted(guarded(value)) for value in values)


def separate(cell: str) -> list[str]:
    """Return the values of a cell, each once, without white space around them."""
    found = (match[2] if match[1] is None else match[1].replace('""', '"') for match in VALUE.finditer(cell))
    return list(dict.fromkeys(filter(None, (unguarded(value.strip()).strip() for value in found))))


def parse(data: bytes) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a CSV file that are good and the problems of the others, in the order of the file.

    UTF-8 with or without BOM; `,` or `;` between cells; the columns in any order; rows without any text are skipped.
    The rules are those of the models. Nothing is read from the database.
    """
    if len(data) > MAX_BYTES:
        return [], [Problem(0, "", _("larger than %(size)d MiB") % {"size": MAX_BYTES // 1024 // 1024})]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(LINE_END.findall(error.object[: error.start])) + 1
        return [], [Problem(line, "", _("not UTF-8"))]
    records = _records(text)
    line, header, reason = next(records, (1, [], _("the file is empty")))
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
            yield line, [], _("not CSV: %(error)s") % {"error": error}
            continue
        if any(cells):
            yield line, cells, ""


def _header_reasons(header: list[str]) -> list[str]:
    if len(header) > MAX_COLUMNS:
        return [_("more than %(count)d columns") % {"count": MAX_COLUMNS}]
    found = {
        _("unknown column"): [column[:40] for column in header if column not in COLUMNS],
        _("missing column"): [column for column in COLUMNS if column not in header],
        _("duplicate column"): [column for column in COLUMNS if header.count(column) > 1],
    }
    return [f"{what}: {', '.join(map(repr, columns))}" for what, columns in found.items() if columns]


def _rows(header: list[str], records: Iterator[tuple[int, list[str], str]]) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    line_of: dict[str, int] = {}
    for number, (line, values, reason) in enumerate(records, 1):
        if number > MAX_ROWS:
            return [], [Problem(line, "", _("more than %(count)d rows") % {"count": MAX_ROWS})]
        if len(problems) >= MAX_PROBLEMS:
            rest = _("more than %(count)d problems; from here on nothing was looked at") % {"count": MAX_PROBLEMS}
            return [], [*problems, Problem(line, "", rest)]
        if not reason and len(values) != len(header):
            reason = _("%(found)d cells instead of %(wanted)d (a cell that holds a delimiter needs quotes)") % {
                "found": len(values),
                "wanted": len(header),
            }
        if reason:
            problems.append(Problem(line, "", reason))
            continue
        cells = dict(zip(header, values, strict=True))
        if too_long := [column for column in SEVERAL if cells[column].count(";") >= MAX_VALUES]:
            most = _("more than %(count)d values") % {"count": MAX_VALUES}
            problems.extend(Problem(line, column, most) for column in too_long)
            continue
        row, reasons = _checked(_row(line, cells), cells)
        if (first := line_of.setdefault(row.login, line)) != line:
            reasons.setdefault(
                "login", _("%(login)r stands in line %(line)d too") % {"login": row.login, "line": first}
            )
        problems.extend(Problem(line, column, reasons[column]) for column in COLUMNS if column in reasons)
        rows.extend([] if reasons else [row])
    return rows, problems


def _row(line: int, cells: Mapping[str, str]) -> Row:
    one = {column: unguarded(cells[column]).strip() for column in SINGLE}
    only_address = ONLY_ADDRESS.fullmatch(one["email"])
    several = {column: separate(cells[column]) for column in SEVERAL}
    several[Way.EMAIL] = [one["email"]] if one["email"] and not only_address else []
    return Row(
        line=line,
        login=User.normalize_username(one["login"]),
        first_name=one["first_name"],
        last_name=one["last_name"],
        email=only_address[1].strip() if only_address else one["email"],
        language=one["language"] or settings.LANGUAGE_CODE,
        role=one["role"] or Membership.Role.MEMBER,
        groups=tuple(several["groups"]),
        # Every way has a column of its name, the e-mail address included. As they are written: see `_checked`.
        devices=tuple((way, address) for way in Way.values for address in several[way]),
    )


def _checked(row: Row, cells: Mapping[str, str]) -> tuple[Row, dict[str, str]]:
    """Return the row with its addresses as they are kept, each once, and the first thing wrong in each column."""
    reasons = {column: _("has control characters") for column, cell in cells.items() if CONTROL_CHARACTER.search(cell)}
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
