"""A client that a generator makes of the OpenAPI document drives an alarm through, from raising to answering."""

from __future__ import annotations

import importlib
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from messaging_project.openapi import DOCUMENT
from organizations.models import ApiToken, PersonalAccessToken
from tests import factories
from tests.processes import service, until

SENT = 2


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


@pytest.mark.django_db(transaction=True)
def test_a_generated_client_drives_an_alarm_through(generated: Any, tmp_path: Path) -> None:
    organization = factories.OrganizationFactory()
    user = factories.member(organization, ways=("app", "sms"))
    factories.escalation(user, ("app", 0), ("sms", 600))
    _row, api_token = ApiToken.issue(name="generated client", organization=organization)
    _pat, personal_token = PersonalAccessToken.issue(name="generated client", user=user)
    models = generated("models")
    body = models.RaiseAlarm(organization.pk, "Fire", models.AlarmResources(users=[user.pk]), event_name="B2")
    with ExitStack() as stack:
        processes = stack.enter_context(service(tmp_path, GATEWAY_DEFAULT="log:"))
        processes.start_all()

        def client_with(header: str, token: str) -> Any:
            make = generated("client").AuthenticatedClient
            url = f"{processes.url}/api/v1"
            return stack.enter_context(make(url, token, prefix="", auth_header_name=header))

        client, me = client_with("API-TOKEN", api_token), client_with("Personal-Access-Token", personal_token)

        def ask(operation: str, client: Any = client, **arguments: Any) -> Any:
            return generated(f"api.{operation}").sync(client=client, **arguments)

        assert [unit.id for unit in ask("organization.list_organizations")] == [organization.pk]
        preview = ask("alarm.preview_alarm", body=body)
        assert (preview.recipients, preview.devices.to_dict(), preview.unreachable) == (1, {"app": 1, "sms": 1}, [])
        alarm = ask("alarm.raise_alarm", body=body, idempotency_key="a")
        assert ask("alarm.raise_alarm", body=body, idempotency_key="a").id == alarm.id
        assert (alarm.message, alarm.event.name, alarm.closed) == ("Fire", "B2", False)

        def statuses() -> dict[str, int]:
            status = ask(
                "alarm.get_alarm_message_status",
                alarm_id=alarm.id,
                organization_id=organization.pk,
                user_id=user.pk,
            )
            return {device.type_.value: device.status.value for device in status.devices}

        until(lambda: statuses().get("app") == SENT, what="the push is sent")
        answer = models.Feedback(response=True, user_id=user.pk, alarm_id=alarm.id)
        assert ask("feedback.feedback", me, body=answer).success is True
        assert statuses() == {"app": SENT, "sms": 5}
        assert ask("alarm.get_alarm", me, alarm_id=alarm.id).feedback[0].state.value == "positive"
        assert ask("alarm.close_alarm", alarm_id=alarm.id).message == "success"
        (listed,) = ask("alarm.list_alarms", organization=organization.pk).alarms
        assert (listed.closed, listed.feedback_quantity.positive) == (True, 1)
        refused = ask("feedback.feedback", me, body=models.Feedback(response=False, user_id=user.pk, alarm_id=alarm.id))
        assert isinstance(refused, models.Error)
        assert "closed" in refused.error
