"""Forms that are sent once: what a second sending of the same page would do again is not done."""

from __future__ import annotations

import re
import secrets
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from organizations.models import User

SPENT = "spent_forms"
KEPT = 50


def new_key() -> str:
    return secrets.token_urlsafe(16)


def outcome(request: HttpRequest, key: str) -> int | None:
    """Return what came of the form with this key, None where nothing has yet.

    Of two sendings at once, the second waits here until the transaction of the first one ends.
    """
    assert transaction.get_connection().in_atomic_block
    User.objects.select_for_update(no_key=True).get(pk=request.user.pk)  # type: ignore[misc] # of the admin it is somebody
    return _spent(request).get(key)


def spend(request: HttpRequest, key: str, pk: int) -> None:
    """Note, in the transaction in which it was made, what came of the form with this key."""
    if re.fullmatch(r"[\w-]{8,64}", key, re.ASCII):
        request.session[SPENT] = [*_spent(request).items(), (key, pk)][-KEPT:]
        request.session.save()


def _spent(request: HttpRequest) -> dict[str, int]:
    # As it is kept now, not as it was when this request began.
    stored: dict[str, Any] = type(request.session)(request.session.session_key).load()
    return dict(stored.get(SPENT, []))
