"""Whatever a file of members is, it is read, or it is said in which line it is wrong; and read twice, it changes
nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from organizations.importing import MembersInvalid, import_members, preview_import
from organizations.members_csv import COLUMNS, MAX_BYTES, Row, parse
from organizations.models import Device, Group, Membership, Organization, User
from tests import factories
from tests.examples import examples
from tests.messaging_project.asking import undone

HEADER = ",".join(COLUMNS)
BITS = [HEADER, HEADER.replace(",", ";"), "\n", "\r\n", "\r", ",", ";", '"', '""', '"\n', "'=1", "\x00", "\ufeff", " "]
WORDS = [
    *BITS,
    "anna",
    "ja",
    "admin",
    "a@example.org",
    "+491511234567",
    "de",
    "\u2028",
    "🚒",
    "\uff41",
    "\u202e",
    "=1+1",
]
BYTES = st.lists(
    st.sampled_from([word.encode() for word in WORDS] + [b"\xff", b"\xed\xa0\x80", b"\xfe\xff", b"\xc3"])
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


def checked(data: bytes) -> list[Row]:
    """Return the rows of a file without problems; those of another tell where they are."""
    rows, problems = parse(data)
    # As lines are counted that a reader of CSV sees.
    last = len(io.StringIO(data.decode("utf-8", "replace"), newline=None).readlines()) + 1
    for problem in problems:
        assert 0 <= problem.line <= last, problem
        assert problem.column in ("", *COLUMNS)
        assert problem.reason
        assert "\n" not in str(problem)
        assert len(str(problem)) < 1000
    assert not {row.line for row in rows} & {problem.line for problem in problems}
    return [] if problems else rows


@examples(150)
@given(BYTES)
@example(HEADER.encode() + b"\n" + b'"' * 100_000)
@example(HEADER.encode() + b"\n" + b"a" * 200_000 + b"," * 10)
@example(b"," * 200_000)
@example(b"\n" * 200_000)
@example("\ufeff\ufeff".encode() + HEADER.encode())
@example(HEADER.encode("utf-16"))
@example(b"x" * (MAX_BYTES + 1))
def test_any_bytes_are_read_or_told_to_be_wrong(data: bytes) -> None:
    checked(data)
    checked(HEADER.encode() + b"\n" + data)


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(WORDS)
LOGIN = st.sampled_from(["anna", "berta", "änne", "Anna"]) | CELL
# What mostly is taken, so that something is imported.
GOOD = {
    "login": st.sampled_from(["anna", "berta", "carl", "änne"]),
    "email": st.sampled_from(["", "a@example.org", "<b@example.org>"]),
    "language": st.sampled_from(["", "de", "de-AT"]),
    "role": st.sampled_from(["", "member", "admin"]),
    "sms": st.sampled_from(["", "+491511234567", "+491511234567;'+491511234568", '"+491511234567"']),
    "call": st.sampled_from(["", "+4930123456"]),
}
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    ["Süd;Nord", '"a;b";c', "'=1", "=1", "-", ";;", "👩🏽\u200d🚒", "\u202e", "<b>", "e\u0301", "\u00e9"]
)
PEOPLE = st.lists(
    st.tuples(*(GOOD.get(column, TEXTS) for column in COLUMNS)), max_size=4, unique_by=lambda cells: cells[0]
)


def written(rows: list[tuple[str, ...]], *, delimiter: str, mark: str, end: str) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([COLUMNS, *rows])
    return (mark + file.getvalue()).encode()


VARIANTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;"),
        "mark": st.sampled_from(["", "\ufeff"]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
    }
)


@examples(100)
@given(rows=st.lists(st.tuples(LOGIN, *[CELL] * (len(COLUMNS) - 1)), max_size=4), variant=VARIANTS)
def test_any_cells_are_read_or_told_to_be_wrong(rows: list[tuple[str, ...]], variant: dict[str, str]) -> None:
    found = checked(written(rows, **variant))
    assert len(found) <= len(rows)


@pytest.mark.django_db
@examples(40)
@given(rows=PEOPLE, variant=VARIANTS)
def test_a_file_that_is_imported_twice_changes_nothing(rows: list[tuple[str, ...]], variant: dict[str, str]) -> None:
    data = written(rows, **variant)
    with undone():
        organization: Organization = factories.OrganizationFactory()
        if not checked(data) and rows:
            with pytest.raises(MembersInvalid):
                import_members(organization=organization, data=data)
            assert state() == []
            return
        imported = import_members(organization=organization, data=data)
        assert {user.login for user in imported} <= {cells[0] for cells in rows}
        before = state()
        assert preview_import(organization=organization, data=data, by=None).people == ()
        assert import_members(organization=organization, data=data) == imported
        assert state() == before


def state() -> list[tuple[object, ...]]:
    through = Group.memberships.through._default_manager
    tables = (User.objects, Membership.objects, Group.objects, Device.objects, through)
    return [row for table in tables for row in table.order_by("pk").values_list()]
