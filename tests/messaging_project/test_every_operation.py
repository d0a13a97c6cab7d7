"""What the contract says of every operation alike (1): who asks, and what they are not told.

Which operations there are, and who may what, is in the table of walk.py; what holds of every
request is in test_every_request.py.
"""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import product
from typing import Any

import pytest

from organizations.models import Organization
from tests import factories
from tests.dialect import refused
from tests.messaging_project.asking import (
    IDS,
    NOTHING,
    NOTHINGS,
    ORGANIZATION,
    Headers,
    ask,
    bearer,
    of_organization,
    personal,
    signed_beside,
    undone,
)
from tests.messaging_project.walk import FORMS, OF_GATEWAYS, WALK, expected
from tests.organizations.test_jwt import claims, sign, token_of, trust

pytestmark = pytest.mark.django_db


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
        if operation in FORMS:
            assert refused(answer, 401, "X-Twilio-Signature"), operation
        else:
            assert refused(answer, 400, "API-TOKEN, Personal-Access-Token, Authorization"), operation
    for operation, headers in product(OF_GATEWAYS, (pat, token, jwt)):
        signed = ask(operation, partial(signed_beside, headers))
        assert refused(signed, 400, "X-Signature, API-TOKEN, Personal-Access-Token, Authorization"), operation


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
            naming = "X-Twilio-Signature" if operation in FORMS else next(iter(headers))
            assert refused(ask(operation, headers), 401, naming), (operation, who)
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
    return [IDS, *(IDS | {name: NOTHINGS.get(name, NOTHING)} for name in IDS if f"{{{name}}}" in f"{path}{content}")]


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


@pytest.mark.parametrize("operation", [name for name in WALK if "<pk>" in name and expected(name, "member") == 404])
def test_nor_does_a_member_learn_what_others_have(brigade: Organization, operation: str) -> None:
    headers = personal(factories.member(brigade))
    assert [status for status, _text in answers_of(operation, headers, there_or_not(operation))] == [404]


def test_nor_does_an_organization_learn_whose_numbers_there_are(brigade: Organization) -> None:
    headers = of_organization(factories.OrganizationFactory())
    assert answers_of("POST inbound/sms", headers, there_or_not("POST inbound/sms")) == {(200, '{"reply":""}')}


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


@pytest.mark.parametrize("operation", ["POST alarm", "POST alarm/preview"])
def test_templates_of_others_are_as_if_they_were_not_there(brigade: Organization, operation: str) -> None:
    factories.AlarmTemplateFactory(pk=10**14)
    answers = set()
    for other in (10**14, 10**14 + 1):
        body = {"organizationID": ORGANIZATION, "alarmTemplateID": other}
        answer = ask(operation, of_organization(brigade), body=json.dumps(body).encode())
        assert refused(answer, 400, str(other))
        answers.add(answer.content.replace(str(other).encode(), b"..."))
    assert len(answers) == 1
