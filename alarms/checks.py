"""What is wrong with the settings is said when a process starts, not when an alarm is raised."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from alarms import gateways
from escalations.models import MAX_DELAY
from organizations.models import Way


@register
def check_gateways(**_options: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for way in Way.values:
        try:
            gateways.of_way(way)
        except ImproperlyConfigured as error:
            found.append(Error(f"GATEWAY_{way.upper()}: {error}", id="alarms.E001"))
    return found


@register
def check_default_escalation(**_options: Any) -> list[CheckMessage]:
    return [
        Error(
            f"DEFAULT_ESCALATION: {way}:{delay} is no way of alarm with 0 to {MAX_DELAY} seconds",
            hint="For example app:0,pager:0,email:0,sms:60,call:60",
            id="alarms.E002",
        )
        for way, delay in settings.DEFAULT_ESCALATION
        if way not in Way.values or not 0 <= delay <= MAX_DELAY
    ]
