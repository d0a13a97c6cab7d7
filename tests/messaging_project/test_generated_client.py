"""A client that a generator makes of the OpenAPI document drives an alarm, the inbox, and devices and hooks through."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging_project.openapi import DOCUMENT
from organizations.models import ApiToken, PersonalAccessToken
from tests import factories
from tests.alarms.hooks import HookSink, hook_sink
from tests.processes import service, until
from tests.sinks import Post

SENT, DELIVERED, CANCELLED = 2, 3, 5


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns the modules of the generated package by their name; its operations have the name of their id."""
    config = tmp_path / "generator.yml"
    config.write_text("post_hooks: []\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--path", str(DOCUMENT), "--meta", "none"),
            *("--output-path", str(tmp_path / "alarm_client"), "--config", str(config), "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str) -> Any:
        return importlib.import_module(f"alarm_client.{name}")

    return module


@pytest.fixture
def sink() -> Iterator[HookSink]:
    """Takes what goes to the app, and what hooks are told."""
    with hook_sink() as running:
        yield running


@pytest.fixture
def clients(generated: Any, transactional_db: None, tmp_path: Path, sink: HookSink) -> Iterator[dict[str, Any]]:
    """Generated clients of a running service: an organization's with an API token, and its one member's."""
    organization = factories.OrganizationFactory()
    user = factories.member(organization, ways=("app", "sms"))
    factories.escalation(user, ("app", 0), ("sms", 600))
    _row, api_token = ApiToken.issue(name="generated client", organization=organization)
    _pat, personal_token = PersonalAccessToken.issue(name="generated client", user=user)
    make = generated("client").AuthenticatedClient
    with service(tmp_path, GATEWAY_DEFAULT="log:", GATEWAY_APP=f"{sink.url}/app") as processes:
        processes.start_all()
        url = f"{processes.url}/api/v1"
        with (
            make(url, api_token, prefix="", auth_header_name="API-TOKEN") as of_organization,
            make(url, personal_token, prefix="", auth_header_name="Personal-Access-Token") as of_user,
        ):
            yield {"organization": of_organization, "user": of_user}


def test_a_generated_client_drives_an_alarm_through(generated: Any, clients: dict[str, Any]) -> None:
    models = generated("models")

    def ask(operation: str, asking: str = "organization", **arguments: Any) -> Any:
        return generated(f"api.{operation}").sync(client=clients[asking], **arguments)

    (organization,) = ask("organization.list_organizations")
    (user,) = ask("user.list_users", organization=organization.id)
    body = models.RaiseAlarm(organization.id, "Fire", models.AlarmResources(users=[user.id]), event_name="B2")
    preview = ask("alarm.preview_alarm", body=body)
    assert (preview.recipients, preview.devices.to_dict(), preview.unreachable) == (1, {"app": 1, "sms": 1}, [])
    alarm = ask("alarm.raise_alarm", body=body, idempotency_key="a")
    assert ask("alarm.raise_alarm", body=body, idempotency_key="a").id == alarm.id
    assert (alarm.message, alarm.event.name, alarm.closed) == ("Fire", "B2", False)

    def statuses() -> dict[str, int]:
        ids = {"alarm_id": alarm.id, "organization_id": organization.id, "user_id": user.id}
        devices = ask("alarm.get_alarm_message_status", **ids).devices
        return {device.type_.value: device.status.value for device in devices}

    until(lambda: statuses().get("app") == SENT, what="the push is sent")
    answer = models.Feedback(response=True, user_id=user.id, alarm_id=alarm.id)
    assert ask("feedback.feedback", "user", body=answer).success is True
    assert statuses() == {"app": SENT, "sms": CANCELLED}
    assert ask("alarm.get_alarm", "user", alarm_id=alarm.id).feedback[0].state.value == "positive"
    assert ask("alarm.close_alarm", alarm_id=alarm.id).message == "success"
    (listed,) = ask("alarm.list_alarms", organization=organization.id).alarms
    assert (listed.closed, listed.feedback_quantity.positive) == (True, 1)
    late = ask("feedback.feedback", "user", body=models.Feedback(response=False, user_id=user.id, alarm_id=alarm.id))
    assert isinstance(late, models.Error)
    assert "closed" in late.error


def test_a_generated_client_drives_the_inbox(generated: Any, clients: dict[str, Any]) -> None:
    models = generated("models")

    def detailed(operation: str, asking: str = "user", **arguments: Any) -> Any:
        return generated(f"api.{operation}").sync_detailed(client=clients[asking], **arguments)

    def ask(operation: str, asking: str = "user", **arguments: Any) -> Any:
        return detailed(operation, asking, **arguments).parsed

    user = ask("user.get_user")
    order = models.MessageSendRequest(
        message="Drill at {0}", parameters=["8"], to_user_id=[user.id], instant_time_minutes=600
    )
    order.translations = type(order).from_dict({"message": "", "translations": {"de": "Übung um {0}"}}).translations
    sent = ask("msg.send_message", body=order)
    assert (sent.response_info.response_code.value, sent.response_info.property_) == ("OK", "")
    (message,) = sent.messages
    assert (message.message, message.type_.value, message.is_instant_message) == ("Drill at 8", "INFO", True)
    assert (message.sender.id, message.sender.last_name, message.sender.groups) == (user.id, user.surname, [])
    assert ask("msg.view_message", id=message.id).messages == [message]

    poll = detailed("msg.list_messages", unread=True, limit=5)
    assert poll.parsed.messages == [message]
    again = detailed("msg.list_messages", unread=True, limit=5, if_none_match=poll.headers["ETag"])
    assert (again.status_code, again.parsed) == (304, None)
    read = ask("msg.mark_messages_read", body=models.MessagesReadRequest(messages=[message.id]))
    assert read.response_info.response_message == "Successfully set 1 messages to 'read'"
    assert ask("msg.list_messages", unread=True).messages == []
    assert ask("msg.list_messages", before=message.id).messages == []

    told = ask("user.update_user", body=models.PatchedPreferences(inbox_to_email=True, language="de"))
    assert (told.inbox_to_email, told.language, told.surname) == (True, "de", user.surname)
    assert ask("user.get_user") == told
    assert [each.message for each in ask("msg.list_messages").messages] == ["Übung um 8"]

    assert detailed("msg.delete_message", id=message.id).status_code == 204
    gone, refused = ask("msg.view_message", id=message.id), ask("msg.send_message", "organization", body=order)
    assert (gone.response_info.response_code.value, gone.response_info.property_) == ("NOTFOUND", "id")
    assert refused.response_info.response_code.value == "PERMISSION"


def test_a_generated_client_drives_devices_ways_and_when_somebody_is_not_available(
    generated: Any, clients: dict[str, Any]
) -> None:
    models = generated("models")

    def detailed(operation: str, asking: str = "user", **arguments: Any) -> Any:
        return generated(f"api.{operation}").sync_detailed(client=clients[asking], **arguments)

    def ask(operation: str, asking: str = "user", **arguments: Any) -> Any:
        return detailed(operation, asking, **arguments).parsed

    (organization,), user = ask("organization.list_organizations"), ask("user.get_user")
    phone = models.AddDevice(name="Duty phone", address="+49 (1512) 3456789", way=models.WayOfAlarm.SMS)
    device = ask("device.add_device", body=phone)
    assert (device.address, device.user_id, device.active) == ("+4915123456789", user.id, True)
    tested, again = (detailed("device.test_device", id=device.id) for _ in range(2))
    assert (tested.parsed.status.value, tested.parsed.gateway, tested.parsed.reason) == (SENT, "log", "")
    assert (again.status_code, 1 <= int(again.headers["Retry-After"]) <= 60) == (429, True)
    changed = ask("device.change_device", id=device.id, body=models.PatchedChangeDevice(active=False))
    assert (changed.active, changed.name) == (False, "Duty phone")
    assert detailed("device.remove_device", id=device.id).status_code == 204
    assert device.id not in [each.id for each in ask("device.list_devices")]

    start = datetime.now(UTC) - timedelta(hours=1)
    absent = models.AddAbsence(from_=start, until=start + timedelta(hours=8), organization_id=organization.id)
    absence = ask("availability.add_absence", body=absent)
    assert (absence.from_, absence.weekly) == (start, False)
    order = models.RaiseAlarm(organization.id, "Fire", models.AlarmResources(all_users=True))
    assert isinstance(ask("alarm.preview_alarm", "organization", body=order), models.Error)
    absence = ask("availability.change_absence", id=absence.id, body=models.PatchedChangeAbsence(weekly=True))
    assert absence.weekly is True
    assert [each.id for each in ask("availability.list_absences")] == [absence.id]
    assert detailed("availability.remove_absence", id=absence.id).status_code == 204

    ways = [models.SetWay(models.WayOfAlarm.SMS, enabled=False)]
    ask("organization.set_ways", "organization", organization_id=organization.id, body=ways)
    told = {each.way.value: each.enabled for each in ask("organization.get_ways", organization_id=organization.id)}
    assert told == {"app": True, "pager": True, "sms": False, "call": True, "email": True}
    preview = ask("alarm.preview_alarm", "organization", body=order)
    assert (preview.recipients, preview.devices.to_dict(), preview.unavailable) == (1, {"app": 1}, [])


def pushed(sink: HookSink) -> list[Post]:
    return [post for post in sink.posts if post.path == "/app"]


def test_a_generated_client_drives_a_hook_a_receipt_an_answer_by_sms_and_an_all_clear(
    generated: Any, clients: dict[str, Any], sink: HookSink
) -> None:
    models = generated("models")

    def ask(operation: str, asking: str = "organization", **arguments: Any) -> Any:
        return generated(f"api.{operation}").sync(client=clients[asking], **arguments)

    (organization,), user = ask("organization.list_organizations"), ask("user.get_user", "user")
    events = [models.EventsEnum.ALARM_RAISED, models.EventsEnum.ALARM_CLOSED]
    hook = ask("hooks.register_hook", body=models.RegisterHook(organization.id, f"{sink.url}/hook", events))
    ask("hooks.test_hook", hook_id=hook.id)
    until(lambda: len(sink.told()) == 1, what="the hook is told of a test")

    order = models.RaiseAlarm(organization.id, "Fire", models.AlarmResources(users=[user.id]), repeat=1)
    alarm = ask("alarm.raise_alarm", body=order)
    ids = {"alarm_id": alarm.id, "organization_id": organization.id, "user_id": user.id}

    def status_of_push() -> int:
        devices = ask("alarm.get_alarm_message_status", **ids).devices
        # The first; it is repeated later.
        return next((device.status.value for device in devices if device.type_.value == "app"), -1)

    until(lambda: status_of_push() == SENT, what="the push is sent")
    receipt = models.Receipt(pushed(sink)[0].key, models.ReceiptStatusEnum.READ, date=datetime.now(UTC), attempt=1)
    assert ask("alarm.give_receipt", body=receipt).success is True
    assert status_of_push() == DELIVERED
    (phone,) = (device for device in ask("device.list_devices", "user") if device.way.value == "sms")
    assert "coming" in ask("inbound.answer_by_sms", body=models.Sms(from_=phone.address, text="yes")).reply
    ask("alarm.close_alarm", alarm_id=alarm.id, body=models.PatchedCloseAlarm(all_clear="It is out."))
    until(lambda: len(pushed(sink)) == 2, what="the all-clear is sent")
    assert "It is out." in pushed(sink)[1].json["text"]
    until(lambda: len(sink.told()) == 3, what="the hook is told of the alarm")
    whole = until(lambda: len((found := ask("hooks.get_hook", hook_id=hook.id)).tries) == 3 and found)
    told = [(each.event.value, each.alarm_id, each.status) for each in whole.tries]
    assert told == [("alarm.closed", alarm.id, 200), ("alarm.raised", alarm.id, 200), ("test", None, 200)]
    assert ask("hooks.change_hook", hook_id=hook.id, body=models.PatchedChangeHook(active=False)).active is False
    removing = generated("api.hooks.remove_hook").sync_detailed
    assert [removing(hook.id, client=clients[who]).status_code for who in ("user", "organization")] == [403, 204]
    assert ask("hooks.list_hooks", organization=organization.id) == []
