from __future__ import annotations

from rest_framework import serializers

from escalations.models import MAX_DELAY, MAX_ENTRIES, MAX_TIMEOUT, MIN_TIMEOUT
from messaging_project.api import BoundedListField, IdField, StrictChoiceField, StrictIntegerField
from organizations.models import Way


class EscalationSerializer(serializers.Serializer[object]):
    wayofalarm = StrictChoiceField(choices=Way.choices)
    delay = StrictIntegerField(min_value=0, max_value=MAX_DELAY, help_text="Seconds after the entry before it.")


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


class TimeoutSerializer(serializers.Serializer[object]):
    timeout = StrictIntegerField(
        min_value=MIN_TIMEOUT,
        max_value=MAX_TIMEOUT,
        help_text="Time in seconds after which a notified user times out and can no longer answer an alarm.",
    )


class MessageSerializer(serializers.Serializer[object]):
    message = serializers.CharField()
