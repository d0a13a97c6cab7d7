from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

SAMPLE = {
    "id": 4,
    "organizationID": 1,
    "name": "Fire, small",
    "message": "Fire: come to the station",
    "eventName": "B1",
    "alarmResources": {"allUsers": False, "users": [1], "units": [2]},
}


class TemplateResourcesSerializer(serializers.Serializer[Any]):
    """Whom an alarm of a template is for: who is a member no more is not among them."""

    allUsers = serializers.BooleanField()
    users = serializers.ListField(child=serializers.IntegerField())
    units = serializers.ListField(child=serializers.IntegerField())


@extend_schema_serializer(examples=[OpenApiExample("a template", SAMPLE)])
class AlarmTemplateSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    organizationID = serializers.IntegerField()
    name = serializers.CharField()
    message = serializers.CharField()
    eventName = serializers.CharField()
    alarmResources = TemplateResourcesSerializer()
