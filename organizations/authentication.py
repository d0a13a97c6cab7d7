"""Who asks: the principals of contract 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.request import Request

from organizations import tokens
from organizations.models import ApiToken, Organization, PersonalAccessToken, Token, User


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


class TokenAuthentication(BaseAuthentication):
    """Finds a token by its lookup prefix with one indexed query, its owner included.

    Unknown, expired and revoked tokens and inactive owners are one answer, 401, so that nothing is told about them.
    """

    header: ClassVar[str]
    model: ClassVar[type[ApiToken | PersonalAccessToken]]
    owner: ClassVar[str]

    def authenticate(self, request: Request) -> tuple[Principal, Token] | None:
        text = request.headers.get(self.header)
        if text is None:
            return None
        if sum(header in request.headers for header in HEADERS) > 1:
            raise ParseError(f"Send one of the headers {', '.join(HEADERS)}, not several.")
        now = timezone.now()
        token = self._find(text)
        if (
            token is None
            or not tokens.matches(text, token.digest)
            or not token.is_usable(now)
            or not getattr(token, self.owner).is_active
        ):
            raise AuthenticationFailed(f"{self.header}: unknown, expired or revoked.")
        token.note_use(now)
        return self.principal(token), token

    def _find(self, text: str) -> ApiToken | PersonalAccessToken | None:
        # No token has other characters, and some of them no database takes.
        if not (text.isascii() and text.isprintable()):
            return None
        try:
            return self.model._default_manager.select_related(self.owner).get(prefix=tokens.prefix(text))
        except self.model.DoesNotExist:
            return None

    def principal(self, token: Any) -> Principal:
        """Return who speaks with `token`, a row of `model`."""
        owner: Principal = getattr(token, self.owner)
        return owner

    def authenticate_header(self, request: Request) -> str:
        return self.header


class ApiTokenAuthentication(TokenAuthentication):
    header = "API-TOKEN"
    model = ApiToken
    owner = "organization"

    def principal(self, token: ApiToken) -> OrganizationPrincipal:
        return OrganizationPrincipal(token.organization, token.name)


class PersonalAccessTokenAuthentication(TokenAuthentication):
    header = "Personal-Access-Token"
    model = PersonalAccessToken
    owner = "user"
