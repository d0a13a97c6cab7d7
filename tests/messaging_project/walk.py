"""Every operation of the API and who may what: what a caller may not know of is 404, what it may know of but not do
403. The table that tests of every operation go through."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from tests.messaging_project import signing

CALLERS = ("stranger", "foreign admin", "foreign token", "member", "other admin", "admin", "token")
NOT_TWILIO = (401,) * len(CALLERS)

# For each operation: its path with {organization}, {user} (a member who is the recipient, not the caller), {alarm},
# {message} (in the inbox of the user), {absence} and {device} (of the user), {hook} (of the organization), {key},
# {code} and {number} (of what the user gets), a body, and the status for each of CALLERS. A stranger is in no
# organization; "foreign" is of another organization; "other admin" administers the organization but does not manage
# the user.
WALK: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "GET user": ("/user", None, (200, 200, 403, 200, 200, 200, 403)),
    "PATCH user": ("/user", {"inboxToEmail": True}, (200, 200, 403, 200, 200, 200, 403)),
    "GET organizations": ("/organizations", None, (200, 200, 200, 200, 200, 200, 200)),
    "GET users": ("/users?organization={organization}", None, (404, 404, 404, 200, 200, 200, 200)),
    "GET units": ("/units?organization={organization}", None, (404, 404, 404, 200, 200, 200, 200)),
    "POST escalation": (
        "/escalation",
        {"escalations": [{"wayofalarm": "sms", "delay": 1}], "organizationID": "{organization}", "userID": "{user}"},
        (404, 404, 403, 403, 403, 200, 403),
    ),
    "GET escalation/<pk>": (
        "/escalation/{user}?organization_id={organization}",
        None,
        (404, 404, 403, 403, 200, 200, 403),
    ),
    "POST escalation/organization": (
        "/escalation/organization",
        {"escalations": [{"wayofalarm": "sms", "delay": 1}], "organizationID": "{organization}"},
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "GET escalation/organization/<pk>": (
        "/escalation/organization/{organization}",
        None,
        (404, 404, 404, 200, 200, 200, 200),
    ),
    "DELETE escalation/organization/<pk>": (
        "/escalation/organization/{organization}",
        None,
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "GET organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        None,
        (404, 404, 404, 200, 200, 200, 200),
    ),
    "PUT organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        {"timeout": 60},
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "POST organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        {"timeout": 60},
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "POST alarm": (
        "/alarm",
        {"organizationID": "{organization}", "message": "Fire", "alarmResources": {"allUsers": True}},
        (404, 404, 404, 403, 201, 201, 201),
    ),
    "POST alarm/preview": (
        "/alarm/preview",
        {"organizationID": "{organization}", "message": "Fire", "alarmResources": {"allUsers": True}},
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "GET alarms": ("/alarms?organization={organization}", None, (404, 404, 404, 200, 200, 200, 200)),
    "GET alarmtemplates": (
        "/alarmtemplates?organization={organization}",
        None,
        (404, 404, 404, 403, 200, 200, 200),
    ),
    # The member who asks was not notified of it.
    "GET alarm/<pk>": ("/alarm/{alarm}", None, (404, 404, 404, 404, 200, 200, 200)),
    "PATCH alarm/<pk>": ("/alarm/{alarm}", None, (404, 404, 404, 404, 200, 200, 200)),
    "GET messagestatus/<pk>": (
        "/messagestatus/{alarm}?organization_id={organization}&user_id={user}",
        None,
        (404, 404, 404, 403, 200, 200, 200),
    ),
    "POST messaging/feedback": (
        "/messaging/feedback",
        {"alarmID": "{alarm}", "organizationID": "{organization}", "userID": "{user}", "response": True},
        (403, 403, 404, 403, 403, 403, 200),
    ),
    # Of a time that is the user's: whoever administers them may not know of it.
    "GET availability": ("/availability", None, (200, 200, 403, 200, 200, 200, 403)),
    "POST availability": (
        "/availability",
        {"from": "2999-01-01T08:00:00Z", "until": "2999-01-01T16:00:00Z", "organizationID": "{organization}"},
        (404, 404, 403, 201, 201, 201, 403),
    ),
    "PATCH availability/<pk>": ("/availability/{absence}", {"weekly": True}, (404, 404, 403, 404, 404, 404, 403)),
    "DELETE availability/<pk>": ("/availability/{absence}", None, (404, 404, 403, 404, 404, 404, 403)),
    "GET device": (
        "/device?user_id={user}&organization_id={organization}",
        None,
        (404, 404, 403, 403, 200, 200, 403),
    ),
    "POST device": (
        "/device",
        {
            "way": "app",
            "name": "Phone",
            "address": "somewhere else",
            "userID": "{user}",
            "organizationID": "{organization}",
        },
        (404, 404, 403, 403, 403, 201, 403),
    ),
    # A member does not know of the devices of another; who administers without managing them knows.
    "PATCH device/<pk>": ("/device/{device}", {"name": "Phone"}, (404, 404, 403, 404, 403, 200, 403)),
    "DELETE device/<pk>": ("/device/{device}", None, (404, 404, 403, 404, 403, 204, 403)),
    "POST device/<pk>/test": ("/device/{device}/test", None, (404, 404, 403, 404, 403, 200, 403)),
    "GET hooks": ("/hooks?organization={organization}", None, (404, 404, 404, 403, 200, 200, 200)),
    "POST hooks": (
        "/hooks",
        {"organizationID": "{organization}", "url": "http://127.0.0.1:1/", "events": ["alarm.raised"]},
        (404, 404, 404, 403, 201, 201, 201),
    ),
    "GET hooks/<pk>": ("/hooks/{hook}", None, (404, 404, 404, 403, 200, 200, 200)),
    "PATCH hooks/<pk>": ("/hooks/{hook}", {"active": True}, (404, 404, 404, 403, 200, 200, 200)),
    "DELETE hooks/<pk>": ("/hooks/{hook}", None, (404, 404, 404, 403, 204, 204, 204)),
    "POST hooks/<pk>/test": ("/hooks/{hook}/test", None, (404, 404, 404, 403, 202, 202, 202)),
    "GET organization/<pk>/ways": ("/organization/{organization}/ways", None, (404, 404, 404, 200, 200, 200, 200)),
    "PUT organization/<pk>/ways": (
        "/organization/{organization}/ways",
        [{"way": "sms", "enabled": False}],
        (404, 404, 404, 403, 200, 200, 200),
    ),
    # What gateways say. Of a number that is not of its own members an organization learns nothing.
    "POST messagestatus/receipt": (
        "/messagestatus/receipt",
        {"idempotencyKey": "{key}", "status": "delivered"},
        (403, 403, 404, 403, 403, 403, 200),
    ),
    "POST inbound/sms": ("/inbound/sms", {"from": "{number}", "text": "yes"}, (403, 403, 200, 403, 403, 403, 200)),
    "POST inbound/twilio/sms": ("/inbound/twilio/sms", {"From": "{number}", "Body": "yes"}, NOT_TWILIO),
    "POST inbound/twilio/voice": ("/inbound/twilio/voice", {"From": "{number}", "Digits": "1"}, NOT_TWILIO),
    "POST inbound/twilio/voice/<code>": ("/inbound/twilio/voice/{code}?asked=1", {"Digits": "1"}, NOT_TWILIO),
    "POST inbound/twilio/status": (
        "/inbound/twilio/status?key={key}&attempt=1",
        {"MessageStatus": "delivered"},
        NOT_TWILIO,
    ),
    # What has come to somebody's inbox is theirs alone, whoever administers them.
    "POST msg/send": (
        "/msg/send",
        {"message": "Drill", "toUserId": ["{user}"]},
        (400, 400, 403, 201, 201, 201, 403),
    ),
    "GET msg/list": ("/msg/list", None, (200, 200, 403, 200, 200, 200, 403)),
    "GET msg/<pk>": ("/msg/{message}", None, (404, 404, 403, 404, 404, 404, 403)),
    "POST msg/read": ("/msg/read", {"messages": ["{message}"]}, (201, 201, 403, 201, 201, 201, 403)),
    "DELETE msg/<pk>": ("/msg/{message}", None, (404, 404, 403, 404, 404, 404, 403)),
}

# Who signs what they send, the service's own gateways and Twilio, is nobody elsewhere.
SIGNING = ("gateway", "twilio")
SIGNED = {
    "POST messagestatus/receipt": (200, 401),
    "POST inbound/sms": (200, 401),
    "POST inbound/twilio/sms": (401, 200),
    "POST inbound/twilio/voice": (401, 200),
    "POST inbound/twilio/voice/<code>": (401, 200),
    "POST inbound/twilio/status": (401, 204),
}
# What is asked by Twilio alone takes forms.
FORMS = [name for name in WALK if "twilio" in name]
# What speaks for gateways is not for users.
OF_GATEWAYS = [name for name, (gateway, _twilio) in SIGNED.items() if gateway == 200]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
GATEWAY_SECRET, TWILIO_AUTH_TOKEN = "shared with the gateways", "shared with Twilio"


def expected(operation: str, caller: str) -> int:
    statuses = (*WALK[operation][2], *SIGNED.get(operation, (401, 401)))
    return statuses[(*CALLERS, *SIGNING).index(caller)]


def filled(value: Any, ids: dict[str, Any]) -> Any:
    """Write ids where their names stand in braces."""
    if isinstance(value, dict):
        return {key: filled(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value.strip("{}"), value) if isinstance(value, str) else value


def encoded(operation: str, content: Any) -> tuple[bytes, str]:
    """Return a body as the operation takes it, and its media type."""
    if operation in FORMS:
        return urlencode(content or {}).encode(), FORM
    return b"" if content is None else json.dumps(content).encode(), JSON


def of_gateway(body: bytes) -> dict[str, str]:
    """Sign a body as a gateway of the service does."""
    return signing.of_gateway(body, GATEWAY_SECRET)


def of_twilio(path: str, form: bytes = b"") -> dict[str, str]:
    """Sign a form for a path as Twilio does."""
    return signing.of_twilio(f"{settings.BASE_URL}{path}", form, TWILIO_AUTH_TOKEN)
