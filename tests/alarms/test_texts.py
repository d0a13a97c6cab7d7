from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from alarms import texts
from alarms.delivery import Delivery
from organizations.models import Way

DELIVERY = Delivery(
    device_message_id=7,
    recipient_id=3,
    message_id=UUID(int=5),
    alarm_id=1,
    organization_id=1,
    user_id=1,
    device_id=1,
    way="sms",
    kind=0,
    gateways_of=0,
    gateway=0,
    refused=0,
    address="+49151",
    device="Phone",
    attempt=1,
    organization="Feuerwehr",
    time_zone="Europe/Berlin",
    event="",
    message="Brand <b>& Rauch</b>\nzweite Zeile",
    language="en",
    until=timezone.now(),
    code="0123456789ab",
)
LINK = "https://alarm.example/a/0123456789ab"
# What is told where there is nothing to answer.
ALL_CLEAR, TEST = ({"kind": kind, "code": ""} for kind in (1, 2))
unanswerable = pytest.mark.parametrize("changes", [ALL_CLEAR, TEST], ids=["all-clear", "test"])


@pytest.fixture(autouse=True)
def base_url(settings: Any) -> None:
    settings.BASE_URL = "https://alarm.example"


def to(**changes: object) -> Delivery:
    return dataclasses.replace(DELIVERY, **changes)


@pytest.mark.parametrize(
    ("language", "last_line"),
    [
        ("en", "Please answer until "),
        ("de", "Bitte antworten bis "),
        ("de-AT", "Bitte antworten bis "),
        ("fr", "Please answer until "),
        ("xx", "Please answer until "),
    ],
)
def test_the_text_is_in_the_language_of_the_recipient(language: str, last_line: str) -> None:
    assert texts.plain(to(language=language)).splitlines()[-1].startswith(last_line)


def test_the_event_stands_in_the_first_line_if_there_is_one() -> None:
    assert texts.plain(to(event="B3")).splitlines()[0] == "ALARM Feuerwehr: B3"
    assert texts.plain(DELIVERY).splitlines()[0] == "ALARM Feuerwehr"


def test_the_time_is_said_in_the_time_zone_of_the_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 7, 1, 11, 50, tzinfo=UTC)
    monkeypatch.setattr(texts.timezone, "now", lambda: now)
    until = now + timedelta(minutes=15, seconds=59)
    assert texts.plain(to(until=until)).endswith("until 14:05.")
    assert texts.plain(to(until=until, time_zone="UTC")).endswith("until 12:05.")
    assert texts.plain(to(until=now + timedelta(hours=11), language="de")).endswith("bis 02.07.2026, 00:50 Uhr.")


def test_the_message_is_text_and_no_markup_in_the_e_mail() -> None:
    subject, plain, html = texts.email(DELIVERY)
    assert "Brand <b>& Rauch</b>\nzweite Zeile" in plain
    assert "Brand &lt;b&gt;&amp; Rauch&lt;/b&gt;\nzweite Zeile" in html
    assert subject == "ALARM Feuerwehr: Brand <b>& Rauch</b> zweite Zeile"


def test_a_long_message_makes_no_long_subject() -> None:
    assert len(texts.email(to(message="x" * 960)).subject) == 120


# What it is


@pytest.mark.parametrize(
    ("language", "event", "changes", "headline"),
    [
        ("en", "", ALL_CLEAR, "ALL-CLEAR Feuerwehr"),
        ("en", "B3", ALL_CLEAR, "ALL-CLEAR Feuerwehr: B3"),
        ("de", "", ALL_CLEAR, "ENTWARNUNG Feuerwehr"),
        ("de-AT", "B3", ALL_CLEAR, "ENTWARNUNG Feuerwehr: B3"),
        ("en", "B3", TEST, "TEST Feuerwehr"),
        ("de", "", TEST, "TEST Feuerwehr"),
        ("de", "B3", {}, "ALARM Feuerwehr: B3"),
    ],
)
def test_the_first_line_says_what_it_is(language: str, event: str, changes: dict[str, Any], headline: str) -> None:
    delivery = to(language=language, event=event, **changes)
    assert texts.plain(delivery).splitlines()[0] == texts.written(delivery).splitlines()[0] == headline
    assert texts.titled(delivery)[0] == headline
    email = texts.email(delivery)
    assert email.subject.startswith(f"{headline}: ")
    assert email.plain.splitlines()[0] == headline
    assert f">{headline}</h1>" in email.html


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_all_clear_is_its_text_and_nothing_to_answer(language: str) -> None:
    delivery = to(language=language, message="Fire is out", **ALL_CLEAR)
    headline, *rest = texts.plain(delivery).splitlines()
    assert rest == ["Fire is out"]
    assert texts.written(delivery) == texts.plain(delivery)
    assert texts.titled(delivery) == (headline, "Fire is out")
    assert texts.email(delivery).plain == f"{headline}\n\nFire is out\n\n-- \nFeuerwehr\n"


@pytest.mark.parametrize(("language", "says"), [("en", "there is no alarm"), ("de", "keinen Alarm")])
def test_a_test_says_that_there_is_no_alarm(language: str, says: str) -> None:
    delivery = to(language=language, **TEST)
    for text in (texts.plain(delivery), *texts.email(delivery)):
        assert "Brand" not in text
        assert says in text.replace("\n", " ")


# The address of the answer page


def test_what_is_read_ends_with_the_answer_page() -> None:
    assert texts.written(DELIVERY) == f"{texts.plain(DELIVERY)}\n{LINK}"
    for way in set(Way.values) - {"call"}:
        headline, rest = texts.titled(to(way=way))
        assert f"{headline}\n{rest}" == texts.written(DELIVERY)


def test_what_is_said_in_a_call_has_no_address() -> None:
    assert "/a/" not in texts.plain(DELIVERY)
    assert "\n".join(texts.titled(to(way="call"))) == texts.plain(DELIVERY)


@pytest.mark.parametrize(("language", "word"), [("en", "Answer"), ("de", "Antworten")])
def test_both_parts_of_an_e_mail_lead_to_the_answer_page(language: str, word: str) -> None:
    email = texts.email(to(language=language))
    assert f"\n\n{word}: {LINK}\n\n" in email.plain
    assert email.html.count(f'<a href="{LINK}"') == 1
    assert f">{word}</a>" in email.html
    assert "/a/" not in email.subject


def test_each_recipient_gets_their_own_page_though_the_rest_is_shared() -> None:
    for code in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "aaaaaaaaaaaa"):
        delivery = to(code=code)
        for text in (texts.written(delivery), texts.titled(delivery)[1], *texts.email(delivery)[1:]):
            assert text.count("/a/") == text.count(f"https://alarm.example/a/{code}") == 1


@unanswerable
@pytest.mark.parametrize("way", Way.values)
def test_where_there_is_nothing_to_answer_there_is_no_page(way: str, changes: dict[str, Any]) -> None:
    delivery = to(way=way, **changes)
    for text in (texts.plain(delivery), texts.written(delivery), *texts.titled(delivery), *texts.email(delivery)):
        assert text
        for trace in ("/a/", "alarm.example", "<a ", "\0", "Answer", "answer until"):
            assert trace not in text
