"""The all-clear: what everybody whom an alarm has reached, and who did not decline, is told at its end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

# alarms.tasks imports this module; of each other, the two use nothing while they are imported.
from alarms import tasks
from alarms.counting import counted
from alarms.models import Alarm, DeviceMessage
from alarms.sending import DEVICE_MESSAGES
from messaging_project.errors import Conflict

logger = logging.getLogger(__name__)

# What senders had taken up when the alarm was closed may still reach somebody: so long that is waited for.
LONGEST_WAIT = timedelta(seconds=30)
TURN = 30_000

# To the devices of the way that reached a recipient first.
INSERT_ALL_CLEAR = f"""
    WITH told AS (
        INSERT INTO alarms_devicemessage
            (alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, kind, turn, due_at, status)
        SELECT alarm_id, alarm_message_id, device_id, device_name, address, way, gateways_of, 1, %(turn)s, %(now)s, 0
        FROM (
            SELECT DISTINCT ON (m.alarm_message_id, m.device_id) m.*, first_value(m.way) OVER (
                PARTITION BY m.alarm_message_id ORDER BY coalesce(m.sent_at, m.changed_at), m.turn, m.id
            ) AS first_way
            FROM alarms_alarmmessage r JOIN alarms_devicemessage m ON m.alarm_message_id = r.id
            WHERE r.alarm_id = %(alarm)s AND r.response IS DISTINCT FROM false AND m.kind = 0 AND m.status IN (2, 3)
        ) reached
        WHERE way = first_way
        ON CONFLICT DO NOTHING
        RETURNING way, status
    ), {counted("told")}
    SELECT coalesce(sum(value), 0)::bigint FROM counted
"""  # noqa: S608 - made of constants


def order_all_clear(*, alarm_id: int, text: str, now: datetime) -> None:
    """Have the all-clear of an alarm that is being closed told, once; one that nobody was told of has nothing to clear.

    Raises: Conflict if another text was told before.
    """
    with transaction.atomic():
        alarm = Alarm.objects.select_for_update(no_key=True).get(pk=alarm_id)
        if alarm.all_clear not in ("", text):
            raise Conflict("allClear: another one was told before.")
        if alarm.all_clear or alarm.pending_resources is not None:
            return
        alarm.all_clear, alarm.all_clear_at = text, now
        alarm.save(update_fields=["all_clear", "all_clear_at"])
        tasks.all_clear.defer(alarm_id=alarm_id)


def tell_all_clear(*, alarm_id: int, now: datetime) -> bool:
    """Write the all-clear's device messages with one statement; return whether it is done. It is not while something of
    the alarm is on the wire: that may reach somebody who has to be told too."""
    alarm = Alarm.objects.get(pk=alarm_id)
    assert alarm.all_clear_at is not None
    on_the_wire = DeviceMessage.objects.filter(alarm=alarm, status=DeviceMessage.Status.SENDING)
    if now - alarm.all_clear_at < LONGEST_WAIT and on_the_wire.exists():
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT_ALL_CLEAR, {"alarm": alarm_id, "turn": TURN, "now": now})
        messages = cursor.fetchone()[0]
        cursor.execute("SELECT pg_notify(%s, '')", [DEVICE_MESSAGES])
    logger.info("all-clear: alarm=%d messages=%d", alarm_id, messages)
    return True
