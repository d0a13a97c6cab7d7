"""What mail services tell of the mails they took (django-anymail's webhooks) becomes receipts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import types
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import include, path
from rest_framework.test import APIClient

from alarms import anymail_receipts
from alarms.models import DeviceMessage
from messaging_project import database, urls
from organizations.models import Organization
from tests.alarms.test_receipts import key_of, sent_message, status_of

pytestmark = pytest.mark.django_db

SECRET = "services:only they know it"
SIGNING_KEY = "what Mailgun signs with"
SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)

Tell = Callable[..., Any]


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


def serve(settings: Any, service: str, **options: str) -> None:
    """Let the service be set up for a mail service."""
    settings.EMAIL_BACKEND = f"anymail.backends.{service}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, **options}
    module = types.ModuleType("urls_of_a_test")
    vars(module).update(vars(urls))
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("anymail/", include(anymail_receipts.webhooks())),
        *urls.urlpatterns,
    ]
    settings.ROOT_URLCONF = module


@pytest.fixture
def message(brigade: Organization) -> DeviceMessage:
    return sent_message(brigade, way="email")


# Postmark, https://postmarkapp.com/developer/webhooks/webhooks-overview


def of_its_own(moment: str) -> dict[str, dict[str, object]]:
    """Return what Postmark posts beside what all its records have, by what happened at that moment."""
    return {
        "Delivery": {"DeliveredAt": moment, "Details": "Test delivery webhook details", "Recipient": "a@example.org"},
        "Bounce": {
            "ID": 4323372036854775807,
            "Type": "HardBounce",
            "TypeCode": 1,
            "Name": "Hard bounce",
            "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
            "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
            "Email": "a@example.org",
            "From": "alarm@example.org",
            "BouncedAt": moment,
            "Inactive": True,
            "CanActivate": True,
        },
        "Open": {
            "FirstOpen": True,
            "Client": {"Name": "Chrome 35.0.1916.153", "Company": "Google", "Family": "Chrome"},
            "OS": {"Name": "OS X 10.7 Lion", "Company": "Apple Computer, Inc.", "Family": "OS X 10"},
            "Platform": "WebMail",
            "UserAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_7_5)",
            "Geo": {"CountryISOCode": "DE", "Country": "Germany", "IP": "198.51.100.7"},
            "ReceivedAt": moment,
            "Recipient": "a@example.org",
        },
        "Click": {
            "ClickLocation": "HTML",
            "OriginalLink": "https://alarm.example/a/0123456789ab",
            "Platform": "Desktop",
            "UserAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_7_5)",
            "ReceivedAt": moment,
            "Recipient": "a@example.org",
        },
        "SpamComplaint": {"ID": 42, "Type": "SpamComplaint", "Email": "a@example.org", "BouncedAt": moment},
    }


def postmark(record: str, key: str, at: datetime | None = None, **more: object) -> dict[str, object]:
    """Return what Postmark posts of a mail that it has taken with our metadata."""
    moment = (at or database.now()).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    common = {
        "RecordType": record,
        "MessageStream": "outbound",
        "ServerID": 23,
        "MessageID": "00000000-0000-0000-0000-000000000000",
        "Tag": "",
        "Metadata": {"idempotencyKey": key},
    }
    return common | of_its_own(moment)[record] | more


@pytest.fixture
def tell_postmark(settings: Any) -> Tell:
    serve(settings, "postmark", POSTMARK_SERVER_TOKEN="of the server")

    def tell(payload: dict[str, object], *, secret: str = SECRET) -> Any:
        return APIClient().post("/anymail/postmark/tracking/", payload, format="json", headers=basic(secret))

    return tell


POSTMARK: dict[str, tuple[str, dict[str, object], int, str]] = {
    # What it is called, what else it says, and the status and the receipt then.
    "delivered": ("Delivery", {}, DELIVERED, "delivered"),
    "opened": ("Open", {}, DELIVERED, "read"),
    "clicked": ("Click", {}, DELIVERED, "read"),
    "bounced": ("Bounce", {}, FAILED, "failed"),
    "bounced softly": ("Bounce", {"Type": "SoftBounce", "TypeCode": 4096}, FAILED, "failed"),
    "refused": ("Bounce", {"Type": "ManuallyDeactivated", "TypeCode": 100006}, FAILED, "failed"),
    "delayed": ("Bounce", {"Type": "Transient", "TypeCode": 2}, SENT, ""),
    "answered by a machine": ("Bounce", {"Type": "AutoResponder", "TypeCode": 32}, SENT, ""),
    "a complaint": ("SpamComplaint", {}, SENT, ""),
}


@pytest.mark.parametrize("event", list(POSTMARK))
def test_what_postmark_tells_is_a_receipt(message: DeviceMessage, tell_postmark: Tell, event: str) -> None:
    record, more, status, receipt = POSTMARK[event]
    at = database.now() - timedelta(seconds=20)
    assert tell_postmark(postmark(record, key_of(message), at, **more)).status_code == 200
    assert (status_of(message), message.receipt) == (status, receipt)
    if status != SENT:
        assert abs(message.changed_at - at) <= timedelta(milliseconds=1)


def test_events_in_the_wrong_order_and_twice_end_at_the_best(message: DeviceMessage, tell_postmark: Tell) -> None:
    for record in ("Open", "Bounce", "Delivery", "Open", "Delivery", "Bounce"):
        assert tell_postmark(postmark(record, key_of(message))).status_code == 200
    assert (status_of(message), message.receipt) == (DELIVERED, "read")


@pytest.mark.parametrize("secret", ["services:guessed", "", "services", f"{SECRET} "])
def test_who_does_not_know_the_secret_changes_nothing(message: DeviceMessage, tell_postmark: Tell, secret: str) -> None:
    answer = tell_postmark(postmark("Delivery", key_of(message)), secret=secret)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/json"
    assert status_of(message) == SENT


FOREIGN: dict[str, object] = {
    "no metadata": {},
    "metadata of another program": {"order": "4711"},
    "a key of another program": {"idempotencyKey": "order-4711"},
    "a key that is a number": {"idempotencyKey": 4711},
    "a key of a message that is gone": {"idempotencyKey": "8b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11-4711"},
}


@pytest.mark.parametrize("metadata", list(FOREIGN))
def test_mails_of_others_are_no_concern_of_ours(message: DeviceMessage, tell_postmark: Tell, metadata: str) -> None:
    answer = tell_postmark(postmark("Delivery", "", Metadata=FOREIGN[metadata]))
    assert answer.status_code == 200
    assert status_of(message) == SENT


def test_an_event_of_a_message_that_was_never_sent_is_ignored(brigade: Organization, tell_postmark: Tell) -> None:
    unsent = sent_message(brigade, way="email", status=SCHEDULED, attempts=0, sent_at=None)
    assert tell_postmark(postmark("Delivery", key_of(unsent))).status_code == 200
    assert status_of(unsent) == SCHEDULED


# Mailgun, https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks


def mailgun(event: str, variables: object, **more: object) -> dict[str, object]:
    """Return what Mailgun posts, signed."""
    stamp, token = str(int(time.time())), "c1a1e4a7" * 6
    signature = hmac.new(SIGNING_KEY.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {
            "id": "CPgfbmQMTCKtHW6uIWtuVe",
            "timestamp": (database.now() - timedelta(seconds=20)).timestamp(),
            "log-level": "info",
            "event": event,
            "message": {"headers": {"to": "a@example.org", "message-id": "20260131140500.1@example.org", "size": 111}},
            "recipient": "a@example.org",
            "recipient-domain": "example.org",
            "storage": {"url": "https://storage.example/1", "key": "1"},
            "campaigns": [],
            "tags": [],
            "user-variables": variables,
            **more,
        },
    }


@pytest.fixture
def tell_mailgun(settings: Any) -> Tell:
    options = {"MAILGUN_API_KEY": "of the account", "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY}
    serve(settings, "mailgun", **options)

    def tell(payload: dict[str, object]) -> Any:
        return APIClient().post("/anymail/mailgun/tracking/", payload, format="json", headers=basic(SECRET))

    return tell


MAILGUN: dict[str, tuple[str, dict[str, object], int, str]] = {
    "delivered": ("delivered", {"delivery-status": {"code": 250, "message": "OK"}}, DELIVERED, "delivered"),
    "opened": ("opened", {"client-info": {"client-type": "browser"}, "ip": "198.51.100.7"}, DELIVERED, "read"),
    "clicked": ("clicked", {"url": "https://alarm.example/a/0123456789ab"}, DELIVERED, "read"),
    "failed for good": (
        "failed",
        {"severity": "permanent", "reason": "suppress-bounce", "delivery-status": {"code": 605}},
        FAILED,
        "failed",
    ),
    "failed for now": (
        "failed",
        {"severity": "temporary", "reason": "generic", "delivery-status": {"code": 452}},
        SENT,
        "",
    ),
    "rejected": (
        "rejected",
        {"reject": {"reason": "Sandbox subdomains are for test purposes only."}},
        FAILED,
        "failed",
    ),
    "a complaint": ("complained", {}, SENT, ""),
    "unsubscribed": ("unsubscribed", {}, SENT, ""),
}


@pytest.mark.parametrize("event", list(MAILGUN))
def test_what_mailgun_tells_is_a_receipt(message: DeviceMessage, tell_mailgun: Tell, event: str) -> None:
    name, more, status, receipt = MAILGUN[event]
    assert tell_mailgun(mailgun(name, {"idempotencyKey": key_of(message)}, **more)).status_code == 200
    assert (status_of(message), message.receipt) == (status, receipt)


@pytest.mark.parametrize("variables", [*FOREIGN.values(), ["idempotencyKey"], "idempotencyKey", None])
def test_mails_of_others_at_mailgun_are_no_concern_of_ours(
    message: DeviceMessage, tell_mailgun: Tell, variables: object
) -> None:
    assert tell_mailgun(mailgun("delivered", variables)).status_code == 200
    assert status_of(message) == SENT


def test_a_wrong_signature_of_mailgun_changes_nothing(message: DeviceMessage, tell_mailgun: Tell) -> None:
    payload = mailgun("delivered", {"idempotencyKey": key_of(message)})
    payload["signature"] |= {"signature": "0" * 64}  # type: ignore[operator]
    assert tell_mailgun(payload).status_code == 400
    assert status_of(message) == SENT


# Where


@pytest.mark.parametrize(
    ("backend", "secret", "expected"),
    [
        ("anymail.backends.postmark.EmailBackend", SECRET, ["postmark/tracking/"]),
        ("anymail.backends.mandrill.EmailBackend", SECRET, ["mandrill/tracking/"]),
        ("anymail.backends.amazon_ses.EmailBackend", SECRET, ["amazon_ses/tracking/"]),
        ("anymail.backends.postmark.EmailBackend", "", []),
        ("django.core.mail.backends.smtp.EmailBackend", SECRET, []),
    ],
)
def test_only_the_service_in_use_is_listened_to_and_only_with_a_secret(
    settings: Any, backend: str, secret: str, expected: list[str]
) -> None:
    settings.EMAIL_BACKEND, settings.ANYMAIL = backend, {"WEBHOOK_SECRET": secret} if secret else {}
    assert [str(pattern.pattern) for pattern in anymail_receipts.webhooks()] == expected


def test_by_itself_the_service_listens_to_no_mail_service(message: DeviceMessage) -> None:
    payload = postmark("Delivery", key_of(message))
    answer = APIClient().post("/anymail/postmark/tracking/", payload, format="json", headers=basic(SECRET))
    assert answer.status_code == 404
    assert status_of(message) == SENT
