from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from inbox import texts
from inbox.models import Message
from messaging_project.api import (
    MAX_LISTED_IDS,
    BoundedListField,
    IdField,
    IdListField,
    StrictCharField,
    StrictIntegerField,
)
from messaging_project.errors import ResponseCode

MAX_MINUTES = 2**31 - 1
MAX_TRANSLATIONS = 100
# Of all texts and parameters together, as an inbox may hold thousands of them.
MAX_TOTAL = 100_000
LANGUAGE_CODE = re.compile(r"[A-Za-z0-9_-]{1,35}")


class TranslationsField(serializers.DictField):
    """Texts by language code; of its two spellings, de-AT and de_AT, one may be given."""

    child = StrictCharField(min_length=1, max_length=texts.MAX_LENGTH)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        # First the keys: what is wrong with a text is told by its key.
        if isinstance(data, dict):
            self.check(data)
        given: dict[str, str] = super().to_internal_value(data)
        return {texts.language_tag(language): text for language, text in given.items()}

    def check(self, languages: Collection[str]) -> None:
        if len(languages) > MAX_TRANSLATIONS:
            raise serializers.ValidationError(f"At most {MAX_TRANSLATIONS} languages.")
        if not all(map(LANGUAGE_CODE.fullmatch, languages)):
            raise serializers.ValidationError("A language code is of letters, digits, - and _, such as de or de-AT.")
        if len(set(map(texts.language_tag, languages))) < len(languages):
            raise serializers.ValidationError("A language is given twice.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "in two languages, to a group and a user",
            {
                "message": "Drill on {0} at the {1}",
                "translations": {"de": "Übung am {0}: {1}"},
                "parameters": ["31 January", "harbour"],
                "toGroupId": [1],
                "toUserId": [1],
            },
        )
    ]
)
class MessageSendRequestSerializer(serializers.Serializer[object]):
    """Request to send messages; at least one of toGroupId and toUserId is needed."""

    message = StrictCharField(
        min_length=1,
        max_length=texts.MAX_LENGTH,
        help_text="For whom there is no translation; may be a key of the service's catalogs.",
    )
    translations = TranslationsField(
        required=False,
        allow_null=True,
        help_text=f"At most {MAX_TRANSLATIONS} texts by language code; de serves de-AT too.",
    )
    parameters = BoundedListField(
        child=StrictCharField(allow_blank=True, max_length=texts.MAX_LENGTH),
        required=False,
        allow_null=True,
        max_length=texts.MAX_PARAMETERS,
        help_text="What fills {0}, {1}... of the text.",
    )
    toGroupId = IdListField(help_text="Groups whose members get it.")
    toUserId = IdListField(help_text="Users who get it.")
    instantTimeMinutes = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_MINUTES,
        help_text="For how many minutes it is an instant message.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("toUserId") or attrs.get("toGroupId")):
            raise serializers.ValidationError({"toUserId": "No addressee: give toUserId or toGroupId."})
        parameters = attrs.get("parameters") or []
        wordings = (attrs["message"], *(attrs.get("translations") or {}).values())
        if sum(map(len, (*wordings, *parameters))) > MAX_TOTAL:
            raise serializers.ValidationError(
                {"translations": f"With message and parameters more than {MAX_TOTAL} characters."}
            )
        if any(texts.filled_length(text, parameters) > texts.MAX_LENGTH for text in wordings):
            raise serializers.ValidationError(
                {"parameters": f"They make a text longer than {texts.MAX_LENGTH} characters."}
            )
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("two messages", {"messages": [1, 2]})])
class MessagesReadRequestSerializer(serializers.Serializer[object]):
    """Request containing the list of messages to be set read."""

    messages = BoundedListField(
        child=IdField(), max_length=MAX_LISTED_IDS, help_text="Ids; those of others change nothing."
    )


class SenderGroupSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()


class SenderSerializer(serializers.Serializer[object]):
    """A user, or (id 0, the name in lastName) the organization whose alarm the message tells of."""

    id = serializers.IntegerField()
    firstName = serializers.CharField()
    lastName = serializers.CharField()
    description = serializers.CharField()
    email = serializers.CharField()
    groups = SenderGroupSerializer(many=True, help_text="Those of organizations that the reader is a member of too.")
    login = serializers.CharField()


class MessageSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField(help_text="0: the message is in no inbox of who asks.")
    fieldName = serializers.CharField(help_text="always empty")
    message = serializers.CharField(help_text="The text in the reader's language. No markup means anything in it.")
    type = serializers.ChoiceField(choices=Message.Type.values)
    timestamp = serializers.IntegerField(help_text="When it was sent, in whole seconds since the epoch.")
    image = serializers.CharField(help_text="always empty")
    isInstantMessage = serializers.BooleanField(help_text="Until instantTimeMinutes after it was sent.")
    sender = SenderSerializer()


class ResponseInfoSerializer(serializers.Serializer[object]):
    responseCode = serializers.ChoiceField(choices=ResponseCode.values)
    responseMessage = serializers.CharField(help_text="for people")
    property = serializers.CharField(help_text="The field that an error is about, else empty.")


@extend_schema_serializer(
    many=False,
    examples=[
        OpenApiExample(
            "one message",
            {
                "messages": [
                    {
                        "id": 12,
                        "fieldName": "",
                        "message": "Drill on 31 January at the harbour",
                        "type": "INFO",
                        "timestamp": 1769868300,
                        "image": "",
                        "isInstantMessage": False,
                        "sender": {
                            "id": 1,
                            "firstName": "Anna",
                            "lastName": "Admin",
                            "description": "",
                            "email": "anna@demo.example",
                            "groups": [{"id": 1, "name": "Command", "description": ""}],
                            "login": "anna",
                        },
                    }
                ],
                "responseInfo": {"responseCode": "OK", "responseMessage": "1 message", "property": ""},
            },
            response_only=True,
        )
    ],
)
class GenericResponseSerializer(serializers.Serializer[object]):
    messages = MessageSerializer(many=True)
    responseInfo = ResponseInfoSerializer()
