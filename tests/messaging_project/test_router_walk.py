"""Every endpoint, asked by everybody: what a caller may not know of is 404, what it may know of but not do 403."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any, NamedTuple
from unittest.mock import ANY

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from messaging_project.urls import router
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.dialect import refused

pytestmark = pytest.mark.django_db

# Who they are, each gets 401 whatever they ask for.
UNKNOWN = (
    "nobody",
    "expired token",
    "revoked token",
    "expired organization token",
    "revoked organization token",
    "inactive user",
    "inactive organization's token",
)
CALLERS = ("stranger", "foreign admin", "foreign token", "member", "other admin", "admin", "token")

# For each operation: its path with {organization}, {user} (a member who is the recipient, not the caller), {alarm} and
# {message} (in the inbox of the user), a body, and the status for each of CALLERS. A stranger is in no organization;
# "foreign" is of another organization; "other admin" administers the organization but does not manage the user.
WALK: dict[str, tuple[str, dict[str, Any] | None, tuple[int, ...]]] = {
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


class World(NamedTuple):
    clients: dict[str, APIClient]
    ids: dict[str, int]

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, str) and value.strip("{}") in self.ids:
            return self.ids[value.strip("{}")]
        return value


@pytest.fixture
def world(as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]) -> World:
    organization, elsewhere = factories.OrganizationFactory(), factories.OrganizationFactory()
    factories.escalation(organization, ("sms", 1))
    user = factories.member(organization)
    alarm = factories.AlarmFactory(organization=organization)
    factories.AlarmMessageFactory(alarm=alarm, user=user)
    message = factories.InboxMessageFactory(user=user)
    # Managed by the one, administered by the other: the admin of `organization` is asked for somebody else's person.
    guest = factories.member(elsewhere)
    factories.MembershipFactory(organization=organization, user=guest)
    clients = {
        "stranger": as_user(factories.UserFactory()),
        "foreign admin": as_user(factories.admin(elsewhere)),
        "foreign token": as_organization(elsewhere),
        "member": as_user(factories.member(organization)),
        "other admin": as_user(factories.admin(organization)),
        "admin": as_user(factories.admin(organization)),
        "token": as_organization(organization),
        **unknown(organization),
    }
    things = {"organization": organization, "user": user, "alarm": alarm, "message": message, "guest": guest}
    return World(clients, {name: thing.pk for name, thing in things.items()})


def unknown(organization: Organization) -> dict[str, APIClient]:
    """Return the callers of UNKNOWN; most could do everything if their token still held."""
    boss, inactive = factories.admin(organization), factories.admin(organization, is_active=False)
    closed = factories.OrganizationFactory(is_active=False)

    def client(model: type[ApiToken | PersonalAccessToken], header: str, *, ended: str = "", **owner: Any) -> APIClient:
        row, text = model.issue(name="test", **owner)
        if ended:
            model._default_manager.filter(pk=row.pk).update(**{ended: timezone.now() - timedelta(seconds=1)})
        return APIClient(headers={header: text})

    as_user = partial(client, PersonalAccessToken, "Personal-Access-Token")
    as_organization = partial(client, ApiToken, "API-TOKEN")
    return {
        "nobody": APIClient(),
        "expired token": as_user(user=boss, ended="expires_at"),
        "revoked token": as_user(user=boss, ended="revoked_at"),
        "inactive user": as_user(user=inactive),
        "expired organization token": as_organization(organization=organization, ended="expires_at"),
        "revoked organization token": as_organization(organization=organization, ended="revoked_at"),
        "inactive organization's token": as_organization(organization=closed),
    }


def walked() -> Iterator[str]:
    """Yield every operation of the router, as WALK names them."""
    for prefix, viewset, _basename in router.registry:
        for route in router.get_routes(viewset):
            mapping = router.get_method_map(viewset, route.mapping)
            path = route.url.replace("{prefix}", prefix).replace("{lookup}", "<pk>")
            path = path.replace("{trailing_slash}", "").strip("^$")
            yield from (f"{method.upper()} {path}" for method in mapping)


def test_every_endpoint_is_in_the_table() -> None:
    assert sorted(walked()) == sorted(WALK)


def ask(world: World, operation: str, caller: str) -> Any:
    path, body, _statuses = WALK[operation]
    ids = dict(world.ids)
    if caller == "other admin" and "scalation" in path and "{user}" in f"{path}{body}":
        ids["user"] = ids["guest"]
    method = operation.partition(" ")[0].lower()
    return getattr(world.clients[caller], method)(
        f"/api/v1{path.format(**ids)}", None if body is None else World({}, ids).filled(body), format="json"
    )


@pytest.mark.parametrize("operation", list(WALK))
@pytest.mark.parametrize("caller", CALLERS)
def test_everybody_gets_what_is_theirs(world: World, operation: str, caller: str) -> None:
    expected = WALK[operation][2][CALLERS.index(caller)]
    answer = ask(world, operation, caller)
    assert answer.status_code == expected, answer.content
    if expected >= 400:
        assert refused(answer, expected)
    elif "msg/" in operation:
        assert answer.json()["messages"] == ([] if "send" not in operation else [ANY])
        assert answer.json()["responseInfo"]["responseCode"] == "OK"


def test_nobody_but_its_owner_reads_changes_or_deletes_a_message(world: World) -> None:
    for operation, caller in product([name for name in WALK if "msg/" in name], CALLERS):
        ask(world, operation, caller)
    assert InboxMessage.objects.get(pk=world.ids["message"]).read_at is None


@pytest.mark.parametrize("operation", list(WALK))
def test_who_is_not_known_gets_nothing(world: World, operation: str) -> None:
    for caller in UNKNOWN:
        answer = ask(world, operation, caller)
        assert refused(answer, 401), caller


def test_everybody_in_the_world_is_asked(world: World) -> None:
    assert set(world.clients) == {*CALLERS, *UNKNOWN}
