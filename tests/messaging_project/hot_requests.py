"""The requests that are made often or while people wait, made with many rows."""

from __future__ import annotations

from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from alarms.models import AlarmMessage, DeviceMessage
from inbox.models import InboxMessage
from organizations.models import ApiToken, Device, Group, Organization, PersonalAccessToken, User
from tests.many_rows import ITS_ORGANIZATION, ITS_RECIPIENT, NEWEST
from tests.messaging_project.hot import Run, hot

API = "/api/v1/"


def of_organization() -> APIClient:
    _row, token = ApiToken.issue(name="test", organization=Organization.objects.get(pk=ITS_ORGANIZATION))
    return APIClient(headers={"API-TOKEN": token})


def of_user(user_id: int = ITS_RECIPIENT) -> APIClient:
    _row, token = PersonalAccessToken.issue(name="test", user=User.objects.get(pk=user_id))
    return APIClient(headers={"Personal-Access-Token": token})


def asking(client: APIClient, path: str, status: int = 200, **more: Any) -> Run:
    """Return a request; with a body it is a POST."""
    method = client.post if "data" in more else client.get

    def run() -> None:
        answer = method(f"{API}{path}", **more, **({"format": "json"} if "data" in more else {}))
        assert answer.status_code == status, answer.content

    return run


def recipient() -> AlarmMessage:
    return AlarmMessage.objects.get(alarm=NEWEST, user=ITS_RECIPIENT)


# Alarms


@hot("alarms_idempotencykey")
def post_alarm() -> Run:
    fire = {"organizationID": ITS_ORGANIZATION, "message": "Fire", "alarmResources": {"users": [ITS_RECIPIENT]}}
    return asking(of_organization(), "alarm", 201, data=fire, headers={"Idempotency-Key": "once"})


@hot("organizations_device")
def post_alarm_preview() -> Run:
    units = list(Group.objects.filter(organization=ITS_ORGANIZATION).values_list("pk", flat=True))
    fire = {"organizationID": ITS_ORGANIZATION, "message": "Fire", "alarmResources": {"units": units}}
    return asking(of_organization(), "alarm/preview", data=fire)


@hot("organizations_apitoken")
def get_alarm_with_an_api_token() -> Run:
    return asking(of_organization(), f"alarm/{NEWEST}")


@hot("organizations_personalaccesstoken")
def get_alarm_as_a_recipient() -> Run:
    return asking(of_user(), f"alarm/{NEWEST}")


@hot("alarms_alarm")
def get_alarms_with_an_api_token() -> Run:
    return asking(of_organization(), f"alarms?organization={ITS_ORGANIZATION}")


@hot("alarms_alarm")
def get_alarms_as_a_member() -> Run:
    return asking(of_user(), f"alarms?organization={ITS_ORGANIZATION}")


@hot("alarms_devicemessage")
def get_message_status_with_an_api_token() -> Run:
    return asking(
        of_organization(), f"messagestatus/{NEWEST}?organization_id={ITS_ORGANIZATION}&user_id={ITS_RECIPIENT}"
    )


@hot("alarms_devicemessage")
def get_message_status_as_a_recipient() -> Run:
    return asking(of_user(), f"messagestatus/{NEWEST}?organization_id={ITS_ORGANIZATION}&user_id={ITS_RECIPIENT}")


@hot("escalations_escalation")
def get_escalation() -> Run:
    return asking(of_user(), f"escalation/{ITS_RECIPIENT}")


@hot("escalations_escalation")
def get_escalation_of_the_organization() -> Run:
    return asking(of_organization(), f"escalation/organization/{ITS_ORGANIZATION}", 404)


# Answers


@hot("alarms_feedback")
def post_feedback_about_an_alarm() -> Run:
    yes = {"alarmID": NEWEST, "userID": ITS_RECIPIENT, "response": True}
    return asking(of_user(), "messaging/feedback", data=yes)


