"""What is kept encrypted in the database (setting ENCRYPTION_KEYS)."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotDecrypt(Exception):
    """None of the keys in ENCRYPTION_KEYS reads it."""


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    # A key may be any text of enough randomness, as SECRET_KEY is: nothing has to be stretched.
    return MultiFernet(
        Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"encryption:" + key.encode()).digest())) for key in keys
    )


def encrypt(text: str) -> str:
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Return what was encrypted with any of the keys.

    Raises: CannotDecrypt.
    """
    try:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(encrypted).decode()
    except (InvalidToken, ValueError):
        raise CannotDecrypt("no key of ENCRYPTION_KEYS reads it") from None


def rotate(encrypted: str) -> str:
    """Return the same, encrypted with the first key.

    Raises: CannotDecrypt.
    """
    try:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).rotate(encrypted).decode()
    except (InvalidToken, ValueError):
        raise CannotDecrypt("no key of ENCRYPTION_KEYS reads it") from None
