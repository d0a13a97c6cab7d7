"""Which gateway speaks: by the secret that it shares with the service, by an organization's API token, or as Twilio."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from alarms.gateways import owned
from alarms.gateways.http import signature
from alarms.gateways.twilio import TwilioGateway
from alarms.inbound import twilio_signature
from alarms.models import OrganizationGateway
from organizations.authentication import (
    HEADERS,
    ApiTokenAuthentication,
    JWTAuthentication,
    OrganizationPrincipal,
    PersonalAccessTokenAuthentication,
)
from organizations.models import Organization, Way


@dataclass(frozen=True)
class GatewayPrincipal:
    """A gateway that has signed its request. Stands where Django has the user of a request."""

    organization: Organization | None
    """Whose own gateway it is, of which it may speak only; None: the service's."""

    is_authenticated: ClassVar[bool] = True


class SignatureAuthentication(BaseAuthentication):
    """Takes the HMAC of the body with GATEWAY_SECRET, which speaks for the service's own gateways. Must be the first:
    it sees to it that no other principal speaks in the same request."""

    header = "X-Signature"

    def authenticate(self, request: Request) -> tuple[GatewayPrincipal, None] | None:
        given = request.headers.get(self.header)
        if given is None:
            return None
        if any(header in request.headers for header in HEADERS):
            raise ParseError(f"Send one of the headers {', '.join([self.header, *HEADERS])}, not several.")
        expected = signature(request.body, settings.GATEWAY_SECRET)
        if not settings.GATEWAY_SECRET or not hmac.compare_digest(
            given.encode("utf-8", "surrogatepass"), expected.encode()
        ):
            raise AuthenticationFailed(f"{self.header}: not the signature of this body.")
        return GatewayPrincipal(organization=None), None

    def authenticate_header(self, request: Request) -> str:
        return self.header


class TwilioAuthentication(BaseAuthentication):
    """Takes what Twilio has signed: for the service with TWILIO_AUTH_TOKEN, for an organization that brings its own
    account with the token of that."""

    header = "X-Twilio-Signature"

    def authenticate(self, request: Request) -> tuple[GatewayPrincipal, None]:
        given = request.headers.get(self.header)
        if given is None:
            raise AuthenticationFailed(f"{self.header}: only Twilio asks this.")
        form = {name: request.POST.getlist(name) for name in request.POST}
        for token, organization in accounts(request.POST.get("AccountSid", "")):
            if twilio_signature.is_signed(given, token=token, url=url_as_told(request), parameters=form):
                return GatewayPrincipal(organization), None
        raise AuthenticationFailed(f"{self.header}: not the signature of this request.")

    def authenticate_header(self, request: Request) -> str:
        return self.header


def accounts(account: str) -> Iterator[tuple[str, Organization | None]]:
    """Yield the tokens with which requests of a Twilio account may be signed, each with whom it speaks for."""
    if settings.TWILIO_AUTH_TOKEN:
        yield settings.TWILIO_AUTH_TOKEN, None
    rows = OrganizationGateway.objects.filter(organization__is_active=True, way__in=(Way.SMS, Way.CALL))
    organizations = {row.organization_id: row.organization for row in rows.select_related("organization")}
    for (_way, organization_id), gateways in owned.of(rows).items():
        for gateway in gateways:
            if isinstance(gateway, TwilioGateway) and gateway.account == account:
                yield gateway.token, organizations[organization_id]


def url_as_told(request: Request) -> str:
    """Return the URL of a request as others know it, whatever a proxy has made of it."""
    query = request.META.get("QUERY_STRING", "")
    return f"{settings.BASE_URL}{request.path_info}{'?' if query else ''}{query}"


class IsGateway(BasePermission):
    """A gateway of the service or, with an API token, of an organization; a user is neither."""

    message = "Only a gateway may do this: with X-Signature, or with the API token of its organization."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user is None:
            raise AuthenticationFailed("Send X-Signature or API-TOKEN.")
        return isinstance(request.user, GatewayPrincipal | OrganizationPrincipal)


# Users are known here only to be told that they are none.
GATEWAY_AUTHENTICATION: list[type[BaseAuthentication]] = [
    SignatureAuthentication,
    ApiTokenAuthentication,
    PersonalAccessTokenAuthentication,
    JWTAuthentication,
]


def organization_of(request: Request) -> Organization | None:
    """Return the organization of whose alarms the gateway may speak; None: of all."""
    gateway = request.user
    assert isinstance(gateway, GatewayPrincipal | OrganizationPrincipal)
    return gateway.organization


class SignatureScheme(OpenApiAuthenticationExtension):
    target_class = "alarms.inbound.authentication.SignatureAuthentication"
    name = "X-Signature"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-Signature",
            "description": (
                "Speaks for a gateway of the service: `sha256=` and the HMAC-SHA-256 of the body, in hex, with the "
                "secret that they share (GATEWAY_SECRET)."
            ),
        }


class TwilioScheme(OpenApiAuthenticationExtension):
    target_class = "alarms.inbound.authentication.TwilioAuthentication"
    name = "X-Twilio-Signature"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-Twilio-Signature",
            "description": "As Twilio signs its requests, with the auth token of the account.",
        }