@hot("alarms_feedback")
def post_feedback_about_all_alarms_of_an_organization() -> Run:
    no = {"organizationID": ITS_ORGANIZATION, "userID": ITS_RECIPIENT, "response": False}
    return asking(of_organization(), "messaging/feedback", data=no)


@hot("alarms_alarmmessage")
def the_answer_page() -> Run:
    client, code = Client(), recipient().code

    def run() -> None:
        assert client.get(f"/a/{code}").status_code == 200
        assert client.post(f"/a/{code}", {"response": "no"}).status_code == 303
        assert client.get("/a/0123456789ab").status_code == 404

    return run


@hot("organizations_device")
def post_inbound_sms() -> Run:
    device = Device.objects.get(user=ITS_RECIPIENT, way="sms")
    return asking(of_organization(), "inbound/sms", data={"from": device.address, "text": "yes"})


@hot("alarms_devicemessage")
def post_receipts() -> Run:
    sent = DeviceMessage.objects.filter(alarm_message__alarm=NEWEST, status=2).select_related("alarm_message")[0]
    sms = {"idempotencyKey": f"{sent.alarm_message.message_id}-{sent.pk}"}
    gateway = of_organization()
    failed, delivered = (
        asking(gateway, "messagestatus/receipt", data=sms | {"status": status}) for status in ("failed", "delivered")
    )
    return lambda: (failed(), delivered())


# The inbox


def in_the_inbox() -> list[int]:
    return list(InboxMessage.objects.filter(user=ITS_RECIPIENT).order_by("-pk").values_list("pk", flat=True))


@hot("inbox_inboxmessage")
def get_inbox() -> Run:
    return asking(of_user(), "msg/list")


@hot("inbox_inboxmessage")
def get_inbox_page() -> Run:
    return asking(of_user(), f"msg/list?limit=5&before={in_the_inbox()[3]}")


@hot("inbox_inboxmessage")
def get_inbox_of_what_is_unread() -> Run:
    return asking(of_user(), "msg/list?unread=true")


@hot("inbox_inboxmessage")
def get_inbox_that_has_not_changed() -> Run:
    client = of_user()
    tag = client.get(f"{API}msg/list")["ETag"]
    return asking(client, "msg/list", 304, headers={"If-None-Match": tag})


@hot("inbox_inboxmessage")
def get_message() -> Run:
    return asking(of_user(), f"msg/{in_the_inbox()[0]}")


@hot("inbox_inboxmessage")
def post_messages_read() -> Run:
    return asking(of_user(), "msg/read", 201, data={"messages": in_the_inbox()[:5]})


@hot("inbox_inboxmessage")
def post_message() -> Run:
    groups = list(Group.objects.filter(organization=ITS_ORGANIZATION).values_list("pk", flat=True))
    return asking(of_user(), "msg/send", 201, data={"message": "Drill", "toGroupId": groups})


# Health and the admin


@hot("alarms_devicemessage")
def get_health() -> Run:
    return lambda: Client().get("/health")


@hot("alarms_devicemessage")
def get_metrics() -> Run:
    return lambda: Client().get("/metrics")


def desk(path: str, **fields: Any) -> Run:
    user = User.objects.get(pk=ITS_ORGANIZATION)
    User.objects.filter(pk=user.pk).update(is_staff=True, **fields)
    client = Client()
    client.force_login(user)

    def run() -> None:
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 200, answer

    return run


@hot("alarms_devicemessage")
def the_home_of_an_admin() -> Run:
    return desk("")


@hot("alarms_devicemessage")
def the_home_of_a_superuser() -> Run:
    return desk("home/", is_superuser=True)


@hot("alarms_alarmmessage")
def the_page_of_an_alarm() -> Run:
    parts = [desk(f"alarms/alarm/{NEWEST}/{part}/") for part in ("state", "recipients", "timeline")]
    return lambda: [part() for part in parts]
