from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from escalations.models import EscalationConfiguration, ResponseTimeout, default_entries
from escalations.plan import Entry
from escalations.serializers import (
    EscalationConfigurationSerializer,
    OrganizationEscalationConfigurationSerializer,
    SavedSerializer,
    TimeoutSerializer,
)
from messaging_project.api import ViewSet, id_parameter, path_id, query_id
from messaging_project.errors import refusals
from organizations.authors import Authored
from organizations.models import Organization
from organizations.permissions import (
    acting_user,
    administered_organization,
    user_in_scope,
    visible_organization,
)

SAVED = {"message": "escalation saved"}
TIMEOUT = (
    "the response-timeout after which a notified user times out and can no longer answer an alarm in the organization."
)
TIMEOUT_OF = id_parameter("organizationID", "the organization", location="path")
SET_TIMEOUT: dict[str, Any] = {
    "description": f"Sets {TIMEOUT}",
    "parameters": [TIMEOUT_OF],
    "request": TimeoutSerializer,
    "responses": {200: TimeoutSerializer, **refusals(403, 404)},
    "tags": ["organization"],
}


AS_ADMIN = "has to be set if you want to edit a user as admin of an organization"
USER_ID = id_parameter("userID", "user id for the requested escalation", location="path")
ORGANIZATION_ID = id_parameter("organizationID", "organizationID for the requested escalation", location="path")


def validated(serializer: Serializer[Any]) -> tuple[list[Entry], int, int]:
    """Return the entries, organizationID and userID of a request's body."""
    serializer.is_valid(raise_exception=True)
    data = serializer.validated_data
    return [Entry(**entry) for entry in data["escalations"]], data["organizationID"], data["userID"]


def rendered(entries: Sequence[Entry], *, organization_id: int = 0, user_id: int = 0) -> dict[str, Any]:
    """Return an EscalationConfiguration; the id that does not apply is 0."""
    return {
        "escalations": [entry._asdict() for entry in entries],
        "organizationID": organization_id,
        "userID": user_id,
    }


class UserEscalationViewSet(Authored, ViewSet):
    lookup_url_kwarg = "userID"

    @extend_schema(
        operation_id="SetUserEscalation",
        request=EscalationConfigurationSerializer,
        responses={200: SavedSerializer, **refusals(403, 404)},
        tags=["user"],
    )
    def create(self, request: Request) -> Response:
        """Creates or updates an existing escalation configuration for the passed user"""
        acting_user(request)
        entries, organization_id, user_id = validated(EscalationConfigurationSerializer(data=request.data))
        user = user_in_scope(request, user_id=user_id, organization_id=organization_id, to_change=True)
        EscalationConfiguration.objects.replace(entries, owner=user)
        return Response(SAVED)

    @extend_schema(
        operation_id="GetUserEscalation",
        parameters=[
            USER_ID,
            id_parameter("organization_id", AS_ADMIN, required=False),
        ],
        responses={200: EscalationConfigurationSerializer, **refusals(403, 404)},
        tags=["user"],
    )
    def retrieve(self, request: Request, userID: str) -> Response:
        """Returns the escalation configuration for the passed user"""
        acting_user(request)
        user = user_in_scope(
            request,
            user_id=path_id(userID, "userID"),
            organization_id=query_id(request, "organization_id", required=False),
            to_change=False,
        )
        entries = EscalationConfiguration.objects.entries_of(user) or default_entries()
        return Response(rendered(entries, user_id=user.pk))


class OrganizationEscalationViewSet(Authored, ViewSet):
    lookup_url_kwarg = "organizationID"

    @extend_schema(
        operation_id="SetOrganizationEscalation",
        request=OrganizationEscalationConfigurationSerializer,
        responses={200: SavedSerializer, **refusals(403, 404)},
        tags=["escalation"],
    )
    def create(self, request: Request) -> Response:
        """Sets the escalation configuration for the given organization"""
        entries, organization_id, _user_id = validated(OrganizationEscalationConfigurationSerializer(data=request.data))
        organization = administered_organization(request, organization_id)
        EscalationConfiguration.objects.replace(entries, owner=organization)
        return Response(SAVED)

    @extend_schema(
        operation_id="GetOrganizationEscalation",
        parameters=[ORGANIZATION_ID],
        responses={200: EscalationConfigurationSerializer, **refusals(404)},
        tags=["escalation"],
    )
    def retrieve(self, request: Request, organizationID: str) -> Response:
        """Returns the escalation configuration for the given organization"""
        organization, _may_administer = visible_organization(request, path_id(organizationID, "organizationID"))
        return self._answer(EscalationConfiguration.objects.entries_of(organization), organization)

    @extend_schema(
        operation_id="RemoveOrganizationEscalation",
        parameters=[ORGANIZATION_ID],
        responses={200: EscalationConfigurationSerializer, **refusals(403, 404)},
        tags=["escalation"],
    )
    def destroy(self, request: Request, organizationID: str) -> Response:
        """Removes the escalation configuration for the given organization"""
        organization = administered_organization(request, path_id(organizationID, "organizationID"))
        return self._answer(EscalationConfiguration.objects.remove(owner=organization), organization)

    @staticmethod
    def _answer(entries: Sequence[Entry], organization: Organization) -> Response:
        if not entries:
            raise NotFound("organizationID: the organization has no escalation configuration.")
        return Response(rendered(entries, organization_id=organization.pk))


class OrganizationViewSet(Authored, ViewSet):
    """What is set for an organization as a whole."""

    lookup_url_kwarg = "organizationID"

    @extend_schema(
        operation_id="GetResponseTimeout",
        description=f"Returns {TIMEOUT}",
        parameters=[TIMEOUT_OF],
        responses={200: TimeoutSerializer, **refusals(404)},
        tags=["organization"],
    )
    @action(detail=True, url_path="timeout")
    def timeout(self, request: Request, organizationID: str) -> Response:
        organization, _may_administer = visible_organization(request, path_id(organizationID, "organizationID"))
        return Response({"timeout": ResponseTimeout.in_force(organization)})

    @extend_schema(operation_id="SetResponseTimeout", **SET_TIMEOUT)
    @timeout.mapping.put
    def set_timeout(self, request: Request, organizationID: str) -> Response:
        organization = administered_organization(request, path_id(organizationID, "organizationID"))
        serializer = TimeoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        ResponseTimeout.objects.update_or_create(
            organization=organization, defaults={"seconds": serializer.validated_data["timeout"]}
        )
        return Response(serializer.validated_data)

    @extend_schema(operation_id="PostResponseTimeout", **SET_TIMEOUT)
    @timeout.mapping.post
    def post_timeout(self, request: Request, organizationID: str) -> Response:
        return self.set_timeout(request, organizationID)
