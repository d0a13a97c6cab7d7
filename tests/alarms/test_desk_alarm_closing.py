"""Closing an alarm on its page, with or without an all-clear, and cancelling one that is scheduled."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from alarms.models import Alarm, DeviceMessage
from organizations.models import Organization
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, admin

pytestmark = pytest.mark.django_db


@pytest.fixture
def alarm(brigade: Organization) -> Alarm:
    made: Alarm = AlarmFactory(organization=brigade)
    return made


@pytest.fixture
def desk(client: Client, brigade: Organization) -> Client:
    client.force_login(admin(brigade, is_staff=True))
    return client


def page(alarm: Alarm, name: str = "close") -> str:
    return reverse(f"admin:alarms_alarm_{name}", args=[alarm.pk])


def close(client: Client, alarm: Alarm, all_clear: str = "") -> Any:
    return client.post(page(alarm), {"all_clear": all_clear})


def said(client: Client, alarm: Alarm) -> str:
    """Return the page of the alarm, with the message about what was done."""
    return client.get(page(alarm, "change")).content.decode()


def all_clear_jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name__contains="all_clear").count()


def test_it_asks_before_it_closes(desk: Client, alarm: Alarm) -> None:
    AlarmMessageFactory.create_batch(2, alarm=alarm)
    assert "2 recipients can still answer" in desk.get(page(alarm)).content.decode()
    alarm.refresh_from_db()
    assert alarm.closed_at is None


def test_closing_cancels_what_has_not_left(desk: Client, alarm: Alarm) -> None:
    message = DeviceMessageFactory(alarm_message__alarm=alarm)
    assert close(desk, alarm)["Location"] == page(alarm, "change")
    alarm.refresh_from_db()
    message.refresh_from_db()
    assert alarm.closed_at is not None
    assert (alarm.all_clear, all_clear_jobs()) == ("", 0)
    assert message.status == DeviceMessage.Status.CANCELLED
    assert "The alarm is closed: nothing further is sent." in said(desk, alarm)


def test_an_all_clear_is_told_with_its_lines_as_they_were_written(desk: Client, alarm: Alarm) -> None:
    close(desk, alarm, "The fire is out.\r\nThank you!")
    alarm.refresh_from_db()
    assert alarm.all_clear == "The fire is out.\nThank you!"
    assert all_clear_jobs() == 1
    assert "the all-clear is on its way" in said(desk, alarm)
    assert "The fire is out.\nThank you!" in said(desk, alarm)


def test_another_all_clear_is_refused_and_changes_nothing(desk: Client, alarm: Alarm, now: datetime) -> None:
    # Told by somebody else while the form was being filled in; the alarm itself is open again only here.
    Alarm.objects.filter(pk=alarm.pk).update(all_clear="It is over.", all_clear_at=now)
    answer = close(desk, alarm, "Something else")
    assert answer.status_code == 200
    assert "Another all-clear was told before" in answer.content.decode()
    alarm.refresh_from_db()
    assert (alarm.all_clear, alarm.closed_at) == ("It is over.", None)


def test_an_alarm_that_was_closed_without_one_can_get_its_all_clear_still(desk: Client, alarm: Alarm) -> None:
    close(desk, alarm)
    assert "Send an all-clear" in said(desk, alarm)
    close(desk, alarm, "It is over.")
    alarm.refresh_from_db()
    assert alarm.all_clear == "It is over."
    # There is nothing left to do then.
    assert page(alarm) not in said(desk, alarm)
    for answer in (desk.get(page(alarm)), close(desk, alarm, "Again")):
        assert answer["Location"] == page(alarm, "change")
    alarm.refresh_from_db()
    assert alarm.all_clear == "It is over."


@pytest.mark.parametrize(
    ("text", "taken"),
    [("x" * 960, True), ("x" * 961, False), ("\r\n".join(["🚒"] * 480), True), ("a\x00b", False)],
    ids=["960", "961", "lines of two characters each", "a NUL"],
)
def test_an_all_clear_has_at_most_960_characters(desk: Client, alarm: Alarm, text: str, taken: bool) -> None:
    answer = close(desk, alarm, text)
    assert answer.status_code == (302 if taken else 200)
    if not taken:
        assert 'class="desk-error" role="alert"' in answer.content.decode()
    alarm.refresh_from_db()
    assert (alarm.closed_at is not None) is taken


def test_one_that_is_scheduled_is_cancelled(desk: Client, brigade: Organization, now: datetime) -> None:
    alarm = AlarmFactory(
        organization=brigade, starts_at=now + timedelta(hours=1), pending_resources={"all_users": True}
    )
    asked = desk.get(page(alarm)).content.decode()
    assert "Cancel the alarm?" in asked
    assert "<textarea" not in asked
    close(desk, alarm)
    assert "The alarm is cancelled: nobody is alarmed." in said(desk, alarm)
    assert not Alarm.objects.scheduled().exists()


def test_what_was_done_stands_in_the_history_of_the_alarm(desk: Client, alarm: Alarm) -> None:
    close(desk, alarm)
    assert "The alarm is closed" in desk.get(page(alarm, "history")).content.decode()


def test_without_the_token_of_the_form_nothing_happens(brigade: Organization, alarm: Alarm) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin(brigade, is_staff=True))
    for name in ("close", "again"):
        assert careful.post(page(alarm, name)).status_code == 403
    alarm.refresh_from_db()
    assert alarm.closed_at is None
