"""Two dialects of errors from one place: the inbox's under `/api/v1/msg`, the API's everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import re_path
from psycopg.errors import LockNotAvailable
from rest_framework.exceptions import (
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    ParseError,
    PermissionDenied,
    Throttled,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.request import Request
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from inbox.views import InboxViewSet
from messaging_project import errors
from messaging_project.api import ViewSet
from organizations.authentication import ApiTokenAuthentication
from organizations.models import Organization, User
from organizations.views import UserViewSet
from tests import factories
from tests.dialect import property_of, refused

LOCKED = OperationalError("secret")
LOCKED.__cause__ = LockNotAvailable("secret")

ERRORS: dict[str, tuple[Exception, int, str, str]] = {
    "a field": (ValidationError({"users": [{"id": ["Must be a number."]}]}), 400, "INVALIDDATA", "users[0].id"),
    "no JSON": (ParseError("body: no valid JSON."), 400, "INVALIDDATA", "body"),
    "suspicious": (SuspiciousOperation("too many fields"), 400, "INVALIDDATA", ""),
    "nobody": (NotAuthenticated(), 401, "AUTHREQUIRED", ""),
    "forbidden": (PermissionDenied("userID: not yours."), 403, "PERMISSION", "userID"),
    "not there": (NotFound("alarmID: there is no alarm 1."), 404, "NOTFOUND", "alarmID"),
    "method": (MethodNotAllowed("PUT"), 405, "INVALIDDATA", ""),
    "conflict": (errors.Conflict("alarmID: is closed."), 409, "INVALIDDATA", "alarmID"),
    "too large": (RequestDataTooBig("secret"), 413, "INVALIDDATA", ""),
    "media type": (UnsupportedMediaType("text/plain"), 415, "INVALIDDATA", ""),
    "too many": (Throttled(wait=6.5), 429, "FAILURE", ""),
    "unforeseen": (RuntimeError("secret"), 500, "FAILURE", ""),
    "database away": (OperationalError("secret"), 503, "MAINTENANCEMODE", ""),
    "locked": (LOCKED, 503, "MAINTENANCEMODE", ""),
    "database gone": (InterfaceError("secret"), 503, "MAINTENANCEMODE", ""),
    "keys away": (errors.KeysAway(), 503, "MAINTENANCEMODE", ""),
}
INBOX_PATHS = ("/api/v1/msg", "/api/v1/msg/list")
OTHER_PATHS = (
    *("/api/v1/alarm", "/api/v1/messages", "/api/v1/msgs/list", "/health"),
    *("/api/v1/messagestatus/receipt", "/api/v1/inbound/twilio/voice", "/api/v1/device/7/test", "/api/v1/hooks"),
)


class Failing(APIView):
    authentication_classes = (ApiTokenAuthentication,)
    permission_classes = ()

    def get(self, request: Request, error: str) -> None:
        raise ERRORS[error.replace("_", " ")][0]


def failing_page(request: HttpRequest, error: str) -> HttpResponse:
    raise ERRORS[error.replace("_", " ")][0]


urlpatterns = [re_path(r"^page/.*/(?P<error>\w+)$", failing_page), re_path(r"^.*/(?P<error>\w+)$", Failing.as_view())]
handler400, handler403, handler404, handler500 = (
    f"messaging_project.errors.{name}" for name in ("bad_request", "permission_denied", "not_found", "server_error")
)


@pytest.fixture
def ask() -> Any:
    return Client(raise_request_exception=False).get


def assert_inbox(answer: Any, status: int, code: str, field: str) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    body = answer.json()
    assert body.keys() == {"messages", "responseInfo"}
    assert body["messages"] == []
    assert body["responseInfo"].keys() == {"responseCode", "responseMessage", "property"}
    assert (body["responseInfo"]["responseCode"], body["responseInfo"]["property"]) == (code, field)
    assert body["responseInfo"]["responseMessage"]
    assert "secret" not in answer.content.decode()


def assert_api(answer: Any, status: int) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    body = answer.json()
    assert body.keys() == {"success", "message", "error"}
    assert body["success"] is False
    assert body["message"] == errors.MESSAGES[status]
    assert body["error"]
    assert "secret" not in answer.content.decode()


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", list(ERRORS))
def test_every_error_of_a_view_speaks_the_dialect_of_its_path(ask: Any, name: str) -> None:
    _error, status, code, field = ERRORS[name]
    for path in INBOX_PATHS:
        assert_inbox(ask(f"{path}/{name.replace(' ', '_')}"), status, code, field)
    for path in OTHER_PATHS:
        assert_api(ask(f"{path}/{name.replace(' ', '_')}"), status)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("path", [f"{INBOX_PATHS[0]}/too_many", f"{OTHER_PATHS[0]}/too_many"])
def test_too_many_requests_say_when_to_come_again(ask: Any, path: str) -> None:
    assert ask(path)["Retry-After"] == "7"


@pytest.mark.urls(__name__)
def test_who_waited_too_long_for_a_lock_is_not_told_that_the_database_is_away(ask: Any) -> None:
    assert "ask again" in ask("/api/v1/alarm/locked").json()["error"]
    assert "cannot be reached" in ask("/api/v1/alarm/database_away").json()["error"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", ["suspicious", "too_large", "unforeseen", "database_away", "database_gone"])
def test_what_a_page_outside_the_api_raises_is_json_too(ask: Any, name: str) -> None:
    status = {"suspicious": 400, "too_large": 413, "unforeseen": 500}.get(name, 503)
    answer = ask(f"/page/x/{name}")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert answer.json()["message"] == errors.MESSAGES[status]
    assert "secret" not in answer.content.decode() or status == 400


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_path_that_there_is_not_speaks_the_dialect_it_would_have(method: str) -> None:
    client = Client()
    assert_inbox(client.generic(method, "/api/v1/msg/nothing/at/all"), 404, "NOTFOUND", "path")
    assert_api(client.generic(method, "/api/v1/nothing"), 404)


def test_a_form_without_its_cookie_is_refused_in_json() -> None:
    assert_api(Client(enforce_csrf_checks=True).post("/admin/login/", {}), 403)
    assert_api(Client(enforce_csrf_checks=True).post("/"), 403)


def test_an_unknown_host_is_refused_in_the_dialect_of_the_path() -> None:
    client = Client(headers={"Host": "evil.example"})
    assert_inbox(client.get("/api/v1/msg/list"), 400, "INVALIDDATA", "")
    assert_api(client.get("/api/v1/user"), 400)


def test_the_field_of_an_error_is_the_property_of_the_inboxs_answer() -> None:
    body = errors.body(404, "alarmID: there is no alarm 7.", path="/api/v1/msg/7")
    assert body["responseInfo"] == {
        "responseCode": "NOTFOUND",
        "responseMessage": "There is no such thing. alarmID: there is no alarm 7.",
        "property": "alarmID",
    }


# What operations of each dialect really answer: the status, the inbox's property, and a request to each: method, path,
# body and media type.

JSON, MIB = "application/json", 1024 * 1024
SEND, STATUS = ("POST", "/msg/send"), "/messagestatus/7"
REAL: dict[str, tuple[int, str, tuple[str, str, str, str], tuple[str, str, str, str]]] = {
    "a field": (
        400,
        "toUserId[0]",
        (*SEND, '{"message": "Drill", "toUserId": [{"id": 7}]}', JSON),
        ("POST", "/escalation", '{"escalations": [{"delay": "x"}]}', JSON),
    ),
    "a parameter": (
        400,
        "unread",
        ("GET", "/msg/list?unread=perhaps", "", JSON),
        ("GET", f"{STATUS}?user_id=x", "", JSON),
    ),
    "no JSON": (400, "body", (*SEND, "{", JSON), ("PATCH", "/user", "{", JSON)),
    "not there": (404, "id", ("DELETE", "/msg/7", "", JSON), ("GET", "/alarm/7", "", JSON)),
    "method": (405, "", ("PUT", "/msg/7", "{}", JSON), ("PUT", "/alarm/7", "{}", JSON)),
    "too large": (
        413,
        "",
        ("POST", "/msg/read", f'{{"messages": [], "x": "{"x" * MIB}"}}', JSON),
        ("PATCH", "/user", f'{{"x": "{"x" * MIB}"}}', JSON),
    ),
    "media type": (415, "", (*SEND, "message=Drill", "text/plain"), ("PATCH", "/user", "language=de", "text/plain")),
}


@pytest.fixture
def user(as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(factories.member(factories.OrganizationFactory()))


@pytest.mark.django_db
@pytest.mark.parametrize("name", list(REAL))
def test_what_is_wrong_with_a_request_is_told_in_the_dialect_of_its_path(user: APIClient, name: str) -> None:
    status, about, inbox, other = REAL[name]
    for method, path, body, media_type in (inbox, other):
        answer = user.generic(method, f"/api/v1{path}", body, media_type)
        assert refused(answer, status)
        assert path == other[1] or property_of(answer) == about


@pytest.mark.django_db
def test_who_is_not_known_or_no_user_is_told_so_in_the_dialect_of_the_path(
    as_organization: Callable[[Organization], APIClient],
) -> None:
    token = as_organization(factories.OrganizationFactory())
    for path in ("/msg/list", "/msg/7", "/user"):
        assert refused(APIClient().get(f"/api/v1{path}"), 401, "API-TOKEN")
        assert refused(token.get(f"/api/v1{path}"), 403, "API token")


class Exhausted(BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return False

    def wait(self) -> float:
        return 6.5


@pytest.mark.django_db
@pytest.mark.parametrize(("view", "path"), [(InboxViewSet, "/msg/list"), (UserViewSet, "/user")])
def test_too_many_requests_are_told_so_in_the_dialect_of_the_path(
    user: APIClient, monkeypatch: pytest.MonkeyPatch, view: type[ViewSet], path: str
) -> None:
    monkeypatch.setattr(view, "throttle_classes", (Exhausted,))
    answer = user.get(f"/api/v1{path}")
    assert refused(answer, 429)
    assert answer["Retry-After"] == "7"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("inbox_inboxmessage", "/msg/list"),
        ("organizations_membership", "/organizations"),
        ("organizations_device", "/device"),
        ("organizations_absence", "/availability"),
    ],
)
def test_what_others_hold_for_too_long_is_told_in_the_dialect_of_the_path(
    user: APIClient, table: str, path: str
) -> None:
    with closing(connection.copy()) as other, connection.cursor() as cursor:
        other.cursor().execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET lock_timeout = '20ms'")
        try:
            answer = user.get(f"/api/v1{path}")
        finally:
            cursor.execute("RESET lock_timeout")
    assert refused(answer, 503, "ask again")
    assert user.get(f"/api/v1{path}").status_code == 200
