"""The page of an alarm with thousands of recipients: no more queries, and no more of them than a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback
from organizations.models import Organization, User
from tests.alarms.test_desk_alarm import PARTS, page, raised, text
from tests.factories import AlarmMessageFactory, DeviceMessageFactory, admin, analyze

pytestmark = pytest.mark.django_db

MANY_RECIPIENTS = """
    INSERT INTO alarms_alarmmessage (alarm_id, user_id, deadline, planned_at)
    SELECT %s, id, %s, now() FROM organizations_user WHERE first_name = 'Many'
"""
FOUR_MESSAGES_EACH = """
    INSERT INTO alarms_devicemessage (alarm_id, alarm_message_id, device_id, device_name, address, way, turn, due_at,
        status)
    SELECT alarm_id, r.id, r.user_id, 'mine', '1', way, turn, now() + mod(r.id, 900) * interval '1 s', 0
    FROM alarms_alarmmessage r JOIN organizations_user u ON u.id = r.user_id,
        (VALUES ('app', 0), ('pager', 1), ('sms', 2), ('email', 3)) way (way, turn)
    WHERE alarm_id = %s AND u.first_name = 'Many'
"""


@pytest.fixture
def desk(client: Client, brigade: Organization) -> Client:
    """The browser of an admin of the brigade."""
    client.force_login(admin(brigade, is_staff=True))
    return client


def count_queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def add_recipients(alarm: Alarm, number: int) -> None:
    for recipient in AlarmMessageFactory.create_batch(number, alarm=alarm):
        for turn, way in enumerate(("app", "sms")):
            DeviceMessageFactory(alarm_message=recipient, way=way, turn=turn)
        Feedback.objects.create(alarm_message=recipient, response=True, source="SMS", created_at=alarm.starts_at)


def grown(make: Callable[[], None], client: Client, address: str) -> tuple[int, int]:
    count_queries(client, address)  # what is cached for good is cached now
    before = count_queries(client, address)
    make()
    return before, count_queries(client, address)


@pytest.mark.parametrize("name", ["change", *PARTS])
def test_it_takes_as_many_queries_for_49_recipients_as_for_one(desk: Client, brigade: Organization, name: str) -> None:
    alarm = raised(brigade)
    add_recipients(alarm, 1)
    # session, user, their organizations, the alarm with its counts (twice as it is looked at in between), the clock,
    # number of recipients, recipients, messages, answers, timeline
    before, after = grown(lambda: add_recipients(alarm, 48), desk, page(alarm, name))
    assert after == before
    assert after <= 15


def test_10000_recipients_are_no_more_than_a_page(desk: Client, brigade: Organization, now: datetime) -> None:
    alarm = raised(brigade)
    add_recipients(alarm, 1)
    User.objects.bulk_create(
        User(login=f"many{number:05}", first_name="Many", last_name=f"{number:05}") for number in range(9999)
    )
    with connection.cursor() as cursor:
        cursor.execute(MANY_RECIPIENTS, [alarm.pk, now + timedelta(minutes=15)])
        cursor.execute(FOUR_MESSAGES_EACH, [alarm.pk])
    analyze(AlarmMessage, DeviceMessage)
    with CaptureQueriesContext(connection) as captured:
        answer = desk.get(page(alarm, page=200))
    assert len(captured) <= 15
    assert "10000 recipients" in text(answer)
    assert answer.content.decode().count('<tr id="recipient-') == 50
    drawing = desk.get(page(alarm, "timeline")).content
    assert len(drawing) < 30_000
    found = desk.get(page(alarm, "recipients", q="many 04711"))
    assert "Many 04711" in text(found)
    assert found.content.decode().count('<tr id="recipient-') == 1
