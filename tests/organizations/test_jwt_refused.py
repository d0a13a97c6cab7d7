"""The tokens of `Authorization: Bearer` that are refused, all alike."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.db import connection
from django.test.utils import CaptureQueriesContext

from organizations.authentication import JWTAuthentication
from organizations.models import User
from tests.dialect import refused
from tests.factories import UserFactory
from tests.organizations.test_jwt import AUDIENCE, FAR, ISSUER, SIGNING, ask, claims, public_pem, sign, token_of, trust

pytestmark = pytest.mark.django_db

STRANGER = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def user(settings: Any) -> User:
    """Somebody for whom the issuer speaks; its algorithm is RS256."""
    trust(settings, "RS256")
    return UserFactory()


WRONG: dict[str, dict[str, object]] = {
    "expired long ago": {"exp": 0},
    "no end": {"exp": ...},
    "null as end": {"exp": None},
    "text as end": {"exp": "never"},
    "a list as end": {"exp": [FAR]},
    "endless": {"exp": float("inf")},
    "no number as end": {"exp": float("nan")},
    "not valid yet": {"nbf": FAR},
    "text as beginning": {"nbf": "now"},
    "null as beginning": {"nbf": None},
    "another issuer": {"iss": "https://login.example.com/"},
    "almost the issuer": {"iss": ISSUER.rstrip("/")},
    "no issuer": {"iss": ...},
    "an empty issuer": {"iss": ""},
    "a list as issuer": {"iss": [ISSUER]},
    "another audience": {"aud": "billing"},
    "almost the audience": {"aud": AUDIENCE[:-1]},
    "other audiences": {"aud": ["billing", "mail"]},
    "no audience": {"aud": ...},
    "an empty audience": {"aud": ""},
    "an empty list as audience": {"aud": []},
    "an object as audience": {"aud": {AUDIENCE: 1}},
    "a number among the audiences": {"aud": [AUDIENCE, 1]},
    "no subject": {"sub": ...},
    "null as subject": {"sub": None},
    "a number as subject": {"sub": 1},
    "true as subject": {"sub": True},
    "a list as subject": {"sub": ["user"]},
    "an object as subject": {"sub": {"login": "user"}},
    "an empty subject": {"sub": ""},
    "a space as subject": {"sub": " "},
    "NUL": {"sub": "us\x00er"},
    "a lone surrogate": {"sub": "us\ud800er"},
    "a line end": {"sub": "user\n"},
    "a long subject": {"sub": "u" * 10_000},
    "SQL": {"sub": "' OR '1'='1"},
}


def same_refusal(token: str, *, queries: int = 0) -> bool:
    """Whether a token is refused as any other, after so many queries."""
    with CaptureQueriesContext(connection) as asked:
        answer = ask(token)
    assert len(asked) == queries
    assert answer["WWW-Authenticate"] == "API-TOKEN"
    assert answer.json()["error"] == "Authorization: unknown, expired or revoked."
    return refused(answer, 401)


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_a_token_that_does_not_say_all_that_it_must_is_refused(user: User, changed: dict[str, object]) -> None:
    assert same_refusal(sign(claims(**{"sub": user.login} | changed)))


def test_a_token_ends_with_its_last_second(user: User) -> None:
    assert same_refusal(sign(claims(user.login, exp=int(time.time()))))


def test_unknown_and_inactive_users_are_not_told_apart_from_the_others(user: User) -> None:
    token = token_of(user)
    assert same_refusal(sign(claims("nobody")), queries=1)
    assert same_refusal(sign(claims(user.login.upper())), queries=1)
    assert ask(token).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert same_refusal(token, queries=1)


def segment(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: object, payload: object, sign: Callable[[bytes], bytes] = lambda _text: b"") -> str:
    """A token that no library would make."""
    text = f"{segment(header)}.{segment(payload)}"
    return f"{text}.{segment(sign(text.encode()))}"


def as_the_issuer(text: bytes) -> bytes:
    signature: bytes = SIGNING["RS256"].sign(text, padding.PKCS1v15(), hashes.SHA256())
    return signature


def with_public_key(text: bytes) -> bytes:
    """Sign with what anybody knows, as a secret."""
    return hmac.digest(public_pem(SIGNING["RS256"]).encode(), text, hashlib.sha256)


def splice(good: str, other: str) -> str:
    """Put the signature of one token under what another says."""
    return f"{other.rpartition('.')[0]}.{good.rpartition('.')[2]}"


def forged(**headers: Any) -> Callable[[dict[str, Any]], str]:
    return lambda said: sign(said, key=STRANGER, **headers)


def with_header(header: object) -> Callable[[dict[str, Any]], str]:
    return lambda said: by_hand(header, said, as_the_issuer)


RS256 = {"alg": "RS256", "typ": "JWT"}
STRANGERS_JWK = jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
FORGED: dict[str, Callable[[dict[str, Any]], str]] = {
    "signed by a stranger": forged(),
    "with its own key": forged(jwk=STRANGERS_JWK),
    "with the address of its keys": forged(jku="http://127.0.0.1:9/keys", kid="a"),
    "with the address of its certificate": forged(x5u="http://127.0.0.1:9/cert"),
    "with its own certificate": forged(x5c=["MIIB"]),
    "not signed": lambda said: by_hand({"alg": "none"}, said),
    "not signed, in capitals": lambda said: by_hand({"alg": "NONE"}, said),
    "not signed as it should be": lambda said: by_hand(RS256, said),
    "no algorithm, with a signature": with_header({"alg": "none"}),
    "signed with the public key as a secret": lambda said: by_hand({"alg": "HS256"}, said, with_public_key),
    "the same key, another digest": lambda said: sign(said, "RS512", SIGNING["RS256"]),
    "the same key, another padding": lambda said: sign(said, "PS256", SIGNING["RS256"]),
    "no algorithm is named": with_header({"typ": "JWT"}),
    "null as algorithm": with_header({"alg": None}),
    "a list of algorithms": with_header({"alg": ["RS256"]}),
    "another payload": lambda said: splice(sign(said), sign(claims("admin"), key=STRANGER)),
    "an unknown extension": lambda said: sign(said, crit=["x"], x=1),
    "a payload that is elsewhere": lambda said: by_hand(RS256 | {"b64": False, "crit": ["b64"]}, said),
    "a number as the name of the key": with_header(RS256 | {"kid": 1}),
    "a list as payload": lambda _said: sign(b"[]"),
    "no JSON as payload": lambda _said: sign(b"\xff{"),
    "a deep payload": lambda _said: sign(b"[" * 50_000),
    "a deep header": lambda said: by_hand(b"[" * 50_000, said),
    "no JSON as header": lambda said: by_hand(b"\x00", said),
    "a list as header": lambda said: by_hand([], said),
    "empty": lambda _said: "",
    "dots": lambda _said: "..",
    "no token": lambda _said: "abc",
    "long": lambda _said: "a" * 100_000,
    "Latin-1": lambda _said: "\xe9.\xfc.\xe4",
    "a lone surrogate": lambda _said: "a.\udcff.c",
    "NUL": lambda _said: "a.\x00.c",
    "format characters": lambda _said: "%s.{0}.%(x)s",
    "an API token": lambda _said: "ga_org_0123456789",
    "two tokens": lambda said: ",".join([sign(said)] * 2),
    "a cut signature": lambda said: sign(said)[:-4],
    "a fourth part": lambda said: sign(said) + ".AAAA",
}


def test_a_token_made_by_hand_is_as_good_as_any(user: User) -> None:
    assert ask(with_header(RS256)(claims(user.login))).status_code == 200


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_the_issuer_has_not_signed_is_refused(user: User, forge: Callable[..., str]) -> None:
    assert same_refusal(forge(claims(user.login)))


def test_no_part_of_a_token_is_in_logs_or_answers(
    user: User, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    token = token_of(user)
    answers = []
    with CaptureQueriesContext(connection):
        answers += [ask(token), ask(token[:-4]), ask(token + "\xe9"), ask(FORGED["signed by a stranger"](claims("x")))]
        monkeypatch.setattr(JWTAuthentication, "refusal", None)
        answers.append(ask(token[:-4]))
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401, 500]
    told = caplog.text + "".join(answer.content.decode() for answer in answers)
    assert "unexpected error in GET" in told
    assert not [part for part in token.split(".") if part in told or part[:40] in told]
