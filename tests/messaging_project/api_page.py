"""What docs/api.md holds, and where what comes is not what it prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple
from xml.etree import ElementTree

from tests.processes import ROOT

PAGE = ROOT / "docs" / "api.md"
# First what is to be set, and then of each example the command (or, of Twilio, the request), the status of its answer,
# and the answer if it has one. A request without an answer is what a hook gets.
SETUP = re.compile(r"^```sh\n((?:\w+=.*\n)+)```\n", re.MULTILINE)
EXAMPLE = re.compile(r"^```(sh|http)\n([^`]+)```\n\n(\d{3}) (.+)\n(?:\n```(?:json|xml)\n([^`]+)```\n)?", re.MULTILINE)
ARRIVAL = re.compile(r"^```http\nPOST (\S+)\n((?:[\w-]+: .+\n)+)\n([^`]+)```\n(?!\n\d{3} )", re.MULTILINE)
PYTHON = re.compile(r"^```python\n([^`]+)```\n", re.MULTILINE)
REQUEST = re.compile(
    r"^(?:curl (?:-X (\w+) )?\"?\$URL|(POST) )(?:/api/v1)?((?<=/api/v1)/[\w/]+|/a/\$CODE)", re.MULTILINE
)
# What cannot be equal in two runs, by the name of its field: there it is the form that counts.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
VARYING = {
    "startDate": MOMENT,
    "endDate": MOMENT,
    "closedAt": MOMENT,
    "createdAt": MOMENT,
    "date": MOMENT,
    "from": MOMENT,
    "until": MOMENT,
    "messageId": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "timestamp": re.compile(r"[1-9]\d{9}"),
    "seconds": re.compile(r"\d+\.\d+"),
    "secret": re.compile(r"[0-9a-f]{64}"),
    "url": re.compile(r"http://localhost:\d+/alarms"),
    "X-Signature": re.compile(r"sha256=[0-9a-f]{64}"),
}
# The time, with the date where that is not today, until which a reply says that something can be done.
UNTIL = re.compile(r"(until |bis )([\d/.]+, )?\d\d:\d\d")
# A recipient's code, in what Twilio is told.
CODE = re.compile(r"(?<=/voice/)\w{12}")
# What has no body; and what stands for no body where an answer is printed or compared: no JSON reads as this.
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED, HTTPStatus.SEE_OTHER}
NO_BODY = b""


class Example(NamedTuple):
    kind: str
    """`sh`: a command; `http`: a request that Twilio makes."""
    text: str
    status: int
    answer: Any

    @property
    def request(self) -> tuple[str, str]:
        """The method and the path below /api/v1."""
        ((asked, posted, path),) = REQUEST.findall(self.text)
        return asked or posted or "GET", path


class Arrival(NamedTuple):
    """What a hook gets."""

    path: str
    headers: dict[str, str]
    json: Any


def examples(page: str) -> list[Example]:
    """Return the examples of a page.

    Raises: AssertionError for a page that has none, or has blocks that are no example or would not be checked.
    """
    setups, found = SETUP.findall(page), EXAMPLE.findall(page)
    assert len(setups) == 1, "not one block that says what is to be set"
    assert found, "no example"
    blocks = sum(2 if answer else 1 for *_request, answer in found)
    others = len(ARRIVAL.findall(page)) + len(PYTHON.findall(page))
    assert page.count("```") == 2 * (len(setups) + blocks + others), "a block is not followed by its status and answer"
    assert "~~~" not in page, "blocks of another kind"
    read = []
    for kind, text, status, phrase, answer in found:
        assert len(re.findall(r"\bcurl\b", text)) == (kind == "sh"), f"not one request: {text}"
        assert REQUEST.search(text), f"no request to the API: {text}"
        assert phrase == HTTPStatus(int(status)).phrase, f"{status} {phrase}"
        assert (int(status) in BODILESS) == (not answer), f"{status} with an answer, or without: {text}"
        read.append(Example(kind, text, int(status), read_as(kind, answer) if answer else NO_BODY))
    return read


def read_as(kind: str, answer: str) -> Any:
    """Return the JSON of an answer or, of one to Twilio, its XML without what varies and without how it is laid out."""
    if kind == "sh":
        return json.loads(answer)
    return CODE.sub("code", timeless(ElementTree.canonicalize(answer, strip_text=True)))


def timeless(text: str) -> str:
    return UNTIL.sub(r"\1", text)


def arrivals(page: str) -> list[Arrival]:
    return [
        Arrival(path, dict(line.split(": ", 1) for line in headers.splitlines()), json.loads(body))
        for path, headers, body in ARRIVAL.findall(page)
    ]


def differences(printed: Any, answered: Any, at: str = "answer") -> Iterator[str]:
    """Yield where what came is not what is printed."""
    if type(printed) is not type(answered):
        yield f"{at}: {printed!r} is printed, {answered!r} came"
    elif isinstance(printed, dict):
        if printed.keys() != answered.keys():
            yield f"{at}: only printed or only answered: {', '.join(printed.keys() ^ answered.keys())}"
        for name in printed.keys() & answered.keys():
            yield from differences(printed[name], answered[name], f"{at}.{name}")
    elif isinstance(printed, list):
        if len(printed) != len(answered):
            yield f"{at}: {len(printed)} entries are printed, {len(answered)} came"
        for number, (one, other) in enumerate(zip(printed, answered, strict=False)):
            yield from differences(one, other, f"{at}[{number}]")
    else:
        yield from differing(printed, answered, at)


def differing(printed: object, answered: object, at: str) -> Iterator[str]:
    """Yield where one value, of the same type as another, is not what is printed."""
    name = at.rpartition(".")[2]
    if isinstance(printed, str | int | float) and (pattern := VARYING.get(name)):
        strange = (value for value in (printed, answered) if not pattern.fullmatch(str(value)))
        yield from (f"{at}: has not the form: {value!r}" for value in strange)
    elif printed != answered and not (name == "reply" and timeless(str(printed)) == timeless(str(answered))):
        yield f"{at}: {printed!r} is printed, {answered!r} came"
