"""From where somebody asks, as attempts are counted."""

from __future__ import annotations

import ipaddress
import re

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle


def network_of(request: HttpRequest) -> str:
    """Return an IPv4 address, or the network of an IPv6 address, as whoever has one has all of it; empty behind a
    socket that knows no addresses. Which of the addresses in X-Forwarded-For counts says NUM_PROXIES."""
    asking = BaseThrottle().get_ident(request)  # type: ignore[arg-type] # it reads headers only
    address = _parsed(asking) or _parsed(request.META.get("REMOTE_ADDR"))
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), 64), strict=False))
    return str(address or "")


def _parsed(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, which some proxies tell with its port."""
    bare = re.sub(r"\A\[(.*)\](:\d+)?\Z|\A([\d.]+):\d+\Z", r"\1\3", text or "")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None
