"""The status codes of devices, availability, ways, hooks, and of what gateways say: who asks for what, what comes, and
what the answer must name. The first word of each row says what it is of.

What is not of these is in test_status_codes.py, which says too where the rest is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from rest_framework.test import APIClient

from alarms.models import AlarmMessage, DeviceMessage
from messaging_project.errors import MESSAGES
from organizations.models import Organization, User
from tests import factories
from tests.dialect import refused
from tests.messaging_project.test_status_codes import CLOSE, Row, World, alarm, filled, row
from tests.messaging_project.things import URL, absence_of, hook_of, key_of, sent_to
from tests.messaging_project.walk import FORM, JSON, of_gateway, of_twilio

pytestmark = pytest.mark.django_db


def device(**fields: object) -> dict[str, object]:
    return {"way": "app", "name": "Phone", "address": "my phone", **fields}


def sms(**fields: object) -> dict[str, object]:
    return {"way": "sms", "name": "Phone", "address": "+49 151 99999999", **fields}


def absence(**fields: object) -> dict[str, object]:
    return {"from": "2099-01-01T08:00:00Z", "until": "2099-01-01T16:00:00Z", **fields}


def hook(**fields: object) -> dict[str, object]:
    return {"organizationID": "ORG", "url": URL, "events": ["alarm.raised"], **fields}


def receipt(status: str = "delivered", key: str = "KEY", **fields: object) -> dict[str, object]:
    return {"idempotencyKey": key, "status": status, **fields}


def disabled(*ways: str) -> list[dict[str, object]]:
    return [{"way": way, "enabled": False} for way in ways]


ADD, CHANGE, REMOVE, TRY = "POST /device", "PATCH /device/DEVICE", "DELETE /device/DEVICE", "POST /device/DEVICE/test"
OTHERS, FOR = "/device?user_id=MEMBER&organization_id=ORG", {"userID": "MEMBER", "organizationID": "ORG"}
ABSENT, ENTRY = "POST /availability", "/availability/ABSENCE"
REGISTER, HOOK, TRY_HOOK = "POST /hooks", "/hooks/HOOK", "POST /hooks/HOOK/test"
WAYS, GIVE, TEXTED = "/organization/ORG/ways", "POST /messagestatus/receipt", "POST /inbound/sms"
TWILIO = "POST /inbound/twilio"
STATUS, DELIVERED = f"{TWILIO}/status?key=KEY", {"MessageStatus": "delivered"}
YES = {"from": "NUMBER", "text": "yes"}

# Capitals stand for ids and texts, as in TABLE. The member has the DEVICE, which has the NUMBER, a SECOND one, a PAGER,
# for which there is no gateway, and said ABSENCE. The GUEST has the FOREIGN device. Of ORG are HOOK and PAUSED, which
# is not active. The member was sent KEY; UNSENT waits. CODE is theirs.
DEVICES_TABLE = [
    # Devices
    row("users manage their own", "member", "GET /device", 200, '"address":"NUMBER"'),
    row("an admin those of members", "boss", f"GET {OTHERS}", 200, '"id":DEVICE'),
    row("about another user, name", "boss", "GET /device?user_id=MEMBER", 403, "organization"),
    row("an admin those of members", "mate", f"GET {OTHERS}", 403, "admin"),
    row("nobody knows of another's", "elsewhere", f"GET {OTHERS}", 403, "API token"),
    row("not a member: 404", "boss", f"GET {OTHERS.replace('MEMBER', 'NOTHING')}", 404, "userID"),
    row("an id is one", "boss", "GET /device?user_id=x", 400, "user_id"),
    row("users manage their own", "member", ADD, 201, '"userID":MEMBER', device()),
    row("numbers stored as E.164", "member", ADD, 201, '"address":"+4915199999999"', sms()),
    row("numbers stored as E.164", "member", ADD, 400, "address", sms(address="112")),
    row("an e-mail address is one", "member", ADD, 400, "address", device(way="email")),
    row("required", "member", ADD, 400, "way", {"name": "Phone", "address": "x"}),
    row("not blank", "member", ADD, 400, "name", device(name="  ")),
    row("an admin those of members", "boss", ADD, 201, '"userID":MEMBER', device(**FOR)),
    row("not of others", "boss", ADD, 403, "userID", device(userID="GUEST", organizationID="ORG")),
    row("not a member: 404", "boss", ADD, 404, "userID", device(userID="NOTHING", organizationID="ORG")),
    row("none twice", "member", ADD, 409, "address", sms(address="NUMBER")),
    row("at most 20", "boss", ADD, 409, "userID", *(device(address=f"phone {number}") for number in range(21))),
    row("about a user", "token", ADD, 403, "API token", device()),
    row("users manage their own", "member", CHANGE, 200, '"name":"Duty"', {"name": "Duty"}),
    row("what is left out stays", "boss", CHANGE, 200, '"address":"NUMBER"', {"active": False}),
    row("numbers stored as E.164", "member", CHANGE, 400, "address", {"address": "call me"}),
    row("none twice", "member", CHANGE, 409, "address", {"address": "SECOND"}),
    row("not of others", "boss", CHANGE.replace("DEVICE", "FOREIGN"), 403, "userID", {}),
    row("nobody knows of another's", "mate", CHANGE, 404, "id", {}),
    row("users manage their own", "member", REMOVE, 204, ""),
    row("it is gone", "member", REMOVE, 404, "id", None, None),
    row("not of others", "boss", REMOVE.replace("DEVICE", "FOREIGN"), 403, "userID"),
    row("sends a test message now", "member", TRY, 200, '"status":2'),
    row("an admin those of members", "boss", TRY, 200, '"reason":""', {}),
    row("at most one a minute", "member", TRY, 429, "", {}, {}),
    row("no gateway: 409", "member", TRY.replace("DEVICE", "PAGER"), 409, "pager"),
    row("not of others", "boss", TRY.replace("DEVICE", "FOREIGN"), 403, "userID"),
    row("nobody knows of another's", "mate", TRY, 404, "id"),
    # Availability
    row("a user says", "member", "GET /availability", 200, '"id":ABSENCE'),
    row("a user says", "token", "GET /availability", 403, "API token"),
    row("from when until when", "member", ABSENT, 201, '"organizationID":0', absence()),
    row("once or weekly", "member", ABSENT, 201, '"weekly":true', absence(weekly=True)),
    row("for one organization or for all", "guest", ABSENT, 201, "ORG", absence(organizationID="ORG")),
    row("for one of theirs", "member", ABSENT, 404, "organizationID", absence(organizationID="ELSEWHERE")),
    row("from when until when", "member", ABSENT, 400, "from", {"until": "2099-01-01T16:00:00Z"}),
    row("from when until when", "member", ABSENT, 400, "until", absence(until="2099-01-01T08:00:00Z")),
    row("not over", "member", ABSENT, 400, "until", {"from": "2001-01-01T08:00:00Z", "until": "2001-01-02T08:00:00Z"}),
    row("with an offset", "member", ABSENT, 400, "from", absence(**{"from": "2099-01-01T08:00:00"})),
    row("weekly: at most 7 days", "member", ABSENT, 400, "until", absence(weekly=True, until="2099-01-09T08:00:00Z")),
    row("at most 100", "member", ABSENT, 409, "from", *[absence()] * 101),
    row("about a user", "token", ABSENT, 403, "API token", absence()),
    row("what is left out stays", "member", f"PATCH {ENTRY}", 200, '"weekly":true', {"weekly": True}),
    row("from when until when", "member", f"PATCH {ENTRY}", 400, "until", {"until": "2001-01-01T08:00:00Z"}),
    row("of their own", "boss", f"PATCH {ENTRY}", 404, "id", {}),
    row("of their own", "member", f"DELETE {ENTRY}", 204, ""),
    row("it is gone", "member", f"DELETE {ENTRY}", 404, "id", None, None),
    # Hooks
    row("admin and /hooks", "boss", "GET /hooks?organization=ORG", 200, '"id":HOOK'),
    row("admin and /hooks", "mate", "GET /hooks?organization=ORG", 403, "admin"),
    row("of which organization", "boss", "GET /hooks", 400, "organization"),
    row("not of others", "elsewhere", "GET /hooks?organization=ORG", 404, "organization"),
    row("an organization registers URLs", "token", REGISTER, 201, '"secret":"', hook()),
    row("not a member's", "mate", REGISTER, 403, "admin", hook()),
    row("not of others", "boss", REGISTER, 404, "organizationID", hook(organizationID="ELSEWHERE")),
    row("URLs", "boss", REGISTER, 400, "url", hook(url="ftp://127.0.0.1/")),
    row("URLs", "boss", REGISTER, 400, "url", hook(url="http://127.0.0.1:0/")),
    row("for the five events", "boss", REGISTER, 400, "events", hook(events=["alarm"])),
    row("for the five events", "boss", REGISTER, 400, "events", hook(events=[])),
    row("each once", "boss", REGISTER, 400, "events", hook(events=["alarm.raised"] * 2)),
    row("at most 20", "token", REGISTER, 409, "organizationID", *[hook()] * 19),
    row("a log of tries", "boss", f"GET {HOOK}", 200, '"tries":[]'),
    row("the secret only once", "boss", f"GET {HOOK}", 200, '"active":true,"createdAt"'),
    row("admin and /hooks", "mate", f"GET {HOOK}", 403, "hookID"),
    row("not of others", "elsewhere", f"GET {HOOK}", 404, "hookID"),
    row("what is left out stays", "token", f"PATCH {HOOK}", 200, f'"url":"{URL}"', {"active": False}),
    row("URLs", "token", f"PATCH {HOOK}", 400, "url", {"url": "127.0.0.1"}),
    row("admin and /hooks", "mate", f"PATCH {HOOK}", 403, "hookID", {}),
    row("a test button", "boss", TRY_HOOK, 202, '"eventID":'),
    row("not active: 409", "boss", TRY_HOOK.replace("HOOK", "PAUSED"), 409, "hookID"),
    row("at most ten wait", "boss", TRY_HOOK, 409, "hookID", *[{}] * 11),
    row("admin and /hooks", "boss", f"DELETE {HOOK}", 204, ""),
    row("it is gone", "boss", f"DELETE {HOOK}", 404, "hookID", None, None),
    # Ways
    row("[{way, enabled, available}]", "mate", f"GET {WAYS}", 200, '{"way":"sms","enabled":true,"available":true}'),
    row("no gateway: not available", "token", f"GET {WAYS}", 200, '{"way":"pager","enabled":true,"available":false}'),
    row("may disable ways", "boss", f"PUT {WAYS}", 200, '{"way":"sms","enabled":false', disabled("sms", "call")),
    row("not a member", "mate", f"PUT {WAYS}", 403, "admin", disabled("sms")),
    row("a list", "boss", f"PUT {WAYS}", 400, "body", disabled("sms")[0]),
    row("ways that there are", "boss", f"PUT {WAYS}", 400, "way", disabled("fax")),
    row("each once", "boss", f"PUT {WAYS}", 400, "way: sms", disabled("call", "sms", "sms")),
    row("not of others", "elsewhere", f"GET {WAYS}", 404, "organizationID"),
    # Receipts
    row("from a gateway", "gateway", GIVE, 200, '{"success":true}', receipt()),
    row("of the organization", "token", GIVE, 200, '{"success":true}', receipt("read", date="2026-01-31T14:05:00Z")),
    row("may come twice", "gateway", GIVE, 200, "success", receipt("failed", attempt=1), receipt("failed", attempt=1)),
    row("not of others", "elsewhere", GIVE, 404, "idempotencyKey", receipt()),
    row("no such message", "gateway", GIVE, 404, "idempotencyKey", receipt(key="0")),
    row("nothing was sent yet", "gateway", GIVE, 409, "idempotencyKey", receipt(key="UNSENT")),
    row("delivered, read or failed", "gateway", GIVE, 400, "status", receipt("sent")),
    row("idempotencyKey", "token", GIVE, 400, "idempotencyKey", {"status": "read"}),
    row("a date is one", "gateway", GIVE, 400, "date", receipt(date="yesterday")),
    row("an attempt is one", "gateway", GIVE, 400, "attempt", receipt(attempt=0)),
    row("not from a user", "boss", GIVE, 403, "gateway", receipt()),
    row("not from nobody", "nobody", GIVE, 401, "X-Signature", receipt()),
    # Answers by SMS and by voice
    row("an answer", "gateway", TEXTED, 200, "coming", YES),
    row("of the organization", "token", TEXTED, 200, "coming", YES),
    row("unknown numbers are not told anything", "elsewhere", TEXTED, 200, '{"reply":""}', YES),
    row("from, text", "gateway", TEXTED, 400, "text", {"from": "NUMBER"}),
    row("not from a user", "member", TEXTED, 403, "gateway", YES),
    row("not from nobody", "twilio", TEXTED, 401, "X-Signature", YES),
    row("TwiML", "twilio", f"{TWILIO}/sms", 200, "<Message>", {"From": "NUMBER", "Body": "no"}),
    row("reads the alarm aloud", "twilio", f"{TWILIO}/voice", 200, "<Gather", {"From": "NUMBER"}),
    row("takes 1 or 2", "twilio", f"{TWILIO}/voice/CODE?asked=1", 200, "coming", {"Digits": "1"}),
    row("so often", "twilio", f"{TWILIO}/voice/CODE?asked=4", 400, "asked", {}),
    row("so often", "twilio", f"{TWILIO}/voice?asked=x", 400, "asked", {}),
    row("status callback", "twilio", STATUS, 204, "", DELIVERED),
    row("status callback", "twilio", f"{STATUS}&attempt=0", 400, "attempt", DELIVERED),
    row("status callback", "twilio", f"{TWILIO}/status", 400, "key", DELIVERED),
    row("no such message", "twilio", f"{TWILIO}/status?key=x", 404, "", DELIVERED),
    row("nothing was sent yet", "twilio", STATUS.replace("KEY", "UNSENT"), 409, "", DELIVERED),
    *(row("checks Twilio's signature", "token", f"{TWILIO}/{path}", 401, "Twilio", {}) for path in ("sms", "voice")),
    *(row("no form: 415", "twilio json", f"{TWILIO}/{path}", 415, JSON, {}) for path in ("sms", "voice", "voice/CODE")),
    # All-clear and repetitions
    row("may carry a text", "boss", CLOSE, 200, "success", {"allClear": "It is out."}),
    row("goes once", "boss", CLOSE, 409, "allClear", {"allClear": "It is out."}, {"allClear": "Or not."}),
    row("may carry a text", "boss", CLOSE, 400, "allClear", {"allClear": "x" * 961}),
    row("how many times", "token", "POST /alarm", 201, '"closed":false', alarm(repeat=10, repeatAfter=10)),
    row("how many times", "token", "POST /alarm", 400, "repeat", alarm(repeat=11)),
    row("seconds", "boss", "POST /alarm/preview", 400, "repeatAfter", alarm(repeat=1, repeatAfter=9)),
]


class DevicesWorld(World):
    """What DEVICES_TABLE is about."""

    def __init__(self, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]):
        super().__init__(as_user, as_organization)
        organization = Organization.objects.get(pk=self.ids["ORG"])
        member, guest = (User.objects.get(pk=self.ids[name]) for name in ("MEMBER", "GUEST"))
        recipient = AlarmMessage.objects.get(alarm=self.ids["ALARM"], user=member)
        phone, second = (factories.DeviceFactory(user=member) for _ in range(2))
        waiting = sent_to(recipient, device=second, status=DeviceMessage.Status.SCHEDULED, attempts=0, sent_at=None)
        # The API speaks English to its people, and gateways their language to them.
        User.objects.filter(pk=member.pk).update(language="en")
        self.ids |= {
            "DEVICE": phone.pk,
            "NUMBER": phone.address,
            "SECOND": second.address,
            "PAGER": factories.DeviceFactory(user=member, way="pager").pk,
            "FOREIGN": factories.DeviceFactory(user=guest).pk,
            "ABSENCE": absence_of(member).pk,
            "HOOK": hook_of(organization).pk,
            "PAUSED": hook_of(organization, is_active=False).pk,
            "KEY": key_of(sent_to(recipient, device=phone)),
            "UNSENT": key_of(waiting),
            "CODE": recipient.code,
        }
        self.clients |= dict.fromkeys(("gateway", "twilio", "twilio json"), APIClient)

    def ask(self, caller: str, request: str, body: object = None, **headers: str) -> Any:
        method, _space, path = filled(request, self.ids).partition(" ")
        content = b"" if body is None else filled(json.dumps(body), self.ids).encode()
        is_form = "/twilio/" in path and caller != "twilio json"
        if is_form:
            content = urlencode(json.loads(content)).encode()
        if caller == "gateway":
            headers |= of_gateway(content)
        elif caller.startswith("twilio"):
            headers |= of_twilio(f"/api/v1{path}", content if is_form else b"")
        headers |= {"Accept-Language": "de"}
        media_type = FORM if is_form else JSON
        return self.clients[caller]().generic(method, f"/api/v1{path}", content, media_type, headers=headers)


@pytest.fixture
def world(
    secrets: None,
    settings: Any,
    as_user: Callable[[User], APIClient],
    as_organization: Callable[[Organization], APIClient],
) -> DevicesWorld:
    settings.GATEWAYS = settings.GATEWAYS | {"pager": []}
    return DevicesWorld(as_user, as_organization)


@pytest.mark.parametrize("expected", DEVICES_TABLE, ids=lambda row: f"{row.request}: {row.words}")
def test_what_is_said_of_devices_hooks_and_gateways_comes(world: DevicesWorld, expected: Row) -> None:
    for body in expected.bodies or (None,):
        came = world.ask(expected.caller, expected.request, body)
    names = filled(expected.names, world.ids)
    if expected.status < 400:
        assert came.status_code == expected.status, came.content
        assert names in came.content.decode()
    else:
        assert refused(came, expected.status, names), came.content
        assert came.json()["message"] == MESSAGES[expected.status]


def test_who_tests_a_device_too_often_is_told_when_to_come_again(world: DevicesWorld) -> None:
    world.ask("member", TRY)
    for caller in ("member", "boss"):
        assert 1 <= int(world.ask(caller, TRY)["Retry-After"]) <= 60


def test_what_is_removed_has_no_content(world: DevicesWorld) -> None:
    for caller, request, body in (
        ("member", REMOVE, None),
        ("member", f"DELETE {ENTRY}", None),
        ("boss", f"DELETE {HOOK}", None),
        ("twilio", STATUS, {}),
    ):
        answer = world.ask(caller, request, body)
        assert (answer.status_code, answer.content) == (204, b"")
