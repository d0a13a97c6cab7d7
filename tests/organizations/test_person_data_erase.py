"""Erasing a person: no word of them is left in any table, and everything that is counted stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django import app
from rest_framework.test import APIClient

from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.models import Alarm, AlarmMessage, AlarmTemplate, DeviceMessage, Feedback, HookEvent
from alarms.planning import plan
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from inbox.models import InboxMessage, Message
from messaging_project import database
from organizations.deactivating import LastSuperuser
from organizations.models import Absence, Device, Membership, PersonalAccessToken, User
from organizations.person_data.erasing import ERASE_AGAIN, erase_person
from tests import factories
from tests.organizations.person import LOGIN, Filled, fill, found_in, rows, tables

pytestmark = pytest.mark.django_db

Counted = dict[str, Any]
AsUser = Callable[[User], APIClient]
Jobs = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def filled() -> Filled:
    return fill()


def erase(user: User) -> bool:
    return erase_person(user_id=user.pk, now=database.now())


def found_anywhere() -> dict[str, list[str]]:
    found = {table: found_in(rows(table)) for table in tables()}
    return {table: texts for table, texts in found.items() if texts}


def counted() -> Counted:
    """What alarms are counted by, and what must not change with a name."""
    answers = Feedback.objects.order_by("pk").values_list("pk", "alarm_message", "response", "created_at")
    recipients = AlarmMessage.objects.order_by("pk")
    sent = DeviceMessage.objects.exclude(status=DeviceMessage.Status.SCHEDULED).exclude(reason="recipient erased")
    return {
        "alarms": list(Alarm.objects.order_by("pk").values_list("pk", "message", "closed_at")),
        "recipients": list(recipients.values_list("pk", "user", "response", "responded_at", "deadline", "message_id")),
        "messages": DeviceMessage.objects.count(),
        "sent": list(
            sent.order_by("pk").values_list("pk", "way", "turn", "status", "changed_at", "sent_at", "attempts")
        ),
        "answers": list(answers),
        "told": list(HookEvent.objects.order_by("pk").values_list("pk", "event", "due_at", "delivered_at")),
    }


def test_no_word_of_them_is_left_in_any_table_and_the_counts_are_as_before(filled: Filled) -> None:
    assert len(found_anywhere()) > 10
    before = counted()
    assert erase(filled.user)
    assert found_anywhere() == {}
    assert counted() == before


def test_what_is_left_is_a_number(filled: Filled) -> None:
    erase(filled.user)
    left = User.objects.get(pk=filled.user.pk)
    assert (left.login, str(left), left.email, left.language) == (f"erased-{left.pk}", f"erased-{left.pk}", "", "en")
    assert (left.is_active, left.is_staff, left.is_superuser, left.inbox_to_email) == (False,) * 4
    assert left.erased_at is not None
    assert not left.has_usable_password()
    for model in (Membership, Device, Absence, PersonalAccessToken, InboxMessage):
        assert not model._default_manager.filter(user=left).exists()
    assert not AlarmTemplate.objects.filter(users=left).exists()


def test_nothing_is_sent_to_them_any_more(filled: Filled) -> None:
    scheduled = filled.open.device_messages.get(status=DeviceMessage.Status.SCHEDULED)
    erase(filled.user)
    scheduled.refresh_from_db()
    assert (scheduled.status, scheduled.reason) == (DeviceMessage.Status.CANCELLED, "recipient erased")
    filled.open.refresh_from_db()
    assert (filled.open.escalating, filled.open.response) == (False, None)
    claimed = claim(sender_id=1, free={("sms", 0, 0): 10})
    assert (claimed.deliveries, claimed.dropped) == ([], [])


def test_of_what_was_tried_the_gateway_and_the_time_stay_and_our_own_words(filled: Filled) -> None:
    erase(filled.user)
    failed, answered = DeviceMessage.objects.filter(alarm_message__alarm=filled.alarm).order_by("turn")
    assert (failed.device_name, failed.address, failed.reason) == ("erased", "", "erased")
    assert [(each["gateway"], each["at"][:10], each["reason"]) for each in failed.tried] == [
        ("https", "2026-01-01", "erased"),
        ("log", "2026-01-01", "receipt: failed"),
    ]
    assert answered.reason == "answered"


def test_of_an_answer_it_stays_how_it_came(filled: Filled) -> None:
    erase(filled.user)
    sources = Feedback.objects.filter(alarm_message__user=filled.user).order_by("pk").values_list("source", flat=True)
    assert list(sources) == ["API token", "SMS", "erased"]


def test_what_they_raised_was_raised_by_an_erased_person_and_what_others_raised_is_not(filled: Filled) -> None:
    others = factories.AlarmFactory(organization=filled.organization, raised_by="API token dispatch")
    erase(filled.user)
    filled.alarm.refresh_from_db()
    others.refresh_from_db()
    assert (filled.alarm.raised_by, others.raised_by) == ("erased person", "API token dispatch")


def test_hooks_are_told_no_more_of_them_than_their_number_and_of_others_what_happened(filled: Filled) -> None:
    erase(filled.user)
    given, of_other, over, failed = HookEvent.objects.order_by("pk").values_list("payload", flat=True)
    assert given == {"userID": filled.user.pk, "response": True, "source": "erased"}
    assert of_other["source"] == "SMS"
    assert filled.user.pk in over["userIDs"]
    others, theirs = failed["messages"]
    assert (others["device"], others["reason"]) == ("Other phone", "500")
    assert (theirs["device"], theirs["reason"], theirs["userID"]) == ("erased", "erased", filled.user.pk)


def test_what_they_wrote_stays_with_who_got_it_and_what_only_they_got_goes(filled: Filled) -> None:
    erase(filled.user)
    texts = set(Message.objects.values_list("text", flat=True))
    assert texts == {"Drill for everybody", "I bring the cake"}
    assert InboxMessage.objects.filter(message__sender=filled.user).count() == 1


def test_who_reads_afterwards_finds_a_number_and_no_error(filled: Filled, as_user: AsUser) -> None:
    chief = factories.admin(filled.organization)
    reader = InboxMessage.objects.get(message__sender=filled.user).user
    erase(filled.user)
    sender = as_user(reader).get("/api/v1/msg/list").json()["messages"][0]["sender"]
    assert (sender["login"], sender["firstName"], sender["email"]) == (f"erased-{filled.user.pk}", "", "")
    client = as_user(chief)
    shown = client.get(f"/api/v1/alarm/{filled.alarm.pk}").json()
    assert shown["raisedBy"] == "erased person"
    assert shown["feedbackQuantity"] == {"positive": 1, "negative": 0, "unknown": 0}
    status = client.get(
        f"/api/v1/messagestatus/{filled.alarm.pk}?organization_id={filled.organization.pk}&user_id={filled.user.pk}"
    )
    assert [each["name"] for each in status.json()["devices"]] == ["erased", "erased"]
    assert filled.user.pk not in [each["id"] for each in client.get(users_of(filled)).json()]


def users_of(filled: Filled) -> str:
    return f"/api/v1/users?organization={filled.organization.pk}"


def test_doing_it_twice_changes_nothing_more(filled: Filled) -> None:
    erase(filled.user)
    first = {table: sorted(rows(table)) for table in tables()}
    assert not erase(filled.user)
    assert {table: sorted(rows(table)) for table in tables()} == first


def test_the_login_is_free_again_and_whoever_gets_it_is_somebody_else(filled: Filled) -> None:
    erase(filled.user)
    factories.UserFactory(login=LOGIN)
    assert User.objects.get(login=LOGIN).pk != filled.user.pk


def test_a_login_that_is_taken_is_in_nobodys_way(filled: Filled) -> None:
    factories.UserFactory(login=f"erased-{filled.user.pk}")
    erase(filled.user)
    assert User.objects.get(pk=filled.user.pk).login == f"erased-{filled.user.pk}-1"


def test_others_keep_their_data(filled: Filled) -> None:
    """Also where they have the same words, as brother and sister may."""
    sister = factories.member(
        filled.organization, login="sister", first_name="Sis", last_name="Other", email="sis@example.org"
    )
    phone = factories.DeviceFactory(user=sister, way="sms", name="Sis phone", address="+4915111111111")
    erase(filled.user)
    sister.refresh_from_db()
    assert (str(sister), sister.email, sister.is_active) == ("Sis Other (sister)", "sis@example.org", True)
    assert Device.objects.get(pk=phone.pk).address == "+4915111111111"


def test_the_last_active_superuser_is_not_erased() -> None:
    last = factories.UserFactory(is_superuser=True)
    factories.UserFactory(is_superuser=True, is_active=False)
    with pytest.raises(LastSuperuser):
        erase(last)
    last.refresh_from_db()
    assert (last.is_active, last.erased_at) == (True, None)


def test_the_number_of_queries_does_not_grow_with_the_alarms(filled: Filled) -> None:
    other = factories.member(filled.organization)
    for user, alarms in ((filled.user, 60), (other, 1)):
        for _ in range(alarms):
            alarm = factories.AlarmFactory(organization=filled.organization)
            recipient = factories.AlarmMessageFactory(alarm=alarm, user=user)
            factories.DeviceMessageFactory(alarm_message=recipient)
            factories.InboxMessageFactory(user=user)
    counts = []
    for user in (other, filled.user):
        with CaptureQueriesContext(connection) as captured:
            erase(user)
        counts.append(len(captured))
    few, many = counts
    # What somebody has none of (groups, an escalation) takes no query to delete.
    assert many - few < 15


def test_an_alarm_that_is_planned_afterwards_has_nothing_for_them(filled: Filled) -> None:
    late = factories.AlarmMessageFactory(
        alarm=factories.AlarmFactory(organization=filled.organization), user=filled.user, planned_at=None
    )
    erase(filled.user)
    plan(alarm_id=late.alarm_id, first_id=late.pk, last_id=late.pk, now=database.now())
    assert not late.device_messages.exists()


def test_what_a_sender_writes_after_it_is_erased_by_a_job(filled: Filled, jobs: Jobs) -> None:
    """It had taken the message up before: what its gateway says may hold the address, and hooks hear of the device."""
    under_way = filled.open.device_messages.get(status=DeviceMessage.Status.SENDING)
    erase(filled.user)
    write([refusal(filled, under_way)], gateways={("sms", 0): 1})
    assert set(found_anywhere()) == {"alarms_devicemessage", "alarms_hookevent"}
    assert {"task_name": ERASE_AGAIN, "args": {"user_id": filled.user.pk}} in jobs()
    app.tasks[ERASE_AGAIN](user_id=filled.user.pk)
    assert found_anywhere() == {}
    under_way.refresh_from_db()
    assert under_way.status == DeviceMessage.Status.FAILED


def refusal(filled: Filled, message: DeviceMessage) -> Result:
    delivery = Delivery(
        device_message_id=message.pk,
        recipient_id=filled.open.pk,
        message_id=filled.open.message_id,
        alarm_id=filled.open.alarm_id,
        organization_id=filled.organization.pk,
        user_id=filled.user.pk,
        device_id=message.device_id,
        way="sms",
        kind=0,
        gateways_of=0,
        gateway=0,
        refused=0,
        address=message.address,
        device=message.device_name,
        attempt=message.attempts,
        organization=filled.organization.name,
        time_zone="UTC",
        event="",
        message="Fire",
        language="en",
        until=filled.open.deadline,
        code="",
    )
    error = GatewayError(f"400 no such number {message.address}", permanent=True)
    return Result(delivery, "https", database.now(), error)


def test_who_is_called_like_a_word_of_the_log_takes_nobody_elses_entries_along() -> None:
    user = factories.UserFactory(login="changed", first_name="", last_name="")
    other = factories.UserFactory(first_name="Changed", last_name="Elsewhere")
    entry = LogEntry.objects.create(
        user=other,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(other.pk),
        object_repr=str(other),
        action_flag=2,
        change_message='[{"changed": {"name": "device", "object": "Phone (SMS)", "fields": ["Address"]}}]',
    )
    erase(user)
    kept = LogEntry.objects.get(pk=entry.pk)
    assert (kept.object_repr, kept.change_message) == (entry.object_repr, entry.change_message)


def test_of_an_absence_that_the_log_tells_of_the_name_goes() -> None:
    user = factories.UserFactory(first_name="Anna", last_name="Needle")
    entry = LogEntry.objects.create(
        user=factories.UserFactory(),
        content_type=ContentType.objects.get_for_model(Absence),
        object_id="1",
        object_repr=f"{user}, from 2026-01-01",
        action_flag=1,
        change_message="[]",
    )
    erase(user)
    assert LogEntry.objects.get(pk=entry.pk).object_repr == "erased person"
