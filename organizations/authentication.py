"""Who asks: the principals of contract 1."""

from __future__ import annotations

import functools
import logging
import math
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar

import jwt
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.request import Request

from messaging_project.masking import masked
from organizations import tokens
from organizations.models import ApiToken, Organization, PersonalAccessToken, Token, User
from organizations.rows import Columns

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OrganizationPrincipal:
    """An organization that speaks with an API token. Stands where Django has the user of a request."""

    organization: Organization
    token_name: str

    is_authenticated: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"API token {self.token_name}"


Principal = User | OrganizationPrincipal

HEADERS = ("API-TOKEN", "Personal-Access-Token", "Authorization")


class HeaderAuthentication(BaseAuthentication):
    """A principal speaks by its header, and only one of them in a request.

    Whatever is wrong with what a header says is one answer, 401, so that nothing is told about it.
    """

    header: ClassVar[str]

    def text(self, request: Request) -> str | None:
        """Return what the header says, None where it is not there.

        Raises: ParseError (400) where another principal's header is there too.
        """
        text = request.headers.get(self.header)
        if text is not None and sum(header in request.headers for header in HEADERS) > 1:
            raise ParseError(f"Send one of the headers {', '.join(HEADERS)}, not several.")
        return text

    def refusal(self) -> AuthenticationFailed:
        return AuthenticationFailed(f"{self.header}: unknown, expired or revoked.")

    def authenticate_header(self, request: Request) -> str:
        return self.header


class TokenAuthentication(HeaderAuthentication):
    """Finds a token by its lookup prefix with one indexed query, its owner included.

    Unknown, expired and revoked tokens and inactive owners are not told apart.
    """

    owner: ClassVar[str]
    columns: ClassVar[Columns[Any]]
    of_owner: ClassVar[Columns[Any]]
    statement: ClassVar[str]

    def authenticate(self, request: Request) -> tuple[Principal, Token] | None:
        text = self.text(request)
        if text is None:
            return None
        now = timezone.now()
        token = self._find(text)
        if (
            token is None
            or not tokens.matches(text, token.digest)
            or not token.is_usable(now)
            or not getattr(token, self.owner).is_active
        ):
            raise self.refusal()
        token.note_use(now)
        return self.principal(token), token

    def _find(self, text: str) -> Token | None:
        # No token has other characters, and some of them no database takes.
        if not (text.isascii() and text.isprintable()):
            return None
        with connection.cursor() as cursor:
            cursor.execute(self.statement, [tokens.prefix(text)])
            row = cursor.fetchone()
        if row is None:
            return None
        token: Token = self.columns.instance(row[: len(self.columns)])
        setattr(token, self.owner, self.of_owner.instance(row[len(self.columns) :]))
        return token

    def principal(self, token: Any) -> Principal:
        """Return who speaks with `token`."""
        owner: Principal = getattr(token, self.owner)
        return owner


class ApiTokenAuthentication(TokenAuthentication):
    header = "API-TOKEN"
    owner = "organization"
    columns, of_owner = Columns(ApiToken, "t"), Columns(Organization, "o")
    statement = f"""
        SELECT {columns.sql}, {of_owner.sql}
        FROM organizations_apitoken t JOIN organizations_organization o ON o.id = t.organization_id
        WHERE t.prefix = %s
    """  # noqa: S608 - made of constants

    def principal(self, token: ApiToken) -> OrganizationPrincipal:
        return OrganizationPrincipal(token.organization, token.name)


class PersonalAccessTokenAuthentication(TokenAuthentication):
    header = "Personal-Access-Token"
    owner = "user"
    columns, of_owner = Columns(PersonalAccessToken, "t"), Columns(User, "o")
    statement = f"""
        SELECT {columns.sql}, {of_owner.sql}
        FROM organizations_personalaccesstoken t JOIN organizations_user o ON o.id = t.user_id
        WHERE t.prefix = %s
    """  # noqa: S608 - made of constants


