"""What an organization may have the service connect to: whatever is public, and the ALLOWED_NETWORKS. Else its hooks
and gateways would reach what only this machine can (server-side request forgery).

What counts is the address of a connection as it is made. What a name resolved to a moment before does not (DNS
rebinding), nor how an address is written.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings

# Nothing of the address: who asks is not to learn what a name resolves to in here.
REFUSED = "its address is not allowed: private network"

UNICAST = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")
# Of them Python may not know, depending on its age, that they are not public.
SPECIAL = (ip_network("192.0.0.0/24"), ip_network("3fff::/20"))


class NotAllowed(PermissionError):
    """A connection was not made, because of where it would have led."""

    def __init__(self) -> None:
        super().__init__(REFUSED)


def is_allowed(text: str) -> bool:
    """Whether an organization may have the service connect to an IP address."""
    return all(
        _is_public(end) or any(end in network for network in settings.ALLOWED_NETWORKS)
        for end in _ends(ip_address(text))
    )


def check(text: str) -> None:
    """Raises: NotAllowed."""
    if not is_allowed(text):
        raise NotAllowed


def _ends(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return where what is sent to an address may end up: IPv6 has several ways to write one of IPv4."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, address.sixtofour] if address.sixtofour else [address]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if any(address in network for network in SPECIAL) or not address.is_global:
        return False
    if isinstance(address, IPv6Address):
        return address in UNICAST
    return not (address.is_multicast or address.is_reserved)


def is_refused(host: str) -> bool:
    """Whether a host is this machine or an address that is not allowed, however it is written. What a name stands for
    is not looked up: it may be something else when it is used."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return not (is_allowed("127.0.0.1") or is_allowed("::1"))
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return not all(is_allowed(str(address[0])) for *_rest, address in found)


def socket_to(addr_info: tuple[Any, ...]) -> socket.socket:
    """Return a socket for a connection to a resolved address, as a `socket_factory` of aiohttp.

    Raises: NotAllowed, which aiohttp takes for an address that does not answer: it goes on to the next.
    """
    family, kind, protocol, _name, address = addr_info
    check(address[0])
    return socket.socket(family, kind, protocol)


def was_refused(error: Exception) -> bool:
    """Whether what aiohttp raises comes from `socket_to`."""
    return isinstance(getattr(error, "os_error", None), NotAllowed)
