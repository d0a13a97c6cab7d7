from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from alarms.hooks.registering import EVENTS, validate_public
from alarms.models import Hook
from alarms.models.hook import validate_host, validate_url
from messaging_project.api import (
    BoundedListField,
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    UtcDateTimeField,
)

NAMES = [name for name, _label in EVENTS]
SAMPLE = {
    "id": 3,
    "organizationID": 1,
    "url": "https://dispatch.example/alarms",
    "events": ["alarm.raised", "feedback.given"],
    "active": True,
    "createdAt": "2026-01-31T14:05:00Z",
}
SAMPLE_TRY = {
    "eventID": 12,
    "event": "alarm.raised",
    "alarmID": 2,
    "date": "2026-01-31T14:05:00Z",
    "status": 503,
    "reason": "HTTP 503",
    "seconds": 0.021,
}


@extend_schema_field(
    {"type": "array", "items": {"type": "string", "enum": NAMES}, "minItems": 1, "maxItems": 5, "uniqueItems": True}
)
class EventsField(BoundedListField):
    """What a hook is told of."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=StrictChoiceField(choices=EVENTS), min_length=1, max_length=len(EVENTS), **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        events = super().to_internal_value(data)
        if len(set(events)) < len(events):
            raise serializers.ValidationError("Each event once.")
        return events


def url_field(**options: Any) -> StrictCharField:
    longest = Hook._meta.get_field("url").max_length
    return StrictCharField(max_length=longest, validators=[validate_url, validate_host, validate_public], **options)


@extend_schema_serializer(
    examples=[OpenApiExample("a hook", {name: SAMPLE[name] for name in ("organizationID", "url", "events")})]
)
class RegisterHookSerializer(serializers.Serializer[object]):
    organizationID = IdField(min_value=1)
    url = url_field(help_text="Where events are posted to.")
    events = EventsField(help_text="What it is told of.")
    active = StrictBooleanField(default=True, help_text="Whether it is told of anything.")


@extend_schema_serializer(examples=[OpenApiExample("a pause", {"active": False})])
class ChangeHookSerializer(serializers.Serializer[object]):
    """What is left out stays."""

    url = url_field(required=False)
    events = EventsField(required=False)
    active = StrictBooleanField(source="is_active", required=False)


@extend_schema_serializer(examples=[OpenApiExample("a hook", SAMPLE)])
class HookSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    organizationID = serializers.IntegerField(source="organization_id")
    url = serializers.CharField()
    events = EventsField()
    active = serializers.BooleanField(source="is_active")
    createdAt = UtcDateTimeField(source="created_at")


@extend_schema_serializer(examples=[OpenApiExample("a new hook", SAMPLE | {"secret": "5f1d" * 16})])
class RegisteredHookSerializer(HookSerializer):
    secret = serializers.CharField(help_text="Signs what is sent. Shown this once.")


class HookTrySerializer(serializers.Serializer[Any]):
    eventID = serializers.IntegerField(source="hook_event_id")
    event = serializers.ChoiceField(source="hook_event.event", choices=Hook.Event.choices)
    alarmID = serializers.IntegerField(source="hook_event.alarm_id", allow_null=True, help_text="null: a test")
    date = UtcDateTimeField(source="at")
    status = serializers.IntegerField(allow_null=True, help_text="The HTTP status; null: there was no answer.")
    reason = serializers.CharField(help_text="Why it failed; empty: it did not.")
    seconds = serializers.FloatField(help_text="How long it took.")


@extend_schema_serializer(examples=[OpenApiExample("a hook that was tried", SAMPLE | {"tries": [SAMPLE_TRY]})])
class HookWithTriesSerializer(HookSerializer):
    tries = HookTrySerializer(many=True, help_text="The last 50, newest first.")


@extend_schema_serializer(examples=[OpenApiExample("a test", {"eventID": 13})])
class TestEventSerializer(serializers.Serializer[Any]):
    eventID = serializers.IntegerField(help_text="The Idempotency-Key of what is sent.")