class KeySet:
    """The keys that an issuer publishes at a URL (RFC 7517), kept in this process.

    PyJWKClient only fetches them. Its own cache forgets every key that grows old while the server is away, and has a
    token with an unknown key ask the server each time until it answers.
    """

    TIMEOUT = 5.0
    # Seconds after which known keys are read again, as the issuer may have withdrawn one.
    LIFETIME = 300.0
    # Seconds between two attempts at least: anybody can name keys that do not exist.
    PAUSE = 10.0

    def __init__(self, url: str, algorithm: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=self.TIMEOUT)
        self._algorithm = algorithm
        self._keys: dict[str, jwt.PyJWK] = {}
        self._away = True
        self._tried_at = -math.inf
        self._reading = threading.Lock()

    def key(self, name: str) -> jwt.PyJWK | None:
        """Return the key of this name (`kid`), None where the issuer has no such key.

        Raises: KeysAway (503) for an unknown key while the keys cannot be read. The known ones go on working.
        """
        # Not above: it imports DRF's views, which import the authentication classes.
        from messaging_project.errors import KeysAway

        known = name in self._keys
        if monotonic() - self._tried_at >= (self.LIFETIME if known else self.PAUSE):
            self._refresh(patience=0 if known else self.TIMEOUT)
        key = self._keys.get(name)
        if key is None and self._away:
            raise KeysAway
        return key

    def _refresh(self, *, patience: float) -> None:
        """Read the keys, or wait so many seconds for the thread that is reading them already."""
        if not self._reading.acquire(timeout=patience):
            return
        try:
            if monotonic() - self._tried_at >= self.PAUSE:
                self._read()
        finally:
            self._reading.release()

    def _read(self) -> None:
        # Until the end is known, so that who has lost patience is not told that there is no such key.
        self._away = True
        try:
            self._keys = self._published()
            self._away = False
        except Exception as error:  # Whatever a server may answer: the keys known so far go on working.
            logger.error("JWT_JWKS_URL: the keys cannot be read: %s: %s", type(error).__name__, masked(str(error)))
        self._tried_at = monotonic()

    def _published(self) -> dict[str, jwt.PyJWK]:
        """Fetch the keys with which tokens can be checked.

        Raises: anything.
        """
        published = [
            # A key that names no algorithm is for the one in force.
            {"alg": self._algorithm, **key}
            for key in self._client.fetch_data().get("keys") or []
            if isinstance(key, dict)
        ]
        keys = {
            key.key_id: key
            for key in jwt.PyJWKSet(published)
            if isinstance(key.key_id, str)
            and key.algorithm_name == self._algorithm
            and key.public_key_use in (None, "sig")
            # Private keys, which nobody should publish, cannot.
            and hasattr(key.key, "verify")
        }
        if not keys:
            raise jwt.PyJWKSetError(f"none of them is for {self._algorithm}")
        return keys


key_set = functools.cache(KeySet)


class JWTAuthentication(HeaderAuthentication):
    """Takes the JSON Web Tokens of one issuer (RFC 7519), where the settings JWT_... name it; `sub` is the login.

    Only the algorithm and the keys of the settings count, whatever a token says about itself (RFC 8725, 3.1).
    """

    header = "Authorization"

    def authenticate(self, request: Request) -> tuple[User, dict[str, Any]] | None:
        scheme, _space, token = (self.text(request) or "").partition(" ")
        if not settings.JWT_ALGORITHM or scheme.lower() != "bearer":
            return None
        try:
            claims = self._claims(token)
            # No login has other characters, and some of them no database takes.
            login = User._meta.get_field("login").clean(claims["sub"], None)
            return User.objects.get(login=login, is_active=True), claims
        except (jwt.PyJWTError, ValidationError, User.DoesNotExist):
            # Nor is the reason in the logs: it may hold a part of the token.
            raise self.refusal() from None

    def _claims(self, token: str) -> dict[str, Any]:
        """Raises: jwt.PyJWTError for what is no token in force, KeysAway."""
        if not token.isascii():
            raise jwt.DecodeError
        return jwt.decode(
            token,
            settings.JWT_KEY or self._published_key(token),
            algorithms=[settings.JWT_ALGORITHM],
            issuer=settings.JWT_ISSUER,
            audience=settings.JWT_AUDIENCE,
            # An issuer whose clock is ahead must not lock its people out: `iat` tells nothing that `exp` does not.
            options={
                "require": ["iss", "aud", "exp", "sub"],
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            },
        )

    def _published_key(self, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        # What cannot be right in the end has no key looked for.
        if header.get("alg") != settings.JWT_ALGORITHM or "kid" not in header:
            raise jwt.InvalidTokenError
        key = key_set(settings.JWT_JWKS_URL, settings.JWT_ALGORITHM).key(header["kid"])
        if key is None:
            raise jwt.InvalidTokenError
        return key
