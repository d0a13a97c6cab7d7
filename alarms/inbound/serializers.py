from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from messaging_project.api import StrictCharField

MAX_TEXT = 10_000


@extend_schema_serializer(
    examples=[OpenApiExample("an answer", {"from": "+4915112345678", "text": "Yes, in 5 minutes"})]
)
class SmsSerializer(serializers.Serializer[object]):
    text = StrictCharField(allow_blank=True, max_length=MAX_TEXT, help_text="what was texted")

    def get_fields(self) -> dict[str, serializers.Field[object, object, object, object]]:
        # `from` cannot be written as an attribute.
        number = StrictCharField(allow_blank=True, max_length=255, help_text="the number of the sender")
        return {"from": number, **super().get_fields()}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "an answer is kept",
            {"reply": "Thank you. Your answer: coming. You can change it until 14:20.\nALARM Brigade 1: B2"},
        ),
        OpenApiExample("a number that is not known", {"reply": ""}),
    ]
)
class ReplySerializer(serializers.Serializer[object]):
    reply = serializers.CharField(help_text="what to text back, empty: nothing")


class TwilioSerializer(serializers.Serializer[object]):
    """What Twilio sends along with every request. More is taken for the signature, and not looked at."""

    AccountSid = serializers.CharField(required=False)


class TwilioSmsSerializer(TwilioSerializer):
    From = serializers.CharField(required=False, help_text="the number of the sender")
    Body = serializers.CharField(required=False, help_text="what was texted")


class TwilioCallSerializer(TwilioSerializer):
    From = serializers.CharField(required=False, help_text="the number that calls")
    Digits = serializers.CharField(required=False, help_text="the key that was pressed")


class TwilioStatusSerializer(TwilioSerializer):
    MessageStatus = serializers.CharField(required=False, help_text="of an SMS")
    CallStatus = serializers.CharField(required=False, help_text="of a call")
