from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.inbound.authentication import GATEWAY_AUTHENTICATION, IsGateway, organization_of
from alarms.receipt_serializers import ReceiptSerializer
from alarms.receipts import take_receipt
from alarms.serializers import SuccessSerializer
from messaging_project import database
from messaging_project.api import ViewSet
from messaging_project.errors import refusals


class ReceiptViewSet(ViewSet):
    authentication_classes = GATEWAY_AUTHENTICATION
    permission_classes = [IsGateway]

    @extend_schema(
        operation_id="GiveReceipt",
        request=ReceiptSerializer,
        responses={200: SuccessSerializer, **refusals(403, 404, 409)},
        tags=["alarm"],
    )
    def create(self, request: Request) -> Response:
        """Takes a receipt: what a gateway says later of a message that it took.

        Receipts may come late, twice and out of order: of those of a message the strongest holds (read, delivered,
        failed), and what is weaker or the same again changes nothing.
        """
        serializer = ReceiptSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        take_receipt(
            idempotency_key=data["idempotencyKey"],
            status=data["status"],
            date=data["date"],
            attempt=data["attempt"],
            organization=organization_of(request),
            now=database.now(),
        )
        return Response({"success": True})
