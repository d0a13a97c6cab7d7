"""Closing an alarm: nothing further leaves, and one that is scheduled is not raised."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from alarms import counting
from alarms.all_clear import order_all_clear
from alarms.hooks.recording import alarm_closed
from alarms.models import Alarm, AlarmMessage, DeviceMessage

logger = logging.getLogger(__name__)


def close_alarm(*, alarm_id: int, now: datetime, all_clear: str = "") -> None:
    """Close an alarm, and have its all-clear told, if there is one; closing it twice is no error.

    Raises: Conflict if another all-clear was told before; nothing is changed then.
    """
    with transaction.atomic():
        if all_clear:
            order_all_clear(alarm_id=alarm_id, text=all_clear, now=now)
        # One that closes itself was over at its time, not when the job came to it.
        if not Alarm.objects.filter(pk=alarm_id, closed_at=None).update(closed_at=Least(now, F("scheduled_end_at"))):
            return
        recipients = AlarmMessage.objects.filter(alarm_id=alarm_id, escalating=True)
        # In the order in which answers and planning wait for recipients too, so that none waits in a circle.
        ids = list(recipients.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        AlarmMessage.objects.filter(pk__in=ids).update(escalating=False)
        DeviceMessage.objects.cancel(ids, reason="closed", now=now)
        alarm = Alarm.objects.get(pk=alarm_id)
        if alarm.pending_resources is None:
            counting.count({(counting.ALARMS, "", "closed"): 1})
            alarm_closed(alarm)
    if alarm.is_missed:
        logger.error("alarm never raised, though its start has passed: alarm=%d", alarm_id)
    else:
        logger.info("alarm closed: alarm=%d", alarm_id)
