"""The API against its OpenAPI document, by a tool that knows nothing of the code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback, Hook, HookEvent
from escalations.models import EscalationConfiguration, ResponseTimeout
from inbox.models import InboxMessage, Message
from organizations.models import Absence, ApiToken, Device, Organization, PersonalAccessToken, User
from tests import factories
from tests.messaging_project.things import URL, absence_of, hook_of, key_of, sent_to
from tests.processes import ROOT, service, until

# So many cases an operation and phase; more in a longer run by hand.
SHORT = "8"
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES", SHORT)
SECRET = "of-the-other-brigade"
# With which gateways and Twilio sign.
SHARED = "shared with the service"
MESSAGES = 40
ENTRIES = 12


# Who asks for what: who signs, only for what takes that; users not for what gateways say; and all for the rest.
NOT_OF_GATEWAYS = "--exclude-path-regex ^/inbound/|/receipt$"
PRINCIPALS = {
    "user": NOT_OF_GATEWAYS,
    "admin": NOT_OF_GATEWAYS,
    "organization": "--exclude-path-regex ^/inbound/twilio/",
    "gateway": "--include-path /messagestatus/receipt --include-path /inbound/sms",
    "twilio": "--include-path-regex ^/inbound/twilio/",
}
SIGNING = ("gateway", "twilio")
# What is at the bounds of the document is the same for all, and is most of the work: unless there is time, an admin,
# to whom the least is refused, asks for it, and who signs.
PHASES = "examples,coverage,fuzzing,stateful"
if EXAMPLES == SHORT:
    PHASES_OF = {"user": "examples,fuzzing,stateful", "organization": "examples,fuzzing,stateful"}
else:
    PHASES_OF = {}


class World(NamedTuple):
    organization: Organization
    elsewhere: Organization
    member: User
    admin: User
    foreigner: User
    known: dict[str, list[Any]]

    def user(self, principal: str) -> User:
        """Return who asks; of an organization, which has no inbox, whose messages it asks for."""
        return self.admin if principal == "admin" else self.member

    def headers(self, principal: str) -> tuple[str, ...]:
        """Return the options that say who asks; who signs does so by the hooks."""
        if principal in SIGNING:
            return ()
        if principal == "organization":
            return ("--header", f"API-TOKEN: {ApiToken.issue(name='test', organization=self.organization)[1]}")
        token = PersonalAccessToken.issue(name="test", user=self.user(principal))[1]
        return ("--header", f"Personal-Access-Token: {token}")

    def known_to(self, principal: str) -> dict[str, list[Any]]:
        """Return what is asked for: what is the caller's and, as of every kind, what is another's. But for those who
        speak for the whole service, who may say something of everybody's."""
        asking = (self.user(principal), self.foreigner)

        def of_users(rows: Any) -> list[int]:
            return [row.pk for row in rows.filter(user__in=asking).order_by("pk")]

        # Of devices those whose way takes any address.
        devices = of_users(Device.objects.filter(way__in=("app", "pager")))
        sent = DeviceMessage.objects.exclude(alarm__organization=None if principal not in SIGNING else self.elsewhere)
        sent = sent.select_related("alarm_message").order_by("pk")
        return self.known | {
            # The caller first and second, as it is small numbers that are generated most.
            "users": [self.user(principal).pk] * 2 + [self.member.pk, self.admin.pk],
            "messages": of_users(InboxMessage.objects),
            "devices": devices,
            "absences": of_users(Absence.objects),
            "hooks": [hook.pk for hook in Hook.objects.order_by("pk")],
            "keys": [key_of(message) for message in sent],
            "codes": [message.alarm_message.code for message in sent],
            "numbers": [message.address for message in sent],
        }


@pytest.fixture
def world(transactional_db: None) -> World:
    organization = factories.OrganizationFactory()
    elsewhere = factories.OrganizationFactory(name=f"Brigade {SECRET}")
    member = factories.member(organization, ways=("app", "sms"))
    admin = factories.admin(organization, ways=("pager", "call"))
    group = factories.GroupFactory(organization=organization)
    group.memberships.set(organization.memberships.all())
    foreigner = factories.member(elsewhere, ways=("app", "sms"), first_name=SECRET)
    factories.GroupFactory(organization=elsewhere, name=SECRET)
    factories.AlarmTemplateFactory(organization=elsewhere, name=SECRET)
    alarms = []
    for owner, recipients in ((organization, (member, admin)), (elsewhere, (foreigner,))):
        alarm = factories.AlarmFactory(organization=owner, message=SECRET if owner == elsewhere else "Fire")
        for user in recipients:
            sent_to(factories.AlarmMessageFactory(alarm=alarm, user=user))
        alarms.append(alarm.pk)
    write_entries(organization, elsewhere, of=(member, admin), foreigner=foreigner)
    write_messages(organization, elsewhere, to=(member, admin), foreigner=foreigner)
    factories.escalation(organization, ("app", 0), ("sms", 60))
    factories.escalation(elsewhere, ("call", 77))
    known = {
        # What is another organization's is asked for too: it must not be told apart from what is not there.
        "organizations": [organization.pk] * 4 + [elsewhere.pk],
        "units": [group.pk],
        "templates": [factories.AlarmTemplateFactory(organization=organization).pk],
        "alarms": [alarms[0]] * 4 + [alarms[1]],
    }
    return World(organization, elsewhere, member, admin, foreigner, known)


