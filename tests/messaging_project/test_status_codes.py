"""The status codes of the contract, in its own words: who asks for what, what comes, and what the answer must name.

What holds for every operation alike is in test_every_operation.py (400 for two principals, 401), test_every_request.py
(405, 413, 415), test_ids.py (400 for what is no id), test_router_walk.py (403 and 404 by role) and test_dialects.py
(429, 500, 503); the inbox is in test_status_codes_inbox.py, and devices, availability, ways, hooks and what gateways
say are in test_status_codes_devices.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from messaging_project.errors import MESSAGES
from organizations.models import Organization, User
from tests import factories
from tests.dialect import refused

pytestmark = pytest.mark.django_db


class Row(NamedTuple):
    words: str
    caller: str
    request: str
    status: int
    names: str
    """What the answer holds: of an error, the field or the word of its details."""
    bodies: tuple[object, ...] = ()
    """Sent one after the other; the last answer counts."""


def row(words: str, caller: str, request: str, status: int, names: str, *bodies: object) -> Row:
    return Row(words, caller, request, status, names, bodies)


def entries(*pairs: tuple[object, object], **ids: object) -> dict[str, object]:
    return {"escalations": [{"wayofalarm": way, "delay": delay} for way, delay in pairs], **ids}


def alarm(**fields: object) -> dict[str, object]:
    return {"organizationID": "ORG", "message": "Fire", "alarmResources": {"allUsers": True}, **fields}


def answer(user: str, response: object = True, **ids: object) -> dict[str, object]:
    return {"userID": user, "response": response, **ids}


COMES, STAYS = answer("MEMBER", True, alarmID="ALARM"), answer("MEMBER", False, alarmID="ALARM")


SET, SET_ALL = "POST /escalation", "POST /escalation/organization"
RAISE, PREVIEW, FEEDBACK = "POST /alarm", "POST /alarm/preview", "POST /messaging/feedback"
STATUS = "GET /messagestatus/ALARM?organization_id=ORG&user_id=MEMBER"
TEMPLATES = "/alarmtemplates?organization=ORG"
TIMEOUT, CLOSE = "/organization/ORG/timeout", "PATCH /alarm/ALARM"
SMS = ("sms", 60)

# Capitals stand for ids. The boss is an admin, the mate a member whom nothing has notified, the guest a member whom
# ELSEWHERE manages. MEMBER and GUEST were notified of ALARM, CLOSED and OVER, and came to the last two; nobody was of
# LATER. ORG has an escalation, ELSEWHERE none. There is no NOTHING. Every request has the same Idempotency-Key.
TABLE = [
    # 1. Principals
    row("Requests that are about a user as such fail with 403", "token", SET, 403, "API token", entries(SMS)),
    row("...: user escalations", "token", "GET /escalation/MEMBER?organization_id=ORG", 403, "API token"),
    row("...: GET /user", "token", "GET /user", 403, "API token"),
    row("None: 401", "nobody", "GET /user", 401, "Send API-TOKEN"),
    row("other organizations get 403", "boss", SET, 403, "userID", entries(SMS, organizationID="ORG", userID="GUEST")),
    row("What a caller may not know of is 404", "mate", "GET /alarm/ALARM", 404, "alarmID"),
    row("what it may know of but not do is 403", "member", "PATCH /alarm/ALARM", 403, "admin", {}),
    # 3. Escalations
    row("Both setters answer 200", "member", SET, 200, "escalation saved", entries(SMS)),
    row("Both setters answer 200", "token", SET_ALL, 200, "escalation saved", entries(SMS, organizationID="ORG")),
    row("answers 200 with the configuration it removed", "boss", "DELETE /escalation/organization/ORG", 200, "pager"),
    row("the same two", "mate", "GET /escalation/MEMBER?organization_id=ORG", 403, "admin"),
    row("admin or API token", "mate", SET_ALL, 403, "admin", entries(SMS, organizationID="ORG")),
    row("organizationID (required here)", "token", SET_ALL, 400, "organizationID", entries(SMS)),
    row("both required", "member", SET, 400, "delay", {"escalations": [{"wayofalarm": "sms"}]}),
    row("both required", "member", SET, 400, "wayofalarm", {"escalations": [{"delay": 0}]}),
    row("Ways: app, pager, sms, call, email", "member", SET, 400, "wayofalarm", entries(("fax", 0))),
    row("At most 20 entries", "member", SET, 400, "escalations", entries(*[SMS] * 21)),
    row("delay 0..86400", "member", SET, 400, "delay", entries(("sms", -1))),
    row("delay 0..86400", "member", SET, 400, "delay", entries(("sms", 86401))),
    row("Setting an empty list brings the default back", "member", SET, 200, "escalation saved", entries()),
    row("GET and DELETE 404", "elsewhere", "GET /escalation/organization/ELSEWHERE", 404, "organizationID"),
    row("GET and DELETE 404", "elsewhere", "DELETE /escalation/organization/ELSEWHERE", 404, "organizationID"),
    row("setting an empty list: 400 (use DELETE)", "token", SET_ALL, 400, "DELETE", entries(organizationID="ORG")),
    # 4. Alarms
    row("raises an alarm, 201 with the alarm", "token", RAISE, 201, '"closed":false', alarm()),
    row("checks the same body, raises nothing, 200", "boss", PREVIEW, 200, '"unreachable":[', alarm()),
    row("admin, or API token of the organization", "member", RAISE, 403, "admin", alarm()),
    row("organizationID: required", "token", RAISE, 400, "organizationID", alarm(organizationID=0)),
    row("message: required, 1..960 characters", "token", RAISE, 400, "message", alarm(message="")),
    row("message: required, 1..960 characters", "token", RAISE, 400, "message", alarm(message="x" * 961)),
    row("alarmResources: required", "token", RAISE, 400, "alarmResources", alarm(alarmResources=None)),
    row("Unknown ids: 400 naming them", "token", RAISE, 400, "NOTHING", alarm(alarmResources={"users": ["NOTHING"]})),
    row("Unknown ids: 400 naming them", "token", RAISE, 400, "NOTHING", alarm(alarmResources={"units": ["NOTHING"]})),
    row("labels: 400 naming them", "token", RAISE, 400, "labels", alarm(alarmResources={"labels": [1]})),
    row("scenarios: 400 naming them", "token", PREVIEW, 400, "scenarios", alarm(alarmResources={"scenarios": [1]})),
    row("No recipient left: 400", "token", RAISE, 400, "alarmResources", alarm(alarmResources={"units": ["EMPTY"]})),
    row("eventName: at most 255 characters", "token", RAISE, 400, "eventName", alarm(eventName="x" * 256)),
    row("at most 366 days ahead", "token", RAISE, 400, "startTime", alarm(startTime="2999-01-01T00:00:00Z")),
    row("not after the start: 400", "boss", RAISE, 400, "scheduledEnd", alarm(scheduledEndTime="2001-01-01T00:00:00Z")),
    row("answer the first alarm, 200", "token", RAISE, 200, '"closed":false', alarm(), alarm()),
    row("the same key with another body: 409", "token", RAISE, 409, "Idempotency-Key", alarm(), alarm(message="Flood")),
    row("of a template", "token", RAISE, 201, "Flood: come", {"organizationID": "ORG", "alarmTemplateID": "TEMPLATE"}),
    row(
        "not of others",
        "elsewhere",
        RAISE,
        400,
        "TEMPLATE",
        alarm(organizationID="ELSEWHERE", alarmTemplateID="TEMPLATE"),
    ),
    row("GET /alarmtemplates?organization=", "boss", f"GET {TEMPLATES}", 200, '"name":"Flood"'),
    row("admin or API token", "mate", f"GET {TEMPLATES}", 403, "admin"),
    row("not of others", "elsewhere", f"GET {TEMPLATES}", 404, "organization"),
    row("until then message status is 404", "boss", STATUS.replace("ALARM", "LATER"), 404, "user_id"),
    row("until then feedback 409", "member", FEEDBACK, 409, "not started", answer("MEMBER", alarmID="LATER")),
    row("and PATCH cancels it", "boss", "PATCH /alarm/LATER", 200, "success", {}),
    row("the alarm", "member", "GET /alarm/ALARM", 200, '"feedbackQuantity"'),
    row("limit 1..50", "boss", "GET /alarms?organization=ORG&limit=0", 400, "limit"),
    row("limit 1..50", "boss", "GET /alarms?organization=ORG&limit=51", 400, "limit"),
    row("closes it", "boss", "PATCH /alarm/ALARM", 200, "success", {}),
    row("closing twice is no error", "boss", "PATCH /alarm/ALARM", 200, "success", {}, {}),
    row("both required", "boss", "GET /messagestatus/ALARM?user_id=MEMBER", 400, "organization_id"),
    row("both required", "boss", "GET /messagestatus/ALARM?organization_id=ORG", 400, "user_id"),
    row("by the user themselves", "member", STATUS, 200, "messageId"),
    row("an admin, or the API token", "mate", STATUS, 403, "user_id"),
    row("did not notify: 404", "boss", "GET /messagestatus/ALARM?organization_id=ORG&user_id=MATE", 404, "user_id"),
    # 4. Feedback
    row('200 {"success": true}', "member", FEEDBACK, 200, '{"success":true}', COMES),
    row("another userID: 403", "boss", FEEDBACK, 403, "userID", COMES),
    row("for any user of its organization", "token", FEEDBACK, 200, "success", answer("GUEST", organizationID="ORG")),
    row("of its organization", "elsewhere", FEEDBACK, 404, "alarmID", answer("GUEST", alarmID="ALARM")),
    row("else 404", "guest", FEEDBACK, 404, "alarmID", answer("GUEST", alarmID="ALARM", organizationID="ELSEWHERE")),
    row("none: 409", "mate", FEEDBACK, 409, "organizationID", answer("MATE", organizationID="ORG")),
    row("Neither: 400", "member", FEEDBACK, 400, "alarmID", answer("MEMBER")),
    row("may be changed", "member", FEEDBACK, 200, "success", COMES, STAYS),
    row("After it: 409", "member", FEEDBACK, 409, "time", answer("MEMBER", False, alarmID="OVER")),
    row("Closed alarm: 409", "member", FEEDBACK, 409, "closed", answer("MEMBER", False, alarmID="CLOSED")),
    row("the answer in force is 200", "member", FEEDBACK, 200, "success", answer("MEMBER", alarmID="OVER")),
    row("at any time", "token", FEEDBACK, 200, "success", answer("MEMBER", alarmID="CLOSED")),
    row("Not a recipient: 404", "mate", FEEDBACK, 404, "alarmID", answer("MATE", alarmID="ALARM")),
    # 4. Companion reads
    row("GET /organizations (of the caller)", "guest", "GET /organizations", 200, '"id":ELSEWHERE'),
    row("GET /users?organization=", "mate", "GET /users", 400, "organization"),
    row("GET /units?organization=", "mate", "GET /units?organization=0", 400, "organization"),
    row("GET /alarms?organization=", "mate", "GET /alarms?organization=", 400, "organization"),
    # 5. Response timeout
    row("Read: any member", "mate", f"GET {TIMEOUT}", 200, '{"timeout":900}'),
    row("write: admin or the API token", "mate", f"PUT {TIMEOUT}", 403, "admin", {"timeout": 60}),
    row("POST, the same as PUT", "token", f"POST {TIMEOUT}", 200, '{"timeout":86400}', {"timeout": 86400}),
    row("integer 10..86400", "boss", f"PUT {TIMEOUT}", 400, "timeout", {"timeout": 9}),
    row("integer 10..86400", "boss", f"POST {TIMEOUT}", 400, "timeout", {"timeout": 86401}),
    row("integer 10..86400", "boss", f"PUT {TIMEOUT}", 400, "timeout", {"timeout": 60.0}),
    # 6. Inbox: the preference
    row("a copy by e-mail (a preference)", "member", "PATCH /user", 200, '"inboxToEmail":true', {"inboxToEmail": True}),
    row("a copy by e-mail (a preference)", "member", "PATCH /user", 400, "inboxToEmail", {"inboxToEmail": "yes"}),
    row("Requests that are about a user", "token", "PATCH /user", 403, "API token", {"inboxToEmail": True}),
]


class World:
    """What TABLE is about. Its people are German, which changes nothing in what the API says to them."""

    def __init__(self, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]):
        organization, elsewhere = factories.OrganizationFactory(), factories.OrganizationFactory()
        factories.escalation(organization, ("pager", 0))
        people = {
            "member": factories.member(organization, language="de"),
            "mate": factories.member(organization, language="de"),
            "boss": factories.admin(organization, language="de"),
            "guest": factories.member(elsewhere, language="de"),
        }
        factories.MembershipFactory(organization=organization, user=people["guest"])
        now = timezone.now()
        alarms = {
            "ALARM": factories.AlarmFactory(organization=organization),
            "CLOSED": factories.AlarmFactory(organization=organization, closed_at=now),
            "OVER": factories.AlarmFactory(organization=organization, starts_at=now - timedelta(hours=1)),
            "LATER": factories.AlarmFactory(
                organization=organization, starts_at=now + timedelta(hours=1), pending_resources={"all_users": True}
            ),
        }
        for name in ("ALARM", "CLOSED", "OVER"):
            for user in (people["member"], people["guest"]):
                came = None if name == "ALARM" else True
                factories.AlarmMessageFactory(alarm=alarms[name], user=user, response=came)
        self.ids: dict[str, Any] = {
            "ORG": organization.pk,
            "ELSEWHERE": elsewhere.pk,
            "EMPTY": factories.GroupFactory(organization=organization).pk,
            "NOTHING": 10**15,
            "TEMPLATE": factories.AlarmTemplateFactory(organization=organization, name="Flood", all_users=True).pk,
            **{name.upper(): user.pk for name, user in people.items()},
            **{name: alarm.pk for name, alarm in alarms.items()},
        }
        self.clients: dict[str, Callable[[], APIClient]] = {
            "nobody": APIClient,
            "token": partial(as_organization, organization),
            "elsewhere": partial(as_organization, elsewhere),
            **{name: partial(as_user, user) for name, user in people.items()},
        }

    def ask(self, caller: str, request: str, body: object = None, **headers: str) -> Any:
        method, _space, path = filled(request, self.ids).partition(" ")
        content = "" if body is None else filled(json.dumps(body), self.ids)
        headers |= {"Idempotency-Key": "a key", "Accept-Language": "de"}
        return self.clients[caller]().generic(method, f"/api/v1{path}", content, "application/json", headers=headers)


def filled(text: str, ids: Mapping[str, int | str]) -> str:
    """Write ids for the words in capitals that stand for them; what is no number stays a text in JSON."""

    def of(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in ids:
            return found[0]
        return json.dumps(ids[name]) if found[1] else str(ids[name])

    return re.sub(r'"([A-Z]+)"|\b([A-Z]+)\b', of, text)


@pytest.fixture
def world(as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]) -> World:
    return World(as_user, as_organization)


@pytest.mark.parametrize("expected", TABLE, ids=lambda row: f"{row.request}: {row.words}")
def test_what_the_contract_says_comes(world: World, expected: Row) -> None:
    for body in expected.bodies or (None,):
        came = world.ask(expected.caller, expected.request, body)
    names = filled(expected.names, world.ids)
    if expected.status < 400:
        assert came.status_code == expected.status, came.content
        assert names in came.content.decode()
    else:
        assert refused(came, expected.status, names), came.content
        assert came.json()["message"] == MESSAGES[expected.status]


def operation(request: str) -> str:
    """Return the name that an operation of TABLE, of WALK or of the document has in all of them."""
    path = request.partition("?")[0].replace(" /", " ")
    return re.sub(r"\{\w+\}|<\w+>|\b(?!GET|POST|PUT|PATCH|DELETE)[A-Z]{2,}\b", "ID", path)
