"""The keys of `Authorization: Bearer` that an issuer publishes, over HTTP."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from organizations import authentication
from organizations.authentication import KeySet
from organizations.models import User
from tests.dialect import refused
from tests.factories import UserFactory
from tests.organizations.test_jwt import AUDIENCE, ISSUER, SIGNING, ask, claims, sign, token_of

OTHER = rsa.generate_private_key(65537, 2048)


ALGORITHMS: dict[type, Any] = {
    type(SIGNING["RS256"]): jwt.algorithms.RSAAlgorithm,
    type(SIGNING["ES256"]): jwt.algorithms.ECAlgorithm,
    type(SIGNING["EdDSA"]): jwt.algorithms.OKPAlgorithm,
}


def jwk(private_key: Any, kid: str = "a", **fields: object) -> dict[str, Any]:
    """The public key, as issuers publish it."""
    published: dict[str, Any] = ALGORITHMS[type(private_key)].to_jwk(private_key.public_key(), as_dict=True)
    return published | {"kid": kid} | fields


KEY = jwk(SIGNING["RS256"])
KEYS = json.dumps({"keys": [KEY]}).encode()


class Issuer(ThreadingHTTPServer):
    """Publishes keys at /keys; a test says what it answers, or closes `open` to let it hang."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.headers, self.body = 200, {"Content-Type": "application/json"}, KEYS
        self.open = threading.Event()
        self.open.set()
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,)).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys"

    def publish(self, *keys: object) -> None:
        self.status, self.body = 200, json.dumps({"keys": keys}).encode()

    def handle_error(self, *_arguments: object) -> None:
        """Who has given up waiting is no error here."""

    def close(self) -> None:
        self.open.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        issuer = self.server
        issuer.asked.append(self.path)
        issuer.open.wait(10)
        found = self.path == "/keys"
        self.send_response(issuer.status if found else 200)
        for name, value in issuer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(issuer.body if found else KEYS)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def issuer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    issuer = Issuer()
    settings.JWT_KEY, settings.JWT_JWKS_URL = "", issuer.url
    settings.JWT_ALGORITHM, settings.JWT_ISSUER, settings.JWT_AUDIENCE = "RS256", ISSUER, AUDIENCE
    authentication.key_set.cache_clear()
    yield issuer
    issuer.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock on by so many seconds."""
    moved = [0.0]
    clock = authentication.monotonic
    monkeypatch.setattr(authentication, "monotonic", lambda: clock() + sum(moved))
    return moved.append


@pytest.fixture
def user(db: None) -> User:
    return UserFactory()


def in_force(user: User, kid: str = "a") -> int:
    """The status of a request with a token that is signed with the key of this name."""
    status: int = ask(token_of(user, kid=kid)).status_code
    return status


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_the_keys_of_an_issuer_are_found_by_their_names(
    settings: Any, issuer: Issuer, user: User, algorithm: str
) -> None:
    settings.JWT_ALGORITHM = algorithm
    issuer.publish(jwk(OTHER, "b"), jwk(SIGNING[algorithm], "a"), jwk(ec.generate_private_key(ec.SECP256R1()), "c"))
    assert ask(token_of(user, algorithm, kid="a")).json()["id"] == user.pk
    assert refused(ask(token_of(user, algorithm, kid="b")), 401)


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_a_key_that_names_no_algorithm_is_for_the_one_of_the_settings(
    settings: Any, issuer: Issuer, user: User, algorithm: str
) -> None:
    settings.JWT_ALGORITHM = algorithm
    assert ask(sign(claims(user.login), algorithm, SIGNING["RS256"], kid="a")).status_code == 200
    assert refused(ask(token_of(user, kid="a")), 401)


def test_the_keys_are_read_once_in_a_while(issuer: Issuer, user: User, later: Callable[[float], None]) -> None:
    assert [in_force(user) for _request in range(20)] == [200] * 20
    later(KeySet.LIFETIME - 60)
    assert in_force(user) == 200
    assert issuer.asked == ["/keys"]


def test_a_new_key_is_noticed(issuer: Issuer, user: User, later: Callable[[float], None]) -> None:
    assert in_force(user) == 200
    issuer.publish(KEY, jwk(OTHER, "new"))
    token = sign(claims(user.login), key=OTHER, kid="new")
    later(KeySet.PAUSE)
    assert ask(token).status_code == 200
    assert in_force(user) == 200
    assert len(issuer.asked) == 2


def test_a_withdrawn_key_is_noticed(issuer: Issuer, user: User, later: Callable[[float], None]) -> None:
    assert in_force(user) == 200
    issuer.publish(jwk(OTHER, "new"))
    later(KeySet.LIFETIME)
    assert in_force(user) == 401


def test_unknown_keys_do_not_have_the_issuer_asked_each_time(
    issuer: Issuer, user: User, later: Callable[[float], None]
) -> None:
    for round_ in range(3):
        assert {in_force(user, kid=f"unknown {round_} {number}") for number in range(20)} == {401}
        assert len(issuer.asked) == round_ + 1
        later(KeySet.PAUSE)


HOPELESS: dict[str, Callable[[dict[str, Any]], str]] = {
    "another algorithm": lambda said: sign(said, "ES256", kid="a"),
    "no name of a key": lambda said: sign(said),
    "not signed": lambda said: jwt.encode(said, None, "none", {"kid": "a"}),
    "no token": lambda _said: "abc",
}


@pytest.mark.parametrize("make", HOPELESS.values(), ids=HOPELESS)
def test_a_hopeless_token_has_nobody_asked(issuer: Issuer, user: User, make: Callable[..., str]) -> None:
    assert refused(ask(make(claims(user.login))), 401)
    assert issuer.asked == []


def test_a_token_cannot_bring_its_own_keys(issuer: Issuer, user: User) -> None:
    elsewhere = f"{issuer.url}/of/a/stranger"
    issuer.publish(jwk(OTHER, "a"))
    for header in ({"jku": elsewhere}, {"x5u": elsewhere}, {"jwk": KEY}):
        assert refused(ask(token_of(user, kid="a", **header)), 401)
    assert issuer.asked == ["/keys"]


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "an error": (500, {}, KEYS),
    "not found": (404, {}, b"<html>not found</html>"),
    "nothing new": (304, {}, b""),
    "another place": (302, {"Location": "/elsewhere"}, b""),
    "another place for ever": (308, {"Location": "/elsewhere"}, b""),
    "a file": (302, {"Location": "file:///etc/passwd"}, b""),
    "a page": (200, {"Content-Type": "text/html"}, b"<html>please log in</html>"),
    "nothing": (200, {}, b""),
    "half": (200, {"Content-Length": "100000"}, KEYS),
    "an odd length": (200, {"Content-Length": "x"}, KEYS[:-9]),
    "chunks that are none": (200, {"Transfer-Encoding": "chunked"}, KEYS),
    "no UTF-8": (200, {}, b"\xff\xfe\xfd"),
    "deep": (200, {}, b"[" * 100_000),
    "a long number": (200, {}, b"9" * 10_000),
    "null": (200, {}, b"null"),
    "a list": (200, {}, b"[]"),
    "no keys": (200, {}, b"{}"),
    "null as keys": (200, {}, b'{"keys": null}'),
    "empty keys": (200, {}, b'{"keys": []}'),
    "a number as keys": (200, {}, b'{"keys": 1}'),
    "text as keys": (200, {}, b'{"keys": "abc"}'),
    "an object as keys": (200, {}, b'{"keys": {"a": {}}}'),
    "odd keys": (200, {}, b'{"keys": [1, null, "a", [], {}]}'),
}
ODD_KEYS = {
    "for another algorithm": jwk(SIGNING["RS256"], alg="RS512"),
    "for encryption": KEY | {"use": "enc"},
    "of another kind": jwk(SIGNING["ES256"]),
    "without a name": {name: value for name, value in KEY.items() if name != "kid"},
    "with a list as its name": KEY | {"kid": ["a"]},
    "with a list as its algorithm": KEY | {"alg": ["RS256"]},
    "with an unknown algorithm": KEY | {"alg": "RS257"},
    "with a list as its kind": KEY | {"kty": ["RSA"]},
    "with a number in it": KEY | {"n": 5},
    "with nothing in it": KEY | {"n": "", "e": ""},
    "cut": KEY | {"n": "AQAB"},
    "no Base64": KEY | {"n": "\u00e4!"},
    "secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "a"},
    "private": jwt.algorithms.RSAAlgorithm.to_jwk(SIGNING["RS256"], as_dict=True) | {"kid": "a"},
}
ANSWERS |= {f"a key {name}": (200, {}, json.dumps({"keys": [key]}).encode()) for name, key in ODD_KEYS.items()}


@pytest.mark.parametrize(("status", "headers", "body"), ANSWERS.values(), ids=ANSWERS)
def test_whatever_the_issuer_answers_instead_of_keys_is_503_with_a_line_in_the_log(
    issuer: Issuer, user: User, caplog: pytest.LogCaptureFixture, status: int, headers: dict[str, str], body: bytes
) -> None:
    issuer.status, issuer.headers, issuer.body = status, headers, body
    token = token_of(user, kid="a")
    answer = ask(token)
    assert refused(answer, 503, "keys")
    (line,) = [line for line in caplog.messages if line.startswith("JWT_JWKS_URL: the keys cannot be read: ")]
    assert "\n" not in line
    assert not [part for part in token.split(".") if part in caplog.text + answer.content.decode()]
    assert issuer.asked == ["/keys"]


def test_a_short_key_of_the_issuer_is_good_for_nothing(issuer: Issuer, user: User) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is why it is refused
    issuer.publish(jwk(short))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = sign(claims(user.login), key=short, kid="a")
    assert refused(ask(token), 401)


def test_sound_keys_among_odd_ones_are_used(issuer: Issuer, user: User) -> None:
    odd = [key for name, key in ODD_KEYS.items() if "a list as" not in name]
    issuer.publish(*odd, 1, None, KEY | {"kid": "sound"})
    assert in_force(user, kid="sound") == 200


def test_while_the_issuer_is_away_its_known_keys_go_on_working(
    issuer: Issuer, user: User, later: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert in_force(user) == 200
    issuer.close()
    for seconds in (0.0, KeySet.LIFETIME, 0.0, 86400.0, 0.0):
        later(seconds)
        assert in_force(user) == 200
    assert in_force(user, kid="new") == 503
    told = [record.levelno for record in caplog.records if record.name == authentication.__name__]
    assert told == [logging.ERROR] * 2


def test_an_issuer_that_comes_back_is_noticed(issuer: Issuer, user: User, later: Callable[[float], None]) -> None:
    issuer.status = 503
    assert [in_force(user) for _request in range(5)] == [503] * 5
    issuer.status = 200
    assert in_force(user) == 503
    assert len(issuer.asked) == 1
    later(KeySet.PAUSE)
    assert in_force(user) == 200
