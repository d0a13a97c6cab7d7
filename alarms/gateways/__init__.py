"""The gateways: how a way of alarm leaves the house (contract 7). One file a scheme."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alarms.gateways.base import Gateway
from alarms.gateways.email import EmailGateway
from alarms.gateways.http import HttpGateway
from alarms.gateways.log import LogGateway

SCHEMES: dict[str, type[Gateway]] = {
    "log": LogGateway,
    "email": EmailGateway,
    "http": HttpGateway,
    "https": HttpGateway,
}


def build(url: str) -> Gateway:
    """Return the gateway of a URL.

    Raises: ImproperlyConfigured for a scheme that there is no gateway for.
    """
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        # The URL itself may carry a secret.
        raise ImproperlyConfigured(f"no gateway has the scheme {scheme!r}; there are {', '.join(SCHEMES)}")
    return SCHEMES[scheme](url)


@cache
def _build_all(urls: tuple[str, ...]) -> tuple[Gateway, ...]:
    return tuple(build(url) for url in urls)


def of_way(way: str) -> tuple[Gateway, ...]:
    """Return the gateways of a way in the order in which they are tried; none: the way is not available."""
    return _build_all(tuple(settings.GATEWAYS[way]))
