"""The status codes of the inbox in the contract's own words (6): who asks for what, what comes, and what it names.

What is not the inbox's is in test_status_codes.py, which says too where the rest is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests import factories
from tests.dialect import property_of, refused
from tests.messaging_project.test_status_codes import World, filled

pytestmark = pytest.mark.django_db


class Row(NamedTuple):
    words: str
    caller: str
    request: str
    status: int
    property: str
    """Of an error, the field that it is about."""
    says: str
    """What the answer holds; of an error, its message for people."""
    bodies: tuple[object, ...]
    """Sent one after the other, each with the tag of the answer before; the last answer counts."""


def row(words: str, caller: str, request: str, status: int, about: str, says: str, *bodies: object) -> Row:
    return Row(words, caller, request, status, about, says, bodies)


def message(**fields: object) -> dict[str, object]:
    return {"message": "Drill", "toUserId": ["MATE"], **fields}


SEND, LIST, VIEW, READ, DELETE = (
    *("POST /msg/send", "GET /msg/list", "GET /msg/OWN", "POST /msg/read"),
    "DELETE /msg/OWN",
)
OWN = '"id":OWN,'
NEEDS_A_USER = "an API token gets 403"
SENT, OK = '"type":"INFO"', '"responseCode":"OK"'
UNKNOWN = "INVALIDDATA naming it"

# Capitals stand for ids, as in TABLE. OWN has come to the member, OTHERS to the mate. The UNIT is theirs;
# RETIRED is inactive and alone in DESERTED. STRANGER and FOREIGN are a user and a group of ELSEWHERE.
INBOX_TABLE = [
    row(NEEDS_A_USER, "token", SEND, 403, "", "API token", message()),
    row(NEEDS_A_USER, "token", LIST, 403, "", "API token"),
    row(NEEDS_A_USER, "token", VIEW, 403, "", "API token"),
    row(NEEDS_A_USER, "token", READ, 403, "", "API token", {"messages": ["OWN"]}),
    row(NEEDS_A_USER, "token", DELETE, 403, "", "API token"),
    row("AUTHREQUIRED (401)", "nobody", SEND, 401, "", "Send API-TOKEN", message()),
    row("AUTHREQUIRED (401)", "nobody", VIEW, 401, "", "Send API-TOKEN"),
    # POST /msg/send
    row("201", "member", SEND, 201, "", SENT, message()),
    row("OK", "member", SEND, 201, "", OK, message(toGroupId=["UNIT"])),
    row("union of users and members", "member", SEND, 201, "", SENT, message(toUserId=None, toGroupId=["UNIT"])),
    row("message (required", "member", SEND, 400, "message", "required", {"toUserId": ["MATE"]}),
    row("1..10,000 characters", "member", SEND, 400, "message", "blank", message(message="")),
    row("1..10,000 characters", "member", SEND, 201, "", "é" * 10_000, message(message="é" * 10_000)),
    row("1..10,000 characters", "member", SEND, 400, "message", "10000", message(message="x" * 10_001)),
    row("language code to text", "member", SEND, 400, "translations", "language", message(translations={"!": "x"})),
    row("language code to text", "member", SEND, 400, "translations.de", "string", message(translations={"de": 7})),
    row("language code to text", "member", SEND, 400, "translations", "dictionary", message(translations=["x"])),
    row("parameters fill {0}, {1}", "member", SEND, 201, "", "at 8", message(message="at {0}", parameters=["8"])),
    row("parameters", "member", SEND, 400, "parameters[1]", "string", message(parameters=["8", 9])),
    row("parameters", "member", SEND, 400, "parameters", "list", message(parameters="8")),
    row("instantTimeMinutes, true", "member", SEND, 201, "", '"isInstantMessage":true', message(instantTimeMinutes=9)),
    row(">= 0", "member", SEND, 201, "", OK, message(instantTimeMinutes=0)),
    row(">= 0", "member", SEND, 400, "instantTimeMinutes", "0", message(instantTimeMinutes=-1)),
    row("No addressee: 400 INVALIDDATA", "member", SEND, 400, "toUserId", "addressee", {"message": "Drill"}),
    row("No addressee", "member", SEND, 400, "toUserId", "toGroupId", message(toUserId=[], toGroupId=[])),
    row("No addressee", "member", SEND, 400, "toUserId", "active", message(toUserId=["RETIRED"])),
    row("No addressee", "member", SEND, 400, "toGroupId", "active", message(toUserId=[], toGroupId=["DESERTED"])),
    row(UNKNOWN, "member", SEND, 400, "toUserId", "STRANGER", message(toUserId=["MATE", "STRANGER"])),
    row(UNKNOWN, "member", SEND, 400, "toGroupId", "FOREIGN", message(toGroupId=["UNIT", "FOREIGN"])),
    row(UNKNOWN, "boss", SEND, 400, "toUserId", "NOTHING", message(toUserId=["NOTHING"])),
    row("the sender's organizations", "guest", SEND, 201, "", OK, message(toUserId=["MATE", "STRANGER"])),
    # GET /msg/list
    row("200", "member", LIST, 200, "", OWN),
    row("own messages only", "boss", LIST, 200, "", '"messages":[]'),
    row("unread=true|false", "member", f"{LIST}?unread=true", 200, "", OWN),
    row("unread=true|false", "member", f"{LIST}?unread=1", 400, "unread", "true or false"),
    row("limit and before", "member", f"{LIST}?limit=1&before=OTHERS", 200, "", OWN),
    row("limit and before", "member", f"{LIST}?limit=1&before=OWN", 200, "", '"messages":[]'),
    row("limit", "member", f"{LIST}?limit=0", 400, "limit", "from 1"),
    row("before (an id)", "member", f"{LIST}?before=x", 400, "before", "integer"),
    row("an unchanged poll a 304", "member", LIST, 304, "", "", None, None),
    row("an unchanged poll a 304", "member", f"{LIST}?unread=true&limit=1", 304, "", "", None, None),
    # GET /msg/{id}, POST /msg/read, DELETE /msg/{id}
    row("200, one message (view)", "member", VIEW, 200, "", OWN),
    row("NOTFOUND (404)", "member", "GET /msg/OTHERS", 404, "id", "OTHERS"),
    row("NOTFOUND (404)", "boss", "GET /msg/NOTHING", 404, "id", "NOTHING"),
    row("INVALIDDATA (400)", "boss", "GET /msg/ALL", 400, "id", "integer"),
    row("Successfully set N messages to 'read'", "member", READ, 201, "", "set 1 messages to", {"messages": ["OWN"]}),
    row("201", "member", READ, 201, "", OWN, {"messages": ["OWN"]}, {"messages": ["OWN"]}),
    row("not the caller's", "member", READ, 201, "", "set 1 mes", {"messages": ["OTHERS", "OWN", "NOTHING"]}),
    row("not the caller's", "boss", READ, 201, "", "Successfully set 0 messages to 'read'", {"messages": ["OWN"]}),
    row("INVALIDDATA (400)", "member", READ, 400, "messages", "required", {}),
    row("204", "member", DELETE, 204, "", ""),
    row("not the caller's: 404", "mate", DELETE, 404, "id", "OWN"),
    row("not there: 404", "member", DELETE, 404, "id", "OWN", None, None),
    row("not there: 404", "member", "DELETE /msg/ZERO", 404, "id", "no ZERO"),
    # INVALIDDATA (405, 413, 415)
    row("INVALIDDATA (405)", "member", "PUT /msg/OWN", 405, "", "PUT", message()),
    row("INVALIDDATA (405)", "member", "GET /msg/send", 405, "", "GET"),
    row("INVALIDDATA (413)", "member", SEND, 413, "", "1 MiB", message(unknown="x" * 1024 * 1024)),
]


class InboxWorld(World):
    """What INBOX_TABLE is about."""

    def __init__(self, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]):
        super().__init__(as_user, as_organization)
        organization, elsewhere = (Organization.objects.get(pk=self.ids[name]) for name in ("ORG", "ELSEWHERE"))
        retired = factories.member(organization, is_active=False)
        groups = {
            "UNIT": factories.GroupFactory(organization=organization),
            "DESERTED": factories.GroupFactory(organization=organization),
            "FOREIGN": factories.GroupFactory(organization=elsewhere),
        }
        groups["UNIT"].memberships.set(organization.memberships.filter(user_id__in=self.of("MEMBER", "MATE")))
        groups["DESERTED"].memberships.set(retired.memberships.all())
        member, mate = (User.objects.get(pk=pk) for pk in self.of("MEMBER", "MATE"))
        self.ids |= {name: group.pk for name, group in groups.items()} | {
            "ZERO": 0,
            "RETIRED": retired.pk,
            "STRANGER": factories.member(elsewhere).pk,
            "OWN": factories.InboxMessageFactory(user=member).pk,
            "OTHERS": factories.InboxMessageFactory(user=mate).pk,
        }
        self.tag = ""

    def of(self, *names: str) -> list[int]:
        return [self.ids[name] for name in names]

    def ask(self, caller: str, request: str, body: object = None, **headers: str) -> Any:
        answer = super().ask(caller, request, body, **headers | {"If-None-Match": self.tag})
        self.tag = answer.headers.get("ETag", "")
        return answer


@pytest.fixture
def world(as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]) -> InboxWorld:
    return InboxWorld(as_user, as_organization)


@pytest.mark.parametrize("expected", INBOX_TABLE, ids=lambda row: f"{row.request}: {row.words}")
def test_what_the_contract_says_of_the_inbox_comes(world: InboxWorld, expected: Row) -> None:
    for body in expected.bodies or (None,):
        came = world.ask(expected.caller, expected.request, body)
    says = filled(expected.says, world.ids)
    if expected.status < 400:
        assert came.status_code == expected.status, came.content
        assert says in came.content.decode()
    else:
        assert refused(came, expected.status, says)
        assert property_of(came) == expected.property


def test_what_has_no_content_has_none(world: InboxWorld) -> None:
    assert world.ask("member", LIST).content
    for request, status in ((LIST, 304), (DELETE, 204)):
        answer = world.ask("member", request)
        assert (answer.status_code, answer.content) == (status, b"")
