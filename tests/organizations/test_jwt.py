"""Who asks: users for whom an issuer speaks with JSON Web Tokens."""

from __future__ import annotations

import json
import time
from itertools import combinations
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from organizations.authentication import JWTAuthentication
from organizations.models import ApiToken, PersonalAccessToken, User
from tests.dialect import refused
from tests.factories import OrganizationFactory, UserFactory, member

pytestmark = pytest.mark.django_db

PATH = "/api/v1/user"
ISSUER, AUDIENCE = "https://login.example.org/", "alarm-messaging"
FAR = 2**33  # seconds since the epoch
SECRET = "a secret that the issuer shares with the service"
SIGNING: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "HS256": SECRET,
}


def public_pem(private_key: Any) -> str:
    pem: bytes = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def claims(sub: object, **changed: object) -> dict[str, Any]:
    """What a token in force says; a claim that is changed to `...` is left out."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 60, "sub": sub} | changed
    return {name: value for name, value in said.items() if value is not ...}


def sign(said: object, algorithm: str = "RS256", key: Any = None, **headers: object) -> str:
    """A token of what is said, whatever it is; the issuer signs it unless there is another key."""
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return jwt.api_jws.encode(payload, key or SIGNING[algorithm], algorithm, headers)


def token_of(user: User, algorithm: str = "RS256", **headers: object) -> str:
    return sign(claims(user.login), algorithm, **headers)


def ask(token: str, path: str = PATH, scheme: str = "Bearer") -> Any:
    return APIClient(raise_request_exception=False).get(path, headers={"Authorization": f"{scheme} {token}"})


def trust(settings: Any, algorithm: str) -> None:
    settings.JWT_KEY = SECRET if algorithm == "HS256" else public_pem(SIGNING[algorithm])
    settings.JWT_ALGORITHM, settings.JWT_ISSUER, settings.JWT_AUDIENCE = algorithm, ISSUER, AUDIENCE


@pytest.fixture
def user(settings: Any) -> User:
    """Somebody for whom the issuer speaks; its algorithm is RS256."""
    trust(settings, "RS256")
    return UserFactory()


@pytest.mark.parametrize("algorithm", SIGNING)
def test_a_token_speaks_for_the_user_whom_it_names(settings: Any, user: User, algorithm: str) -> None:
    trust(settings, algorithm)
    answer = ask(token_of(user, algorithm))
    assert (answer.status_code, answer.json()["id"]) == (200, user.pk)


@pytest.mark.parametrize("trusted", SIGNING)
@pytest.mark.parametrize("used", SIGNING)
def test_only_the_algorithm_of_the_settings_is_taken(settings: Any, user: User, trusted: str, used: str) -> None:
    trust(settings, trusted)
    assert ask(token_of(user, used)).status_code == (200 if used == trusted else 401)


def test_a_user_sees_what_is_theirs_and_nothing_else(user: User) -> None:
    own, other = OrganizationFactory(), OrganizationFactory()
    token = token_of(member(own))
    assert ask(token, "/api/v1/organizations").json() == [{"id": own.pk, "name": own.name}]
    assert ask(token, f"/api/v1/users?organization={own.pk}").status_code == 200
    assert refused(ask(token, f"/api/v1/users?organization={other.pk}"), 404)


def test_the_claims_stand_where_a_token_would(user: User) -> None:
    said = claims(user.login, scope="alarms")
    headers = {"Authorization": f"Bearer {sign(said)}"}
    request = Request(APIRequestFactory().get(PATH, headers=headers))
    assert JWTAuthentication().authenticate(request) == (user, said)


def test_where_a_token_says_that_its_keys_are_is_not_looked_at(user: User) -> None:
    elsewhere = "http://127.0.0.1:9/"
    assert ask(token_of(user, jku=elsewhere, x5u=elsewhere, kid="../../key")).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_case_insensitive(user: User, scheme: str) -> None:
    assert ask(token_of(user), scheme=scheme).status_code == 200


def is_nobody(answer: Any) -> bool:
    """Whether an answer is that to a request without any header."""
    return refused(answer, 401) and answer.content == APIClient().get(PATH).content


@pytest.mark.parametrize("value", ["Basic dTpw", "Digest x", "Token {}", "{}", "Bearer{}", "Bearer\t{}", ""])
def test_another_scheme_is_nobody(user: User, value: str) -> None:
    assert is_nobody(APIClient().get(PATH, headers={"Authorization": value.format(token_of(user))}))


def test_without_the_settings_a_token_is_nobody(settings: Any, user: User) -> None:
    token = token_of(user)
    for name in ("KEY", "ALGORITHM", "ISSUER", "AUDIENCE"):
        setattr(settings, f"JWT_{name}", "")
    assert is_nobody(ask(token))


GOOD: dict[str, dict[str, object]] = {
    "an issuer whose clock is ahead": {"iat": FAR},
    "an odd time of issue": {"iat": "yesterday"},
    "one audience of several": {"aud": ["other", AUDIENCE]},
    "valid since a while": {"nbf": 1},
    "a fraction of a second": {"exp": FAR + 0.5},
    "claims of its own": {"scope": "x", "groups": ["a"], "email": None},
}


@pytest.mark.parametrize("changed", GOOD.values(), ids=GOOD)
def test_what_else_a_token_in_force_may_say(user: User, changed: dict[str, object]) -> None:
    assert ask(sign(claims(user.login, **changed))).status_code == 200


def test_the_user_is_found_with_one_query(user: User) -> None:
    UserFactory.create_batch(20)
    with CaptureQueriesContext(connection) as queries:
        assert ask(token_of(user)).status_code == 200
    assert len(queries) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_two_principals_in_one_request_are_400(user: User, count: int) -> None:
    texts = {
        "API-TOKEN": ApiToken.issue(name="test", organization=OrganizationFactory())[1],
        "Personal-Access-Token": PersonalAccessToken.issue(name="test", user=user)[1],
        "Authorization": f"Bearer {token_of(user)}",
    }
    for headers in combinations(texts.items(), count):
        assert refused(APIClient().get(PATH, headers=dict(headers)), 400)
    assert refused(APIClient().get(PATH, headers=texts | {"Authorization": "Basic dTpw"}), 400)
