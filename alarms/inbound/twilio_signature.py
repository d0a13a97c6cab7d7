"""How Twilio signs what it asks of us (X-Twilio-Signature). Pure functions."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


def signature(token: str, url: str, parameters: Mapping[str, Sequence[str]]) -> str:
    """Return the HMAC-SHA-1, in base 64, of the URL that Twilio asks and the form that it sends: after the URL each
    name, in order, with its value. Of a name that stands there several times, each value counts once, in order."""
    form = "".join(f"{name}{value}" for name in sorted(parameters) for value in sorted(set(parameters[name])))
    digest = hmac.new(token.encode(), f"{url}{form}".encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(given: str, *, token: str, url: str, parameters: Mapping[str, Sequence[str]]) -> bool:
    """Say, in a time that tells nothing, whether a request is signed with `token`."""
    told = given.encode("utf-8", "surrogatepass")
    found = [hmac.compare_digest(told, signature(token, each, parameters).encode()) for each in _told(url)]
    return any(found)


def _told(url: str) -> Iterable[str]:
    """Return how Twilio may have written the URL: with its port or without."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    with_port = f"{host}:{parts.port or PORTS[parts.scheme]}"
    return (parts._replace(netloc=netloc).geturl() for netloc in (host, with_port))
