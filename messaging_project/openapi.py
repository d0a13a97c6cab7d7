"""The OpenAPI document: what the views do not say themselves, and the pages that show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from messaging_project.api import read_only
from messaging_project.errors import MESSAGES, is_inbox

# Written by `make schema`; `make check` says when the views have moved on.
DOCUMENT = Path(settings.BASE_DIR) / "docs" / "openapi.json"

# What every operation may answer, and what those with a body may.
COMMON = (400, 401, 414, 429, 431, 500, 503)
WITH_BODY = (413, 415)

Endpoint = tuple[str, str, str, Callable[..., Any]]


class ApiTokenScheme(OpenApiAuthenticationExtension):
    target_class = "organizations.authentication.ApiTokenAuthentication"
    name = "API_Token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "API-TOKEN",
            "description": "Speaks for an organization, in its scope only. Requests about a user as such are 403.",
        }


class PersonalAccessTokenScheme(OpenApiAuthenticationExtension):
    target_class = "organizations.authentication.PersonalAccessTokenAuthentication"
    name = "Personal-Access-Token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Personal-Access-Token",
            "description": "Speaks for the user who owns it, with what they may do in each of their organizations.",
        }


class JWTScheme(OpenApiAuthenticationExtension):
    target_class = "organizations.authentication.JWTAuthentication"
    name = "JWT"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return build_bearer_security_scheme_object("Authorization", "Bearer", bearer_format="JWT") | {
            "description": "Speaks for the user whose login is its `sub`, where the service is set up for it."
        }


class Int64(OpenApiSerializerFieldExtension):
    """Numbers are 64 bits wide, whatever bounds they have."""

    target_class = "rest_framework.serializers.IntegerField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**schema, "format": "int64"}


class Text(OpenApiSerializerFieldExtension):
    """What no database keeps is no text; a field that has a pattern of its own says more."""

    target_class = "messaging_project.api.StrictCharField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        if any(isinstance(validator, RegexValidator) for validator in self.target.validators):
            return schema
        return {**schema, "pattern": r"^[^\u0000]*$"}


def without_slash(endpoints: list[Endpoint], **_options: Any) -> list[Endpoint]:
    """Name every path once: without the slash at its end, which it may also have."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]  # type: ignore[misc] # a tuple of four


def error_content(path: str, code: str) -> dict[str, Any]:
    """Describe the body of an error of a path below /api/v1; what is too long is answered before anybody sees where it
    was to go."""
    generic = is_inbox(f"/api/v1{path}") and code not in ("414", "431")
    return {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{'GenericResponse' if generic else 'Error'}"}}
    }


def with_blank(schema: Any) -> Any:
    """Undo that "or empty" is said of texts whose pattern has it: as one of two, an empty text would be both."""
    if isinstance(schema, list):
        return [with_blank(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: with_blank(value) for key, value in schema.items()}
    match plain.get("oneOf"):
        case [{"type": "string"} as text, {"type": "string", "maxLength": 0}]:
            return {**text, **{key: value for key, value in plain.items() if key != "oneOf"}}
    return plain


def complete(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Head each operation with its name, add the errors that every one may answer with to those that it names itself
    (errors.refusals), and say in which dialect they come. An empty parameter is as one that is not given."""
    for path, operations in result["paths"].items():
        for operation in operations.values():
            operation["summary"] = operation["operationId"]
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query" and not parameter.get("required"):
                    parameter["allowEmptyValue"] = True
            for code in (*COMMON, *(WITH_BODY if "requestBody" in operation else ())):
                operation["responses"].setdefault(str(code), {"description": MESSAGES[code]})
            for code, response in operation["responses"].items():
                if code >= "400":
                    response["content"] = error_content(path, code)
            operation["responses"]["429"]["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
            }
            operation["responses"] = dict(sorted(operation["responses"].items()))
    result["components"] = with_blank(result["components"])
    return result


@read_only
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    return HttpResponse(DOCUMENT.read_bytes(), content_type="application/json")


@read_only
def docs(request: HttpRequest) -> HttpResponse:
    """A page that shows the OpenAPI document, with nothing from elsewhere."""
    page = render(request, "messaging_project/docs.html")
    page["Content-Security-Policy"] = (
        "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
        "script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return page
