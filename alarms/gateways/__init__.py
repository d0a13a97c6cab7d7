"""The gateways: how a way of alarm leaves the house (contract 7). One file a scheme."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alarms.gateways.base import Gateway
from alarms.gateways.email import EmailGateway
from alarms.gateways.http import HttpGateway
from alarms.gateways.log import LogGateway
from alarms.gateways.twilio import TwilioGateway

SCHEMES: dict[str, type[Gateway]] = {
    "log": LogGateway,
    "email": EmailGateway,
    "http": HttpGateway,
    "https": HttpGateway,
    "twilio+sms": TwilioGateway,
    "twilio+call": TwilioGateway,
}


def build(url: str, *, guarded: bool = False) -> Gateway:
    """Return a new gateway of a URL; `guarded`, if an organization brings it.

    Raises: ImproperlyConfigured for one that no gateway can be made of; the URL itself, which may hold a secret, is
    not repeated.
    """
    gateway = _class_of(url)(url)
    gateway.guarded = guarded
    return gateway


def _class_of(url: str) -> type[Gateway]:
    if not url.isprintable():
        raise ImproperlyConfigured("a gateway is a URL without control characters")
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise ImproperlyConfigured("a gateway is a URL, such as https://gateway.example/alarm: this is none") from None
    if not scheme:
        raise ImproperlyConfigured("a gateway is a URL, such as https://gateway.example/alarm")
    if scheme in SCHEMES:
        return SCHEMES[scheme]
    from alarms.gateways.apprise import AppriseGateway

    return AppriseGateway


@lru_cache(maxsize=1024)
def build_all(urls: tuple[str, ...], *, guarded: bool = False) -> tuple[Gateway, ...]:
    """Return the gateways of URLs, of which each is made once.

    Raises: ImproperlyConfigured.
    """
    return tuple(build(url, guarded=guarded) for url in urls)


def of_way(way: str) -> tuple[Gateway, ...]:
    """Return the service's gateways of a way in the order in which they are tried; none: the way is not available,
    unless an organization brings its own."""
    return build_all(tuple(settings.GATEWAYS[way]))
