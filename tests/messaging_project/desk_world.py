"""Two organizations and who looks at them: what the one has is unmistakable, and none of the other's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from alarms.gateways import owned
from alarms.hooks.registering import register, send_test
from alarms.models import AlarmTemplate, Feedback, HookEvent, HookTry, IdempotencyKey, Sender
from escalations.models import Escalation, ResponseTimeout
from organizations.models import (
    Absence,
    ApiToken,
    Device,
    Group,
    MembersFile,
    Organization,
    PersonalAccessToken,
    User,
)
from tests import factories
from tests.organizations import authenticator

# It stands in every text of what is the organization's; the numbers in what has none.
NEEDLE = "Qnadelq"
NUMBER = 74119
PHONE = "+4915174119"
NEEDLES = (NEEDLE, NEEDLE.lower(), str(NUMBER))

# Callers for whom there is nothing in the admin, and the one who has another organization's.
DESKLESS = ("staff without an organization", "member", "inactive admin", "admin of an inactive organization")
STRANGERS = ("nobody", *DESKLESS, "foreign admin")

# What belongs to no organization, and is the superusers'.
NOBODYS: tuple[type[models.Model], ...] = (IdempotencyKey, Sender, ProcrastinateJob)

Rows = dict[type[models.Model], models.Model]


@dataclass
class World:
    organization: Organization
    other: Organization
    clients: dict[str, Client]
    shared: User
    """Managed by the other organization, a member of this one too."""
    lent: User
    """Managed by this organization, an admin of the other one."""
    rows: Rows = field(default_factory=dict)
    """A row of the organization of each kind that the admin shows."""
    theirs: Rows = field(default_factory=dict)
    """A row of the other organization of each kind."""
    file_id: uuid.UUID = field(default_factory=uuid.uuid4)
    """A file of members that an admin of the organization has uploaded."""

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return all that is the organization's, as it stands in the database."""
        mine = [self.organization.pk]
        people = User.objects.filter(managing_organization__in=mine)
        templates = AlarmTemplate.objects.filter(organization__in=mine)
        whole: dict[str, Any] = {
            "people": people,
            "devices": Device.objects.filter(user__in=people),
            "entries": Escalation.objects.filter(configuration__organization__in=mine),
            "members of groups": Group.memberships.through.objects.filter(group__organization__in=mine),
            "groups of templates": AlarmTemplate.groups.through.objects.filter(alarmtemplate__in=templates),
            "users of templates": AlarmTemplate.users.through.objects.filter(alarmtemplate__in=templates),
        }
        for model, row in self.rows.items():
            desk: Any = admin.site._registry[model]
            rows = model._default_manager.all()
            if model in NOBODYS:
                whole[model._meta.label] = rows.filter(pk=row.pk)
            elif model not in (User, Device):
                whole[model._meta.label] = rows.filter(desk.visible(mine))
        return {name: list(rows.order_by("pk").values()) for name, rows in whole.items()}


def logged_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def world() -> World:
    organization = factories.OrganizationFactory(name=f"{NEEDLE} brigade")
    other = factories.OrganizationFactory(name="Other brigade")
    closed = factories.OrganizationFactory(name="Closed brigade", is_active=False)

    def ours(role: str = "admin", **fields: Any) -> User:
        login = f"{NEEDLE}-{User.objects.count()}"
        names = dict.fromkeys(("first_name", "last_name", "description"), NEEDLE)
        return factories.member(organization, role=role, login=login, **(names | fields))

    inactive = ours(is_staff=True)
    clients = {
        "nobody": Client(raise_request_exception=False),
        "staff without an organization": logged_in(factories.UserFactory(is_staff=True)),
        "member": logged_in(factories.member(organization, is_staff=True)),
        "inactive admin": logged_in(inactive),
        "admin of an inactive organization": logged_in(factories.admin(closed, is_staff=True)),
        "foreign admin": logged_in(factories.admin(other, is_staff=True)),
        "own admin": logged_in(ours(is_staff=True)),
        "superuser": logged_in(ours(is_staff=True, is_superuser=True)),
    }
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    shared = factories.member(other, ways=("app",), first_name="Shared", last_name="Person")
    lent = factories.member(organization, ways=("app",), login="lent", first_name="Lent", last_name="Person")
    factories.MembershipFactory(organization=organization, user=shared)
    factories.MembershipFactory(organization=other, user=lent, role="admin")
    theirs = fill(other, factories.member(other), lent, "Theirs", "+4915200000", 7200)
    rows = fill(organization, ours("member"), shared, NEEDLE, PHONE, NUMBER)
    assert set(rows) == set(admin.site._registry), "of everything that is shown there is a row"
    made = World(organization, other, clients, shared, lent, rows, theirs)
    boss = User.objects.get(pk=clients["own admin"].session["_auth_user_id"])
    text = f"login,first_name,last_name,email,language,role,groups,app,pager,sms,call\n{NEEDLE}-new,{NEEDLE}{',' * 9}\n"
    made.file_id = MembersFile.keep(user_id=boss.pk, organization=organization, text=text, now=timezone.now()).pk
    return made


