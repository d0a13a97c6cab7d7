from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.gateways.twilio import CALLBACKS
from alarms.inbound import twiml
from alarms.inbound.answering_by_phone import answer_by_sms
from alarms.inbound.authentication import GATEWAY_AUTHENTICATION, IsGateway, TwilioAuthentication, organization_of
from alarms.inbound.dialogue import ROUNDS, answer_call, talk
from alarms.inbound.serializers import (
    ReplySerializer,
    SmsSerializer,
    TwilioCallSerializer,
    TwilioSmsSerializer,
    TwilioStatusSerializer,
)
from alarms.models import DeviceMessage
from alarms.receipts import take_receipt
from messaging_project import database
from messaging_project.api import ViewSet, parse_integer, query_text
from messaging_project.errors import refusals

XML = "text/xml"
TWIML = {(200, XML): OpenApiResponse(OpenApiTypes.STR, description="TwiML: what Twilio is to do.")}
ASKED = OpenApiParameter(
    "asked",
    {"type": "integer", "minimum": 0, "maximum": ROUNDS, "default": 0},
    description="how often they were asked in this call",
)
MAX_ATTEMPT = 2**15 - 1
# What Twilio's words for the end of a message or a call mean; the others are on the way there.
RECEIPTS = {
    "MessageStatus": {
        "delivered": DeviceMessage.Receipt.DELIVERED,
        "read": DeviceMessage.Receipt.READ,
        "undelivered": DeviceMessage.Receipt.FAILED,
        "failed": DeviceMessage.Receipt.FAILED,
    },
    "CallStatus": {
        "completed": DeviceMessage.Receipt.DELIVERED,
        "busy": DeviceMessage.Receipt.FAILED,
        "no-answer": DeviceMessage.Receipt.FAILED,
        "failed": DeviceMessage.Receipt.FAILED,
        "canceled": DeviceMessage.Receipt.FAILED,
    },
}


class SmsViewSet(ViewSet):
    authentication_classes = GATEWAY_AUTHENTICATION
    permission_classes = [IsGateway]

    @extend_schema(
        operation_id="AnswerBySms",
        request=SmsSerializer,
        responses={200: ReplySerializer, **refusals(403)},
        tags=["inbound"],
    )
    def create(self, request: Request) -> Response:
        """Takes what somebody has texted as their answer to their newest open alarm, and says what to text back.

        An SMS is an answer if it says yes or no, in English or German, or 1 or 0. The sender is known by a device of
        the way sms or call.
        """
        serializer = SmsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        reply = answer_by_sms(
            number=data["from"], text=data["text"], organization=organization_of(request), now=database.now()
        )
        return Response({"reply": reply})


class TwilioViewSet(ViewSet):
    """What Twilio asks: a form, signed with the auth token of the account."""

    authentication_classes = [TwilioAuthentication]
    parser_classes = [FormParser]


class TwilioSmsViewSet(TwilioViewSet):
    @extend_schema(
        operation_id="TwilioSms",
        request={FormParser.media_type: TwilioSmsSerializer},
        responses=TWIML,
        tags=["inbound"],
    )
    def create(self, request: Request) -> HttpResponse:
        """Takes an SMS that Twilio has received, as AnswerBySms does."""
        reply = answer_by_sms(
            number=request.POST.get("From", ""),
            text=request.POST.get("Body", ""),
            organization=organization_of(request),
            now=database.now(),
        )
        return xml(twiml.message(reply))


class TwilioCallViewSet(TwilioViewSet):
    @extend_schema(
        operation_id="TwilioCall",
        parameters=[ASKED],
        request={FormParser.media_type: TwilioCallSerializer},
        responses=TWIML,
        tags=["inbound"],
    )
    def create(self, request: Request) -> HttpResponse:
        """Speaks to somebody who calls: reads their newest open alarm and asks for their answer."""
        document = answer_call(
            number=request.POST.get("From", ""),
            digits=request.POST.get("Digits", ""),
            asked=times_asked(request),
            organization=organization_of(request),
            now=database.now(),
        )
        return xml(document)


class TwilioTalkViewSet(TwilioViewSet):
    def handle_exception(self, exc: Exception) -> Response:
        # What is logged of an error names the path: not with the code.
        self.request._request.path = CALLBACKS
        return super().handle_exception(exc)

    @extend_schema(
        operation_id="TwilioTalk",
        parameters=[OpenApiParameter("code", str, "path", description="the recipient's answer code"), ASKED],
        request={FormParser.media_type: TwilioCallSerializer},
        responses=TWIML,
        tags=["inbound"],
    )
    def create(self, request: Request, code: str) -> HttpResponse:
        """Speaks to a recipient who was called: reads their alarm twice and takes 1 (coming) or 2 from the keypad."""
        document = talk(
            code=code,
            digits=request.POST.get("Digits", ""),
            asked=times_asked(request),
            organization=organization_of(request),
            now=database.now(),
        )
        return xml(document)


class TwilioStatusViewSet(TwilioViewSet):
    @extend_schema(
        operation_id="TwilioStatus",
        parameters=[
            OpenApiParameter(
                "key",
                {"type": "string", "minLength": 1},
                required=True,
                description="the Idempotency-Key of the message",
            ),
            OpenApiParameter(
                "attempt", {"type": "integer", "minimum": 1, "maximum": MAX_ATTEMPT}, description="of which attempt"
            ),
        ],
        request={FormParser.media_type: TwilioStatusSerializer},
        responses={204: None, **refusals(404, 409)},
        tags=["inbound"],
    )
    def create(self, request: Request) -> Response:
        """Takes what has become of an SMS or a call, as a receipt."""
        key, attempt = query_text(request, "key"), query_text(request, "attempt")
        if not key:
            raise ValidationError({"key": "This parameter is required."})
        number = parse_integer(attempt, "attempt", minimum=1, maximum=MAX_ATTEMPT) if attempt else None
        for name, receipts in RECEIPTS.items():
            if receipt := receipts.get(request.POST.get(name, "")):
                take_receipt(
                    idempotency_key=key,
                    status=receipt,
                    date=None,
                    organization=organization_of(request),
                    now=database.now(),
                    attempt=number,
                )
        return Response(status=204)


def times_asked(request: Request) -> int:
    return parse_integer(query_text(request, "asked") or "0", "asked", maximum=ROUNDS)


def xml(document: bytes) -> HttpResponse:
    return HttpResponse(document, content_type=f"{XML}; charset=utf-8")
