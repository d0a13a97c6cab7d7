from __future__ import annotations

from rest_framework import serializers

from messaging_project.api import IdField
from organizations.models import Group, Organization, User


class UserSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="first_name")
    surname = serializers.CharField(source="last_name")

    class Meta:
        model = User
        fields = ("id", "email", "name", "surname")


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    class Meta:
        model = Organization
        fields = ("id", "name")


class UnitSerializer(serializers.ModelSerializer[Group]):
    organizationID = IdField(source="organization_id", read_only=True)

    class Meta:
        model = Group
        fields = ("id", "name", "description", "organizationID")
