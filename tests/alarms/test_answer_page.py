"""The answer page: what is shown to whom, and in which language."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alarms.models import AlarmMessage
from tests.factories import AlarmFactory, AlarmMessageFactory, UserFactory

pytestmark = pytest.mark.django_db

Change = Callable[[AlarmMessage], Any]

UNKNOWN = "/a/0123456789ab"
MESSAGE = "Smoke in the museum"
TEXTS = {
    "en": {
        "yes": "I am coming",
        "no": "I am not coming",
        "said": "You said:",
        "late": "it is too late to answer",
        "over": "This alarm is over",
        "unknown": "This link is not valid",
        "wrong": "Please choose one of the two answers.",
    },
    "de": {
        "yes": "Ich komme",
        "no": "Ich komme nicht",
        "said": "Ihre Antwort:",
        "late": "zu spät zum Antworten",
        "over": "Dieser Alarm ist beendet",
        "unknown": "Dieser Link ist nicht gültig",
        "wrong": "Bitte eine der beiden Antworten wählen.",
    },
}
each_language = pytest.mark.parametrize("language", TEXTS)


def recipient(*, language: str = "en", **fields: Any) -> AlarmMessage:
    """Return somebody whose alarm a colleague can still answer, whatever becomes of their own time."""
    alarm = AlarmFactory(message=MESSAGE, event_name="B3 Museum")
    AlarmMessageFactory(alarm=alarm)
    created: AlarmMessage = AlarmMessageFactory(alarm=alarm, user=UserFactory(language=language), **fields)
    return created


def url(whose: AlarmMessage) -> str:
    return f"/a/{whose.code}"


def update(row: Any, **fields: object) -> None:
    type(row).objects.filter(pk=row.pk).update(**fields)


def text(answer: Any) -> str:
    """Return what is to be read on a page, without what its script may show later."""
    page = re.sub(r"(?s)<head>.*</head>|<div[^>]* hidden .*?</div>.*?</div>", "", answer.content.decode())
    return re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", page))


def buttons(answer: Any) -> list[str]:
    return re.findall(r'<button name="response" value="(\w+)"', answer.content.decode())


def history(whose: AlarmMessage) -> list[bool]:
    return list(whose.feedback.values_list("response", flat=True))


def too_late(whose: AlarmMessage) -> None:
    update(whose, deadline=timezone.now())


def late_for_all(whose: AlarmMessage) -> None:
    whose.alarm.alarm_messages.update(deadline=timezone.now())


@each_language
@pytest.mark.parametrize("response", [None, True, False])
def test_the_alarm_is_shown_with_two_buttons_and_the_answer_given_so_far(
    client: Client, language: str, response: bool | None
) -> None:
    whose = recipient(language=language, response=response)
    update(whose.alarm.organization, name="Brigade <Süd> & 100 %(time)s")
    answer = client.get(url(whose))
    assert answer.status_code == 200
    shown, said = text(answer), TEXTS[language]["said"]
    for part in ("Brigade &lt;Süd&gt; &amp; 100 %(time)s", "B3 Museum", MESSAGE):
        assert part in shown
    assert buttons(answer) == ["yes", "no"]
    if response is None:
        assert said not in shown
    else:
        given = TEXTS[language]["yes" if response else "no"]
        assert f"{said} {given} {MESSAGE}" in shown
    assert f'<html lang="{language}">' in answer.content.decode()


@each_language
@pytest.mark.parametrize("response", [None, True, False])
def test_when_their_time_is_over_they_are_told_so_kindly_and_see_the_alarm_and_their_answer(
    client: Client, language: str, response: bool | None
) -> None:
    late = recipient(language=language, response=response)
    too_late(late)
    shown = client.get(url(late))
    posted = client.post(url(late), {"response": "no" if response else "yes"})
    assert (shown.status_code, posted.status_code) == (200, 409)
    for answer in (shown, posted):
        assert buttons(answer) == []
        assert TEXTS[language]["late"] in text(answer)
        assert MESSAGE in text(answer)
        assert (TEXTS[language]["said"] in text(answer)) is (response is not None)
    assert history(late) == []


OVER: dict[str, Change] = {
    "the alarm is closed": lambda whose: update(whose.alarm, closed_at=timezone.now()),
    "everybody's time is over": late_for_all,
    "it should have closed itself": lambda whose: update(whose.alarm, scheduled_end_at=timezone.now()),
    "the organization is not active": lambda whose: update(whose.alarm.organization, is_active=False),
    "the user is not active": lambda whose: update(whose.user, is_active=False),
}


@each_language
@pytest.mark.parametrize("response", [None, True])
@pytest.mark.parametrize("change", OVER.values(), ids=OVER)
def test_the_code_dies_with_the_alarm_of_which_nothing_is_told_any_more(
    client: Client, change: Change, response: bool | None, language: str
) -> None:
    former = recipient(language=language, response=response)
    change(former)
    shown = [client.get(url(former)), *(client.post(url(former), {"response": value}) for value in ("yes", "no", "?"))]
    for answer in shown:
        assert answer.status_code == 410
        assert TEXTS[language]["over"] in text(answer)
        for secret in ("Brigade", "B3 Museum", MESSAGE, TEXTS[language]["said"]):
            assert secret not in answer.content.decode()
    assert history(former) == []


@pytest.mark.parametrize(
    ("accepted", "language"), [("de-AT,de;q=0.9,en;q=0.5", "de"), ("en-GB", "en"), ("fr, *", "en"), ("", "en")]
)
def test_a_code_that_nobody_has_is_told_in_the_language_of_the_browser(
    client: Client, accepted: str, language: str
) -> None:
    for answer in (
        client.get(UNKNOWN, headers={"Accept-Language": accepted}),
        client.post(UNKNOWN, {"response": "yes"}, headers={"Accept-Language": accepted}),
    ):
        assert answer.status_code == 404
        assert TEXTS[language]["unknown"] in text(answer)
        assert f'<html lang="{language}">' in answer.content.decode()


@pytest.mark.parametrize(
    ("of_the_user", "shown"), [("de-AT", "de"), ("de_CH", "de"), ("EN-us", "en"), ("fr", "en"), ("tlh", "en")]
)
def test_a_language_without_texts_is_not_claimed(client: Client, of_the_user: str, shown: str) -> None:
    page = client.get(url(recipient(language=of_the_user))).content.decode()
    assert f'<html lang="{shown}">' in page
    assert TEXTS[shown]["yes"] in page


def at_noon() -> str:
    """Return a time zone in which it is noon, so that no hour before or after it is of another day."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@each_language
