"""Trying a device out: a message that is no alarm goes to it now, over the gateways that alarms would use."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from rest_framework.exceptions import NotFound, Throttled

from alarms import gateways
from alarms.delivery import Delivery
from alarms.gateways import owned
from alarms.gateways.base import Gateway, GatewayError, LoopGateway, ThreadGateway
from alarms.models import DeviceMessage
from messaging_project.errors import Conflict
from messaging_project.masking import place_of
from organizations.models import Device

logger = logging.getLogger(__name__)

PAUSE = timedelta(minutes=1)
# Seconds after which to ask again while others' tests are under way.
BUSY = 5
# A gateway may hang for long, and a web process has few threads: most of them are left to alarms and answers.
UNDER_WAY = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Attempt:
    gateway: str
    """What it is called where it is shown."""
    reason: str
    """Why it did not take the message; empty: it did."""


def send_test(*, device: Device, now: datetime) -> list[Attempt]:
    """Send a test message to a device, active or not, until one of its way's gateways takes it; return what was tried,
    of which the last decides. Not to be called inside a transaction.

    Raises: Conflict if there is no gateway for the way; Throttled where the device was tested within the last minute,
    or too many others are at this moment; NotFound if it has been deleted meanwhile.
    """
    line = line_of(device)
    available = owned.in_order(line) if line else ()
    if line is None or not available:
        raise Conflict(f"id: there is no gateway for the way {device.way}.")
    if not UNDER_WAY.acquire(blocking=False):
        raise Throttled(BUSY)
    try:
        note_test(device, now=now)
        attempts = try_in_order(message_to(device, line, now=now), available)
    finally:
        UNDER_WAY.release()
    last = attempts[-1]
    outcome = last.reason or "sent"
    logger.info("device tested: device=%d way=%s gateway=%s: %s", device.pk, device.way, last.gateway, outcome)
    return attempts


def line_of(device: Device) -> owned.Line | None:
    """Return whose gateways reach a device: those of the organization that manages the user, else the service's."""
    organization = device.user.managing_organization
    return owned.available(organization).get(device.way) if organization else (device.way, 0)


def note_test(device: Device, *, now: datetime) -> None:
    """Keep `now` as the last test, unless there was one within the last minute: of several at once, one goes on.

    Raises: Throttled, NotFound.
    """
    tested = Device.objects.filter(pk=device.pk)
    if tested.filter(Q(tested_at=None) | Q(tested_at__lte=now - PAUSE)).update(tested_at=now):
        return
    last = tested.values_list("tested_at", flat=True).first()
    if last is None:
        raise NotFound(f"id: there is no device {device.pk}.")
    raise Throttled(max(1, (last + PAUSE - now).total_seconds()))


def try_in_order(delivery: Delivery, available: Sequence[Gateway]) -> list[Attempt]:
    attempts: list[Attempt] = []
    for place, known in enumerate(available):
        reason = attempt(known, replace(delivery, gateway=place, attempt=place + 1))
        attempts.append(Attempt(known.label, reason))
        if not reason:
            break
    return attempts


def message_to(device: Device, line: owned.Line, *, now: datetime) -> Delivery:
    organization = device.user.managing_organization
    return Delivery(
        # Nothing of it is stored.
        device_message_id=0,
        recipient_id=0,
        message_id=str(uuid.uuid4()),
        alarm_id=0,
        organization_id=organization.pk if organization else 0,
        user_id=device.user_id,
        device_id=device.pk,
        way=device.way,
        kind=DeviceMessage.Kind.TEST,
        gateways_of=line[1],
        gateway=0,
        refused=0,
        address=device.address,
        device=device.name,
        attempt=1,
        organization=organization.name if organization else "",
        time_zone=organization.time_zone if organization else settings.TIME_ZONE,
        event="",
        message="",
        language=device.user.language,
        until=now,
        code="",
    )


def attempt(known: Gateway, delivery: Delivery) -> str:
    """Send over a gateway of its own: those that senders share belong to their event loops. Return why it failed."""
    try:
        gateway = gateways.build(known.url, guarded=known.guarded)
        if isinstance(gateway, LoopGateway):
            asyncio.run(_send_and_close(gateway, delivery))
        elif isinstance(gateway, ThreadGateway):
            try:
                gateway.send(delivery)
            finally:
                gateway.idle()
    except GatewayError as error:
        return error.reason or type(error).__name__
    except Exception as error:  # A fault of ours is none of the caller's, who wants to know what became of it.
        # What it says may be a secret of the gateway.
        logger.error("unexpected error of a gateway in a test: device=%d: %s", delivery.device_id, place_of(error))
        return type(error).__name__
    return ""


async def _send_and_close(gateway: LoopGateway, delivery: Delivery) -> None:
    try:
        await gateway.send_in_time(delivery)
    finally:
        await gateway.close()
