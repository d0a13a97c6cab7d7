"""Errors in the two dialects of contract 2 and 6, rendered in one place. A browser at the admin gets a page."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from drf_spectacular.utils import OpenApiResponse
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from rest_framework import serializers, status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ParseError,
    Throttled,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from messaging_project.throttling import too_many_strangers

logger = logging.getLogger(__name__)

MAX_LINES = 20
INBOX = "/api/v1/msg"
BUSY = (DeadlockDetected, LockNotAvailable, QueryCanceled)
# An error that is about a field begins with its name.
FIELD = re.compile(r"([\w.\[\]-]+): ")

MESSAGES = {
    400: "The request is not valid.",
    401: "Authentication is required.",
    403: "This is not allowed.",
    404: "There is no such thing.",
    405: "This method is not allowed here.",
    408: "The request was not sent in time.",
    409: "The request conflicts with the present state.",
    413: "The request is too large.",
    414: "The address is too long.",
    415: "The request has another Content-Type than it must have, mostly application/json.",
    429: "Too many requests.",
    431: "The headers are too large.",
    500: "The service has made a mistake. It is logged.",
    503: "The service is not available right now.",
}


class ResponseCode(TextChoices):
    """How the inbox's GenericResponse calls what came of a request (contract 6)."""

    OK = "OK"
    INVALIDDATA = "INVALIDDATA"
    FAILURE = "FAILURE"
    AUTHREQUIRED = "AUTHREQUIRED"
    PERMISSION = "PERMISSION"
    NOTFOUND = "NOTFOUND"
    MAINTENANCEMODE = "MAINTENANCEMODE"
    NOTLICENSED = "NOTLICENSED"
    LOCKED = "LOCKED"


# Other 4xx are INVALIDDATA.
RESPONSE_CODES = {
    401: ResponseCode.AUTHREQUIRED,
    403: ResponseCode.PERMISSION,
    404: ResponseCode.NOTFOUND,
    429: ResponseCode.FAILURE,
    500: ResponseCode.FAILURE,
    503: ResponseCode.MAINTENANCEMODE,
}


class ErrorSerializer(serializers.Serializer[object]):
    """An error of everything but the inbox."""

    success = serializers.BooleanField(help_text="false")
    message = serializers.CharField(help_text="for people")
    error = serializers.CharField(help_text="the details: field and reason")


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "The request conflicts with the present state."
    default_code = "conflict"


class PayloadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than 1 MiB."
    default_code = "too_large"


class Busy(APIException):
    """Others hold what a request needs: for longer than a lock is waited for, or they wait for each other."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The same is being changed by another request; ask again."
    default_code = "busy"


class DatabaseAway(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database cannot be reached."
    default_code = "database_away"


class KeysAway(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The keys of the tokens' issuer cannot be read."
    default_code = "keys_away"


def body(status_code: int, details: str, *, path: str) -> dict[str, object]:
    """Return an error's body in the dialect of `path`: for people, and with the field and the reason."""
    message = MESSAGES.get(status_code, MESSAGES[400])
    if not is_inbox(path):
        return {"success": False, "message": message, "error": details}
    field = FIELD.match(details)
    code = RESPONSE_CODES.get(status_code, ResponseCode.INVALIDDATA)
    return generic_response(code, f"{message} {details}", about=field[1] if field else "")


def is_inbox(path: str) -> bool:
    """Whether a path speaks the dialect of the inbox."""
    return path == INBOX or path.startswith(f"{INBOX}/")


def generic_response(
    code: ResponseCode, text: str, *, about: str = "", messages: Sequence[object] = ()
) -> dict[str, object]:
    """Return the GenericResponse of the inbox; `about` is the field that an error is about."""
    info = {"responseCode": code.value, "responseMessage": text, "property": about}
    return {"messages": messages, "responseInfo": info}


def refusals(*codes: int) -> dict[int, OpenApiResponse]:
    """Describe the errors that an operation answers with, beside those that every operation may (openapi.py)."""
    return {code: OpenApiResponse(ErrorSerializer, description=MESSAGES[code]) for code in codes}


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
    request = context["request"]
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database refused: %s", str(error).splitlines()[0] if str(error) else type(error).__name__)
        error = Busy() if isinstance(error.__cause__, BUSY) else DatabaseAway()
    elif isinstance(error, RequestDataTooBig):
        error = PayloadTooLarge()
    elif isinstance(error, NotAuthenticated):
        error = NotAuthenticated("Send API-TOKEN, Personal-Access-Token or Authorization: Bearer.")
    elif isinstance(error, SuspiciousOperation):
        error = ParseError(str(error))
    if isinstance(error, NotAuthenticated | AuthenticationFailed) and (wait := too_many_strangers(request)):
        error = Throttled(wait)
    response = drf_exception_handler(error, context)
    if response is None:
        logger.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
        return Response(body(500, "unexpected error", path=request.path), status=500)
    detail = response.data
    if isinstance(detail, dict) and not isinstance(error, ValidationError):
        detail = detail["detail"]
    response.data = body(response.status_code, details_of(detail), path=request.path)
    return response


def answer(request: HttpRequest, status_code: int, details: str) -> HttpResponse:
    """Answer a request that no view of the API has seen."""
    if request.path.startswith("/admin/") and "text/html" in request.headers.get("Accept", ""):
        # Of what has gone wrong within the service nothing is read here but files.
        page = render_to_string(
            "messaging_project/desk_error.html", {"status": status_code, "name": settings.SITE_NAME}
        )
        return HttpResponse(page, status=status_code)
    return JsonResponse(body(status_code, details, path=request.path), status=status_code)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return answer(request, 413, str(PayloadTooLarge.default_detail))
    return answer(request, 400, str(exception) or "bad request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403, str(exception) or "forbidden")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, 403, f"{reason} Load the page again, with cookies allowed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 404, f"path: there is nothing at {request.path}")


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return answer(request, 503, str(DatabaseAway.default_detail))
    return answer(request, 500, "unexpected error")
