from __future__ import annotations

import json
import os
import secrets
import signal
import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from alarms.raising import AlarmOrder, raise_alarm
from alarms.resources import Resources
from messaging_project import database
from messaging_project.demo import load_demo
from messaging_project.upgrading import NEWER, upgrade
from organizations.models import ApiToken, Organization, PersonalAccessToken, User


class Command(BaseCommand):
    help = "What `make run` does once the database is up: upgrade it and, on the first start, load a demo."

    def handle(self, *args: Any, **options: Any) -> None:
        database.wait(seconds=120, migrated=False)
        try:
            upgrade(seconds=600, say=self.stdout.write)
        except CommandError as error:
            if error.returncode == NEWER:
                end_the_service()
            raise
        lines = ["", f"The service is up.  Admin: {settings.BASE_URL}/admin/"]
        demo = None
        if not Organization.objects.exists() and not User.objects.exists():
            demo = load_demo()
            lines += first_steps(demo)
        wait_until_healthy()
        self.stdout.write("\n".join([*lines, ""]))
        # Never over a gateway that reaches somebody.
        if demo is not None and all(urls == ["log:"] for urls in settings.GATEWAYS.values()):
            order = AlarmOrder(
                organization=demo,
                message="Demo alarm: smoke in the museum, 2nd floor.",
                event_name="Demo",
                resources=Resources(all_users=True),
            )
            raise_alarm(order=order, raised_by="make run", now=database.now())


def end_the_service() -> None:
    """Have the supervisor end everything: it would start this command again and again, in vain."""
    if os.environ.get("SUPERVISOR_PROCESS_NAME") == "prepare":
        os.kill(os.getppid(), signal.SIGTERM)


def first_steps(demo: Organization) -> list[str]:
    """Make a log-in and tokens, and return the lines that tell them: the only time that they are shown."""
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser("admin", password, email="")
    _row, api_token = ApiToken.issue(name="first start", organization=demo)
    user = demo.memberships.get(role="admin").user
    _pat, personal_token = PersonalAccessToken.issue(name="first start", user=user)
    body = {"organizationID": demo.pk, "message": "Fire in the hall", "alarmResources": {"allUsers": True}}
    return [
        f"Log in as:            admin / {password}",
        f"API token of {demo.name!r}:",
        f"  {api_token}",
        f"Personal access token of {user.login!r} (user {user.pk}):",
        f"  {personal_token}",
        "Shown only now. Raise an alarm:",
        f"  curl -X POST {settings.BASE_URL}/api/v1/alarm -H 'API-TOKEN: {api_token}'"
        f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'",
    ]


def wait_until_healthy() -> None:
    """Return when web, worker and sender are at work; after a minute the others' own lines tell more than waiting."""
    host, _colon, port = settings.BIND.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - where to ask, not where to listen
    request = urllib.request.Request(f"http://{host}:{port}/health", headers={"Host": "localhost"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
