"""POST /inbound/sms: a gateway hands over what somebody has texted."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alarms.inbound.answering_by_phone import answer
from alarms.inbound.replies import SMS, over, places
from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback
from organizations.models import Device, Organization, User
from tests.dialect import refused
from tests.factories import (
    AlarmFactory,
    AlarmMessageFactory,
    DeviceFactory,
    DeviceMessageFactory,
    OrganizationFactory,
    member,
)

pytestmark = pytest.mark.django_db

PATH, NUMBER = "/api/v1/inbound/sms", "+4915112345678"


@pytest.fixture
def user(brigade: Organization) -> User:
    user = member(brigade)
    DeviceFactory(user=user, address=NUMBER)
    return user


@pytest.fixture
def recipient(brigade: Organization, user: User) -> AlarmMessage:
    recipient: AlarmMessage = AlarmMessageFactory(alarm=AlarmFactory(organization=brigade, event_name="B2"), user=user)
    return recipient


def text(boss: APIClient, said: str, number: str = NUMBER) -> str:
    answer = boss.post(PATH, json.dumps({"from": number, "text": said}), content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert list(answer.json()) == ["reply"]
    reply: str = answer.json()["reply"]
    return reply


def response_of(recipient: AlarmMessage) -> bool | None:
    recipient.refresh_from_db()
    return recipient.response


# What an answer does


@pytest.mark.parametrize(
    ("said", "response", "reply"),
    [
        ("yes", True, "Your answer: coming."),
        ("Ja, in 5 Minuten", True, "Your answer: coming."),
        ("1", True, "Your answer: coming."),
        ("0", False, "Your answer: not coming."),
        ("NEIN!", False, "Your answer: not coming."),
    ],
)
def test_an_answer_is_kept_and_ends_the_escalation(
    boss: APIClient, recipient: AlarmMessage, said: str, response: bool, reply: str
) -> None:
    later = DeviceMessageFactory(alarm_message=recipient, due_at=timezone.now() + timedelta(minutes=1))
    replied = text(boss, said)
    assert replied.startswith(f"Thank you. {reply} You can change it until ")
    assert replied.endswith(f"\nALARM {recipient.alarm.organization.name}: B2")
    assert response_of(recipient) is response
    assert not recipient.escalating
    later.refresh_from_db()
    assert later.status == DeviceMessage.Status.CANCELLED
    (kept,) = Feedback.objects.all()
    assert (kept.response, kept.source) == (response, "SMS")


def test_an_answer_may_be_changed_and_repeating_it_adds_no_history(boss: APIClient, recipient: AlarmMessage) -> None:
    for said in ("yes", "ja", "no", "0"):
        assert text(boss, said)
    assert [kept.response for kept in Feedback.objects.all()] == [True, False]


def test_an_unclear_text_changes_nothing_and_is_told_how_to_answer(boss: APIClient, recipient: AlarmMessage) -> None:
    reply = text(boss, "komme nicht")
    assert (
        reply == f"Sorry, that was not clear. Please answer YES or NO.\nALARM {recipient.alarm.organization.name}: B2"
    )
    assert response_of(recipient) is None


def test_replies_are_in_the_language_of_the_user(boss: APIClient, recipient: AlarmMessage) -> None:
    User.objects.update(language="de")
    recipient.alarm.organization.time_zone = "Europe/Berlin"
    recipient.alarm.organization.save()
    headline = f"ALARM {recipient.alarm.organization.name}: B2"
    assert text(boss, "hm") == f"Das war leider nicht eindeutig. Bitte mit JA oder NEIN antworten.\n{headline}"
    assert text(boss, "yes").startswith("Danke. Notierte Antwort: Zusage. Änderbar bis ")
    Alarm.objects.update(closed_at=timezone.now())
    assert text(boss, "no") == f"Der Alarm ist beendet. Notierte Antwort: Zusage.\n{headline}"
    Alarm.objects.update(starts_at=timezone.now() - timedelta(days=2))
    assert text(boss, "no") == "Es gibt zurzeit keinen Alarm zu beantworten."


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_reply_fits_into_one_sms(boss: APIClient, recipient: AlarmMessage, language: str) -> None:
    User.objects.update(language=language)
    Organization.objects.update(name="Freiwillige Feuerwehr [Löschzug] €" + "ü" * 100)
    Alarm.objects.update(event_name="{B3}" * 50)
    AlarmMessage.objects.update(deadline=timezone.now() + timedelta(days=1))
    replies = [text(boss, said) for said in ("hm", "ja", "nein")]
    partner = member(recipient.alarm.organization)
    DeviceFactory(user=partner, address=NUMBER)
    AlarmMessageFactory(alarm=recipient.alarm, user=partner)
    replies.append(text(boss, "ja"))
    AlarmMessage.objects.update(deadline=timezone.now() - timedelta(hours=1))
    replies.append(text(boss, "ja"))
    assert [places(reply) for reply in replies if not 100 < places(reply) <= SMS] == []
    assert all(reply.splitlines()[1].startswith("ALARM Freiwillige") and reply.endswith("...") for reply in replies)


# Until when


def test_an_answer_that_is_too_late_is_told_so_and_changes_nothing(boss: APIClient, recipient: AlarmMessage) -> None:
    past = timezone.now() - timedelta(seconds=1)
    AlarmMessage.objects.update(deadline=past)
    assert text(boss, "yes").startswith("The time to answer was over at ")
    assert response_of(recipient) is None
    AlarmMessage.objects.update(deadline=past + timedelta(hours=1))
    assert text(boss, "no").startswith("Thank you. Your answer: not coming.")
    AlarmMessage.objects.update(deadline=past)
    # The answer that stands is told too.
    assert "Your answer: not coming." in text(boss, "yes")
    assert response_of(recipient) is False
    AlarmMessage.objects.update(deadline=past + timedelta(hours=1))
    Alarm.objects.update(closed_at=past)
    assert text(boss, "yes").startswith("The alarm is over. Your answer: not coming.")
    assert response_of(recipient) is False


# Which alarm


def test_the_newest_open_alarm_is_meant(boss: APIClient, brigade: Organization, user: User) -> None:
    now = timezone.now()

    def alarmed(starts_at: datetime, **fields: Any) -> AlarmMessage:
        alarm = AlarmFactory(organization=brigade, starts_at=starts_at, event_name=f"{starts_at:%M:%S}", **fields)
        recipient: AlarmMessage = AlarmMessageFactory(alarm=alarm, user=user, deadline=now + timedelta(hours=1))
        return recipient

    older = alarmed(now - timedelta(minutes=2))
    newest = alarmed(now - timedelta(minutes=1))
    closed = alarmed(now, closed_at=now)
    late = AlarmMessageFactory(alarm=AlarmFactory(organization=brigade), user=user, deadline=now)
    AlarmMessageFactory(alarm=AlarmFactory(organization=brigade), user=member(brigade))
    assert text(boss, "yes").endswith(newest.alarm.event_name)
    assert [response_of(each) for each in (older, newest, closed, late)] == [None, True, None, None]
    Alarm.objects.filter(pk=newest.alarm_id).update(closed_at=now)
    assert text(boss, "no").endswith(older.alarm.event_name)
    assert [response_of(each) for each in (older, newest)] == [False, True]


def test_of_alarms_of_the_same_moment_the_last_is_meant(boss: APIClient, recipient: AlarmMessage) -> None:
    twin = AlarmMessageFactory(
        alarm=AlarmFactory(organization=recipient.alarm.organization, starts_at=recipient.alarm.starts_at),
        user=recipient.user,
    )
    text(boss, "yes")
    assert (response_of(recipient), response_of(twin)) == (None, True)


def test_who_has_no_alarm_is_told_so(boss: APIClient, user: User) -> None:
    assert text(boss, "yes") == "There is no alarm to answer."
    assert text(boss, "hello") == "There is no alarm to answer."


# Who


@pytest.mark.parametrize("number", ["+49 151 12345678", "0049 151 12345678", "4915112345678", " +49 (151) 1234-5678 "])
def test_the_number_is_known_however_a_gateway_writes_it(boss: APIClient, recipient: AlarmMessage, number: str) -> None:
    assert text(boss, "yes", number)
    assert response_of(recipient) is True


def test_a_number_without_its_country_is_known_by_the_region(
    boss: APIClient, recipient: AlarmMessage, settings: Any
) -> None:
    assert text(boss, "yes", "0151 12345678") == ""
    settings.PHONE_REGION = "DE"
    assert text(boss, "yes", "0151 12345678")


@pytest.mark.parametrize("number", ["+4915112345679", "Feuerwehr", "", "+", "anonymous", "15112345678", "+49" * 80])
def test_a_number_that_nobody_has_is_told_nothing(boss: APIClient, recipient: AlarmMessage, number: str) -> None:
    assert text(boss, "yes", number) == ""
    assert response_of(recipient) is None


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"way": "pager"}, {"way": "app"}, {"address": "+4915112345679"}],
)
def test_only_an_active_phone_answers(boss: APIClient, recipient: AlarmMessage, change: dict[str, Any]) -> None:
    Device.objects.update(**change)
    assert text(boss, "yes") == ""
    assert response_of(recipient) is None


def test_a_phone_for_calls_answers_by_sms_too(boss: APIClient, recipient: AlarmMessage) -> None:
    Device.objects.update(way="call")
    DeviceFactory(user=recipient.user, address=NUMBER, way="sms")
    assert text(boss, "yes")
    assert response_of(recipient) is True


def test_an_inactive_user_is_told_nothing(boss: APIClient, recipient: AlarmMessage) -> None:
    User.objects.update(is_active=False)
    assert text(boss, "yes") == ""
    assert response_of(recipient) is None


def test_who_shares_a_number_with_another_recipient_is_asked_to_answer_by_the_link(
    boss: APIClient, recipient: AlarmMessage, brigade: Organization
) -> None:
    partner = member(brigade)
    DeviceFactory(user=partner, address=NUMBER, way="call")
    assert text(boss, "yes").startswith("Thank you. Your answer: coming.")
    both = AlarmMessageFactory(alarm=recipient.alarm, user=partner)
    assert text(boss, "no").startswith("Several people have this number.")
    assert (response_of(recipient), response_of(both)) == (True, None)
    # An alarm of one of them alone leaves no doubt.
    alone = AlarmMessageFactory(alarm=AlarmFactory(organization=brigade), user=partner)
    assert text(boss, "no").startswith("Thank you. Your answer: not coming.")
    assert (response_of(alone), response_of(both)) == (False, None)


def test_alarms_of_an_inactive_organization_are_not_answered(boss: APIClient, user: User) -> None:
    inactive = AlarmMessageFactory(alarm=AlarmFactory(organization=OrganizationFactory(is_active=False)), user=user)
    text(boss, "yes")
    assert response_of(inactive) is None


# What is no SMS


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "yes"}, "from"),
        ({"from": NUMBER}, "text"),
        ({"from": 4915112345678, "text": "yes"}, "from"),
        ({"from": NUMBER, "text": True}, "text"),
        ({"from": None, "text": None}, "text"),
        ({"from": NUMBER, "text": "x" * 10_001}, "text"),
        ({"from": "1" * 256, "text": "yes"}, "from"),
        ({"from": NUMBER, "text": "yes\x00"}, "text"),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(
    boss: APIClient, recipient: AlarmMessage, body: dict[str, Any], field: str
) -> None:
    answer = boss.post(PATH, json.dumps(body), content_type="application/json")
    assert refused(answer, 400, field)
    assert response_of(recipient) is None


def test_an_alarm_that_has_closed_since_it_was_looked_at_is_told_as_over(recipient: AlarmMessage) -> None:
    looked_at = AlarmMessage.objects.select_related("alarm__organization", "user").get()
    Alarm.objects.update(closed_at=timezone.now())
    assert not answer(looked_at, response=True, source="SMS")
    assert over(looked_at).startswith("The alarm is over.")
    assert response_of(recipient) is None
