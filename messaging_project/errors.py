"""Errors of the REST API in the dialect of contract 2, rendered in one place and never as HTML."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

logger = logging.getLogger(__name__)

MAX_LINES = 20

MESSAGES = {
    400: "The request is not valid.",
    401: "Authentication is required.",
    403: "This is not allowed.",
    404: "There is no such thing.",
    405: "This method is not allowed here.",
    406: "The answer is JSON only.",
    409: "The request conflicts with the present state.",
    413: "The request is too large.",
    415: "The request must be JSON (Content-Type: application/json).",
    429: "Too many requests.",
    500: "The service has made a mistake. It is logged.",
    503: "The service is not available right now.",
}


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "The request conflicts with the present state."
    default_code = "conflict"


class PayloadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than 1 MiB."
    default_code = "too_large"


class DatabaseAway(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database cannot be reached."
    default_code = "database_away"


class KeysAway(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The keys of the tokens' issuer cannot be read."
    default_code = "keys_away"


def body(status_code: int, details: str) -> dict[str, object]:
    """Return an error's body: `message` is for people, `error` names the field and the reason."""
    return {"success": False, "message": MESSAGES.get(status_code, MESSAGES[400]), "error": details}


def flatten(detail: Any, path: str = "") -> list[str]:
    """Return the lines of DRF's nested error details, each led by the field it is about: `escalations[1].delay: ...`"""
    if isinstance(detail, dict):
        return [line for key, value in detail.items() for line in flatten(value, _below(path, key))]
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        return [line for index, item in enumerate(detail) for line in flatten(item, _below(path, index))]
    if isinstance(detail, list):
        return [line for item in detail for line in flatten(item, path)]
    return [f"{path}: {detail}" if path else str(detail)]


def _below(path: str, key: str | int) -> str:
    if key == "non_field_errors":
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def details_of(detail: Any) -> str:
    """Return error details as one text, of a bounded length however much is wrong."""
    lines = flatten(detail)
    more = [f"and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    return "; ".join(lines[:MAX_LINES] + more)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Render an exception of a view; one that nobody foresaw is logged and answered with 500."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database is away: %s", str(error).splitlines()[0] if str(error) else type(error).__name__)
        error = DatabaseAway()
    if isinstance(error, RequestDataTooBig):
        error = PayloadTooLarge()
    response = drf_exception_handler(error, context)
    if response is None:
        request = context["request"]
        logger.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
        return Response(body(500, "unexpected error"), status=500)
    detail = response.data
    if isinstance(detail, dict) and not isinstance(error, ValidationError):
        detail = detail["detail"]
    response.data = body(response.status_code, details_of(detail))
    return response


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse(body(400, str(exception) or "bad request"), status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse(body(403, str(exception) or "forbidden"), status=403)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse(body(404, f"path: there is nothing at {request.path}"), status=404)


def server_error(request: HttpRequest) -> JsonResponse:
    return JsonResponse(body(500, "unexpected error"), status=500)
