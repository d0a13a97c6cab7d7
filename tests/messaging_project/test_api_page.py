"""What the tests of docs/api.md would not let pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import ParseError

import pytest

from tests.messaging_project.api_page import NO_BODY, arrivals, differences, examples, read_as

COMPLETE = (
    "```sh\nURL=here\n```\n\n```sh\ncurl $URL/api/v1/alarm/1\n```\n\n200 OK\n\n```json\n{}\n```\n"
    "\n```sh\ncurl $URL/api/v1/user\n```\n\n200 OK\n\n```json\n{}\n```\n"
    "\n```sh\ncurl -X DELETE $URL/api/v1/msg/1\n```\n\n204 No Content\n\nMore.\n"
    "\n```http\nPOST /api/v1/inbound/twilio/sms\n\nBody=Yes\n```\n\n200 OK\n\n```xml\n<Response />\n```\n"
    "\n```http\nPOST /alarms\nIdempotency-Key: 1\n\n{}\n```\n\n```python\nprint()\n```\n"
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
        ("POST /api/v1", "POST "),
        ("POST /api/v1", "PUT /api/v1"),
        ("```http\nPOST /api", "```\nPOST /api"),
        ("\n```xml\n<Response />\n```\n", ""),
        ("<Response />", "<Response>"),
        ("\n\n200 OK\n\n```xml", "\n\n```xml"),
        ("Idempotency-Key: 1\n", ""),
        ("```python", "```ruby"),
    ],
)
def test_a_page_that_would_not_be_checked_is_refused(was: str, becomes: str) -> None:
    assert [example.answer for example in examples(COMPLETE)] == [{}, {}, NO_BODY, "<Response></Response>"]
    assert [(arrival.headers, arrival.json) for arrival in arrivals(COMPLETE)] == [({"Idempotency-Key": "1"}, {})]
    assert was in COMPLETE
    with pytest.raises((AssertionError, ValueError, ParseError)):
        examples(COMPLETE.replace(was, becomes, 1))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": 1,
        "share": 0.0,
        "closed": True,
        "timestamp": 1769868300,
        "seconds": 0.007,
        "secret": "5f1d" * 16,
        "reply": "Thank you. You can change it until 14:20.",
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
        lambda answer: answer.update(seconds=1),
        lambda answer: answer.update(secret=""),
        lambda answer: answer.update(reply=""),
        lambda answer: answer.update(reply="Thank you. You can change it until later."),
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


def test_only_times_and_what_is_made_up_anew_may_differ() -> None:
    varying = {
        "startDate": "2027-01-31T14:05:00.500000Z",
        "messageId": "00000000-45a2-4f2c-9b5c-0a4a1c0d2b11",
        "timestamp": 1801404300,
        "seconds": 1.25,
        "secret": "0" * 64,
        "reply": "Thank you. You can change it until 02/01/2026, 00:05.",
    }
    assert list(differences(changed(dict), changed(lambda answer: answer.update(varying)))) == []


TWIML = (
    '<Response><Say language="de">ALARM bis 14:05 Uhr.</Say>'
    '<Gather action="http://here/voice/4k7m9p2r5t8w?asked=1" /></Response>'
)


@pytest.mark.parametrize(
    ("was", "becomes", "is_the_same"),
    [
        ("<Response>", "<?xml version='1.0' encoding='utf-8'?>\n<Response>\n  ", True),
        ("bis 14:05", "bis 01.02.2026, 00:05", True),
        ("4k7m9p2r5t8w", "000000000000", True),
        ("4k7m9p2r5t8w", "", False),
        ("asked=1", "asked=2", False),
        ("ALARM", "", False),
        ("Say", "Play", False),
        ('language="de"', "", False),
    ],
)
def test_only_times_and_codes_may_differ_in_what_twilio_is_told(was: str, becomes: str, is_the_same: bool) -> None:
    assert was in TWIML
    assert (read_as("http", TWIML.replace(was, becomes)) == read_as("http", TWIML)) is is_the_same
