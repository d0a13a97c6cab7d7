"""Trying a device out. Here, and not with the other operations of devices, as it needs the gateways."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.models import DeviceMessage
from alarms.testing import send_test
from messaging_project import database
from messaging_project.api import ViewSet, path_id
from messaging_project.errors import refusals
from organizations.device_views import DEVICE_ID
from organizations.permissions import device_in_scope

SENT, FAILED = DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED


class TriedSerializer(serializers.Serializer[Any]):
    gateway = serializers.CharField()
    reason = serializers.CharField(help_text="Why it did not take the message; empty: it did.")


EXAMPLE = {
    "status": 2,
    "gateway": "second.example",
    "reason": "",
    "tried": [{"gateway": "first.example", "reason": "HTTP 503"}, {"gateway": "second.example", "reason": ""}],
}


@extend_schema_serializer(examples=[OpenApiExample("the second gateway took it", EXAMPLE)])
class DeviceTestSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        choices=[(SENT.value, "sent"), (FAILED.value, "failed")], help_text="2: a gateway took it; 4: none did."
    )
    gateway = serializers.CharField(help_text="The last that was tried.")
    reason = serializers.CharField(help_text="Why it failed; empty: it did not.")
    tried = TriedSerializer(many=True)


class DeviceTestViewSet(ViewSet):
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="TestDevice",
        parameters=[DEVICE_ID],
        request=None,
        responses={200: DeviceTestSerializer, **refusals(403, 404, 409, 413, 415)},
        tags=["device"],
    )
    @action(detail=True, methods=["post"], url_path="test")
    def test(self, request: Request, id: str) -> Response:
        """Sends a test message to a device now, at most once a minute, and says what became of it.

        Its way's gateways are tried in their order until one takes it. There is no gateway: 409.
        """
        _body = request.data  # Nothing of it is used, but what is no JSON object is refused (contract 2).
        device = device_in_scope(request, path_id(id, "id"))
        tried = send_test(device=device, now=database.now())
        last = tried[-1]
        return Response(
            {
                "status": FAILED if last.reason else SENT,
                "gateway": last.gateway,
                "reason": last.reason,
                "tried": [vars(attempt) for attempt in tried],
            }
        )
