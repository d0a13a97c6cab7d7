from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.hooks.registering import change, register, remove, send_test
from alarms.hooks.serializers import (
    ChangeHookSerializer,
    HookSerializer,
    HookTrySerializer,
    HookWithTriesSerializer,
    RegisteredHookSerializer,
    RegisterHookSerializer,
    TestEventSerializer,
)
from alarms.models import Hook
from messaging_project.api import ORGANIZATION_PARAMETER, ViewSet, id_parameter, path_id, query_id
from messaging_project.errors import refusals
from organizations.permissions import administered_organization, visible_organization

HOOK_ID = id_parameter("hookID", "the hook", location="path")
TRIES_SHOWN = 50


def hook_in_scope(request: Request, pk: str) -> Hook:
    """Return a hook of an organization that the caller administers."""
    hook_id = path_id(pk, "hookID")
    unknown = NotFound(f"hookID: there is no hook {hook_id}.")
    hook = Hook.objects.filter(pk=hook_id).first()
    if hook is None:
        raise unknown
    try:
        _organization, may_administer = visible_organization(request, hook.organization_id)
    except NotFound:
        # Which organization's it is, a stranger is not told either.
        raise unknown from None
    if not may_administer:
        raise PermissionDenied("hookID: only an admin of the organization or its API token may do this.")
    return hook


class HooksViewSet(ViewSet):
    lookup_url_kwarg = "hookID"

    @extend_schema(
        operation_id="ListHooks",
        parameters=[ORGANIZATION_PARAMETER],
        responses={200: HookSerializer(many=True), **refusals(403, 404)},
        tags=["hooks"],
    )
    def list(self, request: Request) -> Response:
        """Returns the hooks of an organization: URLs that are told of what happens to its alarms."""
        organization, may_administer = visible_organization(
            request, query_id(request, "organization"), field="organization"
        )
        if not may_administer:
            raise PermissionDenied("organization: only an admin or its API token may see its hooks.")
        return Response(HookSerializer(organization.hooks.order_by("pk"), many=True).data)

    @extend_schema(
        operation_id="RegisterHook",
        request=RegisterHookSerializer,
        responses={201: RegisteredHookSerializer, **refusals(403, 404, 409)},
        tags=["hooks"],
    )
    def create(self, request: Request) -> Response:
        """Registers a hook, at most 20 for an organization, and returns the secret that signs what it is sent: only
        now."""
        serializer = RegisterHookSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        hook, secret = register(
            organization=administered_organization(request, data["organizationID"]),
            url=data["url"],
            events=data["events"],
            active=data["active"],
        )
        answer = HookSerializer(hook).data | {"secret": secret}
        return Response(answer, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="GetHook",
        parameters=[HOOK_ID],
        responses={200: HookWithTriesSerializer, **refusals(403, 404)},
        tags=["hooks"],
    )
    def retrieve(self, request: Request, hookID: str) -> Response:
        """Returns a hook with its last 50 tries."""
        hook = hook_in_scope(request, hookID)
        tries = hook.tries.select_related("hook_event")[:TRIES_SHOWN]
        return Response({**HookSerializer(hook).data, "tries": HookTrySerializer(tries, many=True).data})

    @extend_schema(
        operation_id="ChangeHook",
        parameters=[HOOK_ID],
        request=ChangeHookSerializer,
        responses={200: HookSerializer, **refusals(403, 404)},
        tags=["hooks"],
    )
    def partial_update(self, request: Request, hookID: str) -> Response:
        """Changes a hook. What waits for it is tried at once where its URL changes or it is active again. While it is
        not active it is told of nothing that happens; what waited before is given up after a day."""
        serializer = ChangeHookSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        hook = hook_in_scope(request, hookID)
        if not change(hook, serializer.validated_data):
            raise NotFound(f"hookID: there is no hook {hook.pk}.")
        return Response(HookSerializer(hook).data)

    @extend_schema(
        operation_id="RemoveHook",
        parameters=[HOOK_ID],
        responses={204: None, **refusals(403, 404)},
        tags=["hooks"],
    )
    def destroy(self, request: Request, hookID: str) -> Response:
        """Removes a hook with its tries and what waits for it."""
        remove(hook_in_scope(request, hookID).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="TestHook",
        parameters=[HOOK_ID],
        request=None,
        responses={202: TestEventSerializer, **refusals(403, 404, 409, 413, 415)},
        tags=["hooks"],
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, hookID: str) -> Response:
        """Sends a hook an event that is a test, now, and for five minutes if it fails; at most ten wait at once. What
        became of it stands in the tries of the hook."""
        _body = request.data  # Nothing of it is used, but what is no JSON object is refused (contract 2).
        event = send_test(hook_in_scope(request, hookID))
        return Response({"eventID": event.pk}, status=status.HTTP_202_ACCEPTED)
