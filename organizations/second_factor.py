"""The second factor of somebody who logs in: an authenticator app (TOTP, RFC 6238), and recovery codes for the day when
it is not at hand."""

from __future__ import annotations

import base64
import hmac
import logging
import re
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction

from messaging_project.encryption import CannotDecrypt, decrypt, encrypt
from organizations import tokens
from organizations.models import SecondFactor, User

logger = logging.getLogger(__name__)

# What every authenticator app understands (some take nothing else): SHA-1, 160 bits, six digits, half a minute.
SECRET_BYTES, DIGITS, SECONDS = 20, 6, 30
# How many half minutes a clock may be ahead or behind.
TOLERANCE = 1
RECOVERY_CODES = 10
RECOVERY_LENGTH = 16
# Without letters that look like digits: 5 bits each.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MISREAD = str.maketrans("oil", "011")


class WrongCode(Exception):
    """It is not the code of this half minute, nor one of those around it."""


def new_secret() -> str:
    """Return a new secret in base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def uri_of(secret: str, *, login: str, issuer: str) -> str:
    """Return what the picture says that apps take a secret from."""
    # Between the two stands a colon. A plus stands for a space in forms, but apps show it.
    return _totp(secret).get_provisioning_uri(login, issuer.replace(":", " ")).replace("+", "%20")


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), SECONDS)  # noqa: S303 - as an HMAC, and RFC 6238 has it so


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the half minute, counted from 1970, of which this is the code; None for what is no code now."""
    typed, totp = "".join(code.split()), _totp(secret)
    now_step = int(now.timestamp()) // SECONDS
    found = None
    if typed.isascii() and typed.isdecimal() and len(typed) == DIGITS:
        for step in range(now_step - TOLERANCE, now_step + TOLERANCE + 1):
            if hmac.compare_digest(totp.generate(step * SECONDS), typed.encode()):
                found = step
    return found


def set_up(*, user_id: int, secret: str, code: str, now: datetime) -> list[str]:
    """Give somebody a second factor, in place of any other; return the recovery codes, which cannot be had again.

    Raises: WrongCode.
    """
    step = step_of(secret, code, now)
    if step is None:
        raise WrongCode
    codes = _new_codes()
    with transaction.atomic():
        _lock(user_id)
        kept = {"secret": encrypt(secret), "last_step": step, "recovery_digests": _digests(codes)}
        SecondFactor.objects.update_or_create(user_id=user_id, defaults=kept)
        User.objects.filter(pk=user_id).update(second_factor_at=now)
    logger.info("second factor set up: user=%d", user_id)
    return codes


def check(*, user_id: int, code: str, now: datetime) -> bool:
    """Whether this is the code of somebody's app, or one of their recovery codes. Either is good for once."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user_id).first()
        return factor is not None and (_take_code(factor, code, now) or _take_recovery_code(factor, code))


def _take_code(factor: SecondFactor, code: str, now: datetime) -> bool:
    try:
        step = step_of(decrypt(factor.secret), code, now)
    except CannotDecrypt as error:
        logger.error("the second factor of user %d cannot be read: %s", factor.pk, error)
        return False
    if step is None or step <= factor.last_step:
        return False
    factor.last_step = step
    factor.save(update_fields=["last_step"])
    return True


def _take_recovery_code(factor: SecondFactor, code: str) -> bool:
    typed = _normal(code)
    left = [digest for digest in factor.recovery_digests if not tokens.matches(typed, digest)]
    if len(left) == len(factor.recovery_digests):
        return False
    factor.recovery_digests = left
    factor.save(update_fields=["recovery_digests"])
    logger.info("recovery code used: user=%d, left=%d", factor.pk, len(left))
    return True


def renew_recovery_codes(*, user_id: int) -> list[str]:
    """Return new recovery codes; the old ones end."""
    codes = _new_codes()
    SecondFactor.objects.filter(user=user_id).update(recovery_digests=_digests(codes))
    return codes


def remove(*, user_id: int) -> bool:
    """Take the second factor from somebody; return whether there was one. Their sessions end."""
    with transaction.atomic():
        _lock(user_id)
        removed, _by_model = SecondFactor.objects.filter(user=user_id).delete()
        User.objects.filter(pk=user_id).update(second_factor_at=None)
    if removed:
        logger.info("second factor removed: user=%d", user_id)
    return bool(removed)


def _lock(user_id: int) -> None:
    User.objects.select_for_update(no_key=True).get(pk=user_id)


def _new_codes() -> list[str]:
    return ["".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]


def _digests(codes: list[str]) -> list[str]:
    return [tokens.digest(code) for code in codes]


def _normal(code: str) -> str:
    return re.sub(r"[\W_]", "", code.lower()).translate(MISREAD)


def in_fours(text: str, separator: str = " ") -> str:
    """Return a text as it is read and typed more easily."""
    return separator.join(re.findall(".{1,4}", text))
