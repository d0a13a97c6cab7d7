"""What is wrong with the settings is said when a process starts.

Not by system checks: gunicorn runs none, and is the one that is asked.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import phonenumbers
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from jwt import PyJWTError
from jwt.algorithms import Algorithm, HMACAlgorithm, get_default_algorithms


def check_jwt() -> None:
    """Raises: ImproperlyConfigured, which names the variable and never tells the key."""
    source = "JWT_KEY" if settings.JWT_KEY else "JWT_JWKS_URL"
    needed = (source, "JWT_ALGORITHM", "JWT_ISSUER", "JWT_AUDIENCE")
    given = [name for name in needed if getattr(settings, name)]
    if not given:
        return
    if settings.JWT_KEY and settings.JWT_JWKS_URL:
        raise ImproperlyConfigured("JWT_KEY: one of JWT_KEY and JWT_JWKS_URL must be set, not both")
    if source not in given:
        raise ImproperlyConfigured(f"JWT_KEY: it or JWT_JWKS_URL is required where {given[0]} is set")
    for name in needed:
        if name not in given:
            raise ImproperlyConfigured(f"{name}: is required where {source} is set")
    algorithms = {name: each for name, each in get_default_algorithms().items() if name != "none"}
    if settings.JWT_ALGORITHM not in algorithms:
        raise ImproperlyConfigured(f"JWT_ALGORITHM: must be one of {', '.join(algorithms)}")
    algorithm = algorithms[settings.JWT_ALGORITHM]
    if settings.JWT_KEY:
        _check_key(algorithm)
    elif isinstance(algorithm, HMACAlgorithm):
        raise ImproperlyConfigured("JWT_ALGORITHM: the keys at JWT_JWKS_URL are public, so it must not be HS...")
    elif not _is_http(settings.JWT_JWKS_URL):
        raise ImproperlyConfigured("JWT_JWKS_URL: must be https://host/path or http://host/path")


def _check_key(algorithm: Algorithm) -> None:
    try:
        key = algorithm.prepare_key(settings.JWT_KEY)
        too_short = algorithm.check_key_length(key)
    except (PyJWTError, UnsupportedAlgorithm, TypeError, ValueError):
        kind = "shared secret" if isinstance(algorithm, HMACAlgorithm) else "public key in PEM"
        raise ImproperlyConfigured(f"JWT_KEY: must be a {kind} for {settings.JWT_ALGORITHM}") from None
    if too_short:
        raise ImproperlyConfigured(f"JWT_KEY: {too_short}")
    if hasattr(key, "private_bytes"):
        raise ImproperlyConfigured("JWT_KEY: must be the public key, not the private one")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def check_phone_region() -> None:
    """Raises: ImproperlyConfigured, as nobody could write a number without its country."""
    region = settings.PHONE_REGION
    if region and region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ImproperlyConfigured("PHONE_REGION: must be the two letters of a country, such as DE")
