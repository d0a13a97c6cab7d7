"""Somebody of whom the service holds everything that it can hold, in words that stand nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pghistory
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group as RightsGroup
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone

from alarms.models import Alarm, AlarmMessage, AlarmTemplate, DeviceMessage, DeviceRate, Hook, HookEvent, IdempotencyKey
from organizations import logging_in
from organizations.models import Absence, Device, MembersFile, Organization, PersonalAccessToken, User
from tests import factories
from tests.organizations import authenticator

LOGIN = "needle.login"
NUMBER = "+4915198765432"
# In every spelling in which they might be kept.
NEEDLES = ("needle", "Needle", "98765432")
EARLIER = f"Hay Needlebefore ({LOGIN})"


@dataclass
class Filled:
    user: User
    organization: Organization
    alarm: Alarm
    """That they got, and have answered."""
    open: AlarmMessage
    """In an alarm that they have not answered yet."""


def log(about: Any, message: str, by: User, called: str | None = None) -> LogEntry:
    return LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(about),
        object_id=str(about.pk),
        object_repr=called or str(about),
        action_flag=CHANGE,
        change_message=message,
    )


def fill(organization: Organization | None = None) -> Filled:
    organization = organization or factories.OrganizationFactory()
    user = factories.member(
        organization,
        login=LOGIN,
        first_name="Needlefirst",
        last_name="Nädel-Needlelast",
        email="needle@example.org",
        description="needle of the north",
        language="de",
        inbox_to_email=True,
        last_login=timezone.now(),
    )
    user.set_password("needle-password")
    user.save(update_fields=["password"])
    user.groups.add(RightsGroup.objects.create(name="readers"))
    with pghistory.context(user=user.pk, how="api", note="Needlecontext"):
        phone = factories.DeviceFactory(user=user, way="sms", name="Needlephone", address=NUMBER)
        gone = factories.DeviceFactory(user=user, way="email", name="Needlegone", address="needle.gone@example.org")
        log(gone, '[{"added": {}}]', by=user)
        gone.delete()
    group = factories.GroupFactory(organization=organization)
    group.memberships.add(user.memberships.get())
    factories.escalation(user, ("sms", 0))
    now = timezone.now()
    Absence.objects.create(user=user, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2))
    PersonalAccessToken.issue(name="Needletoken", user=user)
    authenticator.give(user)
    logging_in.begin(login=LOGIN, source="192.0.2.1", step=logging_in.Step.PASSWORD, now=now)
    MembersFile.keep(user_id=user.pk, organization=organization, text="login\nneedle", now=now)
    fill_logs(user, phone)
    alarm, still_open = fill_alarms(user, organization, phone)
    fill_inbox(user, organization)
    return Filled(user, organization, alarm, still_open)


def fill_logs(user: User, phone: Device) -> None:
    other = factories.UserFactory()
    log(user, "[]", by=other, called=EARLIER)
    inline = {"name": "device", "object": 'Needlephone "old" (SMS)', "fields": ["Address"]}
    log(user, json.dumps([{"changed": inline}]), by=other)
    log(phone, "Tested Needlephone.", by=user)
    log(user.memberships.get(), "[]", by=other)
    # Written by a page of something else, with a name beyond ASCII as JSON has it.
    inline = {"name": "membership", "object": str(user), "fields": ["Role"]}
    log(other, json.dumps([{"changed": inline}]), by=other)


def fill_alarms(user: User, organization: Organization, phone: Device) -> tuple[Alarm, AlarmMessage]:
    alarm = factories.AlarmFactory(organization=organization, raised_by=str(user), closed_at=timezone.now())
    factories.AlarmFactory(organization=organization, raised_by=EARLIER)
    answered = factories.AlarmMessageFactory(
        alarm=alarm, user=user, response=True, responded_at=timezone.now(), escalating=False
    )
    for kind in ("API token Needletoken", "SMS", "by Needlelast"):
        answered.feedback.create(response=True, source=kind, created_at=timezone.now())
    tried = [
        {"gateway": "https", "at": "2026-01-01T10:00:00+00:00", "reason": f"400 no such number {NUMBER}"},
        {"gateway": "log", "at": "2026-01-01T10:00:05+00:00", "reason": "receipt: failed"},
    ]
    message = {"alarm_message": answered, "device": phone, "way": "sms"}
    factories.DeviceMessageFactory(**message, status=4, attempts=2, tried=tried, reason="refused: Needlephone")
    factories.DeviceMessageFactory(**message, turn=1, status=5, reason="answered")
    still_open = factories.AlarmMessageFactory(alarm=factories.AlarmFactory(organization=organization), user=user)
    for turn, status in enumerate(DeviceMessage.Status.values):
        factories.DeviceMessageFactory(
            alarm_message=still_open, device=phone, way="sms", turn=turn, status=status, attempts=1
        )
    IdempotencyKey.objects.create(
        principal=f"user {user.pk}", key="Needlekey", body_digest="0", alarm=alarm, created_at=timezone.now()
    )
    template = AlarmTemplate.objects.create(organization=organization, name="Fire", message="Fire")
    template.users.add(user)
    DeviceRate.objects.create(device_id=phone.pk, taken=[timezone.now()], granted=1, per_minute=10)
    fill_hook(user, organization, alarm)
    return alarm, still_open


def fill_hook(user: User, organization: Organization, alarm: Alarm) -> None:
    hook = Hook.objects.create(organization=organization, url="https://example.org/", events=Hook.Event.values)
    other = factories.member(organization)
    failed = {"messageId": "1", "way": "sms"}
    for event, payload in (
        ("feedback.given", {"userID": user.pk, "response": True, "source": "by Needlelast"}),
        ("feedback.given", {"userID": other.pk, "response": True, "source": "SMS"}),
        ("recipient.timed_out", {"userIDs": [other.pk, user.pk]}),
        (
            "message.failed",
            {
                "messages": [
                    {**failed, "userID": other.pk, "device": "Other phone", "reason": "500"},
                    {**failed, "userID": user.pk, "device": "Needlephone", "reason": f"no {NUMBER}"},
                ]
            },
        ),
    ):
        HookEvent.objects.create(hook=hook, alarm=alarm, event=event, payload=payload)


def fill_inbox(user: User, organization: Organization) -> None:
    other = factories.member(organization)
    to_them = factories.MessageFactory(sender=other, text="Dear Needlefirst")
    factories.InboxMessageFactory(message=to_them, user=user)
    to_both = factories.MessageFactory(sender=other, text="Drill for everybody")
    factories.InboxMessageFactory(message=to_both, user=user)
    factories.InboxMessageFactory(message=to_both, user=other)
    by_them = factories.MessageFactory(sender=user, text="I bring the cake")
    factories.InboxMessageFactory(message=by_them, user=other)


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def rows(table: str, column: str = "t") -> list[str]:
    """Return the rows of a table, or one column of them, as text."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({column})::text FROM {table} AS t")  # noqa: S608 - names of our tables
        return [text or "" for (text,) in cursor.fetchall()]


def found_in(texts: list[str]) -> list[str]:
    return [text for text in texts if any(needle in text for needle in NEEDLES)]
