"""docs/api.md: every example of it is run in its order, and answers what is printed below it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from messaging_project.errors import MESSAGES
from messaging_project.openapi import DOCUMENT
from tests.processes import ROOT, Processes, service

PAGE = ROOT / "docs" / "api.md"
# First what is to be set, and then of each example the command, the status of its answer, and the answer if it has one.
SETUP = re.compile(r"^```sh\n((?:\w+=.*\n)+)```\n", re.MULTILINE)
EXAMPLE = re.compile(r"^```sh\n([^`]+)```\n\n(\d{3}) (.+)\n(?:\n```json\n([^`]+)```\n)?", re.MULTILINE)
REQUEST = re.compile(r"^curl (?:-X (\w+) )?\"?\$URL/api/v1(/[\w/]+)", re.MULTILINE)
# What cannot be equal in two runs, by the name of its field: there it is the form that counts.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
VARYING = {
    "startDate": MOMENT,
    "endDate": MOMENT,
    "date": MOMENT,
    "messageId": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "timestamp": re.compile(r"[1-9]\d{9}"),
}
# What HTTP gives no body; and what stands for no body where an answer is printed or compared: no JSON reads as this.
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
NO_BODY = b""
# Each command prints the answer and, in a last line, its status.
CURL = "curl() { command curl --silent --show-error --write-out '\\n%{http_code}' \"$@\"; }"
# How the inbox calls what went wrong (contract 6).
INBOX_CODES = {
    400: "INVALIDDATA",
    401: "AUTHREQUIRED",
    403: "PERMISSION",
    404: "NOTFOUND",
    405: "INVALIDDATA",
    413: "INVALIDDATA",
    415: "INVALIDDATA",
    429: "FAILURE",
    500: "FAILURE",
    503: "MAINTENANCEMODE",
}
# Seconds within which a GET answers what is printed: planning and sending go on after the alarm is raised.
PATIENCE = 60.0


class Example(NamedTuple):
    command: str
    status: int
    answer: Any

    @property
    def request(self) -> tuple[str, str]:
        """The method and the path below /api/v1."""
        ((method, path),) = REQUEST.findall(self.command)
        return method or "GET", path


def examples(page: str) -> list[Example]:
    """Return the examples of a page.

    Raises: AssertionError for a page that has none, or has blocks that are no example or would not be checked.
    """
    setups, found = SETUP.findall(page), EXAMPLE.findall(page)
    assert len(setups) == 1, "not one block that says what is to be set"
    assert found, "no example"
    blocks = sum(2 if answer else 1 for _command, _status, _phrase, answer in found)
    assert page.count("```") == 2 * (len(setups) + blocks), "a block is not followed by its status and answer"
    assert "~~~" not in page, "blocks of another kind"
    read = []
    for command, status, phrase, answer in found:
        assert len(re.findall(r"\bcurl\b", command)) == 1, f"not one request: {command}"
        assert REQUEST.search(command), f"no request to the API: {command}"
        assert phrase == HTTPStatus(int(status)).phrase, f"{status} {phrase}"
        assert (int(status) in BODILESS) == (not answer), f"{status} with an answer, or without: {command}"
        read.append(Example(command, int(status), json.loads(answer) if answer else NO_BODY))
    return read


def differences(printed: Any, answered: Any, at: str = "answer") -> Iterator[str]:
    """Yield where what came is not what is printed."""
    pattern = VARYING.get(at.rpartition(".")[2])
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
    elif isinstance(printed, str | int) and pattern is not None:
        strange = (value for value in (printed, answered) if not pattern.fullmatch(str(value)))
        yield from (f"{at}: has not the form: {value!r}" for value in strange)
    elif printed != answered:
        yield f"{at}: {printed!r} is printed, {answered!r} came"


class Newcomer:
    """Runs examples in a shell in which the page's variables are set; what they write is in `folder`."""

    def __init__(self, setup: str, folder: Path, **variables: str) -> None:
        for name, value in variables.items():
            setup, count = re.subn(rf"^{name}=.*$", f"{name}={value}", setup, flags=re.MULTILINE)
            assert count == 1, f"the page does not say what {name} is"
        self._setup = setup
        self._folder = folder

    def run(self, command: str) -> tuple[int, Any]:
        """Return status and JSON, or NO_BODY."""
        script = f"{CURL}\n{self._setup}{command}"
        done = subprocess.run(
            ["bash", "-euc", script], cwd=self._folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        body, _newline, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body else NO_BODY

    def follow(self, example: Example) -> list[str]:
        """Return what is wrong with an example; a GET is asked again while that may still come right."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = self.run(example.command)
            wrong = [] if status == example.status else [f"{example.status} is printed, {status} came"]
            wrong += differences(example.answer, answer)
            if not wrong or example.request[0] != "GET" or time.monotonic() > deadline:
                return wrong
            time.sleep(0.05)


def first_start(processes: Processes) -> tuple[str, str]:
    """Load the demo organization and raise the demo alarm, as `make run` does; return the tokens that it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare_service"],
        cwd=ROOT,
        env=processes.environment | {"BIND": f"127.0.0.1:{processes.port}"},
        capture_output=True,
        text=True,
        check=True,
    )
    api_token, personal_token = re.findall(r"^  (ga_\S+)$", done.stdout, re.MULTILINE)
    return api_token, personal_token


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_example_answers_what_the_page_prints(tmp_path: Path) -> None:
    page = PAGE.read_text()
    with service(tmp_path, GATEWAY_DEFAULT="log:") as processes:
        processes.start_all()
        token, user_token = first_start(processes)
        newcomer = Newcomer(SETUP.findall(page)[0], tmp_path, URL=processes.url, TOKEN=token, USER_TOKEN=user_token)
        for example in examples(page):
            wrong = newcomer.follow(example)
            assert not wrong, "\n".join([example.command, *wrong])
        logs = "".join(processes.log(name) for name in ("web", "worker", "sender"))
    assert "Traceback" not in logs


