"""Reading a file of members: what is a row, and what is wrong with one. Pure, so without the database."""

from __future__ import annotations

import pytest

from organizations import members_csv
from organizations.members_csv import Row, parse

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"


def csv(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def good(data: bytes) -> list[Row]:
    rows, problems = parse(data)
    assert problems == []
    return rows


def complaints(data: bytes) -> list[str]:
    rows, problems = parse(data)
    assert all(problem.line not in {row.line for row in rows} for problem in problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (",Anna,,,,,,,,,", "login", "This field cannot be blank."),
        ("an/na,,,,,,,,,,", "login", "Letters, digits and @ . + - _ only."),
        (f"{'a' * 151},,,,,,,,,,", "login", "at most 150 characters"),
        (f"anna,{'a' * 151},,,,,,,,,", "first_name", "at most 150 characters"),
        (f"anna,,{'a' * 151},,,,,,,,", "last_name", "at most 150 characters"),
        ("anna,,,anna@,,,,,,,", "email", "Enter a valid email address."),
        ("anna,,,a@example.org;b@example.org,,,,,,,", "email", "Enter a valid email address."),
        (
            f"anna,,,{'a' * 60}@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.org,,,,,,,",
            "email",
            "at most 254 characters",
        ),
        ("anna,,,,german!,,,,,,", "language", "A language code such as de or de-AT."),
        ("anna,,,,,ADMIN,,,,,", "role", "Value 'ADMIN' is not a valid choice."),
        (f"anna,,,,,,Süd;{'a' * 201},,,,", "groups", "at most 200 characters"),
        (f"anna,,,,,,,{'a' * 256},,,", "app", "at most 255 characters"),
        (f"anna,,,,,,,,{'a' * 256},,", "pager", "at most 255 characters"),
        (f"anna,,,,,,,,,+491511;{'1' * 256},", "sms", "at most 255 characters"),
        (f"anna,,,,,,,,,,{'1' * 256}", "call", "at most 255 characters"),
        ("anna,,,,,,,,,+491511;0151 12345678,", "sms", "Its country is not given"),
        ("anna,,,,,,,,,,4711;+491511", "call", "Its country is not given"),
        ("an\0na,,,,,,,,,,", "login", "has control characters"),
        ("anna,An\0na,,,,,,,,,", "first_name", "has control characters"),
        ('anna,,"Ar\nndt",,,,,,,,', "last_name", "has control characters"),
        ("anna,,,,,,S\x1büd,,,,", "groups", "has control characters"),
        ("anna,,,,,,,,,1\x7f2,", "sms", "has control characters"),
    ],
)
def test_a_bad_cell_is_named_with_line_column_and_reason(row: str, column: str, reason: str) -> None:
    (complaint,) = complaints(csv("berta,,,,,,,,,,", row, "carl,,,,,,,,,,"))
    assert complaint.startswith(f"line 3, {column}: ")
    assert reason in complaint
    assert "\n" not in complaint


def test_every_bad_cell_of_a_row_is_named() -> None:
    found = complaints(csv("an na,,,x,!,boss,,,,,"))
    assert [complaint.partition(":")[0] for complaint in found] == [
        "line 2, login",
        "line 2, email",
        "line 2, language",
        "line 2, role",
    ]


def test_a_login_that_stands_twice_is_named_with_both_lines() -> None:
    found = complaints(csv("anna,,,,,,,,,,", "berta,,,,,,,,,,", "anna,,,,,,,,,,", "anna ,,,,,,,,,,"))
    assert found == ["line 4, login: 'anna' stands in line 2 too", "line 5, login: 'anna' stands in line 2 too"]


def test_a_login_is_normalized_as_the_model_does_it() -> None:
    (row,) = good(csv("rene\u0301,,,,,,,,,,"))
    assert row.login == "ren\u00e9"


@pytest.mark.parametrize("row", ["anna,,", "anna,,,,,,,,,,,", "anna"])
def test_a_row_with_another_number_of_cells_than_the_header_is_bad(row: str) -> None:
    (complaint,) = complaints(csv(row, "berta,,,,,,,,,,"))
    assert complaint.startswith(f"line 2: {row.count(',') + 1} cells instead of 11")


