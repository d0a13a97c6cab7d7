"""The dialogue on the phone, as Twilio walks it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback
from organizations.models import Device, Organization, User
from tests.dialect import refused
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceFactory, DeviceMessageFactory, member
from tests.twilio import TOKEN, VOICE, ask, spoken, twiml

pytestmark = pytest.mark.django_db

NUMBER = "+4915112345678"
QUESTIONS = {
    "en": "Press 1 if you are coming, 2 if you are not.",
    "de": "Zum Zusagen bitte die 1 drücken, zum Absagen die 2.",
}


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = TOKEN


@pytest.fixture
def recipient(brigade: Organization) -> AlarmMessage:
    user = member(brigade)
    DeviceFactory(user=user, address=NUMBER, way="call")
    alarm = AlarmFactory(organization=brigade, event_name="B2", message="Rauch <dicht> & Feuer\x07\nHalle 3")
    AlarmMessageFactory(alarm=alarm, user=user)
    # With the code that the database has made.
    return AlarmMessage.objects.select_related("alarm__organization", "user").get()


def called(recipient: AlarmMessage, digits: str = "", asked: int = 0) -> Element:
    """What is answered in a call to a recipient."""
    query = f"?asked={asked}" if asked else ""
    return twiml(ask(f"{VOICE}/{recipient.code}{query}", {"Digits": digits} if digits else {}))


def calls(number: str = NUMBER, **form: str) -> Element:
    """What is answered to somebody who calls."""
    return twiml(ask(VOICE, {"From": number, **form}))


def pressed(document: Element, digits: str) -> Element:
    """Go on as Twilio does when somebody presses a key."""
    gather = document.find("Gather")
    assert gather is not None
    action = gather.attrib["action"]
    base = "http://localhost:8000"
    assert action.startswith(f"{base}{VOICE}")
    return twiml(ask(action.removeprefix(base), {"From": NUMBER, "Digits": digits}))


def response_of(recipient: AlarmMessage) -> bool | None:
    recipient.refresh_from_db()
    return recipient.response


def voices(document: Element) -> set[str | None]:
    return {element.get("language") for element in document.iter("Say")}


# The question


@pytest.mark.parametrize(("language", "voice"), [("en", "en-GB"), ("de", "de-DE"), ("de-AT", "de-DE"), ("fr", "en-GB")])
def test_the_alarm_is_read_twice_in_the_language_of_the_recipient(
    recipient: AlarmMessage, language: str, voice: str
) -> None:
    User.objects.update(language=language)
    document = called(recipient)
    gather = document[0]
    assert [element.tag for element in document] == ["Gather", "Say"]
    assert [element.tag for element in gather] == ["Say", "Pause", "Say"]
    assert (gather.get("numDigits"), gather.get("method"), gather.get("timeout")) == ("1", "POST", "8")
    first, second, nothing = spoken(document)
    lines = first.splitlines()
    assert lines[:3] == [f"ALARM {recipient.alarm.organization.name}: B2", "Rauch <dicht> & Feuer", "Halle 3"]
    assert lines[3].startswith("Bitte antworten bis " if voice == "de-DE" else "Please answer until ")
    assert lines[4:] == [QUESTIONS[voice[:2]]]
    assert first == second
    assert nothing
    assert voices(document) == {voice}


def test_nothing_that_is_said_holds_the_code(recipient: AlarmMessage) -> None:
    document = called(recipient)
    answered = pressed(document, "1")
    for said in spoken(document) + spoken(answered):
        assert recipient.code not in said
        assert "http" not in said


# The answer


@pytest.mark.parametrize(
    ("digits", "response", "said"),
    [("1", True, "Thank you. Your answer: coming."), ("2", False, "Thank you. Your answer: not coming.")],
)
def test_a_key_answers_and_ends_the_escalation(recipient: AlarmMessage, digits: str, response: bool, said: str) -> None:
    later = DeviceMessageFactory(alarm_message=recipient, due_at=timezone.now() + timedelta(minutes=1))
    document = pressed(called(recipient), digits)
    assert [element.tag for element in document] == ["Say"]
    assert spoken(document)[0].startswith(said)
    assert response_of(recipient) is response
    assert not recipient.escalating
    later.refresh_from_db()
    assert later.status == DeviceMessage.Status.CANCELLED
    assert [(kept.response, kept.source) for kept in Feedback.objects.all()] == [(response, "call")]


@pytest.mark.parametrize("digits", ["0", "3", "9", "*", "#", "12", "eins"])
def test_who_presses_another_key_is_asked_again_but_not_for_ever(recipient: AlarmMessage, digits: str) -> None:
    document = called(recipient)
    for _round in range(2):
        document = pressed(document, digits)
        said = spoken(document)
        assert said[0] == "That was neither 1 nor 2."
        assert said[1] == said[2]
        assert said[1].endswith(QUESTIONS["en"])
    document = pressed(document, digits)
    assert document.find("Gather") is None
    assert spoken(document) == ["That was neither 1 nor 2. Please answer in another way. Goodbye."]
    assert response_of(recipient) is None


def test_the_right_key_answers_in_any_round(recipient: AlarmMessage) -> None:
    document = pressed(pressed(called(recipient), "5"), "6")
    assert spoken(pressed(document, "2"))[0].startswith("Thank you. Your answer: not coming.")
    assert response_of(recipient) is False


def test_the_answer_may_be_changed_by_another_key(recipient: AlarmMessage) -> None:
    document = called(recipient)
    for digits in ("1", "1", "2"):
        pressed(document, digits)
    assert [kept.response for kept in Feedback.objects.all()] == [True, False]


# Too late


def test_an_answer_that_is_too_late_is_told_so(recipient: AlarmMessage) -> None:
    document = called(recipient)
    AlarmMessage.objects.update(deadline=timezone.now())
    (said,) = spoken(pressed(document, "1"))
    assert said.startswith("The time to answer was over at ")
    assert said.endswith(" Goodbye.")
    assert response_of(recipient) is None
    assert spoken(called(recipient)) == [said]


def test_an_alarm_that_is_over_is_not_read_any_more(recipient: AlarmMessage) -> None:
    User.objects.update(language="de")
    document = called(recipient)
    pressed(document, "1")
    Alarm.objects.update(closed_at=timezone.now())
    expected = ["Der Alarm ist beendet. Notierte Antwort: Zusage. Auf Wiederhören."]
    for late in (called(recipient), pressed(document, "2"), pressed(document, "7")):
        assert spoken(late) == expected
        assert voices(late) == {"de-DE"}
    assert response_of(recipient) is True


# Who calls


def test_who_calls_hears_their_newest_alarm_and_goes_on_with_that(recipient: AlarmMessage) -> None:
    document = calls()
    assert spoken(document)[0].startswith(f"ALARM {recipient.alarm.organization.name}: B2\nRauch")
    newer = AlarmMessageFactory(alarm=AlarmFactory(organization=recipient.alarm.organization), user=recipient.user)
    pressed(document, "1")
    assert (response_of(recipient), response_of(newer)) == (True, None)
    pressed(calls(), "2")
    assert (response_of(recipient), response_of(newer)) == (True, False)


def test_who_has_no_code_goes_on_by_their_number(recipient: AlarmMessage) -> None:
    AlarmMessage.objects.update(code="")
    document = pressed(calls(), "9")
    assert spoken(document)[0] == "That was neither 1 nor 2."
    pressed(document, "1")
    assert response_of(recipient) is True


@pytest.mark.parametrize("number", ["+4915112345679", "anonymous", "", "+266696687"])
def test_a_call_of_a_number_that_nobody_has_is_not_taken(recipient: AlarmMessage, number: str) -> None:
    document = calls(number)
    assert [element.tag for element in document] == ["Reject"]


def test_who_has_no_open_alarm_is_told_so(recipient: AlarmMessage) -> None:
    Alarm.objects.update(starts_at=timezone.now() - timedelta(days=2), closed_at=timezone.now())
    document = calls()
    assert spoken(document) == ["There is no alarm to answer. Goodbye."]
    Alarm.objects.update(starts_at=timezone.now())
    assert spoken(calls(Digits="1")) == ["The alarm is over. Goodbye."]


def test_who_shares_a_number_with_another_recipient_does_not_answer_for_them(recipient: AlarmMessage) -> None:
    partner = member(recipient.alarm.organization)
    DeviceFactory(user=partner, address=NUMBER, way="call")
    both = AlarmMessageFactory(alarm=recipient.alarm, user=partner)
    document = calls(Digits="1")
    assert spoken(document)[0].startswith("Several people have this number.")
    assert (response_of(recipient), response_of(both)) == (None, None)
    # The call to one of them is theirs.
    pressed(called(recipient), "1")
    assert (response_of(recipient), response_of(both)) == (True, None)


# Whom a code belongs to


@pytest.mark.parametrize("change", ["user", "organization", "code"])
def test_a_code_that_there_is_not_is_hung_up(recipient: AlarmMessage, change: str) -> None:
    if change == "user":
        User.objects.update(is_active=False)
    elif change == "organization":
        Organization.objects.update(is_active=False)
    else:
        recipient.code = "000000000000"
    document = called(recipient, "1")
    assert [element.tag for element in document] == ["Hangup"]
    assert AlarmMessage.objects.get().response is None


def test_a_call_that_was_placed_needs_no_device_any_more(recipient: AlarmMessage) -> None:
    document = called(recipient)
    Device.objects.all().delete()
    pressed(document, "1")
    assert response_of(recipient) is True


@pytest.mark.parametrize("query", ["asked=-1", "asked=4", "asked=x", "asked=1&asked=1"])
def test_a_round_that_there_is_not_is_refused(recipient: AlarmMessage, query: str) -> None:
    assert refused(ask(f"{VOICE}/{recipient.code}?{query}", {"Digits": "1"}), 400, "asked")
    assert response_of(recipient) is None


@pytest.mark.parametrize(("fault", "status"), [(OperationalError("away"), 503), (KeyError("whatever"), 500)])
def test_of_a_fault_of_ours_no_code_is_logged(
    recipient: AlarmMessage, caplog: pytest.LogCaptureFixture, fault: Exception, status: int
) -> None:
    def refuse(*_query: object) -> None:
        raise fault

    with connection.execute_wrapper(refuse):
        answer = ask(f"{VOICE}/{recipient.code}", {"Digits": "1"})
    assert refused(answer, status)
    assert "/api/v1/inbound/twilio" in caplog.text
    assert recipient.code not in caplog.text
