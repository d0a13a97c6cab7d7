"""Ids (contract 2), at every place where there is one: in bodies, in paths and in queries."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import models
from rest_framework.test import APIClient

from alarms.models import Alarm, AlarmMessage, Feedback, Hook, HookEvent
from escalations.models import Escalation, ResponseTimeout
from inbox.models import InboxMessage, Message
from messaging_project.openapi import DOCUMENT
from organizations.models import Absence, Device, Organization, User
from tests import factories
from tests.dialect import property_of, refused
from tests.messaging_project.test_status_codes import filled, operation
from tests.messaging_project.things import URL, ids_of

pytestmark = pytest.mark.django_db

LARGEST = 2**63 - 1

# As they stand in a body, and in a path or query.
MALFORMED = {
    "a string": ('"7"', "seven"),
    "an empty string": ('""', "%20"),
    "a float": ("7.0", "7.0"),
    "a float without a point": ("7e0", "7e0"),
    "an endless float": ("1e400", "1e400"),
    "true": ("true", "true"),
    "false": ("false", "false"),
    "negative": ("-7", "-7"),
    "one too large": ("9223372036854775808", "9223372036854775808"),
    "of 400 digits": ("9" * 400, "9" * 400),
    "a list": ("[7]", "[7]"),
    "an object": ('{"id": 7}', "null"),
}


class Place(NamedTuple):
    """A request with `HERE` where the id stands, what the API calls it, and what comes for one that nothing has."""

    request: str
    names: str
    unknown: int
    body: Any = None


ENTRIES = {"escalations": [{"wayofalarm": "sms", "delay": 1}]}
ALARM = {"organizationID": "ORG", "message": "Fire"}
SET, SET_ALL = "POST /escalation", "POST /escalation/organization"
RAISE, PREVIEW, FEEDBACK = "POST /alarm", "POST /alarm/preview", "POST /messaging/feedback"
SEND, READ = "POST /msg/send", "POST /msg/read"
ADD, ABSENT, REGISTER = "POST /device", "POST /availability", "POST /hooks"
DEVICE = {"way": "app", "name": "Phone", "address": "a phone"}
ABSENCE = {"from": "2099-01-01T08:00:00Z", "until": "2099-01-01T16:00:00Z"}

BODIES = [
    Place(SET, "organizationID", 404, ENTRIES | {"organizationID": "HERE", "userID": "MEMBER"}),
    Place(SET, "userID", 404, ENTRIES | {"organizationID": "ORG", "userID": "HERE"}),
    Place(SET_ALL, "organizationID", 404, ENTRIES | {"organizationID": "HERE"}),
    # It does not apply.
    Place(SET_ALL, "userID", 200, ENTRIES | {"organizationID": "ORG", "userID": "HERE"}),
    *(
        Place(request, name, status, ALARM | fields)
        for request in (RAISE, PREVIEW)
        for name, status, fields in (
            ("organizationID", 404, {"organizationID": "HERE", "alarmResources": {"allUsers": True}}),
            ("alarmTemplateID", 400, {"alarmTemplateID": "HERE", "alarmResources": {"allUsers": True}}),
            ("alarmResources.users", 400, {"alarmResources": {"allUsers": True, "users": ["MEMBER", "HERE"]}}),
            ("alarmResources.units", 400, {"alarmResources": {"allUsers": True, "units": ["UNIT", "HERE"]}}),
        )
    ),
    Place(FEEDBACK, "alarmID", 404, {"alarmID": "HERE", "userID": "BOSS", "response": True}),
    Place(FEEDBACK, "organizationID", 404, {"organizationID": "HERE", "userID": "BOSS", "response": True}),
    Place(FEEDBACK, "userID", 403, {"alarmID": "NOTICE", "userID": "HERE", "response": True}),
    Place(SEND, "toUserId", 400, {"message": "Drill", "toUserId": ["MEMBER", "HERE"]}),
    Place(SEND, "toGroupId", 400, {"message": "Drill", "toUserId": ["MEMBER"], "toGroupId": ["UNIT", "HERE"]}),
    # Ids that are not the caller's change nothing.
    Place(READ, "messages", 201, {"messages": ["MESSAGE", "HERE"]}),
    Place(ADD, "userID", 404, DEVICE | {"organizationID": "ORG", "userID": "HERE"}),
    Place(ADD, "organizationID", 404, DEVICE | {"organizationID": "HERE", "userID": "MEMBER"}),
    Place(ABSENT, "organizationID", 404, ABSENCE | {"organizationID": "HERE"}),
    Place("PATCH /availability/ABSENCE", "organizationID", 404, {"organizationID": "HERE"}),
    Place(REGISTER, "organizationID", 404, {"organizationID": "HERE", "url": URL, "events": ["alarm.raised"]}),
]
PATHS = [
    Place("GET /escalation/HERE?organization_id=ORG", "userID", 404),
    Place("GET /escalation/organization/HERE", "organizationID", 404),
    Place("DELETE /escalation/organization/HERE", "organizationID", 404),
    Place("GET /organization/HERE/timeout", "organizationID", 404),
    Place("PUT /organization/HERE/timeout", "organizationID", 404, {"timeout": 60}),
    Place("POST /organization/HERE/timeout", "organizationID", 404, {"timeout": 60}),
    Place("GET /alarm/HERE", "alarmID", 404),
    Place("PATCH /alarm/HERE", "alarmID", 404, {}),
    Place("GET /messagestatus/HERE?organization_id=ORG&user_id=BOSS", "alarm_id", 404),
    Place("GET /msg/HERE", "id", 404),
    Place("DELETE /msg/HERE", "id", 404),
    Place("GET /organization/HERE/ways", "organizationID", 404),
    Place("PUT /organization/HERE/ways", "organizationID", 404, [{"way": "sms", "enabled": False}]),
    *(Place(f"{method} /device/HERE", "id", 404, body) for method, body in (("PATCH", {}), ("DELETE", None))),
    *(Place(f"{method} /availability/HERE", "id", 404, body) for method, body in (("PATCH", {}), ("DELETE", None))),
    *(Place(f"{method} /hooks/HERE", "hookID", 404, {}) for method in ("GET", "PATCH", "DELETE")),
    Place("POST /device/HERE/test", "id", 404),
    Place("POST /hooks/HERE/test", "hookID", 404),
]
QUERIES = [
    Place("GET /escalation/MEMBER?organization_id=HERE", "organization_id", 404),
    Place("GET /messagestatus/NOTICE?organization_id=HERE&user_id=BOSS", "organization_id", 404),
    Place("GET /messagestatus/NOTICE?organization_id=ORG&user_id=HERE", "user_id", 404),
    *(
        Place(f"GET /{path}?organization=HERE", "organization", 404)
        for path in ("users", "units", "alarms", "alarmtemplates", "hooks")
    ),
    Place("GET /device?user_id=HERE&organization_id=ORG", "user_id", 404),
    Place("GET /device?user_id=MEMBER&organization_id=HERE", "organization_id", 404),
    # A bound, which nothing needs to have.
    Place("GET /msg/list?before=HERE", "before", 200),
]
PLACES = BODIES + PATHS + QUERIES
each_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.names} of {place.request}")


class World:
    """An organization with an alarm of which its boss, who asks, was notified, with a message to them and a member, a
    hook, and what the boss has."""

    def __init__(self, as_user: Callable[[User], APIClient]) -> None:
        organization = factories.OrganizationFactory()
        factories.escalation(organization, ("pager", 0))
        self.boss = factories.admin(organization)
        notice = factories.AlarmFactory(organization=organization)
        had = ids_of(factories.AlarmMessageFactory(alarm=notice, user=self.boss))
        self.ids: dict[str, Any] = {
            "ORG": organization.pk,
            "BOSS": self.boss.pk,
            "MEMBER": factories.member(organization).pk,
            "UNIT": factories.GroupFactory(organization=organization).pk,
            "NOTICE": notice.pk,
            "MESSAGE": factories.InboxMessageFactory(user=self.boss).pk,
            **{name.upper(): number for name, number in had.items()},
        }
        self.client = as_user(self.boss)

    def ask(self, place: Place, in_body: str, elsewhere: str = "") -> Any:
        """Ask with a text where the place has `HERE`."""
        method, _space, path = filled(place.request, self.ids).replace("HERE", elsewhere or in_body).partition(" ")
        body = "" if place.body is None else filled(json.dumps(place.body), self.ids).replace('"HERE"', in_body)
        return self.client.generic(method, f"/api/v1{path}", body, "application/json")


def state() -> list[object]:
    """What a request that is refused must leave as it is."""
    tables: tuple[type[models.Model], ...] = (
        *(Alarm, AlarmMessage, Feedback, Escalation, ResponseTimeout),
        *(Message, InboxMessage),
        *(Device, Absence, Hook, HookEvent, Organization),
    )
    return [list(table._default_manager.order_by("pk").values()) for table in tables]


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


@each_place
def test_what_is_no_id_is_400_names_the_field_and_changes_nothing(world: World, place: Place) -> None:
    before = state()
    for kind, texts in MALFORMED.items():
        answer = world.ask(place, *texts)
        assert refused(answer, 400, place.names), kind
        # Of a list it is said which of its items is none.
        assert "/msg/" not in place.request or property_of(answer).partition("[")[0] == place.names, kind
    assert state() == before


def test_the_largest_id_is_one(world: World) -> None:
    for place in PLACES:
        answer = world.ask(place, str(LARGEST))
        assert answer.status_code == place.unknown, (place, answer.content)
        if "/msg/" in place.request and place.unknown >= 400:
            assert refused(answer, place.unknown, str(LARGEST))
            assert property_of(answer) == place.names


def is_about_ids(field: str, schema: Any) -> bool:
    """Whether a field of the document holds an id, or a list of them."""
    return field.endswith("ID") or schema.get("items", {}).get("format") == "int64"


def test_every_id_of_the_document_is_among_the_places() -> None:
    document = json.loads(DOCUMENT.read_text())
    found = set()
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            name = operation(f"{method.upper()} {path}")
            found |= {
                (name, parameter["name"])
                for parameter in described.get("parameters", ())
                if parameter["schema"].get("format") == "int64" and parameter["name"] not in {"limit", "offset"}
            }
            content = described.get("requestBody", {}).get("content", {})
            # Of a list the items; what Twilio sends has no ids.
            if schema := content.get("application/json", {}).get("schema"):
                reference = schema.get("items", schema)["$ref"]
                fields = document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
                found |= {(name, field) for field, described in fields.items() if is_about_ids(field, described)}
    assert {(operation(place.request), place.names) for place in PLACES if "." not in place.names} == found


# Optional ids: the request, the body with `HERE` where the id stands, its name, and what comes.
OPTIONAL = [
    Place(SET, "organizationID", 200, ENTRIES | {"organizationID": "HERE", "userID": "BOSS"}),
    Place(SET, "organizationID", 403, ENTRIES | {"organizationID": "HERE", "userID": "MEMBER"}),
    Place(SET, "userID", 200, ENTRIES | {"organizationID": "ORG", "userID": "HERE"}),
    Place(SET_ALL, "userID", 200, ENTRIES | {"organizationID": "ORG", "userID": "HERE"}),
    Place(PREVIEW, "alarmTemplateID", 200, ALARM | {"alarmTemplateID": "HERE", "alarmResources": {"allUsers": True}}),
    Place(PREVIEW, "alarmTemplateID", 400, ALARM | {"alarmTemplateID": "HERE"}),
    Place(FEEDBACK, "organizationID", 200, {"alarmID": "NOTICE", "organizationID": "HERE", "userID": "BOSS"}),
    Place(FEEDBACK, "alarmID", 200, {"alarmID": "HERE", "organizationID": "ORG", "userID": "BOSS"}),
    Place(FEEDBACK, "alarmID", 400, {"alarmID": "HERE", "organizationID": 0, "userID": "BOSS"}),
    Place(ADD, "userID", 201, DEVICE | {"organizationID": "ORG", "userID": "HERE"}),
    Place(ADD, "organizationID", 201, DEVICE | {"organizationID": "HERE", "userID": "BOSS"}),
    Place(ADD, "organizationID", 403, DEVICE | {"organizationID": "HERE", "userID": "MEMBER"}),
    Place(ABSENT, "organizationID", 201, ABSENCE | {"organizationID": "HERE"}),
]


@pytest.mark.parametrize("given", [True, False], ids=["0", "absent"])
@pytest.mark.parametrize("place", OPTIONAL, ids=lambda place: f"{place.names} of {place.request}, {place.unknown}")
def test_0_and_absent_mean_that_an_id_is_not_given(world: World, place: Place, given: bool) -> None:
    body = {"response": False} | {name: value for name, value in (place.body or {}).items() if given or value != "HERE"}
    answer = world.ask(place._replace(body=body), "0")
    assert answer.status_code == place.unknown, answer.content
    if place.request == SET and answer.status_code == 200:
        assert Escalation.objects.filter(configuration__user=world.boss, wayofalarm="sms").exists()
    if answer.status_code == 201:
        made: tuple[type[models.Model], ...] = (Device, Absence)
        rows = [row for model in made for row in model._default_manager.filter(user=world.boss).values()]
        # One more of one kind than there were, and for the alarms of all organizations.
        assert len(rows) == 3
        assert {row.get("organization_id") for row in rows} == {None}
    assert list(Feedback.objects.values_list("response", flat=True)) == [False] * (answer.json() == {"success": True})


@pytest.mark.parametrize("query", ["?organization_id=0", "?organization_id=", ""])
def test_in_a_query_too(world: World, query: str) -> None:
    for whose, status in (("BOSS", 200), ("MEMBER", 403)):
        answer = world.ask(Place(f"GET /escalation/{whose}{query}", "", status), "")
        assert answer.status_code == status, answer.content


@pytest.mark.parametrize("query", ["?user_id=0&organization_id=0", "?user_id=&organization_id=", "", "?user_id=0"])
def test_the_devices_of_nobody_else_are_the_callers(world: World, query: str) -> None:
    answer = world.ask(Place(f"GET /device{query}", "user_id", 200), "")
    assert [device["id"] for device in answer.json()] == [world.ids["DEVICE"]]


def test_0_in_a_path_is_nothing(world: World) -> None:
    for place in PATHS:
        assert refused(world.ask(place, "0"), 404, place.names), place


@pytest.mark.parametrize("query", ["?before=0", "?before=", ""])
def test_nor_is_a_bound_of_the_inbox_where_it_is_0_or_absent(world: World, query: str) -> None:
    answer = world.ask(Place(f"GET /msg/list{query}", "before", 200), "")
    assert [message["id"] for message in answer.json()["messages"]] == [world.ids["MESSAGE"]]
