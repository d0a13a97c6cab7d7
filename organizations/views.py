"""The companion reads that existing clients rely on (contract 4)."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from messaging_project.api import query_id
from organizations.authentication import OrganizationPrincipal
from organizations.models import Group, Organization, User
from organizations.permissions import acting_user, principal, visible_organization
from organizations.serializers import OrganizationSerializer, UnitSerializer, UserSerializer

ORGANIZATION_PARAMETER = OpenApiParameter("organization", int, required=True)


class UserViewSet(ViewSet):
    """`GET /user`: the caller."""

    @extend_schema(operation_id="GetUser", responses=UserSerializer, tags=["user"])
    def list(self, request: Request) -> Response:
        return Response(UserSerializer(acting_user(request)).data)


class OrganizationsViewSet(ViewSet):
    """`GET /organizations`: those of the caller."""

    @extend_schema(operation_id="ListOrganizations", responses=OrganizationSerializer(many=True), tags=["organization"])
    def list(self, request: Request) -> Response:
        asking = principal(request)
        organizations = (
            [asking.organization]
            if isinstance(asking, OrganizationPrincipal)
            else Organization.objects.filter(memberships__user=asking, is_active=True)
        )
        return Response(OrganizationSerializer(organizations, many=True).data)


class UsersViewSet(ViewSet):
    """`GET /users?organization=`: its active members."""

    @extend_schema(
        operation_id="ListUsers",
        parameters=[ORGANIZATION_PARAMETER],
        responses=UserSerializer(many=True),
        tags=["user"],
    )
    def list(self, request: Request) -> Response:
        organization, _may_administer = visible_organization(
            request, query_id(request, "organization"), field="organization"
        )
        users = User.objects.filter(memberships__organization=organization, is_active=True).order_by("pk")
        return Response(UserSerializer(users, many=True).data)


class UnitsViewSet(ViewSet):
    """`GET /units?organization=`: its groups."""

    @extend_schema(
        operation_id="ListUnits",
        parameters=[ORGANIZATION_PARAMETER],
        responses=UnitSerializer(many=True),
        tags=["organization"],
    )
    def list(self, request: Request) -> Response:
        organization, _may_administer = visible_organization(
            request, query_id(request, "organization"), field="organization"
        )
        units = Group.objects.filter(organization=organization).order_by("pk")
        return Response(UnitSerializer(units, many=True).data)
