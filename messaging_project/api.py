"""What all endpoints share: the router, strict fields and ids (contract 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.routers import Route, SimpleRouter

from messaging_project import errors

MAX_ID = 2**63 - 1
MAX_LISTED_IDS = 100_000
MAX_NAMED_IDS = 100
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
DEFAULT_PAGE, MAX_PAGE = 10, 50


class Router(SimpleRouter):
    """Serves every path with and without a trailing slash, without a redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"
        # What is there once, without an id in its path, is changed there.
        of_list = self.routes[0]
        assert isinstance(of_list, Route)
        self.routes[0] = of_list._replace(mapping={**of_list.mapping, "patch": "update_own"})


def english_api(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: API texts are English, whatever LANGUAGE_CODE is."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return get_response(request)
        with translation.override("en"):
            return get_response(request)

    return answer


def read_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer other methods than GET and HEAD in the dialect of the API, whoever asks."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        refused = errors.answer(request, 405, f"method: {request.method} is not allowed.")
        refused["Allow"] = "GET, HEAD"
        return refused

    return csrf_exempt(answer)


class JSONWhateverIsAccepted(DefaultContentNegotiation):
    """Answers JSON to everybody: there is nothing else, and no 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class ViewSet(viewsets.ViewSet):
    """Base of all endpoints; ids in paths are checked by `path_id`, so that what is none is told in JSON."""

    content_negotiation_class = JSONWhateverIsAccepted
    lookup_value_regex = "[^/]+"
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]


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


class IdListField(BoundedListField):
    """Ids of things that there must be; absent, null and empty mean "not given"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=StrictIntegerField(min_value=1, max_value=MAX_ID),
            required=False,
            allow_null=True,
            max_length=MAX_LISTED_IDS,
            **options,
        )


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339, answered in UTC with `Z`, whatever time zone the service runs in.

    A time without its offset is refused: an alarm an hour late is worse than one that is sent again.
    """

    default_error_messages = {"invalid": "Must be RFC 3339 with an offset from UTC, such as 2026-01-31T14:05:00Z."}

    def __init__(self, **options: Any) -> None:
        options.setdefault("default_timezone", UTC)
        super().__init__(**options)

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not RFC_3339.fullmatch(value):
            self.fail("invalid")
        moment: datetime = super().to_internal_value(value.upper())
        return moment


def parse_integer(text: str, name: str, *, minimum: int = 0, maximum: int = MAX_ID) -> int:
    """Return the number in a path or query.

    Raises: ValidationError (400) for what is no integer within the bounds.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20 and minimum <= int(text) <= maximum):
        highest = "2^63-1" if maximum == MAX_ID else maximum
        raise ValidationError({name: f"Must be an integer from {minimum} to {highest}."})
    return int(text)


def parse_id(text: str, name: str, *, required: bool = True) -> int:
    """Return the id in a path or query.

    Raises: ValidationError (400) for what is no integer from 0 to 2^63-1, or is missing (0 included) though required.
    """
    number = parse_integer(text, name) if text else 0
    if required and not number:
        raise ValidationError({name: "This parameter is required."})
    return number


def path_id(text: str, name: str) -> int:
    """Return the id in a path; 0 is no thing's id.

    Raises: ValidationError (400) for what is no id, NotFound (404) for 0.
    """
    number = parse_id(text, name, required=False)
    if not number:
        raise NotFound(f"{name}: there is no {number}.")
    return number


def listed(ids: Iterable[int]) -> str:
    """Return ids for an error, of a bounded length however many there are."""
    numbers = sorted(ids)
    more = f" and {len(numbers) - MAX_NAMED_IDS} more" if len(numbers) > MAX_NAMED_IDS else ""
    return ", ".join(map(str, numbers[:MAX_NAMED_IDS])) + more


def query_text(request: Request, name: str) -> str:
    """Return the query parameter `name`, empty where it is not there.

    Raises: ValidationError (400) where it is there twice: nobody knows which one is meant.
    """
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ValidationError({name: "Give it once."})
    return values[0] if values else ""


def query_id(request: Request, name: str, *, required: bool = True) -> int:
    """Return the id in the query parameter `name` (see `parse_id`)."""
    return parse_id(query_text(request, name), name, required=required)


def query_flag(request: Request, name: str) -> bool:
    """Return the query parameter `name`, `true` or `false`; absent or empty is false.

    Raises: ValidationError (400) for anything else.
    """
    flags = {"true": True, "false": False, "": False}
    try:
        return flags[query_text(request, name)]
    except KeyError:
        raise ValidationError({name: "Must be true or false."}) from None


def query_page(request: Request) -> slice:
    """Return the part of a list that the query parameters `limit` and `offset` ask for (PAGE_PARAMETERS)."""
    limit = parse_integer(query_text(request, "limit") or str(DEFAULT_PAGE), "limit", minimum=1, maximum=MAX_PAGE)
    offset = parse_integer(query_text(request, "offset") or "0", "offset")
    return slice(offset, offset + limit)


def id_parameter(
    name: str, description: str, *, required: bool = True, location: Literal["query", "path"] = "query"
) -> OpenApiParameter:
    """Describe an id in the query, see `query_id`, or (location "path") in the path, see `path_id`."""
    schema = {"type": "integer", "format": "int64", "minimum": int(required), "maximum": MAX_ID}
    return OpenApiParameter(name, schema, location, required=required, description=description)


ORGANIZATION_PARAMETER = id_parameter("organization", "the organization asked about")
PAGE_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
        description="at most so many",
    ),
    OpenApiParameter(
        "offset", {"type": "integer", "format": "int64", "minimum": 0, "default": 0}, description="leave out so many"
    ),
]
