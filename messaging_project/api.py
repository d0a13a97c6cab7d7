"""What all endpoints share: the router, strict fields and ids (contract 2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter

MAX_ID = 2**63 - 1


class Router(SimpleRouter):
    """Serves every path with and without a trailing slash, without a redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


def english_api(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: API texts are English, whatever LANGUAGE_CODE is."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return get_response(request)
        with translation.override("en"):
            return get_response(request)

    return answer


class StrictIntegerField(serializers.IntegerField):
    """Takes JSON integers only: no strings, floats or booleans."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class IdField(StrictIntegerField):
    """An id of 64 bits; 0 or absent means "not given" where it is optional (contract 2)."""

    def __init__(self, **options: Any) -> None:
        if not options.get("read_only") and not options.get("required", True):
            options.setdefault("default", 0)
            options.pop("required", None)
        options.setdefault("min_value", 0)
        options.setdefault("max_value", MAX_ID)
        super().__init__(**options)


class StrictBooleanField(serializers.BooleanField):
    """Takes true and false only."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictCharField(serializers.CharField):
    """Takes strings only, as they are (nothing is trimmed), of what a database can keep."""

    default_error_messages = {"surrogate": "Not valid Unicode: a surrogate stands alone."}

    def __init__(self, **options: Any) -> None:
        options.setdefault("trim_whitespace", False)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if any("\ud800" <= character <= "\udfff" for character in data):
            self.fail("surrogate")
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """Takes one of the choices only; what else came is not repeated in the answer."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            raise ValidationError(f"Must be one of {', '.join(self.choices)}.", code="invalid_choice")
        return data


class BoundedListField(serializers.ListField):
    """Looks at the length before it looks at each item, so that a long list costs nothing."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            raise ValidationError(f"At most {self.max_length} entries.", code="max_length")
        items: list[Any] = super().to_internal_value(data)
        return items


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC with `Z`, whatever time zone the service runs in."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("default_timezone", UTC)
        super().__init__(**options)


def parse_id(text: str | None, name: str, *, required: bool = True) -> int:
    """Return the id in a path or query.

    Raises: ValidationError (400) for what is no integer from 0 to 2^63-1, or is missing (0 included) though required.
    """
    if text is None or text == "":
        if required:
            raise ValidationError({name: "This parameter is required."})
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > MAX_ID:
        raise ValidationError({name: "Must be an integer from 0 to 2^63-1."})
    if required and int(text) == 0:
        raise ValidationError({name: "This parameter is required."})
    return int(text)


def path_id(text: str, name: str) -> int:
    """Return the id in a path; 0 is no thing's id.

    Raises: ValidationError (400) for what is no id, NotFound (404) for 0.
    """
    number = parse_id(text, name, required=False)
    if not number:
        raise NotFound(f"{name}: there is no {number}.")
    return number


def query_id(request: Request, name: str, *, required: bool = True) -> int:
    """Return the id in the query parameter `name` (see `parse_id`)."""
    return parse_id(request.query_params.get(name), name, required=required)
