"""The gateways that organizations bring of their own. Their URLs are kept encrypted, as they hold secrets."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext as _

from alarms import gateways
from alarms.gateways.base import Gateway
from alarms.models import OrganizationGateway
from messaging_project import encryption, outbound
from organizations.models import Organization, Way

logger = logging.getLogger(__name__)

# Ours: nobody else's to send with.
RESERVED = frozenset({"log", "email"})
MAX_GATEWAYS = 8

Line = tuple[str, int]
"""A way, and the organization whose own gateways it uses; 0: the service's."""


def bring(*, organization: Organization, way: str, urls: str) -> OrganizationGateway:
    """Set the gateways of an organization's own for a way, a URL or several separated by spaces.

    Raises: ValidationError, which repeats nothing of the URLs.
    """
    summary = " ".join(gateway.label for gateway in checked(urls))
    row, _created = OrganizationGateway.objects.update_or_create(
        organization=organization,
        way=way,
        defaults={"urls": encryption.encrypt(" ".join(urls.split())), "summary": summary[:400]},
    )
    return row


def checked(urls: str) -> list[Gateway]:
    """Return the gateways of the URLs that an organization brings.

    Raises: ValidationError, which repeats nothing of the URLs.
    """
    if not 1 <= len(urls.split()) <= MAX_GATEWAYS:
        raise ValidationError(_("Give 1 to %(most)d gateways.") % {"most": MAX_GATEWAYS})
    found = []
    for number, url in enumerate(urls.split(), 1):
        try:
            gateway = gateways.build(url, guarded=True)
        except ImproperlyConfigured as error:
            which = {"number": number, "reason": error}
            raise ValidationError(_("Gateway %(number)d: %(reason)s") % which) from error
        if gateway.scheme in RESERVED:
            reserved = {"number": number, "scheme": gateway.scheme}
            raise ValidationError(_("Gateway %(number)d: %(scheme)s: belongs to the service.") % reserved)
        if gateway.reads_files:
            raise ValidationError(_("Gateway %(number)d: must not name a file of the server.") % {"number": number})
        if leads_inside(gateway):
            inside = _("Gateway %(number)d: its host is a private address, which is not allowed.")
            raise ValidationError(inside % {"number": number})
        found.append(gateway)
    return found


def leads_inside(gateway: Gateway) -> bool:
    """Whether the URL itself says so. In those of Apprise a number may stand where others have a host."""
    host = urlsplit(gateway.url).hostname or ""
    return (host.rstrip(".").lower() == "localhost" or not set(".:").isdisjoint(host)) and outbound.is_refused(host)


@lru_cache(maxsize=1024)
def _built(line: Line, encrypted: str) -> tuple[Gateway, ...]:
    """Return the gateways of a row; none, and that is logged once, where it cannot be used any more."""
    try:
        return gateways.build_all(tuple(encryption.decrypt(encrypted).split()), guarded=True)
    except (encryption.CannotDecrypt, ImproperlyConfigured) as error:
        way, organization_id = line
        logger.error(
            "the gateway of an organization cannot be used: organization=%d %s: %s", organization_id, way, error
        )
        return ()


def of(rows: Iterable[OrganizationGateway]) -> dict[Line, tuple[Gateway, ...]]:
    """Return the gateways of rows that can be used."""
    lines = {(row.way, row.organization_id): row.urls for row in rows}
    return {line: built for line, urls in lines.items() if (built := _built(line, urls))}


def everybodys() -> dict[Line, tuple[Gateway, ...]]:
    """Return all gateways that there are: the service's and those that organizations bring."""
    service = {(way, 0): gateways.of_way(way) for way in Way.values}
    return {line: found for line, found in service.items() if found} | of(OrganizationGateway.objects.all())


def available(organization: Organization) -> dict[str, Line]:
    """Return, of each way that reaches somebody for an organization, whose gateways it uses: where its own cannot be
    used, the service's are."""
    own = {way for way, _organization_id in of(OrganizationGateway.objects.filter(organization=organization))}
    lines = {way: (way, organization.pk) if way in own else (way, 0) for way in Way.values}
    return {way: line for way, line in lines.items() if way in own or gateways.of_way(way)}


def ways_of(organization_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """Return of each organization the ways that have a gateway, its own or the service's, and under 0 those that the
    service has."""
    service = frozenset(way for way in Way.values if gateways.of_way(way))
    own = of(OrganizationGateway.objects.filter(organization__in=organization_ids)) if organization_ids else {}
    found = dict.fromkeys((0, *organization_ids), service)
    for way, organization_id in own:
        found[organization_id] |= {way}
    return found


def in_order(line: Line) -> tuple[Gateway, ...]:
    """Return the gateways of a line in the order in which they are tried."""
    way, organization_id = line
    if not organization_id:
        return gateways.of_way(way)
    return of(OrganizationGateway.objects.filter(way=way, organization=organization_id)).get(line, ())
