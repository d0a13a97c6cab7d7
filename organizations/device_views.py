"""Devices: of the caller, or of a member whom they administer."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from messaging_project.api import ViewSet, id_parameter, path_id, query_id
from messaging_project.errors import refusals
from organizations.authors import Authored
from organizations.devices import add_device, change_device
from organizations.models import Device
from organizations.permissions import acting_user, device_in_scope, user_in_scope
from organizations.serializers import AddDeviceSerializer, ChangeDeviceSerializer, DeviceSerializer

DEVICE_ID = id_parameter("id", "the device", location="path")
LIST_PARAMETERS = [
    id_parameter("user_id", "whose devices; without it the caller's", required=False),
    id_parameter(
        "organization_id", "has to be set if you want to see a member's devices as an administrator", required=False
    ),
]


class DeviceViewSet(Authored, ViewSet):
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="ListDevices",
        parameters=LIST_PARAMETERS,
        responses={200: DeviceSerializer(many=True), **refusals(403, 404)},
        tags=["device"],
    )
    def list(self, request: Request) -> Response:
        """Returns the devices of the caller, or of a member of an organization that they administer."""
        acting_user(request)
        user = user_in_scope(
            request,
            user_id=query_id(request, "user_id", required=False),
            organization_id=query_id(request, "organization_id", required=False),
            to_change=False,
        )
        return Response(DeviceSerializer(Device.objects.filter(user=user).order_by("pk"), many=True).data)

    @extend_schema(
        operation_id="AddDevice",
        request=AddDeviceSerializer,
        responses={201: DeviceSerializer, **refusals(403, 404, 409)},
        tags=["device"],
    )
    def create(self, request: Request) -> Response:
        """Adds a device, at most 20 a user.

        Phone numbers are kept in E.164, such as +493023125009. Only admins of the organization that manages a user add
        devices for them.
        """
        acting_user(request)
        serializer = AddDeviceSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        user = user_in_scope(
            request, user_id=fields.pop("userID"), organization_id=fields.pop("organizationID"), to_change=True
        )
        return Response(DeviceSerializer(add_device(user=user, **fields)).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="ChangeDevice",
        parameters=[DEVICE_ID],
        request=ChangeDeviceSerializer,
        responses={200: DeviceSerializer, **refusals(403, 404, 409)},
        tags=["device"],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Changes a device; what is left out stays. An alarm that is under way keeps to what it has planned."""
        device = device_in_scope(request, path_id(id, "id"))
        serializer = ChangeDeviceSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return Response(DeviceSerializer(change_device(device_id=device.pk, changes=serializer.validated_data)).data)

    @extend_schema(
        operation_id="RemoveDevice",
        parameters=[DEVICE_ID],
        responses={204: OpenApiResponse(description="It is gone."), **refusals(403, 404)},
        tags=["device"],
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Removes a device; alarms send nothing more to it."""
        device_in_scope(request, path_id(id, "id")).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
