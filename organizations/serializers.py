from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from messaging_project.api import StrictBooleanField, StrictCharField
from organizations.models import User, validate_language


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
