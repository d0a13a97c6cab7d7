"""What an escalation meets: response timeouts, gateways, disabled ways, devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet

from escalations.foreseeing import Concerned, Owner
from escalations.models import EscalationConfiguration
from organizations.models import Device, Organization, User

Gateways = Callable[[Collection[int]], Mapping[int, frozenset[str]]]
"""Takes ids of organizations; returns of each the ways that have a gateway, and under 0 those that the service has."""

_registered: list[Gateways] = []


def register(gateways: Gateways) -> None:
    """Tell who knows which ways have a gateway: the app of alarms, of which this one knows nothing."""
    _registered[:] = [gateways]


def of_user(user: User, organizations: Collection[int] | None) -> Owner:
    """Return what alarms of these organizations (None: of all) that the user is a member of meet."""
    concerned = Organization.objects.of(user)
    if organizations is not None:
        concerned = concerned.filter(pk__in=organizations)
    prescribed = EscalationConfiguration.objects.filter(organization=OuterRef("pk"))
    devices = Device.objects.filter(user=user, is_active=True).values_list("way", flat=True)
    return Owner(
        _concerned(concerned.annotate(prescribes=Exists(prescribed))), frozenset(devices), active=user.is_active
    )


def of_organization(organization: Organization) -> Owner:
    """Return what an organization's alarms meet, whoever is alarmed."""
    return Owner(_concerned(Organization.objects.filter(pk=organization.pk)), prescribing=organization.name)


def of_nobody() -> Owner:
    """Return what alarms meet of which nothing is known but the service."""
    return Owner(_concerned(Organization.objects.none()))


def _concerned(organizations: QuerySet[Organization]) -> list[Concerned]:
    found = list(organizations.annotate(seconds=F("response_timeout__seconds")).order_by("name"))
    (gateways,) = _registered
    ways = gateways([organization.pk for organization in found])
    return [
        Concerned(
            name=each.name,
            timeout=settings.DEFAULT_RESPONSE_TIMEOUT if each.seconds is None else each.seconds,
            ways=ways[each.pk],
            disabled=frozenset(each.disabled_ways),
            prescribes=getattr(each, "prescribes", False),
        )
        for each in found
    ] or [Concerned("", settings.DEFAULT_RESPONSE_TIMEOUT, ways[0])]
