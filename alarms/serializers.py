from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from alarms.models import STATES, DeviceMessage
from alarms.raising import AlarmOrder
from alarms.resources import Resources
from escalations.models import MAX_TIMEOUT
from messaging_project.api import (
    IdField,
    IdListField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UtcDateTimeField,
)
from organizations.models import Organization, Way

MAX_MESSAGE = 960
MAX_REPEAT = 10
# Every time zone has a time for it, as it has none for the last hours of all.
LAST_END = datetime(9999, 12, 30, tzinfo=UTC)
# Seconds.
MIN_REPEAT_AFTER, DEFAULT_REPEAT_AFTER = 10, 120


class AlarmResourcesSerializer(serializers.Serializer[object]):
    """Whom an alarm is for: the union, each user once."""

    allUsers = StrictBooleanField(required=False, default=False)
    users = IdListField()
    units = IdListField()

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
            raise serializers.ValidationError(_("No recipient: give allUsers, users or units."))
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "an alarm", {"organizationID": 1, "message": "Fire in the hall", "alarmResources": {"allUsers": True}}
        ),
        OpenApiExample("of a template", {"organizationID": 1, "alarmTemplateID": 4}),
    ]
)
class RaiseAlarmSerializer(serializers.Serializer[object]):
    organizationID = IdField(min_value=1)
    message = StrictCharField(
        required=False, min_length=1, max_length=MAX_MESSAGE, help_text="Required without alarmTemplateID."
    )
    alarmResources = AlarmResourcesSerializer(required=False, help_text="Required without alarmTemplateID.")
    alarmTemplateID = IdField(
        required=False, help_text="A template of the organization, which says what is left out here."
    )
    eventName = StrictCharField(required=False, allow_blank=True, max_length=255)
    startTime = UtcDateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Past or now: at once. Else, at most 366 days ahead, it is raised then, for whom there is then.",
    )
    scheduledEndTime = UtcDateTimeField(
        required=False, allow_null=True, default=None, help_text="It closes itself then; after the start."
    )
    repeat = StrictIntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_REPEAT,
        help_text="How often the escalation runs again for those who have not answered, within the response timeout.",
    )
    repeatAfter = StrictIntegerField(
        required=False,
        default=DEFAULT_REPEAT_AFTER,
        min_value=MIN_REPEAT_AFTER,
        max_value=MAX_TIMEOUT,
        help_text="Seconds from the last turn of a run to the first of the next.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        has_template = isinstance(data, dict) and bool(data.get("alarmTemplateID"))
        for name in ("message", "alarmResources"):
            self.fields[name].required = not has_template
        attrs: dict[str, Any] = super().to_internal_value(data)
        return attrs

    def order(self, organization: Organization) -> AlarmOrder:
        """Return what is to be raised, once it is valid, for its organization."""
        data = self.validated_data
        wanted = data.get("alarmResources") or {"allUsers": False}
        end = data["scheduledEndTime"]
        return AlarmOrder(
            organization=organization,
            message=data.get("message", ""),
            resources=Resources(wanted["allUsers"], wanted.get("users") or (), wanted.get("units") or ()),
            event_name=data.get("eventName", None if data["alarmTemplateID"] else ""),
            starts_at=data["startTime"],
            scheduled_end_at=end and min(end, LAST_END),
            repeat=data["repeat"],
            repeat_after=data["repeatAfter"],
            template_id=data["alarmTemplateID"],
        )


class EventSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class RecipientFeedbackSerializer(serializers.Serializer[object]):
    userID = serializers.IntegerField()
    state = serializers.ChoiceField(choices=list(STATES.values()))
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


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "an alarm of two, one of whom comes",
            {
                "id": 2,
                "message": "Fire in the hall",
                "organizationID": 1,
                "event": {"id": 2, "name": "B2"},
                "startDate": "2026-01-31T14:05:00Z",
                "endDate": "2026-01-31T14:20:00Z",
                "raisedBy": "API token control room",
                "closed": False,
                "feedback": [
                    {"userID": 1, "state": "positive", "response": True, "date": "2026-01-31T14:06:10Z"},
                    {"userID": 2, "state": "unknown", "response": None, "date": None},
                ],
                "feedbackQuantity": {"positive": 1, "negative": 0, "unknown": 1},
                "feedbackPercentage": {"positive": 50.0, "negative": 0.0, "unknown": 50.0},
            },
        )
    ]
)
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


@extend_schema_serializer(many=False)
class AlarmsSerializer(serializers.Serializer[object]):
    alarms = AlarmSerializer(many=True)
    totalAlarms = serializers.IntegerField(help_text="How many there are, whatever limit and offset.")


class PreviewSerializer(serializers.Serializer[object]):
    recipients = serializers.IntegerField()
    devices = serializers.DictField(child=serializers.IntegerField(), help_text="How many devices get it, by way.")
    unreachable = serializers.ListField(
        child=serializers.IntegerField(), help_text="The ids of the users whom nothing would reach."
    )
    unavailable = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="The ids of the users who are left out, as they are not available and not named.",
    )


class DeviceStatusSerializer(serializers.Serializer[object]):
    date = UtcDateTimeField(help_text="When the status changed last.")
    name = serializers.CharField()
    status = serializers.ChoiceField(
        choices=DeviceMessage.Status.choices,
        help_text="0 scheduled, 1 sending, 2 sent, 3 delivered, 4 failed, 5 cancelled",
    )
    type = serializers.ChoiceField(choices=Way.choices)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "the status of one device",
            {
                "devices": [{"date": "2026-01-31T14:05:00Z", "name": "My phone", "status": 2, "type": "sms"}],
                "messageId": "8b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11",
            },
        )
    ]
)
class AlarmMessageStatusSerializer(serializers.Serializer[object]):
    devices = DeviceStatusSerializer(many=True)
    messageId = serializers.UUIDField()


@extend_schema_serializer(
    examples=[
        OpenApiExample("to one alarm", {"alarmID": 2, "response": True, "userID": 1}),
        OpenApiExample("all fields", {"alarmID": 0, "organizationID": 0, "response": True, "userID": 0}),
    ]
)
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


@extend_schema_serializer(examples=[OpenApiExample("with an all-clear", {"allClear": "Fire is out. Thank you."})])
class CloseAlarmSerializer(serializers.Serializer[object]):
    allClear = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        default="",
        max_length=MAX_MESSAGE,
        help_text="Sent once to everyone who was reached and did not decline, over the first way that reached them.",
    )


@extend_schema_serializer(examples=[OpenApiExample("closed", {"message": "success"})])
class ClosedSerializer(serializers.Serializer[object]):
    message = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("accepted", {"success": True})])
class SuccessSerializer(serializers.Serializer[object]):
    success = serializers.BooleanField()
