"""Every endpoint, asked by everybody, as the table in walk.py says."""

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
from organizations.models import Absence, ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.dialect import refused
from tests.messaging_project.asking import undone
from tests.messaging_project.things import ids_of
from tests.messaging_project.walk import (
    CALLERS,
    SIGNING,
    WALK,
    encoded,
    expected,
    filled,
    of_gateway,
    of_twilio,
)

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
    "gateway with a wrong signature",
    "twilio with a wrong signature",
)


class World(NamedTuple):
    clients: dict[str, APIClient]
    ids: dict[str, Any]


@pytest.fixture
def world(
    secrets: None, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]
) -> World:
    organization, elsewhere = factories.OrganizationFactory(), factories.OrganizationFactory()
    factories.escalation(organization, ("sms", 1))
    user = factories.member(organization)
    alarm = factories.AlarmFactory(organization=organization)
    recipient = factories.AlarmMessageFactory(alarm=alarm, user=user)
    message = factories.InboxMessageFactory(user=user)
    # Managed by the one, administered by the other: the admin of `organization` is asked for somebody else's person.
    guest = factories.member(elsewhere, ways=("app",))
    factories.MembershipFactory(organization=organization, user=guest)
    clients = {
        "stranger": as_user(factories.UserFactory()),
        "foreign admin": as_user(factories.admin(elsewhere)),
        "foreign token": as_organization(elsewhere),
        "member": as_user(factories.member(organization)),
        "other admin": as_user(factories.admin(organization)),
        "admin": as_user(factories.admin(organization)),
        "token": as_organization(organization),
        "gateway": APIClient(),
        "twilio": APIClient(),
        **unknown(organization),
    }
    things = {"organization": organization, "user": user, "alarm": alarm, "message": message, "guest": guest}
    ids = {name: thing.pk for name, thing in things.items()} | {"device of guest": guest.devices.get().pk}
    return World(clients, ids | ids_of(recipient))


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
        "gateway with a wrong signature": APIClient(headers=of_gateway(b"another body")),
        "twilio with a wrong signature": APIClient(headers=of_twilio("/another/path")),
    }


def walked() -> Iterator[str]:
    """Yield every operation of the router, as WALK names them."""
    for prefix, viewset, _basename in router.registry:
        for route in router.get_routes(viewset):
            mapping = router.get_method_map(viewset, route.mapping)
            path = route.url.replace("{prefix}", prefix).replace("{lookup}", "<pk>")
            path = path.replace("{trailing_slash}", "").replace("(?P<code>[^/]+)", "<code>").strip("^$")
            yield from (f"{method.upper()} {path}" for method in mapping)


def test_every_endpoint_is_in_the_table() -> None:
    assert sorted(walked()) == sorted(WALK)


def ask(world: World, operation: str, caller: str) -> Any:
    path, content, _statuses = WALK[operation]
    ids = dict(world.ids)
    if caller == "other admin" and ("scalation" in path or "/device" in path):
        ids |= {"user": ids["guest"], "device": ids["device of guest"]}
    url = f"/api/v1{path.format(**ids)}"
    body, media_type = encoded(operation, filled(content, ids))
    headers = {"gateway": of_gateway(body), "twilio": of_twilio(url, body)}.get(caller)
    return world.clients[caller].generic(operation.partition(" ")[0], url, body, media_type, headers=headers)


@pytest.mark.parametrize("operation", list(WALK))
def test_everybody_gets_what_is_theirs(world: World, operation: str, subtests: pytest.Subtests) -> None:
    for caller in (*CALLERS, *SIGNING):
        status = expected(operation, caller)
        with subtests.test(caller=caller):
            with undone():
                answer = ask(world, operation, caller)
            assert answer.status_code == status, answer.content
            if status >= 400:
                assert refused(answer, status)
            elif "msg/" in operation:
                assert answer.json()["messages"] == ([] if "send" not in operation else [ANY])
                assert answer.json()["responseInfo"]["responseCode"] == "OK"


def test_nobody_but_its_owner_reads_changes_or_deletes_a_message(world: World) -> None:
    for operation, caller in product([name for name in WALK if "msg/" in name], [*CALLERS, *SIGNING]):
        ask(world, operation, caller)
    assert InboxMessage.objects.get(pk=world.ids["message"]).read_at is None


OWN = ["PATCH availability/<pk>", "DELETE availability/<pk>"]


def test_nobody_but_its_owner_changes_or_removes_when_they_are_not_available(world: World) -> None:
    before = Absence.objects.values().get()
    for operation, caller in product(OWN, [*CALLERS, *SIGNING, *UNKNOWN]):
        ask(world, operation, caller)
    assert Absence.objects.values().get() == before


@pytest.mark.parametrize("operation", list(WALK))
def test_who_is_not_known_gets_nothing(world: World, operation: str) -> None:
    for caller in UNKNOWN:
        answer = ask(world, operation, caller)
        assert refused(answer, 401), caller


def test_everybody_in_the_world_is_asked(world: World) -> None:
    assert set(world.clients) == {*CALLERS, *SIGNING, *UNKNOWN}
