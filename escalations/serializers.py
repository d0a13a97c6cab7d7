from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from escalations.models import MAX_DELAY, MAX_ENTRIES, MAX_TIMEOUT, MIN_TIMEOUT
from messaging_project.api import BoundedListField, IdField, StrictChoiceField, StrictIntegerField
from organizations.models import Way

SAMPLE = {
    "escalations": [{"wayofalarm": "app", "delay": 0}, {"wayofalarm": "sms", "delay": 60}],
    "organizationID": 0,
    "userID": 0,
}


class EscalationSerializer(serializers.Serializer[object]):
    wayofalarm = StrictChoiceField(choices=Way.choices)
    delay = StrictIntegerField(min_value=0, max_value=MAX_DELAY, help_text="Seconds after the entry before it.")


@extend_schema_serializer(examples=[OpenApiExample("an escalation configuration", SAMPLE)])
class EscalationConfigurationSerializer(serializers.Serializer[object]):
    escalations = BoundedListField(
        child=EscalationSerializer(), max_length=MAX_ENTRIES, help_text="configured escalations"
    )
    organizationID = IdField(
        required=False, help_text="organization id for editing escalation as an organization administrator"
    )
    userID = IdField(
        required=False,
        help_text="assigned user for this escalation configuration for organization administrator editing",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("an organization's escalation configuration", SAMPLE | {"organizationID": 1})]
)
class OrganizationEscalationConfigurationSerializer(EscalationConfigurationSerializer):
    escalations = BoundedListField(
        child=EscalationSerializer(),
        min_length=1,
        max_length=MAX_ENTRIES,
        error_messages={"min_length": "May not be empty; DELETE removes the configuration."},
        help_text="configured escalations",
    )
    organizationID = IdField(
        min_value=1, help_text="organization id for editing escalation as an organization administrator"
    )


@extend_schema_serializer(examples=[OpenApiExample("ten seconds", {"timeout": 10})])
class TimeoutSerializer(serializers.Serializer[object]):
    timeout = StrictIntegerField(
        min_value=MIN_TIMEOUT,
        max_value=MAX_TIMEOUT,
        help_text="Time in seconds after which a notified user times out and can no longer answer an alarm.",
    )


@extend_schema_serializer(examples=[OpenApiExample("saved", {"message": "escalation saved"})])
class SavedSerializer(serializers.Serializer[object]):
    message = serializers.CharField()
