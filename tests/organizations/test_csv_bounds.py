"""A file of members takes bounded room and time, whatever is in it, and is told which bound it is over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from organizations import members_csv
from organizations.members_csv import parse

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call\n"
ROW = "{},First,Last,{}@example.org,de,member,Day;Night,app{},,+4915112345678,\n"
MIB = 1024 * 1024


def problems(data: str) -> list[str]:
    return [str(problem) for problem in parse(data.encode())[1]]


def row(**cells: str) -> str:
    return HEADER + ",".join(cells.get(column, "") for column in members_csv.COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (HEADER + "a" * 10 * MIB, "the file: larger than 10 MiB"),
        ("," * 10 * (MIB - 1), "line 1: the file is empty"),
        ("a," * 5 * (MIB - 1), "line 1: more than 100 columns"),
        ("login" * 2 * (MIB - 1), "line 1: not CSV: field larger than field limit (131072)"),
        (HEADER + "a," * 5 * (MIB - 100), "line 2: 5242381 cells instead of 11"),
        (HEADER + "a" * 9 * MIB, "line 2: not CSV: field larger than field limit (131072)"),
        (HEADER + '"' * 9 * MIB, "line 2: not CSV: field larger than field limit (131072)"),
        (HEADER + "anna" + "\0" * 100_000, "line 2: 1 cells instead of 11"),
        (row(login="anna", groups="g;" * 1000), "line 2, groups: more than 1000 values"),
        (row(login="anna", groups=";".join(map(str, range(20_000)))), "line 2, groups: more than 1000 values"),
        (row(login="anna", groups=";".join(map(str, range(10**6)))), "line 2: not CSV: field larger than field limit"),
        (row(login="anna", sms="+4915112345678;" * 5_000), "line 2, sms: more than 1000 values"),
        (row(login="anna", app="\0" * 100_000), "line 2, app: has control characters"),
        (row(login="a" * 130_000), "line 2, login: "),
        (HEADER + "anna\n" * 100_001, "line 10002: more than 10000 problems; from here on nothing was looked at"),
        (HEADER + "!,,,,!,!,,,,12,\n" * 100_000, "more than 10000 problems"),
    ],
)
def test_what_is_over_a_bound_is_told_so_in_a_few_words(data: str, problem: str) -> None:
    found = problems(data)
    assert problem in found[-1]
    assert len(found) <= 10_010
    assert max(map(len, found)) < 300


def test_a_thousand_values_in_a_cell_are_taken() -> None:
    (read,), found = parse(row(login="anna", groups=";".join(f"Group {number}" for number in range(1000))).encode())
    assert (len(read.groups), found) == (1000, [])


# What would keep a careless pattern busy for hours.
NESTED = ['"' * 50_000 + "x", '"' + ";" * 900, '"a;""' * 900, '" ' * 60_000, '";"' * 450, " " * 100_000, "' " * 60_000]
MORE = [";'" * 900, "'" * 100_000 + "=", "<" * 100_000, "a@" * 50_000, "(" * 100_000, "1" * 100_000, "\u0301" * 50_000]


def test_no_cell_takes_more_time_than_its_length() -> None:
    for cell in NESTED + MORE:
        quoted = '"{}"'.format(cell.replace('"', '""'))
        for column in members_csv.COLUMNS:
            parse(row(**{"login": "anna"} | {column: quoted}).encode())


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called meanwhile: what the time is made of, on any machine."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_twice_as_many_rows_take_twice_the_time() -> None:
    def read(people: int) -> int:
        data = (HEADER + "".join(ROW.format(f"user{n}", f"user{n}", n) for n in range(people))).encode()
        return calls(lambda: parse(data))

    read(10)
    once, twice = read(500), read(1000)
    assert 1.9 < twice / once < 2.1
