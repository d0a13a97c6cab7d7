from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alarms import reading
from alarms.answering import answer_alarm, answer_organization
from alarms.closing import close_alarm
from alarms.models import Alarm
from alarms.previewing import preview
from alarms.raising import AlarmOrder, raise_alarm
from alarms.repeating import HEADER, MAX_LENGTH, repeatable
from alarms.serializers import (
    AlarmMessageStatusSerializer,
    AlarmSerializer,
    AlarmsSerializer,
    CloseAlarmSerializer,
    ClosedSerializer,
    FeedbackSerializer,
    PreviewSerializer,
    RaiseAlarmSerializer,
    SuccessSerializer,
)
from messaging_project import database
from messaging_project.api import (
    ORGANIZATION_PARAMETER,
    PAGE_PARAMETERS,
    ViewSet,
    id_parameter,
    path_id,
    query_id,
    query_page,
)
from messaging_project.errors import refusals
from organizations.authentication import OrganizationPrincipal
from organizations.models import PersonalAccessToken, User
from organizations.permissions import (
    acting_user,
    administered_organization,
    member_of,
    principal,
    principal_key,
    visible_organization,
)

ALARM_ID = id_parameter("alarmID", "the alarm", location="path")
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]*$"},
    "header",
    description="Makes a repeated request answer the alarm that the first one has raised, for 24 hours.",
)


def alarm_in_scope(request: Request, pk: str) -> tuple[Alarm, bool]:
    """Return an alarm that the caller may see, and whether they may administer it (contract 4)."""
    alarm_id = path_id(pk, "alarmID")
    found = reading.visible_alarm(principal(request), alarm_id)
    if found is None:
        raise NotFound(f"alarmID: there is no alarm {alarm_id}.")
    return found


def ordered(request: Request) -> AlarmOrder:
    """Return what is to be raised, for an organization that the caller administers."""
    serializer = RaiseAlarmSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    data = serializer.validated_data
    return serializer.order(administered_organization(request, data["organizationID"]))


def only_user(request: Request, *, may_administer: bool) -> int | None:
    """Return the only user whose answers the caller may see; None: everybody's (contract 4)."""
    return None if may_administer else acting_user(request).pk


