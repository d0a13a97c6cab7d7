from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from alarms.models import DeviceMessage
from messaging_project.api import StrictCharField, StrictChoiceField, StrictIntegerField, UtcDateTimeField

MAX_ATTEMPT = 2**15 - 1


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "delivered",
            {
                "idempotencyKey": "8b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11-17",
                "status": "delivered",
                "date": "2026-01-31T14:05:10Z",
            },
        ),
        OpenApiExample(
            "the second attempt has failed, now",
            {"idempotencyKey": "8b7e2a50-45a2-4f2c-9b5c-0a4a1c0d2b11-17", "status": "failed", "attempt": 2},
        ),
    ]
)
class ReceiptSerializer(serializers.Serializer[object]):
    idempotencyKey = StrictCharField(
        min_length=1, max_length=100, help_text="The header Idempotency-Key of the message."
    )
    status = StrictChoiceField(choices=DeviceMessage.Receipt.values)
    date = UtcDateTimeField(
        required=False, allow_null=True, default=None, help_text="When that came to be; without it: now."
    )
    attempt = StrictIntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=MAX_ATTEMPT,
        help_text="Which attempt has failed, as the message said; without it: the last one.",
    )
