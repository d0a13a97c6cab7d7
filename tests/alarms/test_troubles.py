"""Admins hear of recipients whom nothing reaches and of ways whose gateways all fail, in one e-mail at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as outbox_of
from django.db import connection
from django.utils import timezone

from alarms import telling_admins, troubles, upkeep
from alarms.gateways import owned
from alarms.models import AlarmMessage, DeviceMessage, Trouble
from organizations.models import Organization
from tests import factories
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, admin, member
from tests.sinks import refusing_port

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
MINUTES = timedelta(minutes=1)


@pytest.fixture
def chief(brigade):
    return admin(brigade, email="chief@brigade.example", language="de")


@pytest.fixture
def alarm(brigade, now):
    return AlarmFactory(organization=brigade, event_name="Fire in the museum", starts_at=now - MINUTES)


@pytest.fixture
def tell(now):
    """Looks for trouble and tells of it so many minutes from now; returns the e-mails that leave."""

    def call(after: float = 0.0) -> list[Any]:
        outbox_of.outbox.clear()
        troubles.find()
        telling_admins.tell_admins(now=now + after * MINUTES)
        return list(outbox_of.outbox)

    return call


def recipient(alarm, *statuses, name="Erna", **fields):
    """A recipient with a device message of each status."""
    user = factories.UserFactory(first_name=name, last_name="Example")
    created = AlarmMessageFactory(alarm=alarm, user=user, **fields)
    for status in statuses:
        DeviceMessageFactory(alarm_message=created, status=status)
    return created


# Who is unreached


@pytest.mark.parametrize(
    ("statuses", "fields", "unreached"),
    [
        ((), {}, True),
        ((FAILED,), {}, True),
        ((FAILED, CANCELLED), {}, True),
        ((FAILED, SCHEDULED), {}, False),
        ((SENDING,), {}, False),
        ((SENT,), {}, False),
        ((DELIVERED, FAILED), {}, False),
        ((FAILED,), {"response": True}, False),
        ((FAILED,), {"first_sent_at": timezone.now()}, False),
        ((), {"planned_at": None}, False),
        ((CANCELLED,), {"escalating": False}, False),
    ],
)
def test_who_cannot_be_reached_is_who_got_nothing_and_has_nothing_left(alarm, statuses, fields, unreached):
    created = recipient(alarm, *statuses, **fields)
    troubles.find()
    troubles.find()
    assert list(Trouble.objects.values_list("alarm_message", flat=True)) == ([created.pk] if unreached else [])


def test_nobody_is_told_of_an_alarm_that_is_closed(alarm, now):
    recipient(alarm, FAILED)
    alarm.closed_at = now
    alarm.save(update_fields=["closed_at"])
    troubles.find()
    assert not Trouble.objects.exists()


def test_whose_time_ran_out_while_gateways_failed_was_not_reached_either(alarm, now):
    never = recipient(alarm)
    DeviceMessageFactory(alarm_message=never, attempts=1, due_at=now + MINUTES, reason="HTTP 503")
    recipient(alarm, SENT, first_sent_at=now - MINUTES)
    AlarmMessage.objects.update(deadline=now)
    upkeep.time_out(now=now)
    assert list(Trouble.objects.values_list("alarm_message", flat=True)) == [never.pk]


# Which ways fail


@pytest.fixture
def two_gateways(settings):
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["log:", "log:"]}


@pytest.mark.parametrize(("attempts", "fails"), [(3, False), (4, True)])
def test_a_way_fails_when_each_gateway_has_failed_a_message_twice(alarm, now, two_gateways, attempts, fails):
    DeviceMessageFactory(alarm_message=recipient(alarm), attempts=attempts, due_at=now + MINUTES)
    troubles.find()
    troubles.find()
    assert list(Trouble.objects.values_list("way", flat=True)) == (["sms"] if fails else [])


@pytest.mark.parametrize(("count", "fails"), [(1, False), (2, True)])
def test_a_way_fails_that_refuses_several_at_once_but_not_one(alarm, count, fails):
    for _each in range(count):
        DeviceMessageFactory(alarm_message=recipient(alarm), attempts=1, status=FAILED, reason="HTTP 401")
    troubles.find()
    assert Trouble.objects.filter(way="sms").exists() is fails


@pytest.mark.parametrize(("seconds", "fails"), [(50, False), (70, True)])
def test_a_way_that_has_sent_something_within_a_minute_works(alarm, now, seconds, fails):
    DeviceMessageFactory(alarm_message=recipient(alarm), attempts=2, due_at=now + MINUTES)
    DeviceMessageFactory(alarm_message=recipient(alarm), status=SENT, sent_at=now - timedelta(seconds=seconds))
    troubles.find()
    assert Trouble.objects.filter(way="sms").exists() is fails


def test_gateways_of_an_organization_are_no_other_ones(alarm, brigade, now):
    owned.bring(organization=brigade, way="sms", urls="https://sms.example/send")
    DeviceMessageFactory(alarm_message=recipient(alarm), attempts=2, due_at=now + MINUTES, gateways_of=brigade.pk)
    DeviceMessageFactory(alarm_message=recipient(AlarmFactory()), status=SENT, sent_at=now)
    troubles.find()
    assert [(row.organization, row.way) for row in Trouble.objects.filter(alarm_message=None)] == [(brigade, "sms")]


# What admins get


def test_an_admin_reads_who_is_not_reached_and_which_way_fails_in_their_language(alarm, chief, now, tell, settings):
    settings.BASE_URL = "https://alarm.example"
    recipient(alarm, FAILED, name="Erna")
    DeviceMessageFactory(alarm_message=recipient(alarm), attempts=2, due_at=now + MINUTES)
    member(alarm.organization, email="nobody@brigade.example")
    [mail] = tell()
    assert mail.to == ["chief@brigade.example"]
    assert mail.subject == f"Alarme von {alarm.organization} erreichen nicht alle"
    lines = mail.body.splitlines()
    assert lines[0].startswith("Fire in the museum (")
    assert lines[1:6] == [
        "Alle Gateways versagen: SMS.",
        "1 Person ist nicht zu erreichen:",
        f"- Erna Example ({Trouble.objects.get(way='').alarm_message.user.login})",
        f"https://alarm.example/admin/alarms/alarm/{alarm.pk}/change/",
        "",
    ]
    assert tell(after=10) == [], "it was told before"


def test_what_comes_within_five_minutes_is_told_together(alarm, chief, tell):
    recipient(alarm, FAILED, name="Erna")
    assert len(tell()) == 1
    for name in ("Emil", "Otto"):
        recipient(alarm, FAILED, name=name)
    assert tell(after=4.9) == []
    [mail] = tell(after=5.1)
    assert ["Erna" in mail.body, "Emil" in mail.body, "Otto" in mail.body] == [False, True, True]


def test_who_was_reached_or_answered_meanwhile_is_not_told_of(alarm, chief, now, tell):
    recipient(alarm, FAILED)
    assert len(tell()) == 1
    reached, answered = recipient(alarm, FAILED), recipient(alarm, FAILED)
    assert tell(after=1) == []
    AlarmMessage.objects.filter(pk=reached.pk).update(first_sent_at=now)
    AlarmMessage.objects.filter(pk=answered.pk).update(response=True)
    assert tell(after=6) == []


def test_organizations_are_told_of_their_own_alarms_only(chief, alarm, tell):
    other = Organization.objects.create(name="Other")
    admin(other, email="other@example.org")
    recipient(AlarmFactory(organization=other), FAILED)
    assert [mail.to for mail in tell()] == [["other@example.org"]]


def test_of_many_people_twenty_are_named(alarm, chief, tell):
    for _each in range(22):
        recipient(alarm)
    [mail] = tell()
    assert mail.body.count("- Erna Example") == 20
    assert "- und 2 weitere" in mail.body


def test_what_no_mail_server_took_is_told_later(alarm, chief, tell, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    recipient(alarm, FAILED)
    with refusing_port() as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        assert tell() == []
    assert f"an admin cannot be told of trouble: user={chief.pk}: ConnectionRefusedError" in caplog.text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert len(tell(after=0.2)) == 1


@pytest.mark.parametrize("kind", ["none", "inactive", "without an address"])
def test_where_there_is_no_admin_to_tell_the_log_says_so_once(alarm, brigade, tell, kind, caplog):
    if kind != "none":
        admin(brigade, is_active=kind != "inactive", email="" if kind == "without an address" else "a@example.org")
    recipient(alarm, FAILED)
    assert tell() == tell(after=10) == []
    assert caplog.text.count(f"no admin has an e-mail address to be told of trouble: organization={brigade.pk}") == 1


def test_what_is_told_of_for_a_month_is_forgotten(alarm, chief, now, tell):
    recipient(alarm, FAILED)
    tell()
    DeviceMessage.objects.all().delete()
    AlarmMessage.objects.update(escalating=False)
    Trouble.objects.update(found_at=now - timedelta(days=31))
    tell()
    assert not Trouble.objects.exists()


@pytest.fixture
def somebody_else_at_it() -> Iterator[None]:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('admins are told', 0))")
        yield
        cursor.execute("SELECT pg_advisory_unlock_all()")
    other.close()


def test_two_workers_tell_nobody_twice(alarm, chief, tell, somebody_else_at_it):
    recipient(alarm, FAILED)
    assert tell() == []
    assert Trouble.objects.filter(told_at=None).count() == 1
