"""The OpenAPI document of devices, availability, ways, hooks, templates, and of what gateways and Twilio say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messaging_project.openapi import DOCUMENT
from tests.messaging_project.test_schema import JSON, operations, resolved

FORM, XML = "application/x-www-form-urlencoded", "text/xml"
WAYS = ["app", "pager", "sms", "call", "email"]
EVENTS = ["alarm.raised", "feedback.given", "recipient.timed_out", "message.failed", "alarm.closed"]

# Of each operation by its id: method and path, the status of its success with the media type, and that of its body.
OPERATIONS: dict[str, tuple[str, str, str, str]] = {
    "ListDevices": ("GET /device", "200", JSON, ""),
    "AddDevice": ("POST /device", "201", JSON, JSON),
    "ChangeDevice": ("PATCH /device/{id}", "200", JSON, JSON),
    "RemoveDevice": ("DELETE /device/{id}", "204", "", ""),
    "TestDevice": ("POST /device/{id}/test", "200", JSON, ""),
    "ListAbsences": ("GET /availability", "200", JSON, ""),
    "AddAbsence": ("POST /availability", "201", JSON, JSON),
    "ChangeAbsence": ("PATCH /availability/{id}", "200", JSON, JSON),
    "RemoveAbsence": ("DELETE /availability/{id}", "204", "", ""),
    "GetWays": ("GET /organization/{organizationID}/ways", "200", JSON, ""),
    "SetWays": ("PUT /organization/{organizationID}/ways", "200", JSON, JSON),
    "ListHooks": ("GET /hooks", "200", JSON, ""),
    "RegisterHook": ("POST /hooks", "201", JSON, JSON),
    "GetHook": ("GET /hooks/{hookID}", "200", JSON, ""),
    "ChangeHook": ("PATCH /hooks/{hookID}", "200", JSON, JSON),
    "RemoveHook": ("DELETE /hooks/{hookID}", "204", "", ""),
    "TestHook": ("POST /hooks/{hookID}/test", "202", JSON, ""),
    "ListAlarmTemplates": ("GET /alarmtemplates", "200", JSON, ""),
    "GiveReceipt": ("POST /messagestatus/receipt", "200", JSON, JSON),
    "AnswerBySms": ("POST /inbound/sms", "200", JSON, JSON),
    "TwilioSms": ("POST /inbound/twilio/sms", "200", XML, FORM),
    "TwilioCall": ("POST /inbound/twilio/voice", "200", XML, FORM),
    "TwilioTalk": ("POST /inbound/twilio/voice/{code}", "200", XML, FORM),
    "TwilioStatus": ("POST /inbound/twilio/status", "204", "", FORM),
}
# What is sent: of each its fields, and those that are required.
REQUESTS: dict[str, tuple[str, str]] = {
    "AddDevice": ("way name address active userID organizationID", "way name address"),
    "ChangeDevice": ("name address active", ""),
    "AddAbsence": ("organizationID from until weekly", "from until"),
    "ChangeAbsence": ("organizationID from until weekly", ""),
    "SetWays": ("way enabled", "way enabled"),
    "RegisterHook": ("organizationID url events active", "organizationID url events"),
    "ChangeHook": ("url events active", ""),
    "GiveReceipt": ("idempotencyKey status date attempt", "idempotencyKey status"),
    "AnswerBySms": ("from text", "from text"),
    "TwilioSms": ("AccountSid From Body", ""),
    "TwilioCall": ("AccountSid From Digits", ""),
    "TwilioTalk": ("AccountSid From Digits", ""),
    "TwilioStatus": ("AccountSid MessageStatus CallStatus", ""),
    "CloseAlarm": ("allClear", ""),
    "RaiseAlarm": (
        "organizationID message alarmResources alarmTemplateID eventName startTime scheduledEndTime repeat repeatAfter",
        # The others unless there is a template, which says so in words.
        "organizationID",
    ),
}
# What is answered, always with every field.
ANSWERS: dict[str, str] = {
    "ListDevices": "id userID way name address active",
    "AddDevice": "id userID way name address active",
    "ChangeDevice": "id userID way name address active",
    "TestDevice": "status gateway reason tried",
    "ListAbsences": "id organizationID from until weekly",
    "AddAbsence": "id organizationID from until weekly",
    "ChangeAbsence": "id organizationID from until weekly",
    "GetWays": "way enabled available",
    "SetWays": "way enabled available",
    "ListHooks": "id organizationID url events active createdAt",
    "RegisterHook": "id organizationID url events active createdAt secret",
    "GetHook": "id organizationID url events active createdAt tries",
    "ChangeHook": "id organizationID url events active createdAt",
    "TestHook": "eventID",
    "GiveReceipt": "success",
    "AnswerBySms": "reply",
    "ListAlarmTemplates": "id organizationID name message eventName alarmResources",
    "PreviewAlarm": "recipients devices unreachable unavailable",
}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(DOCUMENT.read_text())


def schema_of(document: Any, content: Any) -> Any:
    """Return the schema of a body, of a list that of its items."""
    ((_media_type, described),) = content.items()
    schema = resolved(document, described["schema"])
    return resolved(document, schema.get("items", schema))


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_is_described(document: Any, name: str) -> None:
    request, status, answered, sent = OPERATIONS[name]
    path, operation = operations(document)[name]
    assert path == request
    assert operation["description"].strip()
    successes = {code: answer for code, answer in operation["responses"].items() if code < "400"}
    assert {code: list(answer.get("content", ())) for code, answer in successes.items()} == {
        status: [answered] if answered else []
    }
    assert list(operation.get("requestBody", {}).get("content", ())) == ([sent] if sent else [])
    for parameter in operation.get("parameters", ()):
        assert parameter["description"]


@pytest.mark.parametrize("name", list(REQUESTS))
def test_what_is_sent_has_its_fields(document: Any, name: str) -> None:
    fields, required = REQUESTS[name]
    schema = schema_of(document, operations(document)[name][1]["requestBody"]["content"])
    assert sorted(schema["properties"]) == sorted(fields.split())
    assert sorted(schema.get("required", ())) == sorted(required.split())


@pytest.mark.parametrize("name", list(ANSWERS))
def test_what_is_answered_has_its_fields(document: Any, name: str) -> None:
    _path, operation = operations(document)[name]
    (answer,) = (answer for code, answer in operation["responses"].items() if code < "400")
    schema = schema_of(document, answer["content"])
    assert sorted(schema["properties"]) == sorted(ANSWERS[name].split())
    assert sorted(schema["required"]) == sorted(ANSWERS[name].split())


def test_what_is_one_of_a_few_is_listed(document: Any) -> None:
    schemas = document["components"]["schemas"]

    def choices(schema: str, field: str) -> Any:
        described = schemas[schema]["properties"][field]
        (described,) = described.get("allOf", [described])
        described = resolved(document, described)
        return resolved(document, described.get("items", described))["enum"]

    for schema in ("AddDevice", "Device"):
        assert choices(schema, "way") == WAYS
    assert choices("Way", "way") == choices("SetWay", "way") == WAYS
    for schema in ("RegisterHook", "PatchedChangeHook", "Hook"):
        assert choices(schema, "events") == EVENTS
    assert choices("HookTry", "event") == [*EVENTS, "test"]
    assert sorted(choices("Receipt", "status")) == ["delivered", "failed", "read"]
    assert choices("DeviceTest", "status") == [2, 4]


def test_the_bounds_of_the_contract_are_there(document: Any) -> None:
    fields = {
        name: document["components"]["schemas"][name]["properties"]
        for name in ("RaiseAlarm", "PatchedCloseAlarm", "RegisterHook", "AddDevice", "Receipt")
    }
    repeat, after = fields["RaiseAlarm"]["repeat"], fields["RaiseAlarm"]["repeatAfter"]
    assert (repeat["type"], repeat["minimum"], repeat["default"]) == ("integer", 0, 0)
    assert (after["type"], after["maximum"]) == ("integer", 86400)
    assert fields["PatchedCloseAlarm"]["allClear"]["maxLength"] == 960
    events = fields["RegisterHook"]["events"]
    assert (events["minItems"], events["maxItems"], events["uniqueItems"]) == (1, 5, True)
    assert (fields["AddDevice"]["address"]["minLength"], fields["AddDevice"]["address"]["maxLength"]) == (1, 255)
    assert (fields["Receipt"]["date"]["format"], fields["Receipt"]["date"]["nullable"]) == ("date-time", True)
