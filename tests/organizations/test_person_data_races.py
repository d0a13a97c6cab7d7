"""Erasing a person while others are at work on what is theirs: nobody waits in a circle, and nothing is left."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alarms.answering import answer_alarm
from alarms.closing import close_alarm
from alarms.models import AlarmMessage, DeviceMessage
from alarms.planning import plan
from messaging_project import database
from organizations.models import User
from organizations.person_data.erasing import erase_again, erase_person
from tests import factories
from tests.alarms.test_races import while_waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recipient() -> AlarmMessage:
    """Somebody in two alarms, of whom one message is still to be sent."""
    organization = factories.OrganizationFactory()
    user = factories.member(organization, login="anna", first_name="Anna")
    device = factories.DeviceFactory(user=user, way="sms", name="Annas phone", address="+4915112345678")
    recipients = [
        factories.AlarmMessageFactory(
            alarm=factories.AlarmFactory(organization=organization), user=user, planned_at=planned_at
        )
        for planned_at in (timezone.now(), None)
    ]
    factories.DeviceMessageFactory(alarm_message=recipients[0], device=device)
    return recipients[0]


def erasing(recipient: AlarmMessage) -> Callable[[], object]:
    return lambda: erase_person(user_id=recipient.user_id, now=database.now())


def answering(recipient: AlarmMessage) -> Callable[[], object]:
    return lambda: answer_alarm(
        alarm_id=recipient.alarm_id, user_id=recipient.user_id, response=True, source="SMS", organization=None
    )


def words_left() -> list[str]:
    messages = DeviceMessage.objects.order_by("pk").values_list("device_name", "address")
    return [word for names in messages for word in names if word not in ("erased", "")]


def test_an_answer_that_comes_first_counts(recipient: AlarmMessage) -> None:
    while_waiting(answering(recipient), [erasing(recipient)])
    recipient.refresh_from_db()
    assert recipient.response is True
    assert recipient.user.erased_at is not None
    assert recipient.device_messages.get().reason == "answered"


def test_an_answer_that_comes_second_waits_and_is_kept_too(recipient: AlarmMessage) -> None:
    while_waiting(erasing(recipient), [answering(recipient)])
    recipient.refresh_from_db()
    assert recipient.response is True
    assert recipient.device_messages.get().reason == "recipient erased"
    assert words_left() == []


def test_a_closing_and_a_second_erasing_wait_for_the_first(recipient: AlarmMessage) -> None:
    closing = lambda: close_alarm(alarm_id=recipient.alarm_id, now=database.now())  # noqa: E731
    while_waiting(erasing(recipient), [closing, erasing(recipient)])
    recipient.refresh_from_db()
    assert recipient.alarm.closed_at is not None
    assert recipient.user.login == f"erased-{recipient.user_id}"
    assert words_left() == []


def test_what_is_planned_meanwhile_is_erased_and_not_sent(recipient: AlarmMessage) -> None:
    unplanned = AlarmMessage.objects.get(user=recipient.user_id, planned_at=None)
    planning = lambda: plan(  # noqa: E731
        alarm_id=unplanned.alarm_id, first_id=unplanned.pk, last_id=unplanned.pk, now=database.now()
    )
    while_waiting(planning, [erasing(recipient)])
    assert unplanned.device_messages.get().status == DeviceMessage.Status.CANCELLED
    assert words_left() == []


def test_who_is_made_a_recipient_meanwhile_gets_nothing_and_the_alarm_is_raised(recipient: AlarmMessage) -> None:
    """The transaction that raises it saw them active, and ends only when they are erased."""
    alarm = factories.AlarmFactory(organization=recipient.alarm.organization)
    made: list[AlarmMessage] = []

    def raising() -> None:
        with transaction.atomic():
            made.append(factories.AlarmMessageFactory(alarm=alarm, user=recipient.user, planned_at=None))

    while_waiting(erasing(recipient), [raising])
    (late,) = made
    plan(alarm_id=alarm.pk, first_id=late.pk, last_id=late.pk, now=database.now())
    erase_again(user_id=recipient.user_id, now=database.now())
    assert not late.device_messages.exists()
    assert words_left() == []


def test_who_waits_too_long_is_told_so_and_nothing_is_changed(recipient: AlarmMessage, admin_user: User) -> None:
    client = Client()
    client.force_login(admin_user)
    page = reverse("admin:organizations_user_erase_person", args=[recipient.user_id])
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(AlarmMessage.objects.select_for_update(no_key=True).filter(pk=recipient.pk))
            locked.set()
            done.wait(60)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    answer = client.post(page, {"login": "anna"})
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    done.set()
    holder.join(60)
    (note,) = get_messages(answer.wsgi_request)
    assert "Nothing was changed" in str(note)
    assert User.objects.get(pk=recipient.user_id).login == "anna"