class AlarmViewSet(ViewSet):
    lookup_url_kwarg = "alarmID"

    @extend_schema(
        operation_id="RaiseAlarm",
        parameters=[IDEMPOTENCY_KEY],
        request=RaiseAlarmSerializer,
        responses={
            200: OpenApiResponse(AlarmSerializer, description="The alarm that the same request has raised before."),
            201: OpenApiResponse(AlarmSerializer, description="The alarm is raised."),
            **refusals(403, 404, 409),
        },
        tags=["alarm"],
    )
    def create(self, request: Request) -> Response:
        """Raises an alarm, at once or at its startTime."""
        order, asking = ordered(request), principal(request)
        key = request.headers.get(HEADER)
        alarm, is_new = raise_alarm(
            order=order,
            raised_by=str(asking),
            now=database.now(),
            repeatable=None if key is None else repeatable(principal=principal_key(asking), key=key, body=request.data),
        )
        (answer,) = reading.rendered([alarm])
        return Response(answer, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(
        operation_id="PreviewAlarm",
        request=RaiseAlarmSerializer,
        responses={200: PreviewSerializer, **refusals(403, 404)},
        tags=["alarm"],
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Checks an alarm and returns whom it would reach over what; nothing is raised."""
        return Response(preview(order=ordered(request).filled(), now=database.now())._asdict())

    @extend_schema(
        operation_id="GetAlarm",
        parameters=[ALARM_ID],
        responses={200: AlarmSerializer, **refusals(404)},
        tags=["alarm"],
    )
    def retrieve(self, request: Request, alarmID: str) -> Response:
        """Returns an alarm with its answers. A member sees what they were notified of, and of the answers their own."""
        alarm, may_administer = alarm_in_scope(request, alarmID)
        (answer,) = reading.rendered([alarm], only_user_id=only_user(request, may_administer=may_administer))
        return Response(answer)

    @extend_schema(
        operation_id="CloseAlarm",
        parameters=[ALARM_ID],
        request=CloseAlarmSerializer,
        responses={200: ClosedSerializer, **refusals(403, 404, 409)},
        tags=["alarm"],
    )
    def partial_update(self, request: Request, alarmID: str) -> Response:
        """Closes an alarm, or cancels one that is scheduled: nothing further is sent but an all-clear. Closing twice is
        no error."""
        serializer = CloseAlarmSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        alarm, may_administer = alarm_in_scope(request, alarmID)
        if not may_administer:
            raise PermissionDenied("Only an admin of the organization or its API token may close an alarm.")
        close_alarm(alarm_id=alarm.pk, all_clear=serializer.validated_data["allClear"] or "", now=database.now())
        return Response({"message": "success"})


class AlarmsViewSet(ViewSet):
    @extend_schema(
        operation_id="ListAlarms",
        parameters=[ORGANIZATION_PARAMETER, *PAGE_PARAMETERS],
        responses={200: AlarmsSerializer, **refusals(404)},
        tags=["alarm"],
    )
    def list(self, request: Request) -> Response:
        """Returns the alarms of an organization that the caller may see, newest first."""
        organization, may_administer = visible_organization(
            request, query_id(request, "organization"), field="organization"
        )
        page = query_page(request)
        only_user_id = only_user(request, may_administer=may_administer)
        alarms, total = reading.visible_alarms(organization, page, only_user_id=only_user_id)
        return Response({"alarms": alarms, "totalAlarms": total})


class MessageStatusViewSet(ViewSet):
    lookup_url_kwarg = "alarm_id"

    @extend_schema(
        operation_id="GetAlarmMessageStatus",
        parameters=[
            id_parameter("alarm_id", "alarmID this request is about", location="path"),
            id_parameter("organization_id", "associated organization requesting the information (used for rbac-check)"),
            id_parameter("user_id", "requested user status"),
        ],
        responses={200: AlarmMessageStatusSerializer, **refusals(403, 404)},
        tags=["alarm"],
    )
    def retrieve(self, request: Request, alarm_id: str) -> Response:
        """Returns the current alarm message status for the user in the given alarm"""
        number = path_id(alarm_id, "alarm_id")
        organization_id, user_id = query_id(request, "organization_id"), query_id(request, "user_id")
        organization, may_administer = visible_organization(request, organization_id, field="organization_id")
        asking = principal(request)
        if not may_administer and not (isinstance(asking, User) and asking.pk == user_id):
            raise PermissionDenied("user_id: only an admin or an API token may read the status of another user.")
        found = reading.message_status(alarm_id=number, organization_id=organization.pk, user_id=user_id)
        if found is None:
            raise NotFound(f"user_id: alarm {number} did not notify user {user_id}.")
        return Response(found)


class FeedbackViewSet(ViewSet):
    @extend_schema(
        operation_id="feedback",
        request=FeedbackSerializer,
        responses={200: SuccessSerializer, **refusals(403, 404, 409)},
        tags=["feedback"],
    )
    def create(self, request: Request) -> Response:
        """Sets the user feedback for a specific alarm or organization using the api.

        You can use a JWT Token or Personal Access Token to update a specific user's feedback in an alarm or
        organization. You can also use an organization api token to update any user's feedback in an alarm or your
        organization.
        """
        serializer = FeedbackSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        asking = principal(request)
        if isinstance(asking, User) and data["userID"] != asking.pk:
            raise PermissionDenied("userID: a user answers for themselves.")
        organization = asking.organization if isinstance(asking, OrganizationPrincipal) else None
        if data["organizationID"]:
            organization, _may_administer = visible_organization(request, data["organizationID"])
        answer = {"user_id": data["userID"], "response": data["response"], "source": source(request)}
        if data["alarmID"]:
            answer_alarm(alarm_id=data["alarmID"], organization=organization, **answer)
        else:
            assert organization is not None
            if isinstance(asking, OrganizationPrincipal):
                member_of(organization, data["userID"])
            answer_organization(organization=organization, **answer)
        return Response({"success": True})


def source(request: Request) -> str:
    """Return how an answer came, for its history."""
    asking = principal(request)
    if isinstance(asking, OrganizationPrincipal):
        return str(asking)
    return "Personal access token" if isinstance(request.auth, PersonalAccessToken) else "JWT"
