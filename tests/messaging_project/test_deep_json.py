"""JSON that is deep, twofold or larger than numbers are, wherever a body takes a value: refused by name, or not looked
at."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from organizations.models import User
from tests.dialect import refused
from tests.examples import examples
from tests.messaging_project.asking import undone
from tests.messaging_project.writes import WRITES, World

pytestmark = pytest.mark.django_db

# To where the parser gives up, which hangs on the stack that is left, and to where others might.
LIMIT = sys.getrecursionlimit()
DEPTHS = (LIMIT // 2, LIMIT - 150, LIMIT - 100, 10_000)
# What no field is: of numbers, the largest that are read.
ODD = ["-0", "1e400", "-1E-400", "9" * 400, "-" + "9" * 4000, '"\\u0000"', "[[]]", '{"": {}}']


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


def arrays(depth: int) -> str:
    return "[" * depth + "]" * depth


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def with_value(world: World, operation: str, name: str, value: str) -> str:
    """Return a body that is taken, but for the value of a field; where a list is taken, of its first entry."""
    valid = WRITES[operation][2]
    fields = (valid[0] if isinstance(valid, list) else valid) | {name: "HERE"}
    text = world.ids(json.dumps([fields] if isinstance(valid, list) else fields))
    return text.replace('"HERE"', value)


def fields_of(operation: str) -> list[str]:
    valid = WRITES[operation][2]
    return [*(valid[0] if isinstance(valid, list) else valid)]


def test_a_value_that_no_field_has_is_refused_by_name_however_deep_it_is(world: World) -> None:
    values = [*ODD, *(nested(depth) for depth in DEPTHS for nested in (arrays, objects))]
    for operation, name, value in (
        (each, name, value) for each in WRITES for name in fields_of(each) for value in values
    ):
        with undone():
            answer = world.write(operation, with_value(world, operation, name, value))
        told = f"{operation}, {name}: {value[:40]}"
        if answer.status_code < 300:
            # As 0, which is a number.
            assert value == "-0", told
        else:
            assert answer.status_code in (400, 404), (told, answer.content)
            assert refused(answer, answer.status_code, "body: nested" if b"nested" in answer.content else name)
            assert len(answer.content) < 1000, told


def test_what_nobody_looks_at_may_be_anything_that_json_can_say(world: World) -> None:
    for operation in ("RaiseAlarm", "SendMessage"):
        for value in [*ODD, arrays(LIMIT // 2), objects(LIMIT // 2)]:
            with undone():
                answer = world.write(operation, with_value(world, operation, "unknown", value))
            assert answer.status_code == 201, (operation, value[:40], answer.content)


def test_of_a_name_that_stands_twice_the_last_counts(world: World) -> None:
    for first, last, status in (("1e400", '"Fire"', 201), ('"Fire"', "1e400", 400), (arrays(500), '"Fire"', 201)):
        body = with_value(world, "RaiseAlarm", "message", f'{first}, "message": {last}')
        with undone():
            assert world.write("RaiseAlarm", body).status_code == status, first[:40]


ENCODINGS = {
    "a mark before it": (b"\xef\xbb\xbf", b"", 201),
    "two marks": (b"\xef\xbb\xbf" * 2, b"", 400),
    "spaces around it": (b" \t\r\n", b"\n\t ", 201),
    "another space": (b"\xc2\xa0", b"", 400),
    "a NUL behind it": (b"", b"\x00", 400),
    "a comment": (b"// Fire\n", b"", 400),
    "another value": (b"", b" 1", 400),
    "a closing bracket": (b"", b"]", 400),
    "half a character": (b"", b"\xc3", 400),
    "a sequence that is too long": (b"", b"\xc0\x80", 400),
}


def test_what_stands_around_a_body(world: World) -> None:
    for name, (before, after, status) in ENCODINGS.items():
        for operation in ("RaiseAlarm", "SendMessage"):
            with undone():
                answer = world.write(operation, before + world.body(operation) + after)
            assert answer.status_code == status, (name, answer.content)
            assert status == 201 or refused(answer, 400, "body")


def test_json_is_utf_8(world: World) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"):
        for operation in ("RaiseAlarm", "SendMessage"):
            text = world.body(operation).decode().encode(encoding)
            assert refused(world.write(operation, text), 400, "body"), encoding


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


@examples(40)
@given(operation=st.sampled_from([*WRITES]), data=st.data())
def test_whatever_stands_in_a_field_it_is_taken_or_refused(world: World, operation: str, data: st.DataObject) -> None:
    names = st.sampled_from([*fields_of(operation), "unknown"]) if fields_of(operation) else st.just("unknown")
    changes = data.draw(st.dictionaries(names, JSON, max_size=3))
    with undone():
        answer = world.write(operation, world.body(operation, **changes))
    if not 200 <= answer.status_code < 300:
        assert answer.status_code in (400, 403, 404, 409), answer.content
        assert refused(answer, answer.status_code)
