"""Receipts of mail services with an interface of their own, as django-anymail hands them over."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from anymail.signals import AnymailTrackingEvent, EventType
from django.conf import settings
from django.urls import URLPattern
from rest_framework.exceptions import NotFound

from alarms.gateways.email import METADATA_KEY
from alarms.models import DeviceMessage
from alarms.receipts import take_receipt
from messaging_project import database
from messaging_project.errors import Conflict

Receipt = DeviceMessage.Receipt

# What else there is (queued, deferred, complained...) says nothing of whether it is there.
RECEIPTS = {
    EventType.DELIVERED: Receipt.DELIVERED,
    EventType.OPENED: Receipt.READ,
    EventType.CLICKED: Receipt.READ,
    EventType.BOUNCED: Receipt.FAILED,
    EventType.REJECTED: Receipt.FAILED,
    EventType.FAILED: Receipt.FAILED,
}


def webhooks() -> list[URLPattern]:
    """Return where the mail service in use tells of its messages: nowhere without ANYMAIL_WEBHOOK_SECRET, as anybody
    could tell something then."""
    if not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return []
    # Not above: it imports what every service needs.
    from anymail.urls import urlpatterns

    service = settings.EMAIL_BACKEND.removeprefix("anymail.backends.").partition(".")[0]
    return [pattern for pattern in urlpatterns if pattern.name == f"{service}_tracking_webhook"]


def take(event: AnymailTrackingEvent, **_signal: object) -> None:
    """Take what a mail service tells of a message of ours; all other mail that it sends is no concern of ours.

    An error of the database goes up to the view: the service tells it again then.
    """
    receipt = RECEIPTS.get(event.event_type)
    key = event.metadata.get(METADATA_KEY) if isinstance(event.metadata, Mapping) else None
    if receipt is None or not isinstance(key, str):
        return
    # A time without its offset could be any.
    date = event.timestamp if event.timestamp and event.timestamp.tzinfo else None
    with suppress(NotFound, Conflict):
        take_receipt(idempotency_key=key, status=receipt, date=date, organization=None, now=database.now())
