"""What the contract says of every operation alike (1 and 2): who asks, slashes, methods, bodies, and what is not told.

Which operations there are, and who may what, is in the table of test_router_walk.py.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.dialect import refused
from tests.messaging_project.test_router_walk import CALLERS, WALK
from tests.organizations.test_jwt import claims, sign, token_of, trust

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
# Long, so that none is found in an answer by chance.
ORGANIZATION, USER, ALARM, MESSAGE, NOTHING = (10**15 + number for number in range(5))
IDS = {"organization": ORGANIZATION, "user": USER, "alarm": ALARM, "message": MESSAGE}
WRITES = [name for name in WALK if name.startswith(("POST", "PUT", "PATCH"))]

Headers = dict[str, str]


def personal(user: User) -> Headers:
    return {"Personal-Access-Token": PersonalAccessToken.issue(name="test", user=user)[1]}


def of_organization(organization: Organization) -> Headers:
    return {"API-TOKEN": ApiToken.issue(name="test", organization=organization)[1]}


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def ask(operation: str, headers: Headers, ids: dict[str, int] = IDS, slash: str = "", body: bytes | None = None) -> Any:
    """Ask for an operation of WALK; its body is the one in the table unless another is given."""
    path, content, _statuses = WALK[operation]
    if body is None:
        text = json.dumps({} if content is None else content)
        body = re.sub(r'"\{(\w+)\}"', lambda found: str(ids[found[1]]), text).encode()
    before, question_mark, query = path.format(**ids).partition("?")
    url = f"/api/v1{before}{slash}{question_mark}{query}"
    return APIClient().generic(operation.partition(" ")[0], url, body, "application/json", headers=headers)


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is asked for leaves the world as it was for the next operation."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def expected(operation: str, caller: str) -> int:
    return WALK[operation][2][CALLERS.index(caller)]


@pytest.fixture
def brigade() -> Organization:
    """An organization with an escalation, an alarm of which one member was notified, and a message to that member."""
    organization: Organization = factories.OrganizationFactory(pk=ORGANIZATION)
    factories.escalation(organization, ("sms", 1))
    alarm = factories.AlarmFactory(pk=ALARM, organization=organization)
    user = factories.member(organization, pk=USER)
    factories.AlarmMessageFactory(alarm=alarm, user=user)
    factories.InboxMessageFactory(pk=MESSAGE, user=user)
    return organization


# 1. Principals


def test_a_jwt_may_what_its_user_may(brigade: Organization, settings: Any) -> None:
    trust(settings, "HS256")
    elsewhere = factories.admin(factories.OrganizationFactory())
    callers = {"foreign admin": elsewhere, "member": factories.member(brigade), "admin": factories.admin(brigade)}
    for operation, (caller, user) in product(WALK, callers.items()):
        with undone():
            answer = ask(operation, bearer(token_of(user, "HS256")))
        assert answer.status_code == expected(operation, caller), (operation, caller, answer.content)


def test_a_user_may_in_each_organization_what_they_are_there(brigade: Organization) -> None:
    admin_elsewhere = factories.admin(factories.OrganizationFactory())
    factories.MembershipFactory(organization=brigade, user=admin_elsewhere)
    member_elsewhere = factories.admin(brigade)
    factories.MembershipFactory(user=member_elsewhere)
    for operation, (caller, user) in product(WALK, {"member": admin_elsewhere, "admin": member_elsewhere}.items()):
        with undone():
            answer = ask(operation, personal(user))
        assert answer.status_code == expected(operation, caller), (operation, caller, answer.content)


def test_two_principals_in_one_request_are_400(brigade: Organization, settings: Any) -> None:
    trust(settings, "HS256")
    boss = factories.admin(brigade)
    pat, token, jwt = personal(boss), of_organization(brigade), bearer(token_of(boss, "HS256"))
    for operation, headers in product(WALK, (pat | token, pat | jwt, token | jwt)):
        answer = ask(operation, headers)
        assert refused(answer, 400, "API-TOKEN, Personal-Access-Token, Authorization"), operation


def test_whoever_is_not_known_is_401_whatever_they_ask_for(brigade: Organization, settings: Any) -> None:
    trust(settings, "HS256")
    said = claims(factories.admin(brigade).login)
    unknown: dict[str, Headers] = {
        "an API token": {"API-TOKEN": f"ga_org_{'0' * 64}"},
        "a personal access token": {"Personal-Access-Token": f"ga_pat_{'0' * 64}"},
        "a JWT that has expired": bearer(sign(said | {"exp": 1}, "HS256")),
        "a JWT that another has signed": bearer(sign(said, "HS256", "k" * 40)),
    }
    for operation in WALK:
        for who, headers in unknown.items():
            assert refused(ask(operation, headers), 401, next(iter(headers))), (operation, who)
    settings.JWT_ALGORITHM = settings.JWT_KEY = settings.JWT_ISSUER = settings.JWT_AUDIENCE = ""
    for operation in WALK:
        assert refused(ask(operation, bearer(sign(said, "HS256"))), 401), operation


# What a caller may not know of is as what there is not.


def answers_of(operation: str, headers: Headers, asked: list[dict[str, int]]) -> set[tuple[int, str]]:
    """Ask with each of these ids, and return the answers without them."""
    answers = [ask(operation, headers, ids) for ids in asked]
    return {(answer.status_code, re.sub(r"\d{15,}", "...", answer.content.decode())) for answer in answers}


def there_or_not(operation: str) -> list[dict[str, int]]:
    """Return the ids of what there is, and those with each of which the operation is about what there is not."""
    path, content, _statuses = WALK[operation]
    return [IDS, *(IDS | {name: NOTHING} for name in IDS if f"{{{name}}}" in f"{path}{content}")]


@pytest.mark.parametrize("caller", ["stranger", "foreign admin", "foreign token"])
def test_what_is_not_the_callers_is_as_if_it_were_not_there(brigade: Organization, caller: str) -> None:
    elsewhere = factories.OrganizationFactory()
    user = factories.UserFactory() if caller == "stranger" else factories.admin(elsewhere)
    headers = of_organization(elsewhere) if caller == "foreign token" else personal(user)
    for operation in WALK:
        if (status := expected(operation, caller)) >= 400:
            answers = answers_of(operation, headers, there_or_not(operation))
            assert [came for came, _text in answers] == [status], (operation, answers)


@pytest.mark.parametrize("given", [("alarm",), ("organization",), ("alarm", "organization")], ids=" and ".join)
def test_nor_does_who_answers_for_themselves_learn_of_it(brigade: Organization, given: tuple[str, ...]) -> None:
    user = factories.UserFactory(pk=10**14)
    nothing = {"user": user.pk, "alarm": 0, "organization": 0}
    asked = [nothing | {name: IDS[name] for name in given}, nothing | dict.fromkeys(given, NOTHING)]
    assert [status for status, _text in answers_of("POST messaging/feedback", personal(user), asked)] == [404]


@pytest.mark.parametrize("operation", ["GET alarm/<pk>", "PATCH alarm/<pk>", "GET msg/<pk>", "DELETE msg/<pk>"])
def test_nor_does_a_member_learn_which_alarms_and_messages_there_are(brigade: Organization, operation: str) -> None:
    headers = personal(factories.member(brigade))
    assert [status for status, _text in answers_of(operation, headers, there_or_not(operation))] == [404]


def test_nor_does_anybody_learn_of_messages_by_setting_them_to_be_read(brigade: Organization) -> None:
    for user in (factories.UserFactory(), factories.member(brigade), factories.admin(brigade)):
        answers = answers_of("POST msg/read", personal(user), there_or_not("POST msg/read"))
        assert [status for status, _text in answers] == [201]


@pytest.mark.parametrize("name", ["users", "units"])
@pytest.mark.parametrize("operation", ["POST alarm", "POST alarm/preview"])
def test_recipients_of_others_are_as_if_they_were_not_there(brigade: Organization, operation: str, name: str) -> None:
    factories.member(factories.OrganizationFactory(), pk=10**14)
    factories.GroupFactory(pk=10**14)
    answers = set()
    for other in (10**14, 10**14 + 1):
        body = {"organizationID": ORGANIZATION, "message": "Fire", "alarmResources": {name: [other]}}
        answer = ask(operation, of_organization(brigade), body=json.dumps(body).encode())
        assert refused(answer, 400, str(other))
        answers.add(answer.content.replace(str(other).encode(), b"..."))
    assert len(answers) == 1


# 2. Conventions


def test_every_path_works_with_a_slash_without_a_redirect(brigade: Organization) -> None:
    headers = personal(factories.admin(brigade))
    for operation in WALK:
        with undone():
            answer = ask(operation, headers, slash="/")
        assert answer.status_code == expected(operation, "admin"), (operation, answer.content)


def test_a_wrong_method_is_405_and_told_which_ones_there_are(brigade: Organization) -> None:
    methods: dict[str, set[str]] = defaultdict(set)
    for operation in WALK:
        method, _space, path = operation.partition(" ")
        methods[path] |= {method, "HEAD"} if method == "GET" else {method}
    client = APIClient(headers=personal(factories.admin(brigade)))
    for path, allowed in methods.items():
        for method, slash in product(
            {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed, ("", "/")
        ):
            url = f"/api/v1/{path.replace('<pk>', str(ORGANIZATION))}{slash}"
            answer = client.generic(method, url, "{}", "application/json")
            assert refused(answer, 405, method), (method, path)
            assert set(answer["Allow"].split(", ")) == allowed, (method, path)
        assert (client.head(url).status_code == 405) == ("HEAD" not in allowed), path


BODIES = {
    "larger than 1 MiB": (413, b'{"unknown": "' + b"x" * MIB + b'"}', "application/json", "1 MiB"),
    "a form": (415, b"message=Fire", "application/x-www-form-urlencoded", "x-www-form-urlencoded"),
    "a form of several parts": (415, b"--x--", "multipart/form-data; boundary=x", "multipart/form-data"),
    "plain text": (415, b"{}", "text/plain", "text/plain"),
    "of no type": (415, b"{}", "", ""),
    "a list": (400, b"[]", "application/json", "object"),
    "null": (400, b"null", "application/json", "object"),
    "no JSON": (400, b"{", "application/json", "JSON"),
}


@pytest.mark.parametrize("operation", WRITES)
def test_a_body_that_is_none_is_refused(brigade: Organization, operation: str) -> None:
    client = APIClient(headers=personal(factories.admin(brigade)))
    method, url = operation.partition(" ")[0], f"/api/v1{WALK[operation][0].format(**IDS)}"
    for name, (status, body, media_type, naming) in BODIES.items():
        assert refused(client.generic(method, url, body, media_type), status, naming), name
    assert brigade.alarms.get().closed_at is None
    assert [message.read_at for message in InboxMessage.objects.all()] == [None]


@pytest.mark.parametrize("operation", WRITES)
def test_unknown_fields_are_ignored_wherever_they_stand(brigade: Organization, operation: str) -> None:
    def with_unknown(value: Any) -> Any:
        if isinstance(value, list):
            return [with_unknown(item) for item in value]
        if isinstance(value, dict):
            return {"unknown": [None], "id": "x", **{key: with_unknown(item) for key, item in value.items()}}
        return IDS.get(value.strip("{}"), value) if isinstance(value, str) else value

    caller = of_organization(brigade) if "feedback" in operation else personal(factories.admin(brigade))
    body = json.dumps(with_unknown(WALK[operation][1] or {})).encode()
    assert ask(operation, caller, body=body).status_code in (200, 201)
