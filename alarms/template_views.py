from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.template_serializers import AlarmTemplateSerializer
from alarms.templating import rendered
from messaging_project.api import ORGANIZATION_PARAMETER, ViewSet, query_id
from messaging_project.errors import refusals
from organizations.permissions import visible_organization


class AlarmTemplatesViewSet(ViewSet):
    @extend_schema(
        operation_id="ListAlarmTemplates",
        parameters=[ORGANIZATION_PARAMETER],
        responses={200: AlarmTemplateSerializer(many=True), **refusals(403, 404)},
        tags=["alarm"],
    )
    def list(self, request: Request) -> Response:
        """Returns the templates of an organization, by name: texts of alarms and whom they are for."""
        organization, may_administer = visible_organization(
            request, query_id(request, "organization"), field="organization"
        )
        if not may_administer:
            raise PermissionDenied("organization: only an admin or its API token may see its templates.")
        return Response(rendered(organization))
