"""The samples of the inbox's reference: each request is sent as it is printed, with ids that there are, and the answer
has every field that is printed, with its type; but never a password."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests.factories import GroupFactory, member

pytestmark = pytest.mark.django_db

SEND = """POST /msg/send
Content-Type: application/json
Accept: application/json
{
"message" : "...",
"translations" : {
"property1" : "...",
"property2" : "..."
},
"parameters" : [ "...", "..." ],
"toGroupId" : [ 12345, 12345 ],
"toUserId" : [ 12345, 12345 ]
}
"""
LIST = "GET /msg/list Accept: application/json"
READ = """POST /msg/read
Content-Type: application/json
Accept: application/json
{
"messages" : [ 12345, 12345 ]
}
"""

# A message of an answer; what the printed ones differ in is the type.
MESSAGE = """{
"fieldName" : "...",
"message" : "...",
"type" : "%s",
"timestamp" : 12345,
"image" : "...",
"sender" : {
"id" : 12345,
"firstName" : "...",
"lastName" : "...",
"description" : "...",
"email" : "...",
"groups" : [ { }, { } ],
"login" : "...",
"password" : "..."
},
"id" : 12345
}"""
ANSWER = """{
"messages" : [ %s, %s ],
"responseInfo" : {
"responseCode" : "%s",
"responseMessage" : "...",
"property" : "..."
}
}"""


def printed(first: str, second: str, code: str) -> str:
    return ANSWER % (MESSAGE % first, MESSAGE % second, code)


SENT = ("HTTP/1.1 201 Created", printed("SUCCESS", "WARNING", "NOTLICENSED"))
LISTED = ("HTTP/1.1 200 OK", printed("NEUTRAL", "WARNING", "INVALIDDATA"))
SET_READ = ("HTTP/1.1 201 Created", printed("INFO", "INFO", "INVALIDDATA"))

TYPES = {"CRITICAL", "WARNING", "INFO", "SUCCESS", "NEUTRAL"}
CODES = {
    *("OK", "INVALIDDATA", "FAILURE", "AUTHREQUIRED", "PERMISSION"),
    *("NOTFOUND", "MAINTENANCEMODE", "NOTLICENSED", "LOCKED"),
}


def ask(client: APIClient, sample: str, ids: tuple[int, ...] = ()) -> Any:
    """Send a printed request, in which the printed ids are replaced by these in their order."""
    numbers = iter(ids)
    text = re.sub("12345", lambda _printed: str(next(numbers)), sample)
    assert next(numbers, None) is None, "not all ids are used"
    head, brace, rest = text.partition("{")
    method, path, *_headers = head.split()
    headers = dict(re.findall(r"([\w-]+): (\S+)", head))
    media_type = headers.pop("Content-Type", "")
    return client.generic(method, f"/api/v1{path}", brace + rest, media_type, headers=headers)


def differences(sample: Any, answered: Any, at: str = "answer") -> Iterator[str]:
    """Yield what is printed and not answered, or answered with another type."""
    if type(sample) is not type(answered):
        yield f"{at}: {sample!r} is printed, {answered!r} came"
    elif isinstance(sample, dict):
        yield from (f"{at}.{name} is missing" for name in sample.keys() - answered.keys() - {"password"})
        for name in sample.keys() & answered.keys():
            yield from differences(sample[name], answered[name], f"{at}.{name}")
    elif isinstance(sample, list):
        # All entries are of one kind; how many there are is another matter.
        yield from (f"{at}: empty" for _ in range(not answered))
        for number, entry in enumerate(answered):
            yield from differences(sample[0], entry, f"{at}[{number}]")


def assert_as_printed(answer: Any, sample: tuple[str, str], user: User, *, messages: int) -> Any:
    status_line, text = sample
    assert f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}" == status_line, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert list(differences(json.loads(text), body)) == []
    assert len(body["messages"]) == messages
    assert body["responseInfo"]["responseCode"] in CODES
    for message in body["messages"]:
        assert message["type"] in TYPES
        # As the contract adds to what is printed.
        assert type(message["isInstantMessage"]) is bool
        assert [group.keys() for group in message["sender"]["groups"]] == [{"id", "name", "description"}] * 2
    content = answer.content.decode()
    assert "password" not in content.lower()
    assert user.password not in content
    return body


@pytest.fixture
def sender(brigade: Organization, anna: User) -> User:
    """Anna, with a password and two groups."""
    anna.set_password("correct horse battery staple")
    anna.save(update_fields=["password"])
    for group in (GroupFactory(organization=brigade), GroupFactory(organization=brigade)):
        group.memberships.set(anna.memberships.all())
    return anna


@pytest.fixture
def ids(brigade: Organization, sender: User) -> tuple[int, ...]:
    """The groups and users of the printed request: two groups of the sender, the sender and one more."""
    return (*brigade.groups.values_list("pk", flat=True), sender.pk, member(brigade).pk)


def test_the_printed_request_sends_a_message(
    sender: User, ids: tuple[int, ...], as_user: Callable[[User], APIClient]
) -> None:
    body = assert_as_printed(ask(as_user(sender), SEND, ids), SENT, sender, messages=1)
    assert body["responseInfo"]["responseCode"] == "OK"
    assert body["messages"][0]["message"] == "..."


def test_the_printed_request_lists_messages(
    sender: User, ids: tuple[int, ...], as_user: Callable[[User], APIClient]
) -> None:
    client = as_user(sender)
    for _ in range(2):
        assert ask(client, SEND, ids).status_code == 201
    body = assert_as_printed(ask(client, LIST), LISTED, sender, messages=2)
    assert body["responseInfo"]["responseCode"] == "OK"


@pytest.mark.parametrize(("unread", "count"), [("true", 1), ("false", 2)])
def test_the_printed_parameter_asks_for_unread_messages_only(
    sender: User, ids: tuple[int, ...], as_user: Callable[[User], APIClient], unread: str, count: int
) -> None:
    client = as_user(sender)
    for _ in range(2):
        assert ask(client, SEND, ids).status_code == 201
    newest = ask(client, LIST).json()["messages"][0]["id"]
    assert ask(client, READ, (newest, newest)).status_code == 201
    sample = LIST.replace("/msg/list", f"/msg/list?unread={unread}")
    assert_as_printed(ask(client, sample), LISTED, sender, messages=count)


def test_the_printed_request_sets_messages_to_be_read(
    sender: User, ids: tuple[int, ...], as_user: Callable[[User], APIClient]
) -> None:
    client = as_user(sender)
    for _ in range(2):
        assert ask(client, SEND, ids).status_code == 201
    one, other = (message["id"] for message in ask(client, LIST).json()["messages"])
    body = assert_as_printed(ask(client, READ, (one, other)), SET_READ, sender, messages=2)
    assert {message["id"] for message in body["messages"]} == {one, other}
    assert body["responseInfo"]["responseMessage"] == "Successfully set 2 messages to 'read'"


def test_a_viewed_message_looks_as_a_listed_one(
    sender: User, ids: tuple[int, ...], as_user: Callable[[User], APIClient]
) -> None:
    client = as_user(sender)
    assert ask(client, SEND, ids).status_code == 201
    (listed,) = ask(client, LIST).json()["messages"]
    body = assert_as_printed(client.get(f"/api/v1/msg/{listed['id']}"), LISTED, sender, messages=1)
    assert body["messages"] == [listed]


def test_who_has_sent_a_message_without_a_group_has_an_empty_list_of_groups(
    brigade: Organization, anna: User, ben: User, as_user: Callable[[User], APIClient]
) -> None:
    answer = as_user(anna).post("/api/v1/msg/send", {"message": "...", "toUserId": [ben.pk]}, format="json")
    assert answer.json()["messages"][0]["sender"]["groups"] == []


def test_the_printed_samples_are_checked() -> None:
    """What finds the differences finds one of each kind."""
    sample = json.loads(printed("INFO", "INFO", "OK"))
    assert list(differences(sample, sample)) == []
    for change in (
        lambda message: message.pop("image"),
        lambda message: message.update(id="12345"),
        lambda message: message.update(timestamp=12345.0),
        lambda message: message["sender"].pop("login"),
        lambda message: message["sender"].update(email=None),
        lambda message: message["sender"].update(groups=[7]),
    ):
        changed = json.loads(printed("INFO", "INFO", "OK"))
        change(changed["messages"][1])
        assert len(list(differences(sample, changed))) == 1
