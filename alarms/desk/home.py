"""The home of the admin: what goes on now, and whether the service does its work."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from alarms.desk import health_findings, home_alarms, home_messages
from messaging_project.fragments import fragment
from organizations.desk import administered, has_a_desk


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return what the home shows (the setting DASHBOARD_CALLBACK)."""
    return context | overview(request) | {"title": _("Home")}


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """What moves by itself on the home."""
    return fragment(request, "alarms/desk/home_live.html", overview(request))


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return what the caller sees, with nine queries; nothing for who is admin of no organization."""
    if not has_a_desk(request):
        return {"has_a_desk": False}
    mine = administered(request)
    now = timezone.now()
    return {
        "has_a_desk": True,
        "one_organization": mine is not None and len(mine) == 1,
        "runs_the_service": mine is None,
        "open": home_alarms.open_alarms(mine, now=now),
        "scheduled": home_alarms.scheduled_alarms(mine, now=now),
        "traffic": home_messages.traffic(mine, now=now),
        "failed": home_messages.failed_messages(mine, now=now),
        "health": health_findings.find(mine, now=now),
    }
