"""A client that a generator makes of the OpenAPI document drives an alarm and the inbox through."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging_project.openapi import DOCUMENT
from organizations.models import ApiToken, PersonalAccessToken
from tests import factories
from tests.processes import service, until

SENT, CANCELLED = 2, 5


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
def clients(generated: Any, transactional_db: None, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Generated clients of a running service: an organization's with an API token, and its one member's."""
    organization = factories.OrganizationFactory()
    user = factories.member(organization, ways=("app", "sms"))
    factories.escalation(user, ("app", 0), ("sms", 600))
    _row, api_token = ApiToken.issue(name="generated client", organization=organization)
    _pat, personal_token = PersonalAccessToken.issue(name="generated client", user=user)
    make = generated("client").AuthenticatedClient
    with service(tmp_path, GATEWAY_DEFAULT="log:") as processes:
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
