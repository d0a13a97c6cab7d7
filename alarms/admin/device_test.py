"""The button that tries a device out. Here, and not with the admin of devices, as it needs the gateways."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework.exceptions import NotFound, Throttled

from alarms.testing import Attempt, send_test
from messaging_project import database
from messaging_project.errors import Conflict
from organizations.desk import Desk
from organizations.models import Device


def device_test(request: HttpRequest, device_id: int) -> HttpResponse:
    """Send a test message to a device that the caller may change, and say what became of it."""
    page = admin.site._registry[Device]
    assert isinstance(page, Desk)
    device = page.choices(request).select_related("user__managing_organization").filter(pk=device_id).first()
    if device is None:
        messages.warning(request, _("There is no such device."))
        return redirect("admin:organizations_device_changelist")
    if request.method == "POST":
        if not page.has_change_permission(request, device):
            raise PermissionDenied
        level, text = _outcome(device)
        messages.add_message(request, level, text)
    return redirect("admin:organizations_device_change", device.pk)


def _outcome(device: Device) -> tuple[int, str]:
    try:
        attempts = send_test(device=device, now=database.now())
    except Conflict:
        return messages.ERROR, _("Nothing was sent: there is no gateway for this way of alarm.")
    except Throttled as error:
        seconds = int(getattr(error, "wait", None) or 1)
        told = ngettext(
            "Nothing was sent: a device is tested once a minute. Try again in %(seconds)d second.",
            "Nothing was sent: a device is tested once a minute. Try again in %(seconds)d seconds.",
            seconds,
        )
        return messages.WARNING, told % {"seconds": seconds}
    except NotFound:
        return messages.WARNING, _("There is no such device.")
    return _of_attempts(attempts)


def _of_attempts(attempts: list[Attempt]) -> tuple[int, str]:
    last = attempts[-1]
    failed = "; ".join(f"{each.gateway}: {each.reason}" for each in attempts if each.reason)
    if last.reason:
        return messages.ERROR, _("No gateway took the test message. %(failed)s") % {"failed": failed}
    if failed:
        told = _("%(gateway)s took the test message, after others had not: %(failed)s")
        return messages.WARNING, told % {"gateway": last.gateway, "failed": failed}
    return messages.SUCCESS, _("%(gateway)s took the test message.") % {"gateway": last.gateway}