def test_every_operation_of_the_document_has_an_example() -> None:
    requests = [example.request for example in examples(PAGE.read_text())]
    missing = [
        operation["operationId"]
        for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
        for method, operation in operations.items()
        if not any(
            asked == method.upper() and re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", path), at) for asked, at in requests
        )
    ]
    assert missing == []


def test_the_page_tells_when_each_status_of_an_error_comes() -> None:
    told = re.findall(r"^\| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)
    assert told == [str(status) for status in sorted(MESSAGES)]


def test_the_page_tells_what_the_inbox_calls_each_error() -> None:
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {int(status): code for status, code in told} == INBOX_CODES


COMPLETE = (
    "```sh\nURL=here\n```\n\n```sh\ncurl $URL/api/v1/alarm/1\n```\n\n200 OK\n\n```json\n{}\n```\n"
    "\n```sh\ncurl $URL/api/v1/user\n```\n\n200 OK\n\n```json\n{}\n```\n"
    "\n```sh\ncurl -X DELETE $URL/api/v1/msg/1\n```\n\n204 No Content\n\nMore.\n"
)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (COMPLETE, ""),
        ("```sh\nURL=here\n```\n\n", ""),
        (COMPLETE[COMPLETE.index("```sh\ncurl") :], ""),
        ("\n200 OK\n\n```json\n{}\n```\n\n", "\n"),
        ("200 OK\n\n", ""),
        ("200 OK", "200 Created"),
        ("\n```json\n{}\n```\n", ""),
        ("\n204 No Content\n", "\n204 No Content\n\n```json\n{}\n```\n"),
        ("\n204 No Content\n", ""),
        ("204 No Content", "200 OK"),
        ("200 OK", "304 Not Modified"),
        ("{}", ""),
        ("```json", "```"),
        ("```sh\ncurl", "```\ncurl"),
        ("```sh\ncurl", "```sh\necho curl"),
        ("curl", "curl $URL/health\ncurl"),
        ("/api/v1", ""),
    ],
)
def test_a_page_that_would_not_be_checked_is_refused(was: str, becomes: str) -> None:
    assert [example.answer for example in examples(COMPLETE)] == [{}, {}, NO_BODY]
    assert was in COMPLETE
    with pytest.raises((AssertionError, ValueError)):
        examples(COMPLETE.replace(was, becomes, 1))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": 1,
        "share": 0.0,
        "closed": True,
        "timestamp": 1769868300,
        "startDate": "2026-01-31T14:05:00Z",
        "messageId": "8b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11",
        "feedback": [{"userID": 1, "date": None}, {"userID": 2, "date": "2026-01-31T14:05:00.123456Z"}],
    }
    change(answer)
    return answer


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.update(id=2),
        lambda answer: answer.update(share=0),
        lambda answer: answer.update(closed=1),
        lambda answer: answer.update(more=None),
        lambda answer: answer.pop("id"),
        lambda answer: answer.update(startDate="2026-01-31T14:05:00+00:00"),
        lambda answer: answer.update(startDate=None),
        lambda answer: answer.update(messageId="1"),
        lambda answer: answer.update(timestamp="1769868300"),
        lambda answer: answer.update(timestamp=1769868300.0),
        lambda answer: answer.update(timestamp=1769868300123),
        lambda answer: answer.update(timestamp=0),
        lambda answer: answer.update(timestamp=None),
        lambda answer: answer["feedback"].pop(),
        lambda answer: answer["feedback"].reverse(),
        lambda answer: answer["feedback"][1].update(date=""),
    ],
)
def test_an_answer_that_is_not_what_is_printed_is_noticed(change: Callable[[dict[str, Any]], object]) -> None:
    assert list(differences(changed(dict), changed(change))) != []


@pytest.mark.parametrize("answered", [{}, None, ""])
def test_an_answer_where_none_is_printed_is_noticed(answered: Any) -> None:
    assert list(differences(NO_BODY, NO_BODY)) == []
    assert list(differences(NO_BODY, answered)) != []
    assert list(differences(answered, NO_BODY)) != []


def test_only_times_and_message_ids_may_differ() -> None:
    later, another = "2027-01-31T14:05:00.500000Z", "00000000-45a2-4f2c-9b5c-0a4a1c0d2b11"
    now = changed(lambda answer: answer.update(startDate=later, messageId=another, timestamp=1801404300))
    assert list(differences(changed(dict), now)) == []
