"""Registering: organizations say whom to tell of what, change it, and try it out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from alarms.hooks.recording import defer_delivery
from alarms.models import Hook, HookEvent, HookTry
from messaging_project import encryption, outbound
from messaging_project.errors import Conflict
from organizations.models import Organization

MAX_HOOKS = 20
MAX_PENDING_TESTS = 10
EVENTS = [(event.value, event.value) for event in Hook.Event if event is not Hook.Event.TEST]
"""The events that a hook can be registered for."""


def validate_public(url: str) -> None:
    """Refuse an address that an organization may not reach. A name is looked up when events are posted, and not now.

    Raises: ValidationError.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return  # Refused for what it is.
    if outbound.is_refused(host):
        raise ValidationError(_("Its host is a private address, which is not allowed."))


def register(*, organization: Organization, url: str, events: Sequence[str], active: bool = True) -> tuple[Hook, str]:
    """Register a hook; return it with its secret, which cannot be had again.

    Raises: Conflict if the organization has as many as it may have.
    """
    secret = secrets.token_hex(32)
    with transaction.atomic():
        # Of two that come at once, the second counts the first.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if Hook.objects.filter(organization=organization).count() >= MAX_HOOKS:
            raise Conflict(f"organizationID: an organization has at most {MAX_HOOKS} hooks.")
        hook = Hook.objects.create(
            organization=organization,
            url=url,
            events=list(events),
            is_active=active,
            secret=encryption.encrypt(secret),
        )
    return hook, secret


def change(hook: Hook, fields: Mapping[str, Any]) -> bool:
    """Change a hook; what waits for it is tried at once if its URL is another or it is active again. Return whether it
    was still there."""
    with transaction.atomic():
        for name, value in fields.items():
            setattr(hook, name, value)
        if fields and not Hook.objects.filter(pk=hook.pk).update(**fields):
            return False
        if hook.is_active and not fields.keys().isdisjoint({"url", "is_active"}):
            due = HookEvent.objects.pending().filter(hook=hook, lease_until=None, due_at__gt=Now())
            # Somebody else has those that are locked.
            ids = due.order_by("pk").select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
            HookEvent.objects.filter(pk__in=list(ids)).update(due_at=Now())
            defer_delivery()
    return True


def remove(hook_id: int) -> None:
    """Delete a hook with all that it was told and was to be told.

    It is locked before, so that nobody writes an event or a try of it meanwhile: who records events passes it over.
    """
    with transaction.atomic():
        if Hook.objects.select_for_update().filter(pk=hook_id).first() is None:
            return
        with connection.cursor() as cursor:
            for model, field in ((HookTry, "hook_id"), (HookEvent, "hook_id"), (Hook, "id")):
                cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE {field} = %s", [hook_id])  # noqa: S608


def send_test(hook: Hook) -> HookEvent:
    """Have a hook told of an event that is a test, at once.

    Raises: Conflict if it is not active, or if as many tests as there may be wait for it.
    """
    with transaction.atomic():
        # Of two that come at once, the second counts the first.
        found = Hook.objects.select_for_update(no_key=True).filter(pk=hook.pk, is_active=True).first()
        if found is None:
            raise Conflict("hookID: the hook is not active.")
        if HookEvent.objects.pending().filter(hook=found, alarm=None).count() >= MAX_PENDING_TESTS:
            raise Conflict(f"hookID: {MAX_PENDING_TESTS} tests wait for the hook to take them.")
        event = HookEvent.objects.create(hook=found, alarm=None, event=Hook.Event.TEST, payload={})
        defer_delivery()
    return event
