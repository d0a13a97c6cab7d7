"""What is wrong with the settings is said when a process starts, not when an alarm is raised."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from alarms import gateways
from escalations.models import MAX_DELAY, MAX_ENTRIES, MAX_TIMEOUT, MIN_TIMEOUT
from inbox.retention import MAX_MONTHS
from organizations.models import Way

MOST_PER_MINUTE = 100_000


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


@register
def check_messages_per_minute(**_options: Any) -> list[CheckMessage]:
    wrong = [
        way
        for way, count in settings.MESSAGES_PER_MINUTE.items()
        if way not in Way.values or not 0 <= count <= MOST_PER_MINUTE
    ]
    hint = "For example sms:10,call:10"
    return [
        Error(
            f"MESSAGES_PER_MINUTE: {way} is no way of alarm with a number from 0 to {MOST_PER_MINUTE}",
            hint=hint,
            id="alarms.E004",
        )
        for way in wrong
    ]


@register
def check_phone_region(**_options: Any) -> list[CheckMessage]:
    if settings.PHONE_REGION is None or settings.PHONE_REGION in phonenumbers.SUPPORTED_REGIONS:
        return []
    return [Error("PHONE_REGION: is no country such as DE", id="alarms.E005")]


@register
def check_twilio(**_options: Any) -> list[CheckMessage]:
    """Without the token calls are placed and texts sent, but what comes back of them is refused."""
    used = [way for way in Way.values if any(url.startswith("twilio+") for url in settings.GATEWAYS[way])]
    if settings.TWILIO_AUTH_TOKEN or not used:
        return []
    text = "is not set: answers on the keypad, answers by SMS and receipts of Twilio are refused"
    return [Warning(f"TWILIO_AUTH_TOKEN: {text}", id="alarms.W001")]


@register
def check_heartbeat_url(**_options: Any) -> list[CheckMessage]:
    if not settings.HEARTBEAT_URL or urlsplit(settings.HEARTBEAT_URL).scheme in ("http", "https"):
        return []
    return [Error("HEARTBEAT_URL: must be an http or https URL", id="alarms.E006")]


@register
def check_retention(**_options: Any) -> list[CheckMessage]:
    months = settings.ALARM_RETENTION_MONTHS
    if 0 <= months <= MAX_MONTHS:
        return []
    return [Error(f"ALARM_RETENTION_MONTHS: {months} is not from 0 to {MAX_MONTHS} months", id="alarms.E007")]