def test_times_are_those_of_the_organization_with_the_date_unless_it_is_today(client: Client, language: str) -> None:
    today = recipient(language=language, deadline=timezone.now() + timedelta(hours=3, minutes=30))
    update(today.alarm.organization, time_zone=at_noon())
    shown = text(client.get(url(today)))
    assert re.search(r"(?:until|bis) 1[56]:\d\d(?: Uhr)?\.", shown), shown
    assert re.search({"en": r"3\xa0h 2\d\xa0min left", "de": r"noch 3\xa0h 2\d\xa0min"}[language], shown)
    later = datetime(2096, 12, 24, 11, 5, tzinfo=UTC)
    update(today, deadline=later)
    update(today.alarm.organization, time_zone="Asia/Tokyo")
    expected = {"en": "until 24 Dec 2096, 20:05.", "de": "bis 24. Dezember 2096, 20:05 Uhr."}[language]
    assert expected in text(client.get(url(today)))


@pytest.mark.parametrize(
    ("seconds", "left"), [(7200 + 59, "2\xa0h 0\xa0min"), (3599, "59\xa0min"), (119, "1\xa0min"), (59, r"\d+\xa0s")]
)
def test_the_time_left_is_in_hours_and_minutes_and_in_seconds_at_the_end(
    client: Client, seconds: int, left: str
) -> None:
    shown = text(client.get(url(recipient(deadline=timezone.now() + timedelta(seconds=seconds + 0.9)))))
    assert re.search(f" {left} left", shown), shown


def test_no_time_goes_beyond_the_scheduled_end_of_the_alarm(client: Client) -> None:
    whose = recipient()
    update(whose.alarm, scheduled_end_at=timezone.now() + timedelta(seconds=239.9))
    assert "3\xa0min left" in text(client.get(url(whose)))


def test_markup_in_an_alarm_is_shown_as_text(client: Client) -> None:
    whose = recipient()
    markup = "<script>alert(1)</script>\n  <img src=x>"
    update(whose.alarm, message=markup, event_name="\"'><b>")
    for change in (lambda: None, lambda: too_late(whose)):
        change()
        page = client.get(url(whose)).content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\n  &lt;img src=x&gt;" in page
        assert "&quot;&#x27;&gt;&lt;b&gt;" in page
        assert "<script>alert" not in page
        assert "<b>" not in page


def test_all_that_a_page_needs_comes_from_the_service_and_stands_in_files(client: Client) -> None:
    late, whose = recipient(response=True), recipient()
    too_late(late)
    for address in (url(whose), url(late), UNKNOWN):
        page = client.get(address).content.decode()
        needed = re.findall(r'(?:src|href|action)="([^"]*)"', page)
        assert "/static/alarms/answer.css" in needed
        for file in needed:
            if not file.startswith("data:"):
                with closing(client.get(file)) as answer:
                    assert answer.status_code == 200, file
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=", page)
        assert '<meta name="robots" content="noindex, nofollow">' in page
