"""Every endpoint, asked by everybody: what a caller may not know of is 404, what it may know of but not do 403."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from rest_framework.test import APIClient

from messaging_project.urls import router
from organizations.models import Organization, User
from tests import factories

pytestmark = pytest.mark.django_db

CALLERS = ("nobody", "stranger", "foreign token", "member", "other admin", "admin", "token")

# For each operation: its path with {organization}, {user} (a member who is the recipient, not the caller) and {alarm},
# a body, and the status for each of CALLERS. "other admin" administers the organization but does not manage the user.
WALK: dict[str, tuple[str, dict[str, Any] | None, tuple[int, ...]]] = {
    "GET user": ("/user", None, (401, 200, 403, 200, 200, 200, 403)),
    "GET organizations": ("/organizations", None, (401, 200, 200, 200, 200, 200, 200)),
    "GET users": ("/users?organization={organization}", None, (401, 404, 404, 200, 200, 200, 200)),
    "GET units": ("/units?organization={organization}", None, (401, 404, 404, 200, 200, 200, 200)),
    "POST escalation": (
        "/escalation",
        {"escalations": [{"wayofalarm": "sms", "delay": 1}], "organizationID": "{organization}", "userID": "{user}"},
        (401, 404, 403, 403, 403, 200, 403),
    ),
    "GET escalation/<pk>": (
        "/escalation/{user}?organization_id={organization}",
        None,
        (401, 404, 403, 403, 200, 200, 403),
    ),
    "POST escalation/organization": (
        "/escalation/organization",
        {"escalations": [{"wayofalarm": "sms", "delay": 1}], "organizationID": "{organization}"},
        (401, 404, 404, 403, 200, 200, 200),
    ),
    "GET escalation/organization/<pk>": (
        "/escalation/organization/{organization}",
        None,
        (401, 404, 404, 200, 200, 200, 200),
    ),
    "DELETE escalation/organization/<pk>": (
        "/escalation/organization/{organization}",
        None,
        (401, 404, 404, 403, 200, 200, 200),
    ),
    "GET organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        None,
        (401, 404, 404, 200, 200, 200, 200),
    ),
    "PUT organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        {"timeout": 60},
        (401, 404, 404, 403, 200, 200, 200),
    ),
    "POST organization/<pk>/timeout": (
        "/organization/{organization}/timeout",
        {"timeout": 60},
        (401, 404, 404, 403, 200, 200, 200),
    ),
    "POST alarm": (
        "/alarm",
        {"organizationID": "{organization}", "message": "Fire", "alarmResources": {"allUsers": True}},
        (401, 404, 404, 403, 201, 201, 201),
    ),
    # The member who asks was not notified of it.
    "GET alarm/<pk>": ("/alarm/{alarm}", None, (401, 404, 404, 404, 200, 200, 200)),
    "PATCH alarm/<pk>": ("/alarm/{alarm}", None, (401, 404, 404, 404, 200, 200, 200)),
    "GET messagestatus/<pk>": (
        "/messagestatus/{alarm}?organization_id={organization}&user_id={user}",
        None,
        (401, 404, 404, 403, 200, 200, 200),
    ),
    "POST messaging/feedback": (
        "/messaging/feedback",
        {"alarmID": "{alarm}", "organizationID": "{organization}", "userID": "{user}", "response": True},
        (401, 403, 404, 403, 403, 403, 200),
    ),
}


class World(NamedTuple):
    clients: dict[str, APIClient]
    ids: dict[str, int]

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
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
    # Managed by the one, administered by the other: the admin of `organization` is asked for somebody else's person.
    guest = factories.member(elsewhere)
    factories.MembershipFactory(organization=organization, user=guest)
    clients = {
        "nobody": APIClient(),
        "stranger": as_user(factories.admin(elsewhere)),
        "foreign token": as_organization(elsewhere),
        "member": as_user(factories.member(organization)),
        "other admin": as_user(factories.admin(organization)),
        "admin": as_user(factories.admin(organization)),
        "token": as_organization(organization),
    }
    return World(clients, {"organization": organization.pk, "user": user.pk, "alarm": alarm.pk, "guest": guest.pk})


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


@pytest.mark.parametrize("operation", list(WALK))
@pytest.mark.parametrize("caller", CALLERS)
def test_everybody_gets_what_is_theirs(world: World, operation: str, caller: str) -> None:
    path, body, statuses = WALK[operation]
    ids, expected = dict(world.ids), statuses[CALLERS.index(caller)]
    if caller == "other admin" and "scalation" in path and "{user}" in f"{path}{body}":
        ids["user"] = ids["guest"]
    asking = World(world.clients, ids)
    method = operation.partition(" ")[0].lower()
    answer = getattr(world.clients[caller], method)(
        f"/api/v1{path.format(**ids)}", None if body is None else asking.filled(body), format="json"
    )
    assert answer.status_code == expected, answer.content
    if expected >= 400:
        assert set(answer.json()) == {"success", "message", "error"}
