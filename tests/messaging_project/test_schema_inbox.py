"""The OpenAPI document has everything that is published of the inbox (inbox-api), and what the contract adds (6)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from messaging_project.openapi import DOCUMENT
from tests.messaging_project.test_schema import JSON, assert_fields, operations, resolved

TEXT, NUMBER = {"type": "string"}, {"type": "integer", "format": "int64"}
TEXTS, NUMBERS = {"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}


class Operation(NamedTuple):
    """What is published of an operation: its fields with their types are those of the samples."""

    path: str
    description: str
    status: str
    request: dict[str, dict[str, Any]] = {}
    request_description: str = ""


PUBLISHED = {
    "SendMessage": Operation(
        "POST /msg/send",
        "Send a message to users/groups",
        "201",
        {
            "message": TEXT,
            "translations": {"type": "object", "additionalProperties": TEXT},
            "parameters": TEXTS,
            "toGroupId": NUMBERS,
            "toUserId": NUMBERS,
        },
        "request to send messages",
    ),
    "ListMessages": Operation("GET /msg/list", "List messages for the current user", "200"),
    "MarkMessagesRead": Operation(
        "POST /msg/read",
        "Set messages to be read",
        "201",
        {"messages": NUMBERS},
        "request containing the list of messages to be set read",
    ),
}
# But `password`, which is never sent, whatever the sample shows.
SENDER = {
    "id": NUMBER,
    "firstName": TEXT,
    "lastName": TEXT,
    "description": TEXT,
    "email": TEXT,
    "groups": {"type": "array"},
    "login": TEXT,
}
MESSAGE = {
    "fieldName": TEXT,
    "message": TEXT,
    "type": TEXT,
    "timestamp": NUMBER,
    "image": TEXT,
    "sender": {"type": "object"},
    "id": NUMBER,
}
RESPONSE_INFO = {"responseCode": TEXT, "responseMessage": TEXT, "property": TEXT}
GENERIC_RESPONSE = {"messages": {"type": "array"}, "responseInfo": {"type": "object"}}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(DOCUMENT.read_text())


def at(document: Any, schema: Any, *path: str) -> Any:
    """Return the schema of a field, of a field of it..., each of an object or of the items of a list."""
    for name in path:
        schema = resolved(document, resolved(document, schema)["properties"][name])
        schema = resolved(document, schema.get("items", schema))
    return schema


def is_of_type(schema: Any, expected: dict[str, Any]) -> bool:
    """Whether a schema takes what a type says, and nothing else, whatever its other facts are."""
    for key, value in expected.items():
        if isinstance(value, dict):
            if not is_of_type(schema[key], value):
                return False
        elif schema.get(key) != value:
            return False
    return True


def all_names(value: Any) -> set[str]:
    """Return every key there is in a document."""
    if isinstance(value, list):
        return set().union(*map(all_names, value))
    if isinstance(value, dict):
        return set(value).union(*map(all_names, value.values()))
    return set()


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_what_is_published_of_an_operation_of_the_inbox_is_there(document: Any, name: str) -> None:
    published = PUBLISHED[name]
    path, operation = operations(document)[name]
    assert path == published.path
    assert operation["tags"] == ["msg"]
    assert in_one_line(operation["description"]).startswith(published.description)
    answer = operation["responses"][published.status]
    assert answer["content"].keys() == {JSON}
    assert resolved(document, answer["content"][JSON]["schema"])["properties"].keys() == GENERIC_RESPONSE.keys()


@pytest.mark.parametrize("name", [name for name in PUBLISHED if PUBLISHED[name].request])
def test_what_is_published_of_a_request_is_there(document: Any, name: str) -> None:
    published = PUBLISHED[name]
    _path, operation = operations(document)[name]
    assert operation["requestBody"]["required"] is True
    content = operation["requestBody"]["content"]
    assert content.keys() == {JSON}
    schema = resolved(document, content[JSON]["schema"])
    assert in_one_line(schema["description"]).lower().startswith(published.request_description)
    assert schema["properties"].keys() - {"instantTimeMinutes"} == published.request.keys()
    for field, expected in published.request.items():
        assert is_of_type(schema["properties"][field], expected), (field, schema["properties"][field])
    samples = [example["value"] for example in content[JSON]["examples"].values()]
    assert published.request.keys() in [sample.keys() for sample in samples]


def test_a_request_requires_what_the_contract_requires_and_bounds_it(document: Any) -> None:
    send, read = (document["components"]["schemas"][name] for name in ("MessageSendRequest", "MessagesReadRequest"))
    assert (send["required"], read["required"]) == (["message"], ["messages"])
    message, minutes = (send["properties"][name] for name in ("message", "instantTimeMinutes"))
    assert (message["minLength"], message["maxLength"]) == (1, 10_000)
    assert (minutes["type"], minutes["minimum"]) == ("integer", 0)
    parameters, translations = (send["properties"][name] for name in ("parameters", "translations"))
    assert parameters["maxItems"] == 100
    assert translations["additionalProperties"]["maxLength"] == 10_000


@pytest.mark.parametrize("name", ["", "messages", "responseInfo", "messages sender"])
def test_what_is_published_of_an_answer_is_there(document: Any, name: str) -> None:
    published: dict[str, dict[str, dict[str, Any]]] = {
        "": GENERIC_RESPONSE,
        "messages": MESSAGE,
        "responseInfo": RESPONSE_INFO,
        "messages sender": SENDER,
    }
    fields = published[name]
    schema = at(document, document["components"]["schemas"]["GenericResponse"], *name.split())
    assert_fields(document, {"schema": schema}, fields)
    assert schema["properties"].keys() - {"isInstantMessage"} == fields.keys()
    # What an answer has, it has always.
    assert set(schema["required"]) == schema["properties"].keys()


def test_the_contract_adds_whether_a_message_is_an_instant_one_and_what_a_group_has(document: Any) -> None:
    schema = document["components"]["schemas"]["GenericResponse"]
    assert at(document, schema, "messages", "isInstantMessage")["type"] == "boolean"
    assert_fields(
        document,
        {"schema": at(document, schema, "messages", "sender", "groups")},
        {"id": NUMBER, "name": TEXT, "description": TEXT},
    )


def test_each_answer_that_has_messages_shows_one_with_every_field(document: Any) -> None:
    for name in (*PUBLISHED, "ViewMessage"):
        _path, operation = operations(document)[name]
        status = "200" if name == "ViewMessage" else PUBLISHED[name].status
        for example in operation["responses"][status]["content"][JSON]["examples"].values():
            sample = example["value"]
            (message,) = sample["messages"]
            assert message.keys() == {*MESSAGE, "isInstantMessage"}
            assert message["sender"].keys() == SENDER.keys()
            assert sample["responseInfo"].keys() == RESPONSE_INFO.keys()
            assert sample["responseInfo"]["responseCode"] == "OK"


def test_there_is_no_password_anywhere(document: Any) -> None:
    assert "password" not in {name.lower() for name in all_names(document)}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("messages", "type"), "CRITICAL WARNING INFO SUCCESS NEUTRAL"),
        (
            ("responseInfo", "responseCode"),
            "OK INVALIDDATA FAILURE AUTHREQUIRED PERMISSION NOTFOUND MAINTENANCEMODE NOTLICENSED LOCKED",
        ),
    ],
    ids=["type", "responseCode"],
)
def test_what_a_type_and_a_response_code_may_be_is_listed(document: Any, path: tuple[str, ...], values: str) -> None:
    schema = at(document, document["components"]["schemas"]["GenericResponse"], *path)
    assert sorted(schema["enum"]) == sorted(values.split())


def test_the_parameters_of_a_list_are_as_published_and_as_in_the_contract(document: Any) -> None:
    _path, operation = operations(document)["ListMessages"]
    parameters = {(parameter["in"], parameter["name"]): parameter for parameter in operation["parameters"]}
    unread = parameters["query", "unread"]
    assert unread["description"] == ("true if only unread messages shall be shown, false for all messages (default)")
    assert (unread["schema"]["type"], unread["schema"]["default"]) == ("boolean", False)
    assert parameters.keys() == {
        *(("query", name) for name in ("unread", "limit", "before")),
        ("header", "If-None-Match"),
    }
    assert not any(parameter.get("required") for parameter in parameters.values())
    for name in ("limit", "before"):
        assert parameters["query", name]["schema"]["type"] == "integer"


def test_an_unchanged_poll_is_documented(document: Any) -> None:
    _path, operation = operations(document)["ListMessages"]
    assert "content" not in operation["responses"]["304"]
    for status in ("200", "304"):
        assert operation["responses"][status]["headers"]["ETag"]["schema"] == TEXT


def test_viewing_and_deleting_are_documented(document: Any) -> None:
    view, delete = (operations(document)[name] for name in ("ViewMessage", "DeleteMessage"))
    assert (view[0], delete[0]) == ("GET /msg/{id}", "DELETE /msg/{id}")
    for _path, operation in (view, delete):
        (parameter,) = operation["parameters"]
        assert (parameter["in"], parameter["name"], parameter["required"]) == ("path", "id", True)
        assert "404" in operation["responses"]
    assert "content" not in delete[1]["responses"]["204"]


def test_preferences_are_documented(document: Any) -> None:
    (get, own), (patch, preferences) = (operations(document)[name] for name in ("GetUser", "UpdateUser"))
    assert (get, patch) == ("GET /user", "PATCH /user")
    for content in (
        own["responses"]["200"]["content"][JSON],
        preferences["responses"]["200"]["content"][JSON],
        preferences["requestBody"]["content"][JSON],
    ):
        assert_fields(document, content, {"inboxToEmail": {"type": "boolean"}, "language": TEXT})
