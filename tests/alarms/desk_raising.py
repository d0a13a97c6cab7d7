"""The page of the admin that raises alarms, as its buttons ask for it."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from alarms.models import Alarm
from organizations.models import Organization, User
from tests.factories import admin

ADD = "/admin/alarms/alarm/add/"
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


def at_desk(user: User) -> Client:
    """Return a browser in which a user who may use the admin has logged in."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def boss_of(organization: Organization, **user: Any) -> Client:
    return at_desk(admin(organization, **user))


def said(answer: Any) -> str:
    """Return what a page says, without its tags."""
    assert answer.status_code == 200, answer.content
    _before, _mark, content = answer.content.decode().partition('id="main"')
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


def entered(organization: Organization, **fields: Any) -> dict[str, Any]:
    return {"organization": organization.pk, "text": "Fire in the hall", "everybody": "on"} | fields


def previewed(client: Client, fields: dict[str, Any]) -> Any:
    return client.post(ADD, fields | {"step": "preview"})


def hidden(preview: Any) -> dict[str, Any]:
    """Return what the buttons of a preview send."""
    found: dict[str, Any] = {}
    for name, value in FIELD.findall(preview.content.decode()):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def confirmed(client: Client, preview: Any) -> Any:
    assert 'value="raise"' in preview.content.decode(), said(preview)
    return client.post(ADD, hidden(preview) | {"step": "raise"})


def raised(client: Client, fields: dict[str, Any]) -> Alarm:
    """Enter, preview and confirm; return the alarm, to whose page it goes."""
    answer = confirmed(client, previewed(client, fields))
    alarm = Alarm.objects.latest("pk")
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/alarms/alarm/{alarm.pk}/change/")
    return alarm
