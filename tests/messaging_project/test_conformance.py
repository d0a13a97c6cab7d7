"""The API against its OpenAPI document, by a tool that knows nothing of the code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from alarms.models import Alarm, Feedback
from escalations.models import EscalationConfiguration, ResponseTimeout
from inbox.models import InboxMessage, Message
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.processes import ROOT, service, until

# So many cases an operation and phase; more in a longer run by hand.
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES", "10")
SECRET = "of-the-other-brigade"
MESSAGES = 40


class World(NamedTuple):
    organization: Organization
    elsewhere: Organization
    member: User
    admin: User
    foreigner: User
    ids: dict[str, list[int]]

    def user(self, principal: str) -> User:
        """Return who asks; of an organization, which has no inbox, whose messages it asks for."""
        return self.admin if principal == "admin" else self.member

    def header(self, principal: str) -> str:
        if principal == "organization":
            return f"API-TOKEN: {ApiToken.issue(name='test', organization=self.organization)[1]}"
        return f"Personal-Access-Token: {PersonalAccessToken.issue(name='test', user=self.user(principal))[1]}"

    def known(self, principal: str) -> dict[str, list[int]]:
        """Return what is asked for, with messages of the caller and, as of every kind, what is another's."""
        messages = InboxMessage.objects.filter(user__in=(self.user(principal), self.foreigner)).order_by("pk")
        return self.ids | {"messages": [message.pk for message in messages]}


@pytest.fixture
def world(transactional_db: None) -> World:
    organization = factories.OrganizationFactory()
    elsewhere = factories.OrganizationFactory(name=f"Brigade {SECRET}")
    member = factories.member(organization, ways=("app", "sms"))
    admin = factories.admin(organization, ways=("call",))
    group = factories.GroupFactory(organization=organization)
    group.memberships.set(organization.memberships.all())
    foreigner = factories.member(elsewhere, ways=("app",), first_name=SECRET)
    foreign_group = factories.GroupFactory(organization=elsewhere, name=SECRET)
    alarms = []
    for owner, recipients in ((organization, (member, admin)), (elsewhere, (foreigner,))):
        alarm = factories.AlarmFactory(organization=owner, message=SECRET if owner == elsewhere else "Fire")
        for user in recipients:
            message = factories.AlarmMessageFactory(alarm=alarm, user=user)
            factories.DeviceMessageFactory(alarm_message=message)
        alarms.append(alarm.pk)
    write_messages(organization, elsewhere, to=(member, admin), foreigner=foreigner)
    factories.escalation(organization, ("app", 0), ("sms", 60))
    factories.escalation(elsewhere, ("call", 77))
    ids = {
        # What is another organization's is asked for too: it must not be told apart from what is not there.
        "organizations": [organization.pk] * 4 + [elsewhere.pk],
        "users": [member.pk, admin.pk] * 2,
        "units": [group.pk],
        "alarms": [alarms[0]] * 4 + [alarms[1]],
    }
    assert foreign_group.pk not in ids["units"]
    return World(organization, elsewhere, member, admin, foreigner, ids)


def write_messages(
    organization: Organization, elsewhere: Organization, *, to: tuple[User, ...], foreigner: User
) -> None:
    """Fill inboxes: many are deleted. Who has sent them is in both organizations, and in a group of each."""
    sender = factories.member(organization)
    factories.MembershipFactory(organization=elsewhere, user=sender)
    for owner, name in ((organization, "Divers"), (elsewhere, f"Divers {SECRET}")):
        group = factories.GroupFactory(organization=owner, name=name)
        group.memberships.set(owner.memberships.filter(user=sender))
    for number in range(MESSAGES):
        message = factories.MessageFactory(sender=sender, translations={"de": "Übung"})
        for user in to:
            factories.InboxMessageFactory(message=message, user=user)
        if number % 4 == 0:
            factories.InboxMessageFactory(message__sender=sender, message__text=SECRET, user=foreigner)


def state_of(organization: Organization) -> list[object]:
    """Return what an organization that is not the caller's must still be afterwards."""
    alarms = Alarm.objects.filter(organization=organization)
    return [
        list(alarms.order_by("pk").values()),
        list(Feedback.objects.filter(alarm_message__alarm__in=alarms).values()),
        EscalationConfiguration.objects.entries_of(organization),
        ResponseTimeout.in_force(organization),
        list(User.objects.filter(managing_organization=organization).values()),
        list(InboxMessage.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(Message.objects.filter(text=SECRET).order_by("pk").values()),
    ]


def examined(world: World, principal: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let the tool ask everything."""
    # An address that is too long, as invalid ones may be, is told so.
    (folder / "schemathesis.toml").write_text(
        "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 431]\n"
    )
    command = f"""
        -m schemathesis.cli run {url}/api/schema --url {url}/api/v1 --checks all --max-examples {EXAMPLES}
        --workers 1 --continue-on-failure --seed 1 --no-color --generation-database none
        --generation-with-security-parameters false --header
    """
    variables = {
        "SCHEMATHESIS_HOOKS": "tests.messaging_project.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "KNOWN_IDS": json.dumps(world.known(principal)),
        "FOREIGN_MARK": SECRET,
    }
    return subprocess.run(
        [sys.executable, *command.split(), world.header(principal)],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.parametrize("principal", ["user", "admin", "organization"])
def test_every_answer_is_as_documented(world: World, tmp_path: Path, principal: str) -> None:
    before = state_of(world.elsewhere)
    with service(tmp_path) as processes:
        processes.start("web")
        until(processes.alive)
        tool = examined(world, principal, processes.url, tmp_path)
        log = processes.log("web")
    assert tool.returncode == 0, tool.stdout[-8000:] + tool.stderr[-2000:]
    assert "Traceback" not in log
    assert state_of(world.elsewhere) == before
    # What was asked for was not all refused, but to whom there is no inbox.
    own = InboxMessage.objects.filter(user=world.user(principal))
    came = Message.objects.filter(sender=world.user(principal)).exists()
    assert came == own.exclude(read_at=None).exists() == (principal != "organization")
    print(tool.stdout[-4000:])
