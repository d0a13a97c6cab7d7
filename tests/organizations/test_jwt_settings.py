"""The settings of the tokens of `Authorization: Bearer`: what is wrong with them is said when a process starts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.core.exceptions import ImproperlyConfigured

from organizations.checks import check_jwt
from tests.organizations.test_jwt import AUDIENCE, ISSUER, SECRET, SIGNING, public_pem
from tests.processes import ROOT

PEM = public_pem(SIGNING["RS256"])
WHOLE = {"JWT_KEY": PEM, "JWT_ALGORITHM": "RS256", "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
URL = WHOLE | {"JWT_KEY": "", "JWT_JWKS_URL": "https://login.example.org/keys"}
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is why it is refused
P384 = ec.generate_private_key(ec.SECP384R1())


def private_pem(key: Any, password: str = "") -> str:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem.decode()


def hs(algorithm: str, secret: str) -> dict[str, str]:
    return WHOLE | {"JWT_ALGORITHM": algorithm, "JWT_KEY": secret}


def check(settings: Any, given: dict[str, str]) -> None:
    for name in ("JWT_KEY", "JWT_JWKS_URL", "JWT_ALGORITHM", "JWT_ISSUER", "JWT_AUDIENCE"):
        setattr(settings, name, given.get(name, ""))
    check_jwt()


SOUND: dict[str, dict[str, str]] = {
    "none": {},
    "RS256": WHOLE,
    "PS512": WHOLE | {"JWT_ALGORITHM": "PS512"},
    "ES256": WHOLE | {"JWT_ALGORITHM": "ES256", "JWT_KEY": public_pem(SIGNING["ES256"])},
    "ES384": WHOLE | {"JWT_ALGORITHM": "ES384", "JWT_KEY": public_pem(P384)},
    "EdDSA": WHOLE | {"JWT_ALGORITHM": "EdDSA", "JWT_KEY": public_pem(SIGNING["EdDSA"])},
    "Ed448": WHOLE | {"JWT_ALGORITHM": "EdDSA", "JWT_KEY": public_pem(ed448.Ed448PrivateKey.generate())},
    "HS256": hs("HS256", "a" * 32),
    "HS512": hs("HS512", "a" * 64),
    "HS256, in bytes": hs("HS256", "\u00e4" * 16),
    "keys at an address": URL,
    "keys in the house": URL | {"JWT_JWKS_URL": "http://[::1]:8080/keys?x=1"},
}


@pytest.mark.parametrize("given", SOUND.values(), ids=SOUND)
def test_nothing_is_said_of_sound_settings(settings: Any, given: dict[str, str]) -> None:
    check(settings, given)


WRONG: dict[str, tuple[str, dict[str, str]]] = {
    "a key alone": ("JWT_ALGORITHM: is required", {"JWT_KEY": PEM}),
    "an address alone": ("JWT_ALGORITHM: is required", {"JWT_JWKS_URL": URL["JWT_JWKS_URL"]}),
    "an algorithm alone": ("JWT_KEY: ", {"JWT_ALGORITHM": "RS256"}),
    "an issuer alone": ("JWT_KEY: ", {"JWT_ISSUER": ISSUER}),
    "an audience alone": ("JWT_KEY: ", {"JWT_AUDIENCE": AUDIENCE}),
    "no algorithm": ("JWT_ALGORITHM: is required", WHOLE | {"JWT_ALGORITHM": ""}),
    "no issuer": ("JWT_ISSUER: is required", WHOLE | {"JWT_ISSUER": ""}),
    "no audience": ("JWT_AUDIENCE: is required", URL | {"JWT_AUDIENCE": ""}),
    "no key": ("JWT_KEY: ", WHOLE | {"JWT_KEY": ""}),
    "key and address": ("JWT_KEY: one of", WHOLE | URL | {"JWT_KEY": PEM}),
    "an unknown algorithm": ("JWT_ALGORITHM: must be one of", WHOLE | {"JWT_ALGORITHM": "RS257"}),
    "small letters": ("JWT_ALGORITHM: must be one of", WHOLE | {"JWT_ALGORITHM": "rs256"}),
    "two algorithms": ("JWT_ALGORITHM: must be one of", WHOLE | {"JWT_ALGORITHM": "RS256,ES256"}),
    "no signature": ("JWT_ALGORITHM: must be one of", WHOLE | {"JWT_ALGORITHM": "none"}),
    "no signature, from an address": ("JWT_ALGORITHM: must be one of", URL | {"JWT_ALGORITHM": "none"}),
    "a shared secret at an address": ("JWT_ALGORITHM: ", URL | {"JWT_ALGORITHM": "HS256"}),
    "a file": ("JWT_JWKS_URL: must be", URL | {"JWT_JWKS_URL": "file:///etc/passwd"}),
    "a path": ("JWT_JWKS_URL: must be", URL | {"JWT_JWKS_URL": "/keys"}),
    "no host": ("JWT_JWKS_URL: must be", URL | {"JWT_JWKS_URL": "https:///keys"}),
    "half an address": ("JWT_JWKS_URL: must be", URL | {"JWT_JWKS_URL": "https://[::1/keys"}),
    "an odd port": ("JWT_JWKS_URL: must be", URL | {"JWT_JWKS_URL": "https://example.org:https/keys"}),
    "a short secret for HS256": ("JWT_KEY: ", hs("HS256", "k" * 31)),
    "a short secret for HS384": ("JWT_KEY: ", hs("HS384", "k" * 47)),
    "a short secret for HS512": ("JWT_KEY: ", hs("HS512", "k" * 63)),
    "a public key as a secret": ("JWT_KEY: must be a shared secret", hs("HS256", PEM)),
    "a secret as a public key": ("JWT_KEY: must be a public key", WHOLE | {"JWT_KEY": SECRET}),
    "a cut PEM": ("JWT_KEY: must be a public key", WHOLE | {"JWT_KEY": PEM[:200]}),
    "a key of another kind": ("JWT_KEY: must be a public key", WHOLE | {"JWT_KEY": public_pem(SIGNING["ES256"])}),
    "an RSA key for ES256": ("JWT_KEY: must be a public key", WHOLE | {"JWT_ALGORITHM": "ES256"}),
    "an RSA key for EdDSA": ("JWT_KEY: must be a public key", WHOLE | {"JWT_ALGORITHM": "EdDSA"}),
    "another curve": ("JWT_KEY: must be a public key", SOUND["ES384"] | {"JWT_ALGORITHM": "ES256"}),
    "a short RSA key": ("JWT_KEY: ", WHOLE | {"JWT_KEY": public_pem(SHORT)}),
    "a private RSA key": ("JWT_KEY: must be the public", WHOLE | {"JWT_KEY": private_pem(SIGNING["RS256"])}),
    "a private EC key": ("JWT_KEY: must be the public", SOUND["ES256"] | {"JWT_KEY": private_pem(SIGNING["ES256"])}),
    "a private Ed25519 key": (
        "JWT_KEY: must be the public",
        SOUND["EdDSA"] | {"JWT_KEY": private_pem(SIGNING["EdDSA"])},
    ),
    "a locked private key": ("JWT_KEY: must be a public key", WHOLE | {"JWT_KEY": private_pem(P384, "password")}),
}


@pytest.mark.parametrize(("said", "given"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_in_a_line_that_names_the_variable_and_never_the_key(
    settings: Any, said: str, given: dict[str, str]
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        check(settings, given)
    line = str(refused.value)
    assert line.startswith(said)
    assert "\n" not in line
    key = given.get("JWT_KEY", "")
    assert not [part for part in key.split("\n") if len(part) > 8 and part in line]


def start(*command: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=os.environ | given, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("line_end", ["\n", "\\n"], ids=["real line ends", "written line ends"])
def test_a_public_key_may_stand_in_one_line(line_end: str) -> None:
    done = start("manage.py", "check", **WHOLE | {"JWT_KEY": PEM.replace("\n", line_end)})
    assert done.returncode == 0, done.stderr


def test_a_secret_may_begin_with_a_dollar_sign_and_keeps_its_backslashes() -> None:
    secret = "$HOME\\n" + "k" * 32
    code = "from messaging_project.settings import JWT_KEY; import os, sys; sys.exit(JWT_KEY != os.environ['JWT_KEY'])"
    done = start("-c", code, **hs("HS256", secret))
    assert done.returncode == 0, done.stderr


def test_half_a_configuration_stops_every_command() -> None:
    done = start("manage.py", "check", JWT_KEY="the-key-of-the-house", JWT_ISSUER=ISSUER)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Settings: JWT_ALGORITHM: is required where JWT_KEY is set\n"


def test_half_a_configuration_stops_the_web_process_too() -> None:
    done = start("-c", "import messaging_project.wsgi", JWT_KEY="the-key-of-the-house", JWT_ISSUER=ISSUER)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("JWT_ALGORITHM: is required where JWT_KEY is set")
    assert "the-key-of-the-house" not in done.stderr
