from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from alarms.models import Alarm, DeviceMessage
from alarms.reading import RecipientState, Summary
from messaging_project.api import (
    MAX_ID,
    BoundedListField,
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UtcDateTimeField,
)
from organizations.models import Way

MAX_MESSAGE = 960
MAX_LISTED_IDS = 100_000


def id_list() -> BoundedListField:
    return BoundedListField(
        child=StrictIntegerField(min_value=1, max_value=MAX_ID), required=False, max_length=MAX_LISTED_IDS
    )


class AlarmResourcesSerializer(serializers.Serializer[object]):
    """Whom an alarm is for: the union, each user once."""

    allUsers = StrictBooleanField(required=False, default=False)
    users = id_list()
    units = id_list()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        # Unknown fields are ignored, but to ignore one of these would alarm others than were meant.
        unsupported = [name for name in ("labels", "scenarios") if isinstance(data, dict) and data.get(name)]
        if unsupported:
            raise serializers.ValidationError(
                {name: ["Not supported: use allUsers, users or units."] for name in unsupported}
            )
        attrs: dict[str, Any] = super().to_internal_value(data)
        return attrs

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs["allUsers"] or attrs.get("users") or attrs.get("units")):
            raise serializers.ValidationError("No recipient: give allUsers, users or units.")
        return attrs


class RaiseAlarmSerializer(serializers.Serializer[object]):
    organizationID = IdField(min_value=1)
    message = StrictCharField(max_length=MAX_MESSAGE)
    alarmResources = AlarmResourcesSerializer()
    eventName = StrictCharField(required=False, allow_blank=True, max_length=255, default="")
    startTime = UtcDateTimeField(required=False, allow_null=True)


class EventSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class RecipientFeedbackSerializer(serializers.Serializer[object]):
    userID = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["positive", "negative", "unknown"])
    response = serializers.BooleanField(allow_null=True)
    date = UtcDateTimeField(allow_null=True)


class QuantitySerializer(serializers.Serializer[object]):
    positive = serializers.IntegerField()
    negative = serializers.IntegerField()
    unknown = serializers.IntegerField()


class PercentageSerializer(serializers.Serializer[object]):
    positive = serializers.FloatField()
    negative = serializers.FloatField()
    unknown = serializers.FloatField()


class AlarmSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    message = serializers.CharField()
    organizationID = serializers.IntegerField()
    event = EventSerializer()
    startDate = UtcDateTimeField()
    endDate = UtcDateTimeField(help_text="Until when it can be answered, as far as known, or when it was closed.")
    raisedBy = serializers.CharField()
    closed = serializers.BooleanField()
    feedback = RecipientFeedbackSerializer(many=True)
    feedbackQuantity = QuantitySerializer()
    feedbackPercentage = PercentageSerializer()


class DeviceStatusSerializer(serializers.Serializer[object]):
    date = UtcDateTimeField(source="changed_at", help_text="When the status changed last.")
    name = serializers.CharField(source="device_name")
    status = serializers.ChoiceField(
        choices=DeviceMessage.Status.choices,
        help_text="0 scheduled, 1 sending, 2 sent, 3 delivered, 4 failed, 5 cancelled",
    )
    type = serializers.ChoiceField(source="way", choices=Way.choices)


class AlarmMessageStatusSerializer(serializers.Serializer[object]):
    devices = DeviceStatusSerializer(many=True)
    messageId = serializers.UUIDField()


class FeedbackSerializer(serializers.Serializer[object]):
    alarmID = IdField(required=False, help_text="AlarmID associated to the feedback")
    organizationID = IdField(required=False, help_text="OrganizationID associated to the feedback")
    response = StrictBooleanField(
        help_text="Response should be true if the user gave positive feedback and false if not"
    )
    userID = IdField(min_value=1, help_text="UserID of the user that is sending this feedback")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs["alarmID"] or attrs["organizationID"]):
            raise serializers.ValidationError({"alarmID": "Give alarmID or organizationID."})
        return attrs


class SuccessSerializer(serializers.Serializer[object]):
    success = serializers.BooleanField()


def rendered(alarm: Alarm, summary: Summary, recipients: list[RecipientState]) -> Mapping[str, Any]:
    """Return an alarm as contract 4 has it; `recipients` are those whom the caller may see."""
    return AlarmSerializer(
        {
            "id": alarm.pk,
            "message": alarm.message,
            "organizationID": alarm.organization_id,
            "event": {"id": alarm.pk, "name": alarm.event_name},
            "startDate": alarm.starts_at,
            "endDate": alarm.closed_at or summary.last_deadline,
            "raisedBy": alarm.raised_by,
            "closed": alarm.closed_at is not None,
            "feedback": [state._asdict() for state in recipients],
            "feedbackQuantity": summary.quantity,
            "feedbackPercentage": summary.percentage,
        }
    ).data
