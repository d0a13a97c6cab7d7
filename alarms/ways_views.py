from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.gateways import owned
from messaging_project.api import (
    BoundedListField,
    StrictBooleanField,
    StrictChoiceField,
    ViewSet,
    id_parameter,
    path_id,
)
from messaging_project.errors import refusals
from messaging_project.parsers import JSONArrayParser
from organizations.authors import Authored
from organizations.models import Organization, Way
from organizations.permissions import administered_organization, visible_organization

WAYS_OF = id_parameter("organizationID", "the organization", location="path")


class SetWaySerializer(serializers.Serializer[Any]):
    way = StrictChoiceField(choices=Way.choices)
    enabled = StrictBooleanField(help_text="Whether it is used for alarms of the organization.")


class WaySerializer(SetWaySerializer):
    available = serializers.BooleanField(
        help_text="Whether it has a gateway: the service's, or the organization's own."
    )


class WaysViewSet(Authored, ViewSet):
    """Which ways an organization uses."""

    lookup_url_kwarg = "organizationID"

    @extend_schema(
        operation_id="GetWays",
        parameters=[WAYS_OF],
        responses={200: WaySerializer(many=True), **refusals(404)},
        tags=["organization"],
    )
    @action(detail=True, url_path="ways")
    def ways(self, request: Request, organizationID: str) -> Response:
        """Returns the ways of alarm, and whether the organization uses them and can."""
        organization, _may_administer = visible_organization(request, path_id(organizationID, "organizationID"))
        return Response(rendered(organization))

    @extend_schema(
        operation_id="SetWays",
        parameters=[WAYS_OF],
        request=SetWaySerializer(many=True),
        responses={200: WaySerializer(many=True), **refusals(403, 404)},
        tags=["organization"],
    )
    @ways.mapping.put
    def set_ways(self, request: Request, organizationID: str) -> Response:
        """Enables and disables ways for the organization's later alarms; those that are not named stay as they are."""
        organization = administered_organization(request, path_id(organizationID, "organizationID"))
        entries = BoundedListField(child=SetWaySerializer(), max_length=len(Way.values)).run_validation(request.data)
        wanted = {entry["way"]: entry["enabled"] for entry in entries}
        if len(wanted) < len(entries):
            (way, _count), *_others = Counter(entry["way"] for entry in entries).most_common()
            raise ValidationError({"way": f"{way} stands there more than once."})
        with transaction.atomic():
            organization = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
            organization.disabled_ways = [
                way for way in Way.values if not wanted.get(way, way not in organization.disabled_ways)
            ]
            organization.save(update_fields=["disabled_ways"])
        return Response(rendered(organization))

    def get_parsers(self) -> list[Any]:
        return [JSONArrayParser()] if self.request and self.request.method == "PUT" else super().get_parsers()


def rendered(organization: Organization) -> list[dict[str, object]]:
    available = owned.available(organization)
    return [
        {"way": way, "enabled": way not in organization.disabled_ways, "available": way in available}
        for way in Way.values
    ]
