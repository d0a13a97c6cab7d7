from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from alarms import reading
from alarms.answering import answer_alarm, answer_organization
from alarms.closing import close_alarm
from alarms.models import Alarm, AlarmMessage
from alarms.raising import Resources, raise_alarm
from alarms.serializers import (
    AlarmMessageStatusSerializer,
    AlarmSerializer,
    FeedbackSerializer,
    RaiseAlarmSerializer,
    SuccessSerializer,
    rendered,
)
from escalations.serializers import MessageSerializer
from messaging_project import database
from messaging_project.api import path_id, query_id
from organizations.authentication import OrganizationPrincipal
from organizations.models import User
from organizations.permissions import administered_organization, member_of, principal, visible_organization


def alarm_in_scope(request: Request, pk: str) -> tuple[Alarm, bool]:
    """Return an alarm of an organization that the caller belongs to, and whether they may administer it."""
    alarm = Alarm.objects.filter(pk=path_id(pk, "alarmID")).first()
    if alarm is not None:
        try:
            _organization, may_administer = visible_organization(request, alarm.organization_id)
        except NotFound:
            alarm = None
    if alarm is None:
        raise NotFound(f"alarmID: there is no alarm {pk}.")
    return alarm, may_administer


class AlarmViewSet(ViewSet):
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="RaiseAlarm", request=RaiseAlarmSerializer, responses={201: AlarmSerializer}, tags=["alarm"]
    )
    def create(self, request: Request) -> Response:
        serializer = RaiseAlarmSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        organization = administered_organization(request, data["organizationID"])
        now = database.now()
        if (start := data.get("startTime")) and start > now:
            raise ValidationError({"startTime": "A time in the future is not supported."})
        wanted = data["alarmResources"]
        alarm = raise_alarm(
            organization=organization,
            message=data["message"],
            event_name=data["eventName"],
            resources=Resources(wanted["allUsers"], wanted.get("users", ()), wanted.get("units", ())),
            raised_by=str(principal(request)),
            now=now,
        )
        return Response(
            rendered(alarm, reading.summary(alarm), reading.recipient_states(alarm)), status=status.HTTP_201_CREATED
        )

    @extend_schema(operation_id="GetAlarm", responses=AlarmSerializer, tags=["alarm"])
    def retrieve(self, request: Request, pk: str) -> Response:
        alarm, may_administer = alarm_in_scope(request, pk)
        asking = principal(request)
        if may_administer or isinstance(asking, OrganizationPrincipal):
            states = reading.recipient_states(alarm)
        else:
            states = reading.recipient_states(alarm, only_user_id=asking.pk)
            if not states:
                raise NotFound(f"alarmID: there is no alarm {pk}.")
        return Response(rendered(alarm, reading.summary(alarm), states))

    @extend_schema(operation_id="CloseAlarm", request=None, responses=MessageSerializer, tags=["alarm"])
    def partial_update(self, request: Request, pk: str) -> Response:
        _body = request.data  # Nothing of it is used, but what is no JSON object is refused (contract 2).
        alarm, may_administer = alarm_in_scope(request, pk)
        if not may_administer:
            asking = principal(request)
            assert isinstance(asking, User)
            if not AlarmMessage.objects.filter(alarm=alarm, user=asking).exists():
                raise NotFound(f"alarmID: there is no alarm {pk}.")
            raise PermissionDenied("Only an admin of the organization or its API token may close an alarm.")
        close_alarm(alarm_id=alarm.pk, now=database.now())
        return Response({"message": "success"})


class MessageStatusViewSet(ViewSet):
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="GetAlarmMessageStatus",
        parameters=[
            OpenApiParameter("organization_id", int, required=True),
            OpenApiParameter("user_id", int, required=True),
        ],
        responses=AlarmMessageStatusSerializer,
        tags=["alarm"],
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        alarm_id = path_id(pk, "alarm_id")
        organization_id, user_id = query_id(request, "organization_id"), query_id(request, "user_id")
        organization, may_administer = visible_organization(request, organization_id, field="organization_id")
        asking = principal(request)
        if not may_administer and not (isinstance(asking, User) and asking.pk == user_id):
            raise PermissionDenied("user_id: only an admin or an API token may read the status of another user.")
        recipient = (
            AlarmMessage.objects.filter(alarm_id=alarm_id, alarm__organization=organization, user_id=user_id)
            .only("message_id")
            .first()
        )
        if recipient is None:
            raise NotFound(f"user_id: alarm {alarm_id} did not notify user {user_id}.")
        devices = recipient.device_messages.order_by("turn", "pk")
        return Response(AlarmMessageStatusSerializer({"devices": devices, "messageId": recipient.message_id}).data)


class FeedbackViewSet(ViewSet):
    @extend_schema(operation_id="feedback", request=FeedbackSerializer, responses=SuccessSerializer, tags=["feedback"])
    def create(self, request: Request) -> Response:
        serializer = FeedbackSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        asking = principal(request)
        if isinstance(asking, User) and data["userID"] != asking.pk:
            raise PermissionDenied("userID: a user answers for themselves.")
        organization = asking.organization if isinstance(asking, OrganizationPrincipal) else None
        if data["organizationID"]:
            organization, _may_administer = visible_organization(request, data["organizationID"])
        answer = {
            "user_id": data["userID"],
            "response": data["response"],
            "source": source(asking),
        }
        if data["alarmID"]:
            answer_alarm(alarm_id=data["alarmID"], organization=organization, **answer)
        else:
            assert organization is not None
            if isinstance(asking, OrganizationPrincipal):
                member_of(organization, data["userID"])
            answer_organization(organization=organization, **answer)
        return Response({"success": True})


def source(asking: User | OrganizationPrincipal) -> str:
    """Return how an answer came, for its history."""
    return str(asking) if isinstance(asking, OrganizationPrincipal) else "Personal access token"
