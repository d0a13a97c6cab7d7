from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from messaging_project.api import IdField, StrictBooleanField, StrictCharField, StrictChoiceField, UtcDateTimeField
from organizations.models import Device, User, Way, validate_language, validate_line


class UserSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    email = serializers.CharField()
    name = serializers.CharField(source="first_name")
    surname = serializers.CharField(source="last_name")


class PreferencesSerializer(serializers.Serializer[Any]):
    """What users say of themselves; what is left out stays."""

    inboxToEmail = StrictBooleanField(
        source="inbox_to_email",
        required=False,
        help_text="Whether they get a copy by e-mail of what is sent to their inbox.",
    )
    language = StrictCharField(
        required=False,
        max_length=User._meta.get_field("language").max_length,
        validators=[validate_language],
        help_text="The language of the texts they get, such as de or de-AT.",
    )


@extend_schema_serializer(many=False)  # `GET /user` answers one, although there is no id in its path.
class OwnUserSerializer(UserSerializer, PreferencesSerializer):
    """A user, to themselves."""


class OrganizationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class UnitSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    organizationID = serializers.IntegerField(source="organization_id")


def device_text(max_length: int | None, *, help_text: str) -> StrictCharField:
    """Return the field of a text that a device keeps: white space around it does not count."""
    return StrictCharField(
        min_length=1,
        max_length=max_length,
        validators=[validate_line],
        help_text=help_text,
    )


class ChangeDeviceSerializer(serializers.Serializer[Any]):
    """What can be changed of a device."""

    name = device_text(Device._meta.get_field("name").max_length, help_text="Shown in the message status.")
    address = device_text(
        Device._meta.get_field("address").max_length,
        help_text="A phone number (sms, call), an e-mail address, a push address...",
    )
    active = StrictBooleanField(source="is_active", help_text="Whether alarms are sent to it.")


PHONE = {"way": "sms", "name": "Work phone", "address": "+493023125009", "active": True}


@extend_schema_serializer(examples=[OpenApiExample("a device", {"id": 7, "userID": 1, **PHONE}, response_only=True)])
class DeviceSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    userID = serializers.IntegerField(source="user_id")
    way = serializers.ChoiceField(choices=Way.choices)
    name = serializers.CharField()
    address = serializers.CharField(help_text="As it is kept: phone numbers in E.164.")
    active = serializers.BooleanField(source="is_active")


@extend_schema_serializer(examples=[OpenApiExample("a device", PHONE, request_only=True)])
class AddDeviceSerializer(ChangeDeviceSerializer):
    """A device to be added."""

    active = StrictBooleanField(source="is_active", default=True, help_text="Whether alarms are sent to it.")
    way = StrictChoiceField(choices=Way.choices, help_text="Cannot be changed later.")
    userID = IdField(required=False, help_text="for adding a device of a member as an administrator")
    organizationID = IdField(required=False, help_text="has to be set if you want to add a device as an administrator")


class ChangeAbsenceSerializer(serializers.Serializer[Any]):
    """A time in which a user is not available."""

    organizationID = IdField(help_text="for its alarms only; 0: for those of all organizations")
    until = UtcDateTimeField(source="ends_at", help_text="At most 366 days after `from`, 7 where it is weekly.")
    weekly = StrictBooleanField(
        help_text="Again every week at the same time of day and for as long, in the time zone of the organization."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # A word of Python's.
        start = UtcDateTimeField(source="starts_at", help_text="When it begins, the first time if it is weekly.")
        return {**super().get_fields(), "from": start}


EVERY_WEEK = {"organizationID": 0, "from": "2026-01-05T07:00:00Z", "until": "2026-01-05T15:00:00Z", "weekly": True}


@extend_schema_serializer(examples=[OpenApiExample("every Monday at work", EVERY_WEEK, request_only=True)])
class AddAbsenceSerializer(ChangeAbsenceSerializer):
    """A time in which a user is not available, to be added."""

    organizationID = IdField(required=False, help_text="for its alarms only; 0: for those of all organizations")
    weekly = StrictBooleanField(
        default=False,
        help_text="Again every week at the same time of day and for as long, in the time zone of the organization.",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("every Monday at work", {"id": 3, **EVERY_WEEK}, response_only=True)]
)
class AbsenceSerializer(ChangeAbsenceSerializer):
    """A time in which a user is not available."""

    id = serializers.IntegerField()
