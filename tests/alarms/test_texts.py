from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils import timezone

from alarms import texts
from alarms.delivery import Delivery

CATALOGS = sorted(Path(texts.__file__).parent.glob("locale/*/LC_MESSAGES/django.po"))

DELIVERY = Delivery(
    device_message_id=7,
    recipient_id=3,
    message_id=UUID(int=5),
    alarm_id=1,
    organization_id=1,
    user_id=1,
    way="sms",
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
)


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


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.parts[-3])
def test_the_compiled_catalog_is_what_the_catalog_says(catalog: Path) -> None:
    with catalog.open("rb") as source, catalog.with_suffix(".mo").open("rb") as compiled:
        said = {message.id: message.string for message in read_po(source) if message.id}
        compiled_says = {message.id: message.string for message in read_mo(compiled) if message.id}
    assert compiled_says == said
    assert all(said.values())
