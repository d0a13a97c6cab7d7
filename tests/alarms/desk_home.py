"""What the tests of the admin's home read, and make."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alarms.models import Alarm, DeviceMessage, Sender
from organizations.models import Organization, User
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory

FAILED = DeviceMessage.Status.FAILED


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def ahead(**span: float) -> datetime:
    return timezone.now() + timedelta(**span)


def client_of(user: User) -> Client:
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    client = Client()
    client.force_login(user)
    return client


def words(client: Client, address: str = "") -> str:
    """Return what somebody reads on the home."""
    answer = client.get(address or reverse("admin:index"))
    assert answer.status_code == 200
    page = answer.content.decode()
    body = page.partition('<div class="desk desk-home">')[2] or page
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def section(text: str, title: str) -> str:
    """Return what stands under a heading of the home."""
    titles = (
        "Open alarms",
        "Messages a minute in the last hour",
        "Scheduled alarms",
        "Failed messages of the last 24 hours",
        "Health of the service",
    )
    begin = text.index(title) + len(title)
    ends = [text.index(other, begin) for other in titles if other in text[begin:]]
    return text[begin : min(ends, default=len(text))]


def mine(client: Client, title: str) -> str:
    return section(words(client), title)


def run() -> None:
    """Let a worker and a sender run."""
    Sender.objects.create(host="here", pid=1)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")


def recipients(alarm: Alarm, **numbers: int) -> None:
    fields: dict[str, dict[str, Any]] = {
        "positive": {"response": True, "escalating": False},
        "negative": {"response": False, "escalating": False},
        "waiting": {"deadline": ahead(minutes=10)},
        "timed_out": {"deadline": ago(minutes=1), "escalating": False},
        "unplanned": {"deadline": ago(minutes=1), "planned_at": None},
    }
    for kind, number in numbers.items():
        AlarmMessageFactory.create_batch(number, alarm=alarm, **fields[kind])


def things_of(organization: Organization, mark: str) -> None:
    """Make something of each kind that the home shows."""
    recipient = AlarmMessageFactory(
        alarm__organization=organization,
        alarm__event_name=f"{mark} event",
        alarm__message=f"{mark} text",
        user__last_name=f"{mark} person",
    )
    DeviceMessageFactory(alarm_message=recipient, status=2, sent_at=timezone.now())
    DeviceMessageFactory(
        alarm_message=recipient,
        status=FAILED,
        changed_at=timezone.now(),
        reason=f"{mark} reason",
        device__name=f"{mark} device",
    )
    AlarmFactory(
        organization=organization,
        event_name=f"{mark} coming",
        starts_at=ahead(hours=1),
        pending_resources={"allUsers": True},
    )