def fill(organization: Organization, person: User, guest: User, word: str, phone: str, seconds: int) -> Rows:
    """Give the organization a row of each kind; `guest` is a member whom another one manages."""
    now = timezone.now()
    both = [person, guest]
    group = factories.GroupFactory(organization=organization, name=f"{word} group", description=word)
    group.memberships.set(organization.memberships.filter(user__in=both))
    template = AlarmTemplate.objects.create(organization=organization, name=word, event_name=word, message=word)
    template.groups.set([group])
    template.users.set(both)
    factories.escalation(organization, ("sms", seconds), ("email", 0))
    ends_at = now + timedelta(seconds=seconds)
    api_token, _text = ApiToken.issue(name=f"{word} token", organization=organization)
    token, _text = PersonalAccessToken.issue(name=f"{word} token", user=person)
    authenticator.give(person)
    rows = [
        organization,
        person,
        organization.memberships.get(user=person),
        group,
        template,
        api_token,
        token,
        factories.DeviceFactory(user=person, name=f"{word} phone", address=f"{phone}1"),
        Absence.objects.create(user=guest, organization=organization, starts_at=now, ends_at=ends_at),
        organization.escalation,
        ResponseTimeout.objects.create(organization=organization, seconds=seconds),
        owned.bring(organization=organization, way="sms", urls=f"https://{word.lower()}.example/sms"),
        Sender.objects.create(host=word, pid=1),
        *alarmed(organization, both, word, phone),
        *told(organization, person, guest, word),
    ]
    log(guest, by=person, word=word)
    return {type(row): row for row in rows}


def alarmed(organization: Organization, people: list[User], word: str, phone: str) -> list[models.Model]:
    """Return an alarm, and what came of it."""
    now = timezone.now()
    alarm = factories.AlarmFactory(organization=organization, message=f"{word} fire", event_name=word, raised_by=word)
    for each in people:
        recipient = factories.AlarmMessageFactory(alarm=alarm, user=each)
        sent = factories.DeviceMessageFactory(
            alarm_message=recipient, device_name=f"{word} phone", address=f"{phone}2", reason=word, status=4
        )
        answer = Feedback.objects.create(alarm_message=recipient, response=True, source=word, created_at=now)
    url = f"https://x.example/{word}"
    hook, _secret = register(organization=organization, url=url, events=["alarm.raised"], active=True)
    send_test(hook)
    event = HookEvent.objects.create(hook=hook, alarm=alarm, event="alarm.raised", payload={"text": word})
    tried = HookTry.objects.create(hook=hook, hook_event=event, at=now, seconds=0.1, reason=word)
    key = IdempotencyKey.objects.create(principal=word, key=word, body_digest="", alarm=alarm, created_at=now)
    job = ProcrastinateJob.objects.order_by("pk").last()
    assert job is not None
    return [alarm, recipient, sent, answer, hook, event, tried, key, job]


def told(organization: Organization, person: User, guest: User, word: str) -> list[models.Model]:
    """Return a message of an alarm in an inbox, and write one of a member to another."""
    from_alarm = {"message__sender": None, "message__organization": organization, "message__text": word}
    row = factories.InboxMessageFactory(user=guest, **from_alarm)
    factories.InboxMessageFactory(user=guest, message__sender=person, message__text=word)
    return [row, row.message]


def log(about: User, *, by: User, word: str) -> None:
    """Write what the admin writes of a change."""
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(about.pk),
        object_repr=str(about),
        action_flag=CHANGE,
        change_message=f'[{{"added": {{"name": "membership", "object": "in {word}"}}}}]',
    )
