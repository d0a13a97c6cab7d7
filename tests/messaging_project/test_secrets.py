"""No token, no code and no secret of a setting is in a log, an answer, a page, a command line or a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alarms.gateways import owned
from alarms.models import AlarmMessage, DeviceMessage, Hook, HookTry, OrganizationGateway, Sender
from messaging_project.masking import MASK
from organizations.models import ApiToken, PersonalAccessToken, User
from tests.alarms.any_sink import AnySink, any_sink
from tests.factories import DeviceFactory, escalation, member
from tests.messaging_project.desk_walk import pages
from tests.messaging_project.desk_world import World, world
from tests.messaging_project.secret_world import (
    Asking,
    Secrets,
    broken_database,
    command_lines,
    dump,
    environment,
)
from tests.processes import Processes, service, until
from tests.sinks import MailSink, refusing_port

WAYS = ("app", "pager", "sms", "call", "email")
# What is no setting.
KNOWN_LATER = {
    "ownuserinfo",
    "ownquery",
    "ownapprise",
    "hookquery",
    "hook",
    "token",
    "personal",
    "code",
    "signed",
    "forged",
}
ADDRESSES = {"app": "ernaeinsatz", "pager": "4711", "email": "erna@example.org"}


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def sink() -> Iterator[AnySink]:
    """Refuses all that comes, and says what it was."""
    with any_sink() as running:
        running.answer = lambda request: (
            int((re.search(r"/([45]\d\d)/", request.target) or ["", "500"])[1]),
            {},
            f"{request.target} {request.headers}".encode(),
        )
        yield running


@pytest.fixture
def processes(
    transactional_db: None, tmp_path: Path, secrets: Secrets, sink: AnySink, mail_sink: MailSink, settings: Any
) -> Iterator[Processes]:
    with refusing_port() as port:
        given = environment(secrets, sink=sink.host, mail=mail_sink.port, refusing=port)
        given["BASE_URL"] = "http://localhost:8000"
        # What is kept encrypted, both have to read.
        settings.ENCRYPTION_KEYS = given["ENCRYPTION_KEYS"].split(",")
        with service(tmp_path, **given) as running:
            yield running


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    sink = MailSink()
    yield sink
    sink.close()


def test_no_secret_is_where_it_does_not_belong(processes: Processes, secrets: Secrets, sink: AnySink) -> None:
    made = world()
    user = erna(made, secrets, sink)
    token = secrets.add("token", ApiToken.issue(name="control room", organization=made.organization)[1])
    personal = secrets.add("personal", PersonalAccessToken.issue(name="script", user=user)[1])
    asking = Asking(processes, secrets)
    processes.start("web", "worker", "sender")
    until(processes.alive)
    until(lambda: Sender.objects.exclude(pid=1).exists(), what="a sender")
    recipient = alarmed(asking, user, token, f"http://{sink.host}/hook?key={secrets.new('hookquery')}")
    code = secrets.add("code", recipient.code)
    asking.everything(made.organization, user, token, personal, code)
    with broken_database():
        assert asking.on_the_phone(code) == 500
        assert asking.ask(f"/a/{code}")[0] == 500
        asking.ask(f"/api/v1/alarm/{recipient.alarm_id}", API_TOKEN=token)
    until(lambda: "unexpected error in POST" in processes.log("web"))
    assert secrets.found_in(command_lines()) == []
    shown = walk(made)
    processes.close()

    check_logs(processes, secrets)
    # Where a hook is, its organization may see.
    for where, content in {**shown, "the database": dump()}.items():
        assert (where, secrets.found_in(content, but=["hookquery"])) == (where, [])
    for where, content in asking.answers:
        # What somebody has asked for stands in the answer to them.
        but = {"hookquery", *(name for name, secret in secrets.known.items() if secret in where)}
        assert (where, secrets.found_in(content, but=but)) == (where, [])


def erna(made: World, secrets: Secrets, sink: AnySink) -> User:
    """Return somebody whom an alarm reaches by all ways at once, one of them by gateways of their organization."""
    user = member(made.organization, role="admin", login="erna")
    for way in WAYS:
        DeviceFactory(user=user, way=way, address=ADDRESSES.get(way, "+4915112345678"))
    escalation(made.organization, *((way, 0) for way in WAYS))
    OrganizationGateway.objects.all().delete()
    first = f"http://alarm:{secrets.new('ownuserinfo')}@{sink.host}/404/own?key={secrets.new('ownquery')}"
    second = f"json://alarm:{secrets.new('ownapprise')}@{sink.host}/404/{{address}}"
    brought = owned.bring(organization=made.organization, way="app", urls=f"{first} {second}")
    made.rows[OrganizationGateway] = brought
    return user


def alarmed(asking: Asking, user: User, token: str, hook_url: str) -> AlarmMessage:
    """Raise an alarm, and return the recipient when every gateway and the hook have refused."""
    organization_id = user.managing_organization_id
    hook = {"organizationID": organization_id, "url": hook_url, "events": ["alarm.raised", "message.failed"]}
    assert asking.ask("/api/v1/hooks", hook, API_TOKEN=token)[0] == 201
    # The secret is shown this once.
    registered = json.loads(asking.answers.pop()[1].partition("\n\n")[2])
    asking.secrets.add("hook", registered["secret"])
    alarm = {"organizationID": organization_id, "message": "Fire", "alarmResources": {"users": [user.pk]}}
    assert asking.ask("/api/v1/alarm", alarm, API_TOKEN=token)[0] == 201
    recipient = AlarmMessage.objects.get(user=user)
    tried = DeviceMessage.objects.filter(alarm_message=recipient).exclude(tried=[])
    until(lambda: set(tried.values_list("way", flat=True)) == set(WAYS), what="every gateway has refused")
    until(lambda: HookTry.objects.filter(hook_id=registered["id"]).exists(), what="the hook has refused")
    return recipient


def check_logs(processes: Processes, secrets: Secrets) -> None:
    logs = {name: processes.log(name) for name in ("web", "worker", "sender")}
    # It was all there to be told, and would have been found.
    given = {name for name in secrets.known if name not in KNOWN_LATER}
    assert set(secrets.found_in(json.dumps(processes.environment))) == given
    assert all(word in logs["sender"] for word in ("HTTP 403", "HTTP 503", "no connection", "SMTP"))
    assert "hook not told" in logs["worker"]
    assert f"LINE 1: {MASK}" in logs["web"]
    assert {name: secrets.found_in(log) for name, log in logs.items()} == {name: [] for name in logs}


def walk(made: World) -> dict[str, str]:
    """Return every page of the admin as a superuser sees it."""
    made.rows[Hook] = Hook.objects.order_by("pk").last()
    made.rows[AlarmMessage] = AlarmMessage.objects.order_by("pk").last()
    made.rows[DeviceMessage] = DeviceMessage.objects.exclude(tried=[]).order_by("pk").last()
    client, seen = made.clients["superuser"], {}
    for page in pages():
        if page.name in {"logout", "catch-all"} or "(?P" in page.route:
            continue
        answer = client.get(page.path(made))
        seen[str(page)] = b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()
    assert len(seen) > 60
    return seen
