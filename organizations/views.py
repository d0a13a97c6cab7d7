"""The companion reads that existing clients rely on (contract 4)."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from messaging_project.api import ORGANIZATION_PARAMETER, ViewSet, query_id
from messaging_project.errors import refusals
from organizations.authentication import OrganizationPrincipal
from organizations.models import Group, Organization, User
from organizations.permissions import acting_user, principal, visible_organization
from organizations.serializers import (
    OrganizationSerializer,
    OwnUserSerializer,
    PreferencesSerializer,
    UnitSerializer,
    UserSerializer,
)


class UserViewSet(ViewSet):
    @extend_schema(operation_id="GetUser", responses={200: OwnUserSerializer, **refusals(403)}, tags=["user"])
    def list(self, request: Request) -> Response:
        """Returns the user who asks; an API token is none."""
        return Response(OwnUserSerializer(acting_user(request)).data)

    @extend_schema(
        operation_id="UpdateUser",
        request=PreferencesSerializer,
        responses={200: OwnUserSerializer, **refusals(403)},
        tags=["user"],
    )
    def update_own(self, request: Request) -> Response:
        """Changes preferences of the user who asks, and returns them. Who they are is for their organization to say."""
        user = acting_user(request)
        serializer = PreferencesSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        for field, value in serializer.validated_data.items():
            setattr(user, field, value)
        user.save(update_fields=list(serializer.validated_data))
        return Response(OwnUserSerializer(user).data)


class OrganizationsViewSet(ViewSet):
    @extend_schema(operation_id="ListOrganizations", responses=OrganizationSerializer(many=True), tags=["organization"])
    def list(self, request: Request) -> Response:
        """Returns the organizations of who asks."""
        asking = principal(request)
        organizations = (
            [asking.organization] if isinstance(asking, OrganizationPrincipal) else Organization.objects.of(asking)
        )
        return Response(OrganizationSerializer(organizations, many=True).data)


class UsersViewSet(ViewSet):
    @extend_schema(
        operation_id="ListUsers",
        parameters=[ORGANIZATION_PARAMETER],
        responses={200: UserSerializer(many=True), **refusals(404)},
        tags=["user"],
    )
    def list(self, request: Request) -> Response:
        """Returns the active members of an organization."""
        organization = asked_about(request)
        users = User.objects.filter(memberships__organization=organization, is_active=True).order_by("pk")
        return Response(UserSerializer(users, many=True).data)


class UnitsViewSet(ViewSet):
    @extend_schema(
        operation_id="ListUnits",
        parameters=[ORGANIZATION_PARAMETER],
        responses={200: UnitSerializer(many=True), **refusals(404)},
        tags=["organization"],
    )
    def list(self, request: Request) -> Response:
        """Returns the units (groups) of an organization."""
        units = Group.objects.filter(organization=asked_about(request)).order_by("pk")
        return Response(UnitSerializer(units, many=True).data)


def asked_about(request: Request) -> Organization:
    """Return the organization in the query."""
    organization, _may_administer = visible_organization(
        request, query_id(request, "organization"), field="organization"
    )
    return organization
