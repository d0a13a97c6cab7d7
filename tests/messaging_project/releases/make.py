"""Writes down the database of a release while it runs, as its operators have it: what the next version has to bring on.

To be run once for each release, in a checkout of it; tests/messaging_project/release.py reads what it writes:

    .venv/bin/python -m tests.messaging_project.releases.make tests/messaging_project/releases/2026-11-23.sql.gz

The file is SQL that any PostgreSQL runs. Its first line has what a test has to know, as JSON in a comment.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.messaging_project.releases import SECRET_KEY

# Read as soon as the settings are.
os.environ["SECRET_KEY"] = SECRET_KEY
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "messaging_project.settings")

import django

from tests import postgres

django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from alarms.gateways import owned  # noqa: E402
from alarms.hooks.registering import EVENTS, register  # noqa: E402
from alarms.models import AlarmMessage, DeviceMessage, HookEvent  # noqa: E402
from inbox.models import InboxMessage  # noqa: E402
from messaging_project import embedded_postgres  # noqa: E402
from messaging_project.demo import load_demo  # noqa: E402
from organizations.importing import import_members  # noqa: E402
from organizations.models import Absence, ApiToken, Organization, PersonalAccessToken, User  # noqa: E402
from organizations.rotating import rotate  # noqa: E402
from tests import factories  # noqa: E402
from tests.alarms.hooks import hook_sink  # noqa: E402
from tests.client import Client  # noqa: E402
from tests.processes import service, until  # noqa: E402
from tests.sinks import HttpSink, MailSink, answers, hangs_first  # noqa: E402

MEMBERS = """login,first_name,last_name,email,language,role,groups,app,pager,sms,call
greta,Greta,Groß,greta@works.example,de,admin,Leitstelle,greta-phone,,,
hugo,Hugo,Hof,hugo@works.example,de,member,Leitstelle;Löschzug,hugo-phone,,,+493023125008
"""
# What pg_dump writes for psql or for a newer server alone.
NOT_FOR_ALL = re.compile(r"^(?:\\.*|SET transaction_timeout = 0;)\n", re.MULTILINE)


class Making:
    """A service, and what happens in it."""

    def __init__(self, url: str, sink: HttpSink, hook: str) -> None:
        self.facts: dict[str, Any] = {}
        self._url, self._sink, self._hook = url, sink, hook
        self._demo = load_demo()
        self._anna = User.objects.get(login="anna")
        self._as_demo, self._as_anna = Client(url, self._demo), Client(url, self._anna)

    def people_and_tokens(self) -> None:
        User.objects.create_superuser("root", "not a secret of anybody", email="")
        works = Organization.objects.create(name="Werkfeuerwehr Süd", time_zone="Europe/Berlin", alarms_in_inbox=True)
        import_members(organization=works, data=MEMBERS.encode())
        factories.escalation(self._demo, ("app", 0), ("pager", 0), ("sms", 20), ("call", 40))
        factories.escalation(User.objects.get(login="hugo"), ("call", 5), ("app", 0))
        owned.bring(organization=works, way="pager", urls="https://pagers.example/alarm https://spare.example/alarm")
        _hook, secret = register(organization=works, url=self._hook, events=[name for name, _ in EVENTS])
        now = timezone.now()
        carla = User.objects.get(login="carla")
        Absence.objects.create(user=carla, starts_at=now + timedelta(days=2), ends_at=now + timedelta(days=9))
        _row, expired = ApiToken.issue(name="expired", organization=works, expires_at=now)
        row, revoked = PersonalAccessToken.issue(name="revoked", user=carla)
        row.revoke()
        old, replaced = PersonalAccessToken.issue(name="script", user=carla, expires_at=now + timedelta(days=300))
        _row, replacing = rotate(token=old, now=now, expires_at=now + timedelta(days=300))
        self.facts |= {
            "api_token": self._as_demo.token,
            "personal_tokens": [self._as_anna.token, replaced, replacing],
            "ended_tokens": [expired, revoked],
            "hook_secret": secret,
        }

    def inbox(self) -> None:
        User.objects.filter(login__in=["anna", "ben"]).update(inbox_to_email=True)
        for text in ("Drill at {0}", "Cake in the hall"):
            everybody = list(User.objects.filter(memberships__organization=self._demo).values_list("pk", flat=True))
            order = {"message": text, "parameters": ["19:00"], "translations": {"de": text}, "toUserId": everybody}
            assert self._as_anna.request("POST", "/msg/send", order)[0] == 201
        first, _second = self._as_anna.get("/msg/list")["messages"]
        assert self._as_anna.request("POST", "/msg/read", {"messages": [first["id"]]})[0] == 201
        until(lambda: InboxMessage.objects.exclude(copy_settled_at=None).exists(), what="a copy by e-mail")
        # The mail server wants none for Anna: what was sent to her is tried again and again.
        until(lambda: InboxMessage.objects.filter(copy_wanted=True, copy_settled_at=None).exists(), what="a copy left")

    def alarms_that_are_over(self) -> None:
        works = Organization.objects.get(name="Werkfeuerwehr Süd")
        as_works = Client(self._url, works)
        assert as_works.request("PUT", f"/organization/{works.pk}/timeout", {"timeout": 10})[0] == 200
        timed_out = as_works.raise_alarm(works)
        closed = self._as_demo.raise_alarm(self._demo, users=[self._anna.pk, User.objects.get(login="carla").pk])
        sent = DeviceMessage.objects.filter(alarm_id=closed["id"], status=DeviceMessage.Status.SENT)
        until(lambda: sent.count() >= 2, what="sent to Anna and Carla")
        assert self._as_anna.answer(closed["id"], self._anna.pk, True) == 200
        over = {"allClear": "It is over. Thank you."}
        assert self._as_demo.request("PATCH", f"/alarm/{closed['id']}", over)[0] == 200
        until(lambda: sent.filter(kind=DeviceMessage.Kind.ALL_CLEAR).count() >= 2, what="the all-clear")
        ended = AlarmMessage.objects.filter(alarm_id=timed_out["id"], escalating=False)
        until(lambda: ended.count() == 2, what="timed out")
        assert HookEvent.objects.pending().exists()
        self.facts |= {"closed": closed["id"], "timed_out": timed_out["id"]}

    def alarms_to_come_and_under_way(self) -> None:
        start = timezone.now() + timedelta(hours=1)
        resources = {"organizationID": self._demo.pk, "alarmResources": {"allUsers": True}}
        times = {"startTime": start.isoformat(), "scheduledEndTime": (start + timedelta(hours=1)).isoformat()}
        scheduled = self._post_alarm(resources | times | {"message": "Test of the sirens"}, key="siren-47")
        for address, behaviour in {"1204711": answers(400), "dora-phone": hangs_first}.items():
            self._sink.behaviours[address] = behaviour
        order = resources | {"message": "Smoke in the museum", "eventName": "B2", "repeat": 1, "repeatAfter": 600}
        running = self._post_alarm(order, key="B2-4711")
        messages = DeviceMessage.objects.filter(alarm_id=running["id"])
        # To Anna's phone, and to Ben and Carla as an SMS; Ben's pager is refused, and Dora's phone hangs.
        status = DeviceMessage.Status
        expected = Counter({status.SENDING: 1, status.SENT: 3, status.FAILED: 1})
        first = messages.exclude(status=status.SCHEDULED)
        until(lambda: Counter(first.values_list("status", flat=True)) == expected, what="under way")
        self.facts |= {"scheduled": scheduled["id"], "running": running["id"], "order": order, "key": "B2-4711"}

    def _post_alarm(self, order: dict[str, Any], key: str) -> Any:
        headers = {"API-TOKEN": self._as_demo.token, "Content-Type": "application/json", "Idempotency-Key": key}
        body = json.dumps(order).encode()
        request = urllib.request.Request(f"{self._url}/api/v1/alarm", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def note_what_went_out(self) -> None:
        [hanging] = self._sink.of("dora-phone")
        sent = [post.key for post in self._sink.posts if post is not hanging]
        self.facts |= {"sent": sent, "hanging": hanging.key}


def dump() -> str:
    config = django.conf.settings.DATABASES["default"]
    where = ["--host", config["HOST"], "--username", config["USER"], config["NAME"]]
    command = [str(embedded_postgres.bin_dir() / "pg_dump"), *where, "--no-owner", "--no-privileges"]
    done = subprocess.run([*command, "--rows-per-insert=1000"], capture_output=True, text=True, check=True)
    return NOT_FOR_ALL.sub("", done.stdout)


def main(target: Path) -> None:
    with ExitStack() as stack:
        postgres.wait_until_it_answers(stack.enter_context(postgres.serving()))
        call_command("migrate", verbosity=0)
        sink, mail = HttpSink(), MailSink()
        stack.callback(sink.close)
        stack.callback(mail.close)
        hook = stack.enter_context(hook_sink())
        hook.behaviours["/hook"] = answers(503)
        mail.refused["anna@demo.example"] = "450 later"
        url = f"{sink.url}/gateway"
        ways = {f"GATEWAY_{way}": url for way in ("APP", "PAGER", "SMS", "CALL")}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        processes = stack.enter_context(service(folder, EMAIL_URL=mail.url, GATEWAY_EMAIL="email:", **ways))
        processes.start_all()
        making = Making(processes.url, sink, f"{hook.url}/hook")
        making.people_and_tokens()
        making.inbox()
        making.alarms_that_are_over()
        making.alarms_to_come_and_under_way()
        making.note_what_went_out()
        facts = making.facts | {"taken_at": datetime.now(UTC).isoformat()}
        target.write_bytes(gzip.compress(f"-- {json.dumps(facts)}\n{dump()}".encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
