"""The OpenAPI document: complete, committed, and with everything that the published API names (messaging-api).

What is published of the inbox is in test_schema_inbox.py.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
import yaml
from django.test import Client

from messaging_project.openapi import DOCUMENT
from messaging_project.urls import router

JSON = "application/json"
ID = {"type": "integer", "format": "int64"}
CONFIGURATION = {
    "escalations": {"type": "array", "description": "configured escalations"},
    "organizationID": ID | {"description": "organization id for editing escalation as an organization administrator"},
    "userID": ID
    | {"description": "assigned user for this escalation configuration for organization administrator editing"},
}
CONFIGURATION_SAMPLE = {"escalations", "organizationID", "userID"}


class Operation(NamedTuple):
    """What the published API says of an operation: types and bounds of fields, what is required, samples."""

    path: str
    tag: str
    description: str
    parameters: dict[tuple[str, str], tuple[bool, str]] = {}
    request: dict[str, dict[str, Any]] = {}
    required: frozenset[str] = frozenset()
    request_sample: object = None
    response: dict[str, dict[str, Any]] = {}
    response_sample: object = None


TIMEOUT_TEXT = (
    "the response-timeout after which a notified user times out and can no longer answer an alarm in the organization."
)
TIMEOUT = ID | {
    "minimum": 10,
    "maximum": 86400,
    "description": "Time in seconds after which a notified user times out and can no longer answer an alarm.",
}
PUBLISHED = {
    "SetUserEscalation": Operation(
        "POST /escalation",
        "user",
        "Creates or updates an existing escalation configuration for the passed user",
        request=CONFIGURATION,
        required=frozenset({"escalations"}),
        request_sample=CONFIGURATION_SAMPLE,
        response={"message": {"type": "string"}},
        response_sample={"message": "escalation saved"},
    ),
    "GetUserEscalation": Operation(
        "GET /escalation/{userID}",
        "user",
        "Returns the escalation configuration for the passed user",
        {
            ("path", "userID"): (True, "user id for the requested escalation"),
            ("query", "organization_id"): (
                False,
                "has to be set if you want to edit a user as admin of an organization",
            ),
        },
        response=CONFIGURATION,
        response_sample=CONFIGURATION_SAMPLE,
    ),
    "SetOrganizationEscalation": Operation(
        "POST /escalation/organization",
        "escalation",
        "Sets the escalation configuration for the given organization",
        request=CONFIGURATION,
        required=frozenset({"escalations"}),
        request_sample=CONFIGURATION_SAMPLE,
    ),
    "GetOrganizationEscalation": Operation(
        "GET /escalation/organization/{organizationID}",
        "escalation",
        "Returns the escalation configuration for the given organization",
        {("path", "organizationID"): (True, "organizationID for the requested escalation")},
        response=CONFIGURATION,
        response_sample=CONFIGURATION_SAMPLE,
    ),
    "RemoveOrganizationEscalation": Operation(
        "DELETE /escalation/organization/{organizationID}",
        "escalation",
        "Removes the escalation configuration for the given organization",
        {("path", "organizationID"): (True, "organizationID for the requested escalation")},
        response=CONFIGURATION,
        response_sample=CONFIGURATION_SAMPLE,
    ),
    "GetAlarmMessageStatus": Operation(
        "GET /messagestatus/{alarm_id}",
        "alarm",
        "Returns the current alarm message status for the user in the given alarm",
        {
            ("path", "alarm_id"): (True, "alarmID this request is about"),
            ("query", "organization_id"): (
                True,
                "associated organization requesting the information (used for rbac-check)",
            ),
            ("query", "user_id"): (True, "requested user status"),
        },
        response={"devices": {"type": "array"}, "messageId": {"type": "string"}},
        response_sample={"devices", "messageId"},
    ),
    "feedback": Operation(
        "POST /messaging/feedback",
        "feedback",
        "Sets the user feedback for a specific alarm or organization using the api. You can use a JWT Token or "
        "Personal Access Token to update a specific user's feedback in an alarm or organization. You can also use an "
        "organization api token to update any user's feedback in an alarm or your organization.",
        request={
            "alarmID": ID | {"description": "AlarmID associated to the feedback"},
            "organizationID": ID | {"description": "OrganizationID associated to the feedback"},
            "response": {
                "type": "boolean",
                "description": "Response should be true if the user gave positive feedback and false if not",
            },
            "userID": ID | {"description": "UserID of the user that is sending this feedback"},
        },
        required=frozenset({"response", "userID"}),
        request_sample={"alarmID": 0, "organizationID": 0, "response": True, "userID": 0},
        response={"success": {"type": "boolean"}},
        response_sample={"success": True},
    ),
    # These two have no name there.
    "GetResponseTimeout": Operation(
        "GET /organization/{organizationID}/timeout",
        "organization",
        f"Returns {TIMEOUT_TEXT}",
        {("path", "organizationID"): (True, "")},
        response={"timeout": {"type": "integer"}},
        response_sample={"timeout": 10},
    ),
    "SetResponseTimeout": Operation(
        "PUT /organization/{organizationID}/timeout",
        "organization",
        f"Sets {TIMEOUT_TEXT}",
        {("path", "organizationID"): (True, "")},
        request={"timeout": TIMEOUT},
        required=frozenset({"timeout"}),
        request_sample={"timeout": 10},
        response={"timeout": {"type": "integer"}},
        response_sample={"timeout": 10},
    ),
}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(DOCUMENT.read_text())


def operations(document: Any) -> dict[str, tuple[str, Any]]:
    return {
        operation["operationId"]: (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def resolved(document: Any, schema: Any) -> Any:
    """Return a schema instead of the reference to it."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def assert_fields(document: Any, content: Any, fields: dict[str, dict[str, Any]]) -> None:
    properties = resolved(document, content["schema"])["properties"]
    for name, facts in fields.items():
        assert facts.items() <= resolved(document, properties[name]).items(), name


