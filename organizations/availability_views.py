"""When the caller is not available."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from messaging_project import database
from messaging_project.api import ViewSet, id_parameter, path_id
from messaging_project.errors import refusals
from organizations.availability import add_absence, change_absence
from organizations.models import Absence
from organizations.permissions import acting_user, visible_organization
from organizations.serializers import AbsenceSerializer, AddAbsenceSerializer, ChangeAbsenceSerializer

ABSENCE_ID = id_parameter("id", "the entry", location="path")


def rendered(absence: Absence) -> dict[str, Any]:
    fields = {name: getattr(absence, name) for name in ("id", "starts_at", "ends_at", "weekly")}
    return dict(AbsenceSerializer({**fields, "organizationID": absence.organization_id or 0}).data)


def validated(request: Request, serializer: Serializer[Any]) -> dict[str, Any]:
    """Return the fields that the body sets; an organization must be one of the caller's."""
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = dict(serializer.validated_data)
    if "organizationID" in fields:
        organization_id = fields.pop("organizationID")
        fields["organization"] = visible_organization(request, organization_id)[0] if organization_id else None
    return fields


class AvailabilityViewSet(ViewSet):
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="ListAbsences",
        responses={200: AbsenceSerializer(many=True), **refusals(403)},
        tags=["availability"],
    )
    def list(self, request: Request) -> Response:
        """Returns when the caller is not available: alarms to all users or to units leave them out then.

        An alarm that names them in `users` is sent to them all the same.
        """
        absences = Absence.objects.filter(user=acting_user(request)).order_by("starts_at", "pk")
        return Response([rendered(absence) for absence in absences])

    @extend_schema(
        operation_id="AddAbsence",
        request=AddAbsenceSerializer,
        responses={201: AbsenceSerializer, **refusals(403, 404, 409)},
        tags=["availability"],
    )
    def create(self, request: Request) -> Response:
        """Says when the caller is not available, once or weekly, for one organization or for all.

        At most 100 entries: those that are over make room.
        """
        user = acting_user(request)
        fields = validated(request, AddAbsenceSerializer(data=request.data))
        absence = add_absence(absence=Absence(user=user, **fields), now=database.now())
        return Response(rendered(absence), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="ChangeAbsence",
        parameters=[ABSENCE_ID],
        request=ChangeAbsenceSerializer,
        responses={200: AbsenceSerializer, **refusals(403, 404)},
        tags=["availability"],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Changes an entry of the caller's own; what is left out stays."""
        user, absence_id = acting_user(request), path_id(id, "id")
        changes = validated(request, ChangeAbsenceSerializer(data=request.data, partial=True))
        absence = change_absence(user=user, absence_id=absence_id, changes=changes)
        return Response(rendered(absence))

    @extend_schema(
        operation_id="RemoveAbsence",
        parameters=[ABSENCE_ID],
        responses={204: OpenApiResponse(description="It is gone."), **refusals(403, 404)},
        tags=["availability"],
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Removes an entry of the caller's own."""
        user, absence_id = acting_user(request), path_id(id, "id")
        removed, _by_model = Absence.objects.filter(pk=absence_id, user=user).delete()
        if not removed:
            raise NotFound(f"id: there is no entry {absence_id}.")
        return Response(status=status.HTTP_204_NO_CONTENT)
