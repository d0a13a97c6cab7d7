"""An authenticator app, as RFC 6238 describes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from datetime import datetime, timedelta

from messaging_project import database
from organizations import second_factor
from organizations.models import SecondFactor, User

HALF_MINUTE = timedelta(seconds=30)


def code(secret: str, at: datetime, digits: int = 6) -> str:
    """Return what the app shows at a time."""
    counter = struct.pack(">Q", int(at.timestamp()) // 30)
    digest = hmac.digest(base64.b32decode(secret.replace(" ", "")), counter, hashlib.sha1)
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def give(user: User) -> tuple[str, list[str]]:
    """Give somebody a second factor, of which no code was used yet; return the secret and the recovery codes."""
    secret, now = second_factor.new_secret(), database.now()
    codes = second_factor.set_up(user_id=user.pk, secret=secret, code=code(secret, now), now=now)
    SecondFactor.objects.filter(user=user).update(last_step=0)
    return secret, codes


def current(secret: str) -> str:
    return code(secret, database.now())


def wrong(secret: str) -> str:
    """Return what is the code of no time around now."""
    now = database.now()
    right = {code(secret, now + n * HALF_MINUTE) for n in range(-3, 4)}
    return next(text for text in ("000000", "111111", "222222", *map(str, range(333333, 333340))) if text not in right)
