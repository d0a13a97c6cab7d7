"""The service's URLs and the bare views that its requests are compared with."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from alarms.models import AlarmMessage
from messaging_project.urls import handler400, handler403, handler404, handler500, urlpatterns
from organizations.models import User

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def query(request: HttpRequest, user_id: int) -> JsonResponse:
    """One query, one row."""
    user = User.objects.get(pk=user_id)
    return JsonResponse({"id": user.pk, "firstName": user.first_name, "lastName": user.last_name})


@csrf_exempt
def update(request: HttpRequest, recipient_id: int) -> JsonResponse:
    """One UPDATE of one row, committed."""
    changed = AlarmMessage.objects.filter(pk=recipient_id).update(responded_at=timezone.now())
    return JsonResponse({"changed": changed})


urlpatterns += [path("bare/query/<int:user_id>", query), path("bare/update/<int:recipient_id>", update)]
