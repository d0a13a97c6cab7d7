import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from organizations.models import Organization
from tests import factories
from tests.messaging_project.asking import (
    ABSENCE,
    ALARM,
    DEVICE,
    HOOK,
    IDS,
    MESSAGE,
    MESSAGE_ID,
    ORGANIZATION,
    SENT,
    USER,
)
from tests.messaging_project.embedded import NOBODY, PATIENCE, ROOT, Server, Start
from tests.messaging_project.things import ids_of
from tests.messaging_project.walk import GATEWAY_SECRET, TWILIO_AUTH_TOKEN


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that other users can get to, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="messaging-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Return a function that starts a server; they are all stopped in the end."""
    servers: list[Server] = []

    def start(data_dir: Path | None = None, *, uid: int = os.geteuid(), lock_wait: float = PATIENCE) -> Server:
        data_dir = data_dir or home / "data"
        if not data_dir.exists():
            data_dir.mkdir(mode=0o700)
            os.chown(data_dir, uid, -1)
        servers.append(Server(data_dir, uid, lock_wait))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()
        assert server.process.stderr is not None
        server.process.stderr.close()


@pytest.fixture(params=["as_root", "as_ordinary_user"] if ROOT else ["as_ordinary_user"])
def uid(request: pytest.FixtureRequest) -> int:
    """The user who starts the server: root and an ordinary one, or, where the tests are not root, just oneself."""
    return NOBODY.pw_uid if ROOT and request.param == "as_ordinary_user" else os.geteuid()


@pytest.fixture
def secrets(settings: Any) -> None:
    """The secrets with which gateways and Twilio sign in tests."""
    settings.GATEWAY_SECRET, settings.TWILIO_AUTH_TOKEN = GATEWAY_SECRET, TWILIO_AUTH_TOKEN


@pytest.fixture
def brigade(db: None, secrets: None) -> Organization:
    """An organization with an escalation, a hook, an alarm of which one member was notified, a message to that member,
    and what else of them is in IDS."""
    organization: Organization = factories.OrganizationFactory(pk=ORGANIZATION)
    factories.escalation(organization, ("sms", 1))
    alarm = factories.AlarmFactory(pk=ALARM, organization=organization)
    user = factories.member(organization, pk=USER)
    recipient = factories.AlarmMessageFactory(alarm=alarm, user=user, message_id=UUID(MESSAGE_ID), code=IDS["code"])
    made = ids_of(recipient, number=IDS["number"], device=DEVICE, absence=ABSENCE, hook=HOOK, sent=SENT)
    assert made.items() <= IDS.items()
    factories.InboxMessageFactory(pk=MESSAGE, user=user)
    return organization
