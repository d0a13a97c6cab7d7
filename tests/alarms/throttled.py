"""What tests of the throttle share. Times of the database stand still within a test, so a minute passes by moving what
is written of it back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import AlarmMessage, DeviceMessage, DeviceRate
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device, Way
from tests import factories

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
BUSY = GatewayError("HTTP 503", permanent=False)
REFUSED = GatewayError("HTTP 400", permanent=True)
MINUTE = 60.0


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
        return found


def messages_to(device: Device, count: int, *, due: datetime, **fields: Any) -> list[DeviceMessage]:
    """Return messages of as many alarms to one device."""
    recipient = {"alarm_message__alarm__starts_at": due, "alarm_message__user": device.user}
    return [
        factories.DeviceMessageFactory(device=device, way=device.way, **recipient, **fields) for _number in range(count)
    ]


def messages_of(recipient: AlarmMessage, devices: Sequence[Device], *, due: Sequence[datetime]) -> None:
    """Write messages of one recipient, the first of which go to the first of these devices, and so on."""
    turn = recipient.device_messages.count()
    DeviceMessage.objects.bulk_create(
        DeviceMessage(
            alarm_message=recipient,
            alarm_id=recipient.alarm_id,
            device=device,
            device_name=device.name,
            address=device.address,
            way=device.way,
            turn=turn + number,
            due_at=due_at,
        )
        for number, (device, due_at) in enumerate(zip(devices, due, strict=True))
    )


def taken(free: int = 100, sender: int = 1, places: Iterable[int] = (0,)) -> list[Delivery]:
    """Claim for every way and return the deliveries; what is dropped makes room as in a sender."""
    claimed = claim(sender_id=sender, free={(way, 0, place): free for way in Way.values for place in places})
    if claimed.dropped:
        write([], gateways={}, over=claimed.dropped)
    return claimed.deliveries


def report(
    deliveries: Iterable[Delivery], error: GatewayError | None = None, *, at: datetime, gateways: int = 1
) -> None:
    write(
        [Result(delivery, "log", at=at, error=error) for delivery in deliveries],
        gateways={(way, 0): gateways for way in Way.values},
    )


def pass_time(seconds: float) -> None:
    span = timedelta(seconds=seconds)
    DeviceMessage.objects.filter(status=SCHEDULED).update(due_at=F("due_at") - span)
    for rate in DeviceRate.objects.all():
        DeviceRate.objects.filter(pk=rate.pk).update(taken=[at - span for at in rate.taken])


def waiting() -> list[DeviceMessage]:
    return list(DeviceMessage.objects.filter(status=SCHEDULED))
