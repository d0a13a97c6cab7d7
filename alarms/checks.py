"""What is wrong with the settings is said when a process starts, not when an alarm is raised."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from alarms import gateways
from escalations.models import MAX_DELAY, MAX_ENTRIES, MAX_TIMEOUT, MIN_TIMEOUT
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
    wrong = [
        f"{way}:{delay} is no way of alarm with 0 to {MAX_DELAY} seconds"
        for way, delay in settings.DEFAULT_ESCALATION
        if way not in Way.values or not 0 <= delay <= MAX_DELAY
    ]
    if not 1 <= len(settings.DEFAULT_ESCALATION) <= MAX_ENTRIES:
        wrong.append(f"must have 1 to {MAX_ENTRIES} entries")
    hint = "For example app:0,pager:0,email:0,sms:60,call:60"
    return [Error(f"DEFAULT_ESCALATION: {text}", hint=hint, id="alarms.E002") for text in wrong]


@register
def check_default_response_timeout(**_options: Any) -> list[CheckMessage]:
    seconds = settings.DEFAULT_RESPONSE_TIMEOUT
    if MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
        return []
    text = f"DEFAULT_RESPONSE_TIMEOUT: {seconds} is not from {MIN_TIMEOUT} to {MAX_TIMEOUT} seconds"
    return [Error(text, id="alarms.E003")]
