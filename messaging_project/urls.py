from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from alarms import health
from alarms.views import AlarmsViewSet, AlarmViewSet, FeedbackViewSet, MessageStatusViewSet
from escalations.views import OrganizationEscalationViewSet, OrganizationViewSet, UserEscalationViewSet
from inbox.views import InboxViewSet
from messaging_project import openapi
from messaging_project.api import Router
from organizations.views import OrganizationsViewSet, UnitsViewSet, UsersViewSet, UserViewSet

router = Router()
# Before "escalation", of which it would be a user's id.
router.register("escalation/organization", OrganizationEscalationViewSet, basename="organization-escalation")
router.register("escalation", UserEscalationViewSet, basename="user-escalation")
router.register("alarm", AlarmViewSet, basename="alarm")
router.register("alarms", AlarmsViewSet, basename="alarms")
router.register("messagestatus", MessageStatusViewSet, basename="message-status")
router.register("messaging/feedback", FeedbackViewSet, basename="feedback")
router.register("msg", InboxViewSet, basename="inbox")
router.register("organization", OrganizationViewSet, basename="organization")
router.register("organizations", OrganizationsViewSet, basename="organizations")
router.register("user", UserViewSet, basename="user")
router.register("users", UsersViewSet, basename="users")
router.register("units", UnitsViewSet, basename="units")

admin.site.site_header = admin.site.site_title = "Alarm messaging"
# Beside the admin there is no site to view.
admin.site.site_url = None

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("api/v1/", include(router.urls)),
    re_path(r"^api/schema/?\Z", openapi.schema, name="schema"),
    re_path(r"^api/docs/?\Z", openapi.docs, name="docs"),
    re_path(r"^health/?$", health.health),
    re_path(r"^health/live/?$", health.live),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]

handler400 = "messaging_project.errors.bad_request"
handler403 = "messaging_project.errors.permission_denied"
handler404 = "messaging_project.errors.not_found"
handler500 = "messaging_project.errors.server_error"
