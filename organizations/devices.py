"""Adding and changing devices: no user has more than a few, and none twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.db import IntegrityError, transaction
from rest_framework.exceptions import NotFound, ValidationError

from messaging_project.errors import Conflict
from organizations.models import Device, User

MAX_DEVICES = 20


def add_device(*, user: User, way: str, name: str, address: str, is_active: bool) -> Device:
    """Give a user a device, whose address is written as it is kept.

    Raises: ValidationError for an address that is none of its way; Conflict if the user has it already, or MAX_DEVICES;
    NotFound if the user has been deleted meanwhile.
    """
    device = Device(user=user, way=way, name=name, address=address, is_active=is_active)
    _check(device)
    with transaction.atomic():
        # Of two requests at once, the second counts what the first has added.
        if User.objects.select_for_update(no_key=True).filter(pk=user.pk).first() is None:
            raise NotFound(f"userID: there is no user {user.pk}.")
        if Device.objects.filter(user=user).count() >= MAX_DEVICES:
            raise Conflict(f"userID: {MAX_DEVICES} devices are the most that a user may have.")
        _save(device)
    return device


def change_device(*, device_id: int, changes: Mapping[str, Any]) -> Device:
    """Change `name`, `address` or `is_active` of a device and return it.

    Raises: as `add_device`, NotFound if it has been deleted meanwhile.
    """
    with transaction.atomic():
        device = Device.objects.select_for_update(no_key=True).filter(pk=device_id).first()
        if device is None:
            raise NotFound(f"id: there is no device {device_id}.")
        for field, value in changes.items():
            setattr(device, field, value)
        _check(device)
        _save(device, update_fields=list(changes))
    return device


def _check(device: Device) -> None:
    try:
        device.clean()
    except Invalid as error:
        raise ValidationError(error.message_dict) from error


def _save(device: Device, **options: Any) -> None:
    """Raises: Conflict; whoever else may write the same at this moment, the database knows."""
    try:
        with transaction.atomic():
            device.save(**options)
    except IntegrityError:
        raise Conflict(f"address: the user has a device of the way {device.way} with this address.") from None
