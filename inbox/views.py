"""The resource to access the inbox and send messages (contract 6). Each needs a user: an API token gets 403."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from inbox import reading
from inbox.models import InboxMessage
from inbox.sending import MessageOrder, send
from inbox.serializers import GenericResponseSerializer, MessageSendRequestSerializer, MessagesReadRequestSerializer
from messaging_project.api import (
    MAX_ID,
    ViewSet,
    id_parameter,
    parse_integer,
    path_id,
    query_flag,
    query_id,
    query_text,
)
from messaging_project.errors import ResponseCode, generic_response, refusals
from organizations.models import Organization, User
from organizations.permissions import acting_user

MESSAGE_ID = id_parameter("id", "the message", location="path")
LIST_PARAMETERS = [
    OpenApiParameter(
        "unread",
        {"type": "boolean", "default": False},
        description="true if only unread messages shall be shown, false for all messages (default)",
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID},
        description="at most so many; without it all",
    ),
    id_parameter("before", "only messages that are older than the one with this id", required=False),
    OpenApiParameter("If-None-Match", str, "header", description="the ETag of the list that the caller has"),
    OpenApiParameter("ETag", str, "header", response=[200, 304], description="changes when the list does"),
]


GENERIC = OpenApiResponse(GenericResponseSerializer, description="generic response")


def answer(
    text: str, messages: Sequence[reading.Received], *, reader: User, now: datetime | None = None, code: int = 200
) -> Response:
    """Answer with messages as their reader sees them."""
    shown = reading.rendered(messages, reader=reader, now=now or timezone.now())
    return Response(generic_response(ResponseCode.OK, text, messages=shown), status=code)


def counted(messages: Sequence[object]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"


def there_is_no(number: int) -> NotFound:
    return NotFound(f"id: there is no message {number}.")


class InboxViewSet(ViewSet):
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="SendMessage",
        request=MessageSendRequestSerializer,
        responses={201: GENERIC, **refusals(403)},
        tags=["msg"],
    )
    @action(detail=False, methods=["post"])
    def send(self, request: Request) -> Response:
        """Send a message to users/groups

        The users and the members of the groups must be of organizations of the sender. The answer has the message as
        its sender reads it.
        """
        sender = acting_user(request)
        serializer = MessageSendRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        sent = send(
            order=MessageOrder(
                text=data["message"],
                translations=data.get("translations") or {},
                parameters=data.get("parameters") or (),
                users=data.get("toUserId") or (),
                groups=data.get("toGroupId") or (),
                instant_minutes=data.get("instantTimeMinutes"),
            ),
            sender=sender,
            organizations=Organization.objects.of(sender),
            now=timezone.now(),
        )
        people = "1 user" if sent.recipients == 1 else f"{sent.recipients} users"
        own = reading.Received.of(sent.own)
        return answer(f"Successfully sent the message to {people}", [own], reader=sender, code=201)

    @extend_schema(
        operation_id="ListMessages",
        parameters=LIST_PARAMETERS,
        responses={
            200: OpenApiResponse(GenericResponseSerializer, description="response containing the messages"),
            304: OpenApiResponse(description="The list is as it was."),
            **refusals(403),
        },
        tags=["msg"],
    )
    @action(detail=False, url_path="list")
    def list_messages(self, request: Request) -> Response:
        """List messages for the current user

        Newest first. Without `limit` all are returned; `before` asks for the next page.
        """
        reader = acting_user(request)
        limit = query_text(request, "limit")
        query = reading.Query(
            unread=query_flag(request, "unread"),
            limit=parse_integer(limit, "limit", minimum=1) if limit else None,
            before=query_id(request, "before", required=False) or None,
        )
        response = self._not_modified(request, query, reader) or self._listed(query, reader)
        response["Cache-Control"] = "private, no-cache"
        return response

    def _not_modified(self, request: Request, query: reading.Query, reader: User) -> Response | None:
        known = [tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))]
        if not known:
            return None
        tag = query.current_etag(reader=reader, now=timezone.now())
        if tag.removeprefix("W/") not in known and "*" not in known:
            return None
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})

    def _listed(self, query: reading.Query, reader: User) -> Response:
        messages = query.received(reader)
        # One moment for both: a tag that is ahead of its list would keep the list from being asked for again.
        now = timezone.now()
        response = answer(counted(messages), messages, reader=reader, now=now)
        state = ((message.id, message.instant_until) for message in messages)
        response["ETag"] = query.etag(state, reader=reader, now=now)
        return response

    @extend_schema(
        operation_id="ViewMessage",
        parameters=[MESSAGE_ID],
        responses={200: GENERIC, **refusals(403, 404)},
        tags=["msg"],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """View a message of the current user"""
        reader, number = acting_user(request), path_id(id, "id")
        messages = reading.with_ids([number], reader=reader)
        if not messages:
            raise there_is_no(number)
        return answer("1 message", messages, reader=reader)

    @extend_schema(
        operation_id="MarkMessagesRead",
        request=MessagesReadRequestSerializer,
        responses={201: GENERIC, **refusals(403)},
        tags=["msg"],
    )
    @action(detail=False, methods=["post"])
    def read(self, request: Request) -> Response:
        """Set messages to be read

        Ids that are not the caller's change nothing. The answer has those messages that are.
        """
        reader = acting_user(request)
        serializer = MessagesReadRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        messages = reading.mark_read(user=reader, ids=serializer.validated_data["messages"], now=timezone.now())
        return answer(f"Successfully set {len(messages)} messages to 'read'", messages, reader=reader, code=201)

    @extend_schema(
        operation_id="DeleteMessage",
        parameters=[MESSAGE_ID],
        responses={204: OpenApiResponse(description="It is deleted."), **refusals(403, 404)},
        tags=["msg"],
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Delete a message of the current user"""
        owner, number = acting_user(request), path_id(id, "id")
        deleted, _by_model = InboxMessage.objects.of(owner).filter(pk=number).delete()
        if not deleted:
            raise there_is_no(number)
        return Response(status=status.HTTP_204_NO_CONTENT)
