"""What every endpoint shares: errors in the dialect of its path, paths with and without a slash, and bodies of JSON."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from rest_framework.test import APIClient

from organizations.models import User
from tests.dialect import refused
from tests.factories import escalation
from tests.messaging_project.asking import undone
from tests.messaging_project.writes import BODY_IS_OPTIONAL, READS, WRITES, World

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
SUCCESS = range(200, 300)
writes = pytest.mark.parametrize("operation", list(WRITES))


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


def with_slash(path: str) -> str:
    before, question_mark, query = path.partition("?")
    return f"{before}/{question_mark}{query}"


# Paths


UNKNOWN = [
    *("/", "", "/nothing", "/nothing/", "/user/1/2", "/escalation//", "/alarm/1/nothing", "/%ff%00", "/../user"),
    *("/msg", "/msg/", "/msg//", "/msg/1/2", "/msg/list/1", "/msg/send/nothing", "/msgs"),
]


def test_an_unknown_path_of_the_api_is_404(world: World, subtests: pytest.Subtests) -> None:
    for method, path in product(("GET", "POST", "PUT", "PATCH", "DELETE"), UNKNOWN):
        with subtests.test(method=method, path=path):
            assert refused(world.send(method, path, "{}"), 404)


@pytest.mark.parametrize("path", ["/nothing", "/nothing/", "/api", "/api/v2/user", "/<b>bold</b>", "/%00%ff"])
def test_an_unknown_path_elsewhere_is_404_in_json_whatever_is_accepted(path: str) -> None:
    response = APIClient().get(path, headers={"Accept": "text/html,application/xhtml+xml"})
    assert refused(response, 404)


@pytest.mark.parametrize("path", READS)
def test_every_read_answers_with_and_without_a_slash(world: World, path: str) -> None:
    without, with_one = world.get(path), world.get(with_slash(path))
    assert without.status_code == with_one.status_code == 200
    assert without.json() == with_one.json()
    head = world.client.head(world.ids(f"/api/v1{path}"))
    assert (head.status_code, head["Content-Type"]) == (200, "application/json")


@writes
def test_every_write_answers_with_and_without_a_slash(world: World, operation: str) -> None:
    method, path, _valid = WRITES[operation]
    with undone():
        without = world.write(operation)
    with_one = world.send(method, with_slash(path), world.body(operation))
    assert 200 <= without.status_code == with_one.status_code < 300


def test_removing_answers_with_and_without_a_slash(world: World) -> None:
    for slash in ("", "/"):
        escalation(world.organization, ("sms", 1))
        assert world.send("DELETE", f"/escalation/organization/ORG{slash}").status_code == 200
        for path in ("/msg/MESSAGE", "/device/DEVICE", "/availability/ABSENCE", "/hooks/HOOK"):
            with undone():
                assert world.send("DELETE", f"{path}{slash}").status_code == 204


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/user", "POST PUT DELETE"),
        ("/organizations", "POST PUT PATCH DELETE"),
        ("/users", "POST PUT PATCH DELETE"),
        ("/units", "POST PUT PATCH DELETE"),
        ("/escalation", "GET PUT PATCH DELETE"),
        ("/escalation/USER", "POST PUT PATCH DELETE"),
        ("/escalation/organization", "GET PUT PATCH DELETE"),
        ("/escalation/organization/ORG", "POST PUT PATCH"),
        ("/organization/ORG/timeout", "PATCH DELETE"),
        ("/alarm", "GET PUT PATCH DELETE"),
        ("/alarm/ALARM", "POST PUT DELETE"),
        ("/alarmtemplates", "POST PUT PATCH DELETE"),
        ("/messagestatus/ALARM", "POST PUT PATCH DELETE"),
        ("/messaging/feedback", "GET PUT PATCH DELETE"),
        ("/user", "TRACE LINK"),
        ("/availability", "PUT PATCH DELETE"),
        ("/availability/ABSENCE", "GET POST PUT"),
        ("/device", "PUT PATCH DELETE"),
        ("/device/DEVICE", "GET POST PUT"),
        ("/device/DEVICE/test", "GET PUT PATCH DELETE"),
        ("/hooks", "PUT PATCH DELETE"),
        ("/hooks/HOOK", "POST PUT"),
        ("/hooks/HOOK/test", "GET PUT PATCH DELETE"),
        ("/organization/ORG/ways", "POST PATCH DELETE"),
        ("/messagestatus/receipt", "GET PUT PATCH DELETE"),
        ("/inbound/sms", "GET PUT PATCH DELETE"),
        ("/msg/send", "GET PUT PATCH DELETE"),
        ("/msg/list", "POST PUT PATCH DELETE"),
        ("/msg/read", "GET PUT PATCH DELETE"),
        ("/msg/MESSAGE", "POST PUT PATCH TRACE"),
    ],
)
def test_a_wrong_method_is_405(world: World, path: str, methods: str) -> None:
    for method in methods.split():
        for either in (path, with_slash(path)):
            assert refused(world.send(method, either, "{}"), 405)


# Bodies


NO_JSON = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/json", ""]


@writes
def test_a_wrong_media_type_is_415(world: World, operation: str, subtests: pytest.Subtests) -> None:
    for media_type in NO_JSON:
        with subtests.test(media_type=media_type):
            assert refused(world.write(operation, media_type=media_type), 415)


@writes
def test_a_media_type_may_have_parameters_and_any_case(world: World, operation: str, subtests: pytest.Subtests) -> None:
    for media_type in ("application/json; charset=utf-8", "Application/JSON", "application/json;v=1"):
        with subtests.test(media_type=media_type), undone():
            assert world.write(operation, media_type=media_type).status_code in SUCCESS


# `VALID` stands for a body that is taken, but for its last brace: what follows is all that is wrong.
NO_OBJECTS = {
    "nothing": b"",
    "spaces": b"   ",
    "a list": b"[]",
    "a list of objects": b'[{"escalations": []}]',
    "null": b"null",
    "a string": b'"timeout"',
    "a number": b"5",
    "true": b"true",
    "half an object": b"VALID",
    "two objects": b"VALID}{}",
    "single quotes": b"{'timeout': 60}",
    "a trailing comma": b"VALID,}",
    "a form": b"timeout=60",
    "NaN": b'VALID, "unknown": NaN}',
    "Infinity": b'VALID, "unknown": -Infinity}',
    "no UTF-8": b'VALID, "unknown": "\xff"}',
    "UTF-16": '{"timeout": 60}'.encode("utf-16"),
    "NUL bytes": b"\x00\x00",
    "a number of 5,000 digits": b'VALID, "unknown": ' + b"9" * 5000 + b"}",
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an unknown field 100,000 deep": b'VALID, "unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@writes
def test_a_body_that_is_no_json_object_is_400(world: World, operation: str, subtests: pytest.Subtests) -> None:
    valid = world.body(operation)[:-1]
    for name, body in NO_OBJECTS.items():
        with subtests.test(body=name), undone():
            answer = world.write(operation, body.replace(b"VALID", valid))
            if (body == b"" and operation in BODY_IS_OPTIONAL) or (body == b"[]" and operation == "SetWays"):
                assert answer.status_code in SUCCESS
            else:
                assert refused(answer, 400)


@writes
def test_a_body_of_exactly_1_mib_is_read(world: World, operation: str) -> None:
    padding = MIB - len(world.body(operation, unknown=""))
    assert world.write(operation, world.body(operation, unknown="x" * padding)).status_code in SUCCESS


@writes
def test_unknown_fields_are_ignored_whatever_they_hold(world: World, operation: str) -> None:
    more = {"unknown": {"a": [None, 1.5, "\ud800", "\x00"]}, "\ud800": 1, "": "", "\x00": "", "__class__": []}
    assert world.write(operation, world.body(operation, **more)).status_code in SUCCESS


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        *(
            ("RaiseAlarm", "message"),
            ("RaiseAlarm", "eventName"),
            ("SendMessage", "message"),
            ("UpdateUser", "language"),
        ),
        *(("AddDevice", "name"), ("AddDevice", "address"), ("ChangeDevice", "name"), ("ChangeDevice", "address")),
        *(("RegisterHook", "url"), ("ChangeHook", "url"), ("CloseAlarm", "allClear"), ("SetWays", "way")),
        *(("GiveReceipt", "idempotencyKey"), ("AnswerBySms", "from"), ("AnswerBySms", "text")),
    ],
)
def test_what_no_database_can_keep_is_400(world: World, operation: str, field: str, subtests: pytest.Subtests) -> None:
    for text in ("\ud800", "Smoke \udfff", "\udc00\ud800", "\x00", "Smoke\x00"):
        with subtests.test(text=ascii(text)):
            assert refused(world.write(operation, world.body(operation, **{field: text})), 400, field)


# Never HTML


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml;q=0.9", "image/png", "nonsense", ""])
def test_errors_are_json_whatever_is_accepted(world: World, accept: str) -> None:
    for path in ("/alarm/abc", "/escalation", "/nothing", "/alarm/9999", "/msg/abc", "/msg/send", "/msg/9999"):
        response = world.get(path, Accept=accept)
        assert refused(response, response.status_code)
        assert 400 <= response.status_code < 500


def test_an_unknown_host_is_400_in_json(world: World) -> None:
    assert refused(world.get("/user", Host="evil.example"), 400)


def test_api_texts_are_english_whatever_language_is_asked_for(world: World) -> None:
    language = {"Accept-Language": "de"}
    response = world.client.post("/api/v1/escalation", {}, format="json", headers=language)
    assert refused(response, 400, "escalations: This field is required.")
    response = world.client.post("/api/v1/msg/send", {}, format="json", headers=language)
    assert refused(response, 400, "message: This field is required.")
    assert refused(APIClient().get("/api/v1/user", headers=language), 401, "Send API-TOKEN, Personal-Access-Token")
