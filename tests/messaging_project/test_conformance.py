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
from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests import factories
from tests.processes import ROOT, service, until

# So many cases an operation and phase; more in a longer run by hand.
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES", "20")
SECRET = "of-the-other-brigade"


class World(NamedTuple):
    organization: Organization
    elsewhere: Organization
    member: User
    admin: User
    ids: dict[str, list[int]]

    def header(self, principal: str) -> str:
        if principal == "organization":
            return f"API-TOKEN: {ApiToken.issue(name='test', organization=self.organization)[1]}"
        user = self.member if principal == "user" else self.admin
        return f"Personal-Access-Token: {PersonalAccessToken.issue(name='test', user=user)[1]}"


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
    return World(organization, elsewhere, member, admin, ids)


def state_of(organization: Organization) -> list[object]:
    """Return what an organization that is not the caller's must still be afterwards."""
    alarms = Alarm.objects.filter(organization=organization)
    return [
        list(alarms.order_by("pk").values()),
        list(Feedback.objects.filter(alarm_message__alarm__in=alarms).values()),
        EscalationConfiguration.objects.entries_of(organization),
        ResponseTimeout.in_force(organization),
        list(User.objects.filter(managing_organization=organization).values()),
    ]


def examined(world: World, header: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let the tool ask everything, as whom a header says."""
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
        "KNOWN_IDS": json.dumps(world.ids),
        "FOREIGN_MARK": SECRET,
    }
    return subprocess.run(
        [sys.executable, *command.split(), header],
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
        tool = examined(world, world.header(principal), processes.url, tmp_path)
        log = processes.log("web")
    assert tool.returncode == 0, tool.stdout[-8000:] + tool.stderr[-2000:]
    assert "Traceback" not in log
    assert state_of(world.elsewhere) == before
    print(tool.stdout[-4000:])
