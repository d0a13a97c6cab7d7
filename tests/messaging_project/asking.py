"""Asks for what is in the table of walk.py, of the organization that the fixture `brigade` has made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from rest_framework.test import APIClient

from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.messaging_project.walk import FORMS, WALK, encoded, expected, filled, of_gateway, of_twilio

# Long, so that none is found in an answer by chance.
ORGANIZATION, USER, ALARM, MESSAGE, DEVICE, ABSENCE, HOOK, SENT, NOTHING = (10**15 + number for number in range(9))
MESSAGE_ID = "0b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11"
IDS: dict[str, Any] = {
    "organization": ORGANIZATION,
    "user": USER,
    "alarm": ALARM,
    "message": MESSAGE,
    "device": DEVICE,
    "absence": ABSENCE,
    "hook": HOOK,
    "key": f"{MESSAGE_ID}-{SENT}",
    "code": "0123456789ab",
    "number": "+4915112345678",
}
NOTHINGS = {"key": f"{MESSAGE_ID}-{NOTHING}", "code": "ba9876543210", "number": "+4915187654321"}

Headers = dict[str, str]
# Who signs needs the path and the body for it.
Asking = Headers | Callable[[str, bytes], Headers]


def personal(user: User) -> Headers:
    return {"Personal-Access-Token": PersonalAccessToken.issue(name="test", user=user)[1]}


def of_organization(organization: Organization) -> Headers:
    return {"API-TOKEN": ApiToken.issue(name="test", organization=organization)[1]}


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def ask(operation: str, asking: Asking, ids: dict[str, Any] = IDS, slash: str = "", body: bytes | None = None) -> Any:
    """Ask for an operation of WALK; its body is the one in the table unless another is given."""
    path, content, _statuses = WALK[operation]
    of_table, media_type = encoded(operation, filled({} if content is None else content, ids))
    body = of_table if body is None else body
    before, question_mark, query = path.format(**ids).partition("?")
    url = f"/api/v1{before}{slash}{question_mark}{query}"
    return generic(operation.partition(" ")[0], url, body, media_type, asking)


def generic(method: str, url: str, body: bytes, media_type: str, asking: Asking) -> Any:
    headers = asking(url, body) if callable(asking) else asking
    return APIClient().generic(method, url, body, media_type, headers=headers)


def who_may(operation: str, brigade: Organization) -> Asking:
    """Return somebody to whom an operation of WALK is not refused."""
    if operation in FORMS:
        return of_twilio
    if expected(operation, "admin") < 400:
        return personal(factories.admin(brigade))
    return of_organization(brigade) if expected(operation, "token") < 400 else personal(User.objects.get(pk=USER))


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is asked for leaves the world as it was for the next operation."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def signed_beside(headers: Headers, _url: str, body: bytes) -> Headers:
    return headers | of_gateway(body)