def assert_sample(content: Any, sample: object) -> None:
    values = [example["value"] for example in content["examples"].values()]
    assert sample in values or sample in map(set, values)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_what_the_published_api_says_of_an_operation_is_there(document: Any, name: str) -> None:
    published = PUBLISHED[name]
    path, operation = operations(document)[name]
    assert path == published.path
    assert operation["tags"] == [published.tag]
    assert " ".join(operation["description"].split()) == " ".join(published.description.split())
    parameters = {(parameter["in"], parameter["name"]): parameter for parameter in operation.get("parameters", ())}
    assert parameters.keys() == published.parameters.keys()
    for key, (required, description) in published.parameters.items():
        assert parameters[key]["schema"]["type"] == "integer"
        assert parameters[key].get("required", False) is required
        assert description in parameters[key]["description"]
    if published.request:
        content = operation["requestBody"]["content"][JSON]
        assert operation["requestBody"]["required"] is True
        assert_fields(document, content, published.request)
        assert set(resolved(document, content["schema"])["required"]) >= published.required
        assert_sample(content, published.request_sample)
    if published.response:
        content = operation["responses"]["200"]["content"][JSON]
        assert_fields(document, content, published.response)
        assert_sample(content, published.response_sample)


def test_an_escalation_and_a_device_have_the_fields_of_the_contract(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Escalation"]["required"]) == {"wayofalarm", "delay"}
    assert (
        schemas["Escalation"]["properties"]["delay"] | {"minimum": 0, "maximum": 86400, "type": "integer"}
        == (schemas["Escalation"]["properties"]["delay"])
    )
    assert schemas["WayOfAlarm"]["enum"] == ["app", "pager", "sms", "call", "email"]
    assert schemas["EscalationConfiguration"]["properties"]["escalations"]["maxItems"] == 20
    assert set(schemas["DeviceStatus"]["required"]) == {"date", "name", "status", "type"}
    assert schemas["StatusEnum"]["enum"] == [0, 1, 2, 3, 4, 5]


PRINCIPALS = ("API_Token", "Personal-Access-Token", "JWT")


def test_who_may_ask_is_a_security_scheme_of_every_operation(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {name: (scheme["type"], scheme.get("name") or scheme["scheme"]) for name, scheme in schemes.items()} == {
        "API_Token": ("apiKey", "API-TOKEN"),
        "Personal-Access-Token": ("apiKey", "Personal-Access-Token"),
        "JWT": ("http", "bearer"),
        "X-Signature": ("apiKey", "X-Signature"),
        "X-Twilio-Signature": ("apiKey", "X-Twilio-Signature"),
    }
    for path, operation in operations(document).values():
        names = ("X-Twilio-Signature",) if is_of_twilio(path) else PRINCIPALS
        if path in {"POST /messagestatus/receipt", "POST /inbound/sms"}:
            names = ("X-Signature", *PRINCIPALS)
        assert operation["security"] == [{name: []} for name in names], path


def is_of_twilio(path: str) -> bool:
    return path.startswith("POST /inbound/twilio/")


def test_every_operation_of_the_router_is_described_with_its_errors(document: Any) -> None:
    served = sum(
        len(router.get_method_map(viewset, route.mapping))
        for _prefix, viewset, _basename in router.registry
        for route in router.get_routes(viewset)
    )
    described = operations(document)
    assert len(described) == served
    for path, operation in described.values():
        codes = set(operation["responses"])
        assert {"400", "401", "429", "500", "503"} <= codes, path
        assert {"413", "415"} <= codes or "requestBody" not in operation, path
        assert codes & {"200", "201", "202", "204"}, path
        for code in (code for code in codes if code >= "400"):
            answer = operation["responses"][code]
            # What is too long is answered before it is known where it was to go.
            dialect = "GenericResponse" if " /msg/" in path and code not in {"414", "431"} else "Error"
            assert answer["content"][JSON]["schema"] == {"$ref": f"#/components/schemas/{dialect}"}, (path, code)
            assert answer["description"]
        assert "Retry-After" in operation["responses"]["429"]["headers"]


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_the_document_is_served_as_it_is_committed(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == JSON
    assert yaml.safe_load(answer.content) == json.loads(DOCUMENT.read_text())
