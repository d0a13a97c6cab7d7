"""What POST /msg/send refuses: the answer names the field and the reason, and nothing is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests import dialect
from tests.factories import GroupFactory, admin

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
Stored = Callable[[], list[dict[str, Any]]]

URL = "/api/v1/msg/send"
TOO_LONG = json.dumps("x" * 10_001)

# What no text may be, as it stands in a body.
NO_TEXTS = {
    "a number": "7",
    "a float": "7.5",
    "true": "true",
    "a list": '["x"]',
    "an object": '{"x": "x"}',
    "10,001 characters": TOO_LONG,
    "with a NUL": r'"a\u0000b"',
    "a high surrogate alone": r'"a\ud800b"',
    "a low surrogate alone": r'"\udc00"',
    "a pair of surrogates the wrong way round": r'"\ude92\ud83d"',
}
# What no id of a user or group is.
NO_IDS = {
    "a string": '"7"',
    "a float": "7.0",
    "a float without a point": "7e0",
    "an endless float": "1e400",
    "true": "true",
    "null": "null",
    "a list": "[7]",
    "an object": '{"id": 7}',
    "zero": "0",
    "negative": "-7",
    "one too large": "9223372036854775808",
    "of 400 digits": "9" * 400,
}
# Keys that are no language codes.
NO_LANGUAGES = {
    "an empty key": '""',
    "a key with a space": '"d e"',
    "a key with a colon": '"de: x"',
    "a key with a dot": '"de.x"',
    "a key with a letter of another script": '"d\u00e9"',
    "a key with a line end": r'"de\n"',
    "a key with a NUL": r'"de\u0000"',
    "a key with a lone surrogate": r'"\ud800"',
    "a key of a path": '"../../etc"',
}
CASES: dict[str, tuple[str, str]] = {
    **{f"message: {name}": (f'"message": {text}', "message") for name, text in NO_TEXTS.items()},
    "message: null": ('"message": null', "message"),
    "message: empty": ('"message": ""', "message"),
    **{
        f"a translation: {name}": (f'"translations": {{"de": {text}}}', "translations")
        for name, text in NO_TEXTS.items()
    },
    "a translation: null": ('"translations": {"de": null}', "translations"),
    "a translation: empty": ('"translations": {"de": ""}', "translations"),
    "the second translation": ('"translations": {"de": "x", "fr": 7}', "translations"),
    **{
        f"translations: {name}": (f'"translations": {{{key}: "x"}}', "translations")
        for name, key in NO_LANGUAGES.items()
    },
    **{
        f"translations: {name}, and no text": (f'"translations": {{{key}: 7}}', "translations")
        for name, key in NO_LANGUAGES.items()
    },
    **{
        f"translations: {first} and {second}": (f'"translations": {{"{first}": "x", "{second}": "x"}}', "translations")
        for first, second in (("de_AT", "de-at"), ("de", "DE"), ("zh-Hans-CN", "zh_hans_cn"))
    },
    **{f"translations: {text}": (f'"translations": {text}', "translations") for text in ('"x"', "7", "true", "[]")},
    **{f"a parameter: {name}": (f'"parameters": ["x", {text}]', "parameters") for name, text in NO_TEXTS.items()},
    "a parameter: null": ('"parameters": [null]', "parameters"),
    "101 parameters": (f'"parameters": {json.dumps(["x"] * 101)}', "parameters"),
    **{f"parameters: {text}": (f'"parameters": {text}', "parameters") for text in ('"x"', "7", "false", "{}")},
    **{
        f"an id of {field}: {name}": (f'"{field}": [USER, {text}]', field)
        for field in ("toUserId", "toGroupId")
        for name, text in NO_IDS.items()
    },
    **{
        f"{field}: {text}": (f'"{field}": {text}', field)
        for field in ("toUserId", "toGroupId")
        for text in ("7", '"7"', "true", "{}", '{"0": 7}')
    },
    **{
        f"instantTimeMinutes: {text}": (f'"instantTimeMinutes": {text}', "instantTimeMinutes")
        for text in ("-1", "1.5", "1.0", "1e1", '"5"', "true", "[]", "{}", "9" * 30, "9223372036854775807")
    },
}


@pytest.fixture
def post(anna: User, ben: User, as_user: AsUser) -> Callable[[str], Any]:
    """Sends members of an object, as they are written, from Anna to Ben unless they say otherwise."""

    def send(members: str) -> Any:
        body = f'{{"message": "Drill", "toUserId": [USER], {members}}}'.replace("USER", str(ben.pk))
        return as_user(anna).generic("POST", URL, body, "application/json")

    return send


@pytest.mark.parametrize(("members", "field"), list(CASES.values()), ids=list(CASES))
def test_what_is_not_valid_is_refused_by_its_name_and_nothing_is_sent(
    post: Callable[[str], Any], stored: Stored, members: str, field: str
) -> None:
    before = stored()
    answer = post(members)
    assert answer.status_code == 400, answer.content
    body = answer.json()
    info = body["responseInfo"]
    assert (body["messages"], info["responseCode"]) == ([], "INVALIDDATA")
    # The field, or what of it.
    assert info["property"] == field or info["property"].startswith((f"{field}.", f"{field}[")), info
    assert f" {info['property']}: " in info["responseMessage"]
    assert not info["responseMessage"].endswith(": ")
    assert len(answer.content) < 1000
    assert stored() == before


def test_the_message_may_not_be_missing(ben: User, anna: User, as_user: AsUser, stored: Stored, refused: Any) -> None:
    answer = as_user(anna).post(URL, {"toUserId": [ben.pk], "translations": {"en": "x"}}, format="json")
    refused(answer, 400, "INVALIDDATA", about="message")
    assert stored() == []


ABSENT = ({}, {"toUserId": None}, {"toUserId": []}, {"toGroupId": []}, {"toUserId": [], "toGroupId": None})


@pytest.mark.parametrize("addressees", ABSENT, ids=str)
def test_a_message_without_an_addressee_is_refused(
    anna: User, as_user: AsUser, stored: Stored, addressees: dict[str, Any]
) -> None:
    answer = as_user(anna).post(URL, {"message": "Drill"} | addressees, format="json")
    assert answer.status_code == 400
    info = answer.json()["responseInfo"]
    assert info["responseCode"] == "INVALIDDATA"
    assert info["property"] in {"toUserId", "toGroupId"}
    assert "addressee" in info["responseMessage"]
    assert stored() == []


def test_all_ids_that_are_unknown_are_named_and_nobody_gets_it(
    brigade: Organization, anna: User, ben: User, as_user: AsUser, stored: Stored
) -> None:
    group = GroupFactory(organization=brigade)
    group.memberships.set(brigade.memberships.all())
    unknown = [2**63 - 1, 900_001, 900_002, 900_001]
    body = {"message": "Drill", "toUserId": [ben.pk, *unknown], "toGroupId": [group.pk, 900_003]}
    answer = as_user(anna).post(URL, body, format="json")
    assert answer.status_code == 400
    info = answer.json()["responseInfo"]
    assert (info["responseCode"], info["property"]) == ("INVALIDDATA", "toUserId")
    said = info["responseMessage"]
    assert [said.count(str(number)) for number in (2**63 - 1, 900_001, 900_002, 900_003)] == [1, 1, 1, 1]
    assert "toGroupId: " in said
    assert not {str(ben.pk), str(group.pk)} & set(said.replace(",", " ").replace(".", " ").split())
    assert stored() == []


@pytest.mark.parametrize("field", ["toUserId", "toGroupId"])
def test_as_many_ids_as_a_body_holds_are_no_error_of_the_service(
    anna: User, as_user: AsUser, stored: Stored, refused: Any, field: str
) -> None:
    answer = as_user(anna).post(URL, {"message": "x", field: list(range(900_000, 1_000_000))}, format="json")
    assert "900000" in refused(answer, 400, "INVALIDDATA", about=field)
    beyond = as_user(anna).post(URL, {"message": "x", field: list(range(1, 120_000))}, format="json")
    refused(beyond, 400, "INVALIDDATA", about=field)
    assert stored() == []


@pytest.mark.parametrize(
    ("path", "field"),
    [("/msg/send", "toUserId"), ("/msg/send", "toGroupId"), ("/alarm", "users"), ("/alarm", "units")],
)
@pytest.mark.parametrize(("count", "more"), [(100, 0), (101, 1), (5000, 4900)])
def test_of_many_unknown_ids_100_are_named_and_the_others_counted(
    brigade: Organization, as_user: AsUser, stored: Stored, path: str, field: str, count: int, more: int
) -> None:
    # POST /alarm names unknown ids as POST /msg/send does.
    unknown = [900_000 + number for number in range(count)]
    body = {"message": "Fire", "organizationID": brigade.pk, field: unknown, "alarmResources": {field: unknown}}
    answer = as_user(admin(brigade)).post(f"/api/v1{path}", body, format="json")
    assert dialect.refused(answer, 400, field)
    said = answer.json().get("error") or answer.json()["responseInfo"]["responseMessage"]
    numbers = [int(number) for number in re.findall(r"[0-9]+", said)]
    named = set(numbers).intersection(unknown)
    assert (len(named), len(numbers)) == (100, 100 + bool(more))
    assert (f" {more} more" in said) == bool(more)
    assert len(answer.content) < 2000
    assert stored() == []


@pytest.mark.parametrize("character", ["x", "🚒"])
@pytest.mark.parametrize(("languages", "parameters"), [(9, 0), (0, 9), (4, 5)])
def test_texts_and_parameters_may_have_100_000_characters_together(
    anna: User,
    ben: User,
    as_user: AsUser,
    stored: Stored,
    refused: Any,
    character: str,
    languages: int,
    parameters: int,
) -> None:
    text = character * 10_000
    translations = {f"x{number}": text for number in range(languages)}
    body = {"toUserId": [ben.pk], "message": text, "translations": translations, "parameters": [text] * parameters}
    for one_more in ({"translations": translations | {"de": "y"}}, {"parameters": [*[text] * parameters, "y"]}):
        refused(as_user(anna).post(URL, body | one_more, format="json"), 400, "INVALIDDATA", about="translations")
        assert stored() == []
    assert as_user(anna).post(URL, body, format="json").status_code == 201


def test_there_may_be_100_languages(anna: User, ben: User, as_user: AsUser, stored: Stored, refused: Any) -> None:
    translations = {f"x{number}": "Drill" for number in range(101)}
    body = {"message": "Drill", "toUserId": [ben.pk], "translations": translations}
    refused(as_user(anna).post(URL, body, format="json"), 400, "INVALIDDATA", about="translations")
    assert stored() == []
    del translations["x0"]
    assert as_user(anna).post(URL, body, format="json").status_code == 201


BODIES: dict[str, tuple[bytes, str]] = {
    # As DRF reads it: an object without fields.
    "nothing": (b"", "message"),
    "a list": (b"[]", "body"),
    "a text": (b'"message"', "body"),
    "null": (b"null", "body"),
    "broken": (b'{"message": "x"', "body"),
    "two objects": (b"{}{}", "body"),
    "not UTF-8": (b'{"message": "\xff"}', "body"),
    "surrogates in UTF-8": (b'{"message": "\xed\xa0\x80"}', "body"),
    "NaN": (b'{"message": NaN}', "body"),
    "a line end in a text": (b'{"message": "a\nb"}', "body"),
    "nested deep": (b'{"message": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "body"),
}


@pytest.mark.parametrize(("body", "about"), list(BODIES.values()), ids=list(BODIES))
def test_a_body_that_is_no_object_is_refused(
    anna: User, as_user: AsUser, stored: Stored, refused: Any, body: bytes, about: str
) -> None:
    refused(as_user(anna).generic("POST", URL, body, "application/json"), 400, "INVALIDDATA", about=about)
    assert stored() == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_another_media_type_is_refused(
    anna: User, ben: User, as_user: AsUser, stored: Stored, refused: Any, media_type: str
) -> None:
    body = json.dumps({"message": "Drill", "toUserId": [ben.pk]})
    refused(as_user(anna).generic("POST", URL, body, media_type), 415, "INVALIDDATA")
    assert stored() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_refused(
    anna: User, ben: User, as_user: AsUser, stored: Stored, refused: Any, method: str
) -> None:
    body = json.dumps({"message": "Drill", "toUserId": [ben.pk]})
    refused(as_user(anna).generic(method, URL, body, "application/json"), 405, "INVALIDDATA")
    assert stored() == []


def test_a_body_over_1_mib_is_refused(anna: User, ben: User, as_user: AsUser, stored: Stored, refused: Any) -> None:
    body = {"message": "Drill", "toUserId": [ben.pk], "unknown": "x" * 1024 * 1024}
    refused(as_user(anna).post(URL, body, format="json"), 413, "INVALIDDATA")
    assert stored() == []


def test_who_says_not_who_they_are_sends_nothing(ben: User, stored: Stored, refused: Any) -> None:
    body = {"message": "Drill", "toUserId": [ben.pk]}
    refused(APIClient().post(URL, body, format="json"), 401, "AUTHREQUIRED")
    unknown = APIClient(headers={"Personal-Access-Token": "x"}).post(URL, body, format="json")
    refused(unknown, 401, "AUTHREQUIRED", about="Personal-Access-Token")
    assert stored() == []
