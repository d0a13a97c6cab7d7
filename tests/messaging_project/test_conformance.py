"""The API against its OpenAPI document, by a tool that knows nothing of the code. `make fuzz` asks for much more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alarms.models import DeviceMessage, Feedback, HookEvent
from inbox.models import InboxMessage, Message
from organizations.models import Absence, Device, Organization
from tests.messaging_project.conformance import Examination, examined
from tests.messaging_project.conformance_world import World, make_world, state_of
from tests.messaging_project.signing import SHARED
from tests.messaging_project.things import URL
from tests.processes import service, until

# So many cases an operation and phase; more in a longer run by hand.
SHORT = "8"
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES", SHORT)
SCENARIOS = 12
# What is at the bounds of the document is the same for all, and is most of the work: unless there is time, an admin,
# to whom the least is refused, asks for it, and who signs. Every wrong method is asked for by test_every_request.py.
WITHOUT_BOUNDS = "examples,fuzzing,stateful"

# What was asked for was not all refused, but to whom it is not given.
DONE: dict[str, set[str]] = {
    "user": {"message sent", "message read", "device", "absence", "answer"},
    "admin": {"message sent", "message read", "device", "absence", "answer", "hook", "ways", "test of a hook"},
    "organization": {"answer", "hook", "ways", "receipt", "test of a hook"},
    "gateway": {"answer", "receipt"},
    "twilio": {"answer", "receipt"},
}


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def examination_of(principal: str) -> Examination:
    examination = Examination(examples=int(EXAMPLES), scenarios=SCENARIOS, methods=EXAMPLES != SHORT)
    if EXAMPLES == SHORT and principal in {"user", "organization"}:
        return examination._replace(phases=WITHOUT_BOUNDS)
    return examination


@pytest.mark.parametrize("principal", list(DONE))
def test_every_answer_is_as_documented(world: World, tmp_path: Path, principal: str) -> None:
    before = state_of(world.elsewhere)
    with service(tmp_path, GATEWAY_SECRET=SHARED, TWILIO_AUTH_TOKEN=SHARED, GATEWAY_DEFAULT="log:") as processes:
        # Twilio signs the address at which it asks.
        processes.environment["BASE_URL"] = processes.url
        processes.start("web")
        until(processes.alive)
        tool = examined(world, principal, processes.url, tmp_path, examination_of(principal))
        log = processes.log("web")
    assert tool.returncode == 0, tool.stdout[-8000:] + tool.stderr[-2000:]
    assert "Traceback" not in log
    assert state_of(world.elsewhere) == before
    assert done_by(world, principal) == DONE[principal]
    print(tool.stdout[-4000:])


def done_by(world: World, principal: str) -> set[str]:
    """Return what has become of what was asked for."""
    user = world.user(principal)
    done = {
        "message sent": Message.objects.filter(sender=user),
        "message read": InboxMessage.objects.filter(user=user).exclude(read_at=None),
        "device": Device.objects.filter(address__startswith="+4915200"),
        "absence": Absence.objects.filter(organization=None),
        "answer": Feedback.objects.all(),
        "hook": world.organization.hooks.filter(url=URL),
        "test of a hook": HookEvent.objects.filter(event="test"),
        "ways": Organization.objects.exclude(disabled_ways=[]),
        "receipt": DeviceMessage.objects.exclude(receipt=""),
    }
    return {name for name, rows in done.items() if rows.exists()}