def test_line_numbers_are_those_of_the_file_with_blank_lines_and_quoted_line_ends() -> None:
    found = complaints(
        csv("", '"anna\n\n",,,,,,,,,,', ",,,,,,,,,,", "", '"berta",,"B\r\n",,,chief,,,,,', "a b,,,,,,,,,,")
    )
    assert [complaint.partition(":")[0] for complaint in found] == ["line 8, role", "line 10, login"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_variants_of_spreadsheets_are_the_same_file(line_end: str, bom: str, delimiter: str) -> None:
    cells = [
        HEADER.split(","),
        ["anna", "Änne", '"Arndt, Dr."', "anna@example.org", "en", "", '"Süd;Nord"', "", "", '"+491511;+491512"', ""],
        ["berta", "", '"B; ""Bee"""', "", "de", "admin", "Süd", "a1", "p1", "", "+493011"],
    ]
    text = bom + line_end.join(delimiter.join(row) for row in cells)
    assert good(text.encode()) == [
        Row(
            line=2,
            login="anna",
            first_name="Änne",
            last_name="Arndt, Dr.",
            email="anna@example.org",
            language="en",
            role="member",
            groups=("Süd", "Nord"),
            devices=(("sms", "+491511"), ("sms", "+491512"), ("email", "anna@example.org")),
        ),
        Row(
            line=3,
            login="berta",
            first_name="",
            last_name='B; "Bee"',
            email="",
            language="de",
            role="admin",
            groups=("Süd",),
            devices=(("app", "a1"), ("pager", "p1"), ("call", "+493011")),
        ),
    ]


def test_several_values_without_quotes_between_semicolons_are_a_bad_row() -> None:
    data = csv("anna;;;;;;Süd;Nord;;;;", header=HEADER.replace(",", ";"))
    assert complaints(data) == ["line 2: 12 cells instead of 11 (a cell that holds a delimiter needs quotes)"]


def test_white_space_and_repeated_or_empty_values_do_not_count() -> None:
    (row,) = good(csv(' anna , Anna ,\u00a0Arndt\u00a0,, , "admin", "Süd ; ;Süd;",,, +491511; +491511 ;+491512,'))
    assert (row.login, row.first_name, row.last_name, row.role) == ("anna", "Anna", "Arndt", "admin")
    assert row.groups == ("Süd",)
    assert row.devices == (("sms", "+491511"), ("sms", "+491512"))


@pytest.mark.parametrize(
    ("cell", "groups"),
    [
        ('"""Night; late"";Day"', ("Night; late", "Day")),
        ('"Day;""Night """"late"""""""', ("Day", 'Night "late"')),
        ('"""Night"', ('"Night',)),
        ('Night "late"', ('Night "late"',)),
        ("'=Night;'-Day", ("=Night", "-Day")),
        ("'Night;O'Neill", ("'Night", "O'Neill")),
    ],
)
def test_a_value_in_a_cell_may_have_a_semicolon_or_begin_like_a_formula(cell: str, groups: tuple[str, ...]) -> None:
    (row,) = good(csv(f"anna,,,,,,{cell},,,,"))
    assert row.groups == groups


def test_the_apostrophe_that_keeps_a_cell_from_being_a_formula_is_none_of_its_text() -> None:
    (row,) = good(csv("'-anna,'=Anna,''=Arndt,<a@example.org>,,,,'@push,,'+491511;+491512,"))
    assert (row.login, row.first_name, row.last_name, row.email) == ("-anna", "=Anna", "'=Arndt", "a@example.org")
    assert row.devices == (("app", "@push"), ("sms", "+491511"), ("sms", "+491512"))


def test_the_columns_may_stand_in_any_order() -> None:
    usual = "anna,Anna,Arndt,anna@example.org,de,admin,Süd,a1,p1,+491511,+493011"
    backwards = csv(",".join(reversed(usual.split(","))), header=",".join(reversed(HEADER.split(","))))
    assert good(backwards) == good(csv(usual))


@pytest.mark.parametrize(
    ("header", "reasons"),
    [
        (HEADER + ",shoe size", ["line 1: unknown column: 'shoe size'"]),
        (HEADER + ",", ["line 1: unknown column: ''"]),
        (HEADER.replace(",sms", ""), ["line 1: missing column: 'sms'"]),
        (HEADER + ",sms", ["line 1: duplicate column: 'sms'"]),
        (
            HEADER.replace("sms", "Sms").replace("call", "app"),
            [
                "line 1: unknown column: 'Sms'",
                "line 1: missing column: 'sms', 'call'",
                "line 1: duplicate column: 'app'",
            ],
        ),
        ("\n" + HEADER.replace("call", "fax"), ["line 2: unknown column: 'fax'", "line 2: missing column: 'call'"]),
    ],
)
def test_a_header_that_is_not_the_columns_is_refused(header: str, reasons: list[str]) -> None:
    assert complaints(csv("anna,,,,,,,,,,", header=header)) == reasons


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf", b",,,\n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert complaints(data) == ["line 1: the file is empty"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (csv("anna,Änne,,,,,,,,,").decode().encode("latin-1"), 2),
        (b"\xef\xbb\xbf" + csv("anna,,,,,,,,,,") + b"\xff", 3),
        (csv("anna,,,,,,,,,,").replace(b"\n", b"\r\n") + b"\xff", 3),
        (csv().decode().encode("utf-16"), 1),
        (csv() + b"\xed\xa0\x80", 2),
    ],
)
def test_a_file_that_is_not_utf_8_is_refused_with_the_line(data: bytes, line: int) -> None:
    assert complaints(data) == [f"line {line}: not UTF-8"]


def test_broken_quotes_are_named_with_the_line_and_the_other_rows_are_still_read() -> None:
    found = complaints(csv('"an"na,,,,,,,,,,', "a b,,,,,,,,,,", '"open,,,,,,,,,,', "carl,,,,,,,,,,"))
    assert [complaint.partition(":")[0] for complaint in found] == ["line 2", "line 3, login", "line 4"]
    assert found[0].startswith("line 2: not CSV: ")


def test_a_cell_that_never_ends_is_refused_without_an_exception() -> None:
    found = complaints(csv('"' + "a" * 200_000))
    assert found == ["line 2: not CSV: field larger than field limit (131072)"]


def test_a_file_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert members_csv.MAX_ROWS == 100_000
    monkeypatch.setattr(members_csv, "MAX_ROWS", 3)
    rows = [f"anna{number},,,,,,,,,," for number in range(4)]
    assert len(parse(csv(*rows[:3]))[0]) == 3
    assert complaints(csv(*rows)) == ["line 5: more than 3 rows"]
