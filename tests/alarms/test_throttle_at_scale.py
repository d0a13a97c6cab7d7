"""The claim in a large queue: how it is answered, and that those who have to wait hold up nobody else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.sending.claim import claim
from organizations.models import Device, User
from tests import factories
from tests.alarms.throttled import SENT, database_now, messages_of
from tests.plans import plans
from tests.processes import service, until
from tests.sinks import MailSink

RECIPIENTS = 1000
MESSAGES = 100_000

# Of each 1000 messages a few are due, some are planned for later and all others are done.
FILL = """
    INSERT INTO alarms_devicemessage
        (alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, turn, status, due_at)
    SELECT r.alarm_id, r.id, d.id, d.name, d.address, d.way, CASE WHEN turn %% 2 = 0 THEN 0 ELSE r.alarm_id END, turn,
        CASE WHEN %(all_due)s OR turn < 10 THEN 0 ELSE 2 END,
        now() + CASE WHEN %(all_due)s OR turn = 0 THEN interval '-1 second' ELSE interval '1 hour' END
    FROM alarms_alarmmessage r JOIN organizations_device d ON d.user_id = r.user_id, generate_series(0, 99) AS turn
"""


@pytest.fixture(params=[False, True], ids=["most of it is done", "all of it is due"])
def queue(request: pytest.FixtureRequest, db: None) -> None:
    alarms = [factories.AlarmFactory() for _ in range(10)]
    users = User.objects.bulk_create(User(login=f"p{n}", email=f"p{n}@example.org") for n in range(RECIPIENTS))
    Device.objects.bulk_create(Device(user=user, way="sms", name="phone", address="+49151") for user in users)
    recipients = [
        AlarmMessage(
            alarm=alarms[number % 10],
            user=user,
            planned_at=alarms[0].starts_at,
            deadline=alarms[0].starts_at + timedelta(minutes=15),
        )
        for number, user in enumerate(users)
    ]
    AlarmMessage.objects.bulk_create(recipients)
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"all_due": request.param})
        assert cursor.rowcount == MESSAGES
    factories.analyze(Alarm, AlarmMessage, DeviceMessage, Device, User)


@pytest.mark.usefixtures("queue")
def test_of_100_000_messages_those_that_are_due_are_found_without_reading_the_others() -> None:
    own = {("sms", alarm.pk, 0): 256 for alarm in Alarm.objects.all()}
    free = {("sms", 0, 0): 256, ("sms", 0, 1): 256, ("call", 0, 0): 64} | own
    with plans() as found:
        claim(sender_id=1, free=free)
    [plan] = [plan for plan in found if "alarms_devicemessage" in plan.names()]
    assert "messages_to_claim" in plan.indexes()
    assert not plan.findings(), plan


def test_those_that_wait_for_their_minute_hold_up_no_other(
    transactional_db: None, tmp_path: Path, mail_sink: MailSink
) -> None:
    due = database_now() - timedelta(seconds=60)
    busy, other = (factories.DeviceFactory(way="email", address=f"{name}@example.org") for name in ("busy", "other"))
    messages_of(factories.AlarmMessageFactory(user=busy.user), [busy] * 600, due=[due] * 600)
    recipient = factories.AlarmMessageFactory(user=other.user, alarm=AlarmMessage.objects.get().alarm)
    messages_of(recipient, [other], due=[due + timedelta(seconds=1)])
    environment = {"GATEWAY_EMAIL": "email:", "EMAIL_URL": mail_sink.url, "MESSAGES_PER_MINUTE": "email:10"}
    with service(tmp_path, **environment) as processes:
        processes.start("sender")
        # A sender takes up 8 e-mails at once: one claim a second would take over a minute.
        until(lambda: DeviceMessage.objects.filter(device_id=other.pk, status=SENT).exists(), seconds=30)
    assert DeviceMessage.objects.filter(device_id=busy.pk, status=SENT).count() == 10
    assert DeviceMessage.objects.filter(device_id=busy.pk, status=0, attempts=0).count() == 590
