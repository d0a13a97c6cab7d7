"""Whoever is deactivated, leaves or is no admin any more has no access from the next request on, whatever they ask
with: the same clients, sessions and tokens before and after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from alarms.models import AlarmMessage
from organizations.deactivating import deactivate_people
from organizations.models import ApiToken, Membership, Organization, PersonalAccessToken, User
from organizations.person_data.erasing import erase_person
from tests import factories
from tests.organizations import authenticator
from tests.organizations.test_jwt import AUDIENCE, ISSUER, SECRET, token_of

pytestmark = pytest.mark.django_db

Change = Callable[[User, Organization], Any]


def person(user: User, **fields: Any) -> None:
    User.objects.filter(pk=user.pk).update(**fields)


def membership(user: User, organization: Organization) -> Any:
    return Membership.objects.filter(user=user, organization=organization)


# What is left of what anna could do before.
ADMIN = {"desk", "raise"}
OF_ORGANIZATION = {"members", "alarm", "status", "answer", "answer page", "absence"}
OF_PERSON = {"own page", "user", "user by JWT", "inbox"}
TOKEN_ONLY = {"API token"}
ALL = ADMIN | OF_ORGANIZATION | OF_PERSON | TOKEN_ONLY
SESSION = {"own page", "desk"}

OWN_TOKEN = {"user", "inbox", "members", "alarm", "status", "raise", "answer", "absence"}
# An alarm goes on reaching whom it was raised for, so they go on answering it (contract 3, rule 7).
STILL = {"answer", "answer page"}


def deactivate(anna: User, _brigade: Organization) -> None:
    deactivate_people(people=User.objects.filter(pk=anna.pk), by=0)


def deactivate_organization(_anna: User, brigade: Organization) -> None:
    Organization.objects.filter(pk=brigade.pk).update(is_active=False)


CASES: dict[str, tuple[Change, set[str]]] = {
    "deactivated": (deactivate, TOKEN_ONLY),
    "erased": (lambda anna, _of: erase_person(user_id=anna.pk, now=timezone.now()), TOKEN_ONLY),
    "leaves": (lambda anna, of: membership(anna, of).delete(), OF_PERSON | TOKEN_ONLY | STILL),
    "no admin any more": (lambda anna, of: membership(anna, of).update(role="member"), ALL - ADMIN),
    "no staff any more": (lambda anna, _of: person(anna, is_staff=False), ALL - SESSION),
    "another password": (lambda anna, _of: person(anna, password="another"), ALL - SESSION),
    "a second factor": (lambda anna, _of: authenticator.give(anna), ALL - SESSION),
    "organization deactivated": (deactivate_organization, OF_PERSON | {"answer"}),
    "API token revoked": (lambda *_: ApiToken.objects.get().revoke(), ALL - TOKEN_ONLY),
    "API token expired": (lambda *_: ApiToken.objects.update(expires_at=timezone.now()), ALL - TOKEN_ONLY),
    "own token revoked": (lambda *_: PersonalAccessToken.objects.get().revoke(), ALL - OWN_TOKEN),
    "own token expired": (lambda *_: PersonalAccessToken.objects.update(expires_at=timezone.now()), ALL - OWN_TOKEN),
}


@pytest.fixture
def brigade(settings: Any) -> Organization:
    settings.JWT_KEY, settings.JWT_ALGORITHM = SECRET, "HS256"
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = ISSUER, AUDIENCE
    organization: Organization = factories.OrganizationFactory()
    # Another superuser, so that anybody may go.
    factories.UserFactory(is_superuser=True)
    return organization


def asking(anna: User, brigade: Organization) -> Callable[[], set[str]]:
    """Return a function that asks for everything that anna can ask for, and returns what was answered."""
    recipient: AlarmMessage = factories.AlarmMessageFactory(
        user=anna, alarm=factories.AlarmFactory(organization=brigade)
    )
    recipient.refresh_from_db()
    number, at = recipient.alarm_id, "/api/v1"
    session = Client()
    session.force_login(anna)
    _row, text = PersonalAccessToken.issue(name="own", user=anna)
    api = APIClient(headers={"Personal-Access-Token": text})
    by_jwt = APIClient(headers={"Authorization": f"Bearer {token_of(anna, 'HS256')}"})
    _row, text = ApiToken.issue(name="dispatch", organization=brigade)
    program = APIClient(headers={"API-TOKEN": text})
    order = {"organizationID": brigade.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    answer = {"alarmID": number, "userID": anna.pk, "response": True}
    tomorrow = [timezone.now() + timedelta(days=1, hours=hours) for hours in (0, 1)]
    absence = {"organizationID": brigade.pk} | dict(zip(("from", "until"), map(str, tomorrow), strict=True))
    requests: dict[str, Callable[[], Any]] = {
        "own page": lambda: session.get("/admin/second-factor/"),
        "desk": lambda: session.get(f"/admin/alarms/alarm/{number}/change/"),
        "user": lambda: api.get(f"{at}/user"),
        "user by JWT": lambda: by_jwt.get(f"{at}/user"),
        "inbox": lambda: api.get(f"{at}/msg/list"),
        "members": lambda: api.get(f"{at}/users?organization={brigade.pk}"),
        "alarm": lambda: api.get(f"{at}/alarm/{number}"),
        "status": lambda: api.get(f"{at}/messagestatus/{number}?organization_id={brigade.pk}&user_id={anna.pk}"),
        "raise": lambda: api.post(f"{at}/alarm/preview", order, format="json"),
        "answer": lambda: api.post(f"{at}/messaging/feedback", answer, format="json"),
        "absence": lambda: api.post(f"{at}/availability", absence, format="json"),
        "answer page": lambda: Client().get(f"/a/{recipient.code}"),
        "API token": lambda: program.get(f"{at}/users?organization={brigade.pk}"),
    }

    def ask() -> set[str]:
        statuses = {name: request().status_code for name, request in requests.items()}
        assert set(statuses.values()) <= {200, 201, 302, 400, 401, 403, 404, 409, 410}, statuses
        return {name for name, status in statuses.items() if status in {200, 201}}

    return ask


@pytest.mark.parametrize(("change", "left"), CASES.values(), ids=CASES)
def test_access_ends_with_the_next_request(brigade: Organization, change: Change, left: set[str]) -> None:
    anna = factories.admin(brigade, login="anna", is_staff=True)
    ask = asking(anna, brigade)
    assert ask() == ALL
    change(anna, brigade)
    assert ask() == left
