"""POST /messagestatus/receipt (contract 4): who may give receipts, for which messages, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alarms.models import DeviceMessage
from messaging_project import database
from organizations.models import Organization, User
from tests import factories
from tests.dialect import refused
from tests.organizations.test_jwt import token_of, trust

pytestmark = pytest.mark.django_db

PATH = "/api/v1/messagestatus/receipt"
SECRET = "shared with the gateway"
SECOND = timedelta(seconds=1)
EAST = timezone.get_fixed_timezone(timedelta(hours=5, minutes=45))
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)

AsUser = Callable[[User], APIClient]


def sent_message(organization: Organization | None = None, **fields: Any) -> DeviceMessage:
    """Return a message that a gateway took a minute ago."""
    then = timezone.now() - timedelta(minutes=1)
    alarm = factories.AlarmFactory(
        organization=organization or factories.OrganizationFactory(), starts_at=then - timedelta(minutes=1)
    )
    values = {"status": SENT, "attempts": 1, "changed_at": then, "sent_at": then} | fields
    created: DeviceMessage = factories.DeviceMessageFactory(alarm_message__alarm=alarm, **values)
    return created


@pytest.fixture
def message(brigade: Organization) -> DeviceMessage:
    return sent_message(brigade)


def key_of(message: DeviceMessage) -> str:
    """What the message said to be its Idempotency-Key."""
    return f"{message.alarm_message.message_id}-{message.pk}"


def give(client: APIClient, message: DeviceMessage, status: str = "delivered", **more: Any) -> Any:
    return client.post(PATH, {"idempotencyKey": key_of(message), "status": status, **more}, format="json")


def status_of(message: DeviceMessage) -> int:
    message.refresh_from_db()
    return message.status


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Signature": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


def give_signed(message: DeviceMessage, **headers: str) -> Any:
    body = json.dumps({"idempotencyKey": key_of(message), "status": "read"}).encode()
    return APIClient().post(PATH, body, content_type="application/json", headers=signed(body) | headers)


# Who


def test_a_gateway_signs_its_receipt(message: DeviceMessage, settings: Any) -> None:
    settings.GATEWAY_SECRET = SECRET
    answer = give_signed(message)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert status_of(message) == DELIVERED


@pytest.mark.parametrize("secret", [SECRET, ""])
def test_a_wrong_signature_changes_nothing(message: DeviceMessage, settings: Any, secret: str) -> None:
    settings.GATEWAY_SECRET = secret
    body = json.dumps({"idempotencyKey": key_of(message), "status": "read"}).encode()
    for headers in (signed(body, "guessed"), signed(body, ""), signed(body + b" ", SECRET), {"X-Signature": ""}):
        answer = APIClient().post(PATH, body, content_type="application/json", headers=headers)
        assert refused(answer, 401, "X-Signature")
    assert status_of(message) == SENT


def test_an_organization_gives_receipts_of_its_own_messages(boss: APIClient, message: DeviceMessage) -> None:
    answer = give(boss, message)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert status_of(message) == DELIVERED


def test_the_messages_of_another_organization_are_not_told_from_those_that_there_are_not(boss: APIClient) -> None:
    foreign, unsent = sent_message(), sent_message(attempts=0, status=SCHEDULED)
    nothing = boss.post(PATH, {"idempotencyKey": f"{uuid.uuid4()}-4711", "status": "read"}, format="json")
    for answer in (give(boss, foreign), give(boss, unsent)):
        assert refused(answer, 404, "idempotencyKey")
        assert answer.content == nothing.content
    assert (status_of(foreign), status_of(unsent)) == (SENT, SCHEDULED)


def test_users_give_no_receipts(message: DeviceMessage, brigade: Organization, as_user: AsUser, settings: Any) -> None:
    trust(settings, "HS256")
    boss = factories.admin(brigade)
    jwt = APIClient(headers={"Authorization": f"Bearer {token_of(boss, 'HS256')}"})
    for client in (as_user(message.alarm_message.user), as_user(boss), jwt):
        assert refused(give(client, message), 403, "X-Signature")
    assert refused(give(APIClient(), message), 401)
    assert status_of(message) == SENT


def test_a_receipt_has_one_author(message: DeviceMessage, brigade: Organization, settings: Any) -> None:
    settings.GATEWAY_SECRET = SECRET
    assert refused(give_signed(message, **{"API-TOKEN": "whatever"}), 400, "X-Signature")
    assert status_of(message) == SENT


# Of which message

MALFORMED: dict[str, Callable[[DeviceMessage], str]] = {
    "no id": lambda message: str(message.alarm_message.message_id),
    "an empty id": lambda message: f"{message.alarm_message.message_id}-",
    "only an id": lambda message: str(message.pk),
    "another's id": lambda message: f"{message.alarm_message.message_id}-{sent_message(message.alarm.organization).pk}",
    "another id of a message": lambda message: f"{uuid.uuid4()}-{message.pk}",
    "an id in other digits": lambda message: f"{message.alarm_message.message_id}-{message.pk}".translate(
        {ord("0") + digit: chr(0x0660 + digit) for digit in range(10)}
    ),
    "an id of 64 bits": lambda message: f"{message.alarm_message.message_id}-{2**63}",
    "an id of 19 nines": lambda message: f"{message.alarm_message.message_id}-{'9' * 19}",
    "an id of 60 digits": lambda message: f"{message.alarm_message.message_id}-{'9' * 60}",
    "a negative id": lambda message: f"{message.alarm_message.message_id}--{message.pk}",
    "no UUID": lambda message: f"{'x' * 36}-{message.pk}",
    "a UUID in braces": lambda message: f"{{{message.alarm_message.message_id}}}-{message.pk}",
    "a line break": lambda message: f"{key_of(message)}\n",
    "blanks": lambda message: f" {key_of(message)} ",
}


@pytest.mark.parametrize("key", list(MALFORMED))
def test_what_is_no_key_of_a_message_is_not_found(boss: APIClient, message: DeviceMessage, key: str) -> None:
    body = {"idempotencyKey": MALFORMED[key](message), "status": "delivered"}
    assert refused(boss.post(PATH, body, format="json"), 404, "idempotencyKey")
    assert status_of(message) == SENT


def test_a_key_may_be_in_capitals(boss: APIClient, message: DeviceMessage) -> None:
    body = {"idempotencyKey": key_of(message).upper(), "status": "delivered"}
    assert boss.post(PATH, body, format="json").status_code == 200
    assert status_of(message) == DELIVERED


@pytest.mark.parametrize("status", ["delivered", "read", "failed"])
@pytest.mark.parametrize("before", [SCHEDULED, CANCELLED])
def test_of_a_message_that_nobody_has_sent_there_are_no_receipts(
    boss: APIClient, brigade: Organization, status: str, before: int
) -> None:
    unsent = sent_message(brigade, status=before, attempts=0, sent_at=None)
    assert refused(give(boss, unsent, status), 409, "idempotencyKey")
    unsent.refresh_from_db()
    assert (unsent.status, unsent.receipt) == (before, "")


# What it says

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"idempotencyKey": None}, "idempotencyKey"),
    "a number as key": ({"idempotencyKey": 17}, "idempotencyKey"),
    "an empty key": ({"idempotencyKey": ""}, "idempotencyKey"),
    "a key that is too long": ({"idempotencyKey": "x" * 101}, "idempotencyKey"),
    "a key that no database takes": ({"idempotencyKey": "\0"}, "idempotencyKey"),
    "no status": ({"status": None}, "status"),
    "an empty status": ({"status": ""}, "status"),
    "an unknown status": ({"status": "sent"}, "status"),
    "a status in capitals": ({"status": "READ"}, "status"),
    "a number as status": ({"status": 3}, "status"),
    "a list as status": ({"status": ["read"]}, "status"),
    "a date without its offset": ({"date": "2026-01-31T14:05:00"}, "date"),
    "a day": ({"date": "2026-01-31"}, "date"),
    "a day that there is not": ({"date": "2026-02-30T14:05:00Z"}, "date"),
    "seconds since the epoch": ({"date": 1769868300}, "date"),
    "an empty date": ({"date": ""}, "date"),
    "a date before all others": ({"date": "0001-01-01T00:00:00+14:00"}, "date"),
    "a date after all others": ({"date": "9999-12-31T23:59:59-14:00"}, "date"),
    "a year 0": ({"date": "0000-01-01T00:00:00Z"}, "date"),
    "no attempt": ({"attempt": 0}, "attempt"),
    "an attempt in letters": ({"attempt": "1"}, "attempt"),
    "an endless attempt": ({"attempt": 2**63}, "attempt"),
}


@pytest.mark.parametrize("bad", list(BAD))
def test_what_is_no_receipt_is_refused(boss: APIClient, message: DeviceMessage, bad: str) -> None:
    fields, naming = BAD[bad]
    assert refused(give(boss, message, **fields), 400, naming)
    assert status_of(message) == SENT


def test_fields_that_are_not_given_are_named(boss: APIClient) -> None:
    answer = boss.post(PATH, {}, format="json")
    assert refused(answer, 400, "idempotencyKey")
    assert refused(answer, 400, "status")


DATES: dict[str, Callable[[DeviceMessage, datetime], tuple[str, datetime]]] = {
    # What a receipt says, given the message and the time, and which date the status has then.
    "since it was sent": lambda message, now: ((now - SECOND).isoformat(), now - SECOND),
    "with an offset": lambda message, now: ((now - SECOND).astimezone(EAST).isoformat(), now - SECOND),
    "before it was sent, by another clock": lambda message, now: (
        (message.alarm.starts_at + SECOND).isoformat(),
        message.alarm.starts_at + SECOND,
    ),
    "before the alarm": lambda message, now: ("2001-01-01T00:00:00Z", message.alarm.starts_at),
    "the first of all": lambda message, now: ("0001-01-01T00:00:00Z", message.alarm.starts_at),
}


@pytest.mark.parametrize("date", list(DATES))
def test_the_date_of_the_status_is_that_of_the_receipt_within_the_alarm(
    boss: APIClient, message: DeviceMessage, now: datetime, date: str
) -> None:
    text, expected = DATES[date](message, now)
    assert give(boss, message, date=text).status_code == 200
    message.refresh_from_db()
    assert (message.status, message.changed_at) == (DELIVERED, expected)


@pytest.mark.parametrize("date", [{}, {"date": None}, {"date": "9999-12-31T23:59:59Z"}], ids=["absent", "null", "9999"])
def test_a_receipt_without_a_date_or_from_the_future_is_of_now(
    boss: APIClient, message: DeviceMessage, date: dict[str, Any]
) -> None:
    before = database.now()
    assert give(boss, message, **date).status_code == 200
    message.refresh_from_db()
    assert before <= message.changed_at <= database.now()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_receipts_are_given_and_nothing_else(boss: APIClient, method: str) -> None:
    assert refused(getattr(boss, method)(PATH), 405)


def test_what_is_read_is_shown_as_delivered(
    boss: APIClient, message: DeviceMessage, brigade: Organization, now: datetime
) -> None:
    give(boss, message, "delivered", date=(now - 2 * SECOND).isoformat())
    give(boss, message, "read", date=(now - SECOND).isoformat())
    query = {"organization_id": brigade.pk, "user_id": message.alarm_message.user_id}
    (device,) = boss.get(f"/api/v1/messagestatus/{message.alarm_id}", query).json()["devices"]
    assert device["status"] == DELIVERED
    assert datetime.fromisoformat(device["date"]) == now - 2 * SECOND
