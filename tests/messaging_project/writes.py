"""Every path that takes a body of JSON, every path that is read, and a world that they are about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rest_framework.test import APIClient

from organizations.models import ApiToken, Organization, User
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    InboxMessageFactory,
    OrganizationFactory,
    admin,
    escalation,
)
from tests.messaging_project.things import URL, ids_of

# Every path that takes a body: the method, the path and a body that it takes. `ORG` and `USER` stand for ids.
WRITES: dict[str, tuple[str, str, Any]] = {
    "SetUserEscalation": ("POST", "/escalation", {"escalations": []}),
    "SetOrganizationEscalation": (
        "POST",
        "/escalation/organization",
        {"escalations": [{"wayofalarm": "sms", "delay": 1}], "organizationID": "ORG"},
    ),
    "PUT timeout": ("PUT", "/organization/ORG/timeout", {"timeout": 60}),
    "POST timeout": ("POST", "/organization/ORG/timeout", {"timeout": 60}),
    "RaiseAlarm": (
        "POST",
        "/alarm",
        {"organizationID": "ORG", "message": "Fire", "alarmResources": {"users": ["USER"]}},
    ),
    "feedback": ("POST", "/messaging/feedback", {"alarmID": "ALARM", "userID": "USER", "response": True}),
    "UpdateUser": ("PATCH", "/user", {"inboxToEmail": True, "language": "de"}),
    "SendMessage": ("POST", "/msg/send", {"message": "Drill", "toUserId": ["USER"]}),
    "MarkMessagesRead": ("POST", "/msg/read", {"messages": ["MESSAGE"]}),
    "CloseAlarm": ("PATCH", "/alarm/ALARM", {"allClear": "It is out."}),
    "AddDevice": ("POST", "/device", {"way": "app", "name": "Phone", "address": "my phone"}),
    "ChangeDevice": ("PATCH", "/device/DEVICE", {"name": "Phone", "active": False}),
    "TestDevice": ("POST", "/device/DEVICE/test", {}),
    "AddAbsence": ("POST", "/availability", {"from": "2099-01-01T08:00:00Z", "until": "2099-01-02T08:00:00Z"}),
    "ChangeAbsence": ("PATCH", "/availability/ABSENCE", {"weekly": True}),
    "RegisterHook": ("POST", "/hooks", {"organizationID": "ORG", "url": URL, "events": ["alarm.closed"]}),
    "ChangeHook": ("PATCH", "/hooks/HOOK", {"active": False}),
    "TestHook": ("POST", "/hooks/HOOK/test", {}),
    "SetWays": ("PUT", "/organization/ORG/ways", [{"way": "sms", "enabled": False}]),
    "GiveReceipt": ("POST", "/messagestatus/receipt", {"idempotencyKey": "KEY", "status": "read"}),
    "AnswerBySms": ("POST", "/inbound/sms", {"from": "NUMBER", "text": "yes"}),
}
# Of these, what is left out stays, or nothing is used: without a body, all.
BODY_IS_OPTIONAL = {"UpdateUser", "CloseAlarm", "ChangeDevice", "TestDevice", "ChangeAbsence", "ChangeHook", "TestHook"}
# What gateways say, with the API token of their organization.
OF_GATEWAYS = ("/messagestatus/receipt", "/inbound/sms")
READS = [
    "/user",
    "/organizations",
    "/users?organization=ORG",
    "/units?organization=ORG",
    "/escalation/USER?organization_id=ORG",
    "/escalation/organization/ORG",
    "/organization/ORG/timeout",
    "/alarmtemplates?organization=ORG",
    "/alarm/ALARM",
    "/messagestatus/ALARM?organization_id=ORG&user_id=USER",
    "/msg/list?unread=true",
    "/msg/MESSAGE",
    "/availability",
    "/device",
    "/device?user_id=USER&organization_id=ORG",
    "/hooks?organization=ORG",
    "/hooks/HOOK",
    "/organization/ORG/ways",
]


class World:
    """An organization with an alarm that notified its admin, who asks, and has a message."""

    def __init__(self, as_user: Callable[[User], APIClient]) -> None:
        self.organization: Organization = OrganizationFactory()
        self.user = admin(self.organization)
        escalation(self.organization, ("email", 5))
        self.alarm = AlarmFactory(organization=self.organization)
        recipient = AlarmMessageFactory(alarm=self.alarm, user=self.user)
        self.message = InboxMessageFactory(user=self.user)
        self.client = as_user(self.user)
        token = ApiToken.issue(name="test", organization=self.organization)[1]
        self.gateway = APIClient(headers={"API-TOKEN": token})
        self.client.raise_request_exception = self.gateway.raise_request_exception = False
        things = {"ORG": self.organization, "USER": self.user, "ALARM": self.alarm, "MESSAGE": self.message}
        had = {name.upper(): each for name, each in ids_of(recipient).items()}
        self.names = {name: thing.pk for name, thing in things.items()} | had

    def ids(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f'"{name}"', json.dumps(value)).replace(name, str(value))
        return text

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(self.ids(f"/api/v1{path}"), headers=headers)

    def send(self, method: str, path: str, body: str | bytes = b"", media_type: str = "application/json") -> Any:
        client = self.gateway if path.startswith(OF_GATEWAYS) else self.client
        return client.generic(method, self.ids(f"/api/v1{path}"), body, content_type=media_type)

    def write(self, operation: str, body: str | bytes | None = None, media_type: str = "application/json") -> Any:
        method, path, valid = WRITES[operation]
        return self.send(method, path, self.ids(json.dumps(valid)) if body is None else body, media_type)

    def body(self, operation: str, **more: object) -> bytes:
        """Return a body that is taken, with more fields; where a list is taken, of its first entry."""
        valid = WRITES[operation][2]
        return self.ids(json.dumps([valid[0] | more] if isinstance(valid, list) else valid | more)).encode()
