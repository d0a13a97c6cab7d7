"""What the operations on devices, absences, hooks, receipts and answers by phone are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alarms.models import AlarmMessage, DeviceMessage, Hook
from organizations.models import Absence, Device, Organization, User
from tests import factories
from tests.alarms.hooks import hook_at

# Where nothing listens.
URL = "http://127.0.0.1:1/"
SENT = DeviceMessage.Status.SENT
# Of an entry that is not over while this code is in use.
LATER = datetime(2099, 3, 2, 8, tzinfo=UTC)


def absence_of(user: User, **fields: Any) -> Absence:
    return Absence.objects.create(user=user, starts_at=LATER, ends_at=LATER + timedelta(hours=8), **fields)


def hook_of(organization: Organization, *, url: str = URL, **fields: Any) -> Hook:
    return hook_at(url, organization, **fields)


def sent_to(recipient: AlarmMessage, **fields: Any) -> DeviceMessage:
    """Return an SMS that a gateway has taken."""
    fields = {"device__user": recipient.user, "status": SENT, "attempts": 1, "sent_at": recipient.planned_at} | fields
    message: DeviceMessage = factories.DeviceMessageFactory(alarm_message=recipient, **fields)
    return message


def key_of(message: DeviceMessage) -> str:
    """Return the Idempotency-Key that the gateway was told."""
    return f"{message.alarm_message.message_id}-{message.pk}"


def ids_of(recipient: AlarmMessage, *, number: str = "+4915112345678", **pks: int) -> dict[str, Any]:
    """Make what a recipient has, with `pks` of some of it, and return what it is called in WALK: ids and texts."""

    def pk(name: str) -> dict[str, int]:
        return {"pk": pks[name]} if name in pks else {}

    device: Device = factories.DeviceFactory(user=recipient.user, address=number, **pk("device"))
    sent = sent_to(recipient, device=device, **pk("sent"))
    recipient.refresh_from_db()
    return {
        "device": device.pk,
        "absence": absence_of(recipient.user, **pk("absence")).pk,
        "hook": hook_of(recipient.alarm.organization, **pk("hook")).pk,
        "key": key_of(sent),
        "code": recipient.code,
        "number": device.address,
    }
