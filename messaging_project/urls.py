from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from alarms import anymail_receipts, health, metrics_page
from alarms.admin.device_test import device_test
from alarms.answer_page import answer_page
from alarms.desk import home
from alarms.device_test_views import DeviceTestViewSet
from alarms.hooks.views import HooksViewSet
from alarms.inbound.views import (
    SmsViewSet,
    TwilioCallViewSet,
    TwilioSmsViewSet,
    TwilioStatusViewSet,
    TwilioTalkViewSet,
)
from alarms.receipt_views import ReceiptViewSet
from alarms.template_views import AlarmTemplatesViewSet
from alarms.views import AlarmsViewSet, AlarmViewSet, FeedbackViewSet, MessageStatusViewSet
from alarms.ways_views import WaysViewSet
from escalations.views import OrganizationEscalationViewSet, OrganizationViewSet, UserEscalationViewSet
from inbox.views import InboxViewSet
from messaging_project import openapi
from messaging_project.api import Router
from organizations.availability_views import AvailabilityViewSet
from organizations.device_views import DeviceViewSet
from organizations.views import OrganizationsViewSet, UnitsViewSet, UsersViewSet, UserViewSet

router = Router()
# Before "escalation", of which it would be a user's id.
router.register("escalation/organization", OrganizationEscalationViewSet, basename="organization-escalation")
router.register("escalation", UserEscalationViewSet, basename="user-escalation")
router.register("alarm", AlarmViewSet, basename="alarm")
router.register("alarms", AlarmsViewSet, basename="alarms")
router.register("alarmtemplates", AlarmTemplatesViewSet, basename="alarm-templates")
# Before "messagestatus", of which it would be an alarm's id.
router.register("messagestatus/receipt", ReceiptViewSet, basename="receipt")
router.register("messagestatus", MessageStatusViewSet, basename="message-status")
router.register("availability", AvailabilityViewSet, basename="availability")
router.register("device", DeviceViewSet, basename="device")
router.register("device", DeviceTestViewSet, basename="device-test")
router.register("messaging/feedback", FeedbackViewSet, basename="feedback")
router.register("inbound/sms", SmsViewSet, basename="inbound-sms")
router.register("inbound/twilio/sms", TwilioSmsViewSet, basename="twilio-sms")
router.register("inbound/twilio/voice", TwilioCallViewSet, basename="twilio-call")
router.register("inbound/twilio/voice/(?P<code>[^/]+)", TwilioTalkViewSet, basename="twilio-talk")
router.register("inbound/twilio/status", TwilioStatusViewSet, basename="twilio-status")
router.register("hooks", HooksViewSet, basename="hooks")
router.register("msg", InboxViewSet, basename="inbox")
router.register("organization", OrganizationViewSet, basename="organization")
router.register("organization", WaysViewSet, basename="ways")
router.register("organizations", OrganizationsViewSet, basename="organizations")
router.register("user", UserViewSet, basename="user")
router.register("users", UsersViewSet, basename="users")
router.register("units", UnitsViewSet, basename="units")

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("api/v1/", include(router.urls)),
    re_path(r"^api/schema/?\Z", openapi.schema, name="schema"),
    re_path(r"^api/docs/?\Z", openapi.docs, name="docs"),
    path("anymail/", include(anymail_receipts.webhooks())),
    re_path(r"^health/?$", health.health),
    re_path(r"^health/live/?$", health.live),
    re_path(r"^metrics/?$", metrics_page.metrics),
    re_path(r"^a/(?P<code>[^/]*)/?\Z", answer_page, name="answer-page"),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/home/", admin.site.admin_view(home.live), name="home-fragment"),
    path("admin/device/<int:device_id>/test/", admin.site.admin_view(device_test), name="device-test-admin"),
    path("admin/", admin.site.urls),
    path("language/", set_language, name="set_language"),
]

handler400 = "messaging_project.errors.bad_request"
handler403 = "messaging_project.errors.permission_denied"
handler404 = "messaging_project.errors.not_found"
handler500 = "messaging_project.errors.server_error"