def write_entries(
    organization: Organization, elsewhere: Organization, *, of: tuple[User, ...], foreigner: User
) -> None:
    """Write devices, absences and hooks: many are removed, and of none there may be too many."""
    for number in range(ENTRIES):
        for user in of:
            factories.DeviceFactory(user=user, way=("app", "pager")[number % 2])
            absence_of(user, organization=organization, weekly=True)
        hook_of(organization, url=f"{URL}hook")
        if number % 4 == 0:
            factories.DeviceFactory(user=foreigner, way="app", address=f"{number} {SECRET}")
            absence_of(foreigner, organization=elsewhere)
            hook_of(elsewhere, url=f"{URL}{SECRET}")


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
        Organization.objects.values().get(pk=organization.pk),
        list(AlarmMessage.objects.filter(alarm__in=alarms).order_by("pk").values()),
        list(DeviceMessage.objects.filter(alarm__in=alarms).order_by("pk").values()),
        list(Hook.objects.filter(organization=organization).order_by("pk").values()),
        list(HookEvent.objects.filter(hook__organization=organization).values()),
        list(Device.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(Absence.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(User.objects.filter(managing_organization=organization).values()),
        list(InboxMessage.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(Message.objects.filter(text=SECRET).order_by("pk").values()),
    ]


def examined(world: World, principal: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let the tool ask everything."""
    # An address that is too long, as invalid ones may be, is told so.
    (folder / "schemathesis.toml").write_text(
        "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 431]\n"
        # Every wrong method is asked for by test_every_request.py.
        + ("[phases.coverage]\nunexpected-methods = []\n" if EXAMPLES == SHORT else "")
    )
    command = f"""
        -m schemathesis.cli run {url}/api/schema --url {url}/api/v1 --checks all --max-examples {EXAMPLES}
        --workers 1 --continue-on-failure --seed 1 --no-color --generation-database none
        --generation-with-security-parameters false {PRINCIPALS[principal]}
        --phases {PHASES_OF.get(principal, PHASES)}
    """
    variables = {
        "SCHEMATHESIS_HOOKS": "tests.messaging_project.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "KNOWN": json.dumps(world.known_to(principal)),
        "PRINCIPAL": principal,
        "SECRET": SHARED,
        "FOREIGN_MARK": SECRET,
    }
    return subprocess.run(
        [sys.executable, *command.split(), *world.headers(principal)],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.parametrize("principal", list(PRINCIPALS))
def test_every_answer_is_as_documented(world: World, tmp_path: Path, principal: str) -> None:
    before = state_of(world.elsewhere)
    with service(tmp_path, GATEWAY_SECRET=SHARED, TWILIO_AUTH_TOKEN=SHARED, GATEWAY_DEFAULT="log:") as processes:
        # Twilio signs the address at which it asks.
        processes.environment["BASE_URL"] = processes.url
        processes.start("web")
        until(processes.alive)
        tool = examined(world, principal, processes.url, tmp_path)
        log = processes.log("web")
    assert tool.returncode == 0, tool.stdout[-8000:] + tool.stderr[-2000:]
    assert "Traceback" not in log
    assert state_of(world.elsewhere) == before
    assert done_by(world, principal) == DONE[principal]
    print(tool.stdout[-4000:])


# What was asked for was not all refused, but to whom it is not given.
DONE: dict[str, set[str]] = {
    "user": {"message sent", "message read", "device", "absence", "answer"},
    "admin": {"message sent", "message read", "device", "absence", "answer", "hook", "ways", "test of a hook"},
    "organization": {"answer", "hook", "ways", "receipt", "test of a hook"},
    "gateway": {"answer", "receipt"},
    "twilio": {"answer", "receipt"},
}


def done_by(world: World, principal: str) -> set[str]:
    """Return what has become of what was asked for."""
    user = world.user(principal)
    done = {
        "message sent": Message.objects.filter(sender=user),
        "message read": InboxMessage.objects.filter(user=user).exclude(read_at=None),
        "device": Device.objects.filter(address__startswith="+4915200"),
        "absence": Absence.objects.filter(organization=None),
        "answer": Feedback.objects.all(),
        "hook": Hook.objects.filter(organization=world.organization, url=URL),
        "test of a hook": HookEvent.objects.filter(event="test"),
        "ways": Organization.objects.exclude(disabled_ways=[]),
        "receipt": DeviceMessage.objects.exclude(receipt=""),
    }
    return {name for name, rows in done.items() if rows.exists()}
