"""Texts of every kind of Unicode: kept as they came or refused by name, and but text wherever they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alarms.models import AlarmMessage
from organizations.models import Device, User
from tests.dialect import refused
from tests.examples import examples
from tests.messaging_project import desk_world
from tests.messaging_project.asking import undone
from tests.messaging_project.desk_walk import pages
from tests.messaging_project.writes import World

pytestmark = pytest.mark.django_db

# All that there is, NUL and surrogates that stand alone too.
ANY = st.text(st.characters(exclude_categories=()), min_size=1, max_size=40)
ODD = [
    *("\x00", "Fire\x00", "\ud800", "Fire \udfff\ud800", "\udc00\ud800"),
    *("\x1b[2J\x07\x08\x7f\x85\x9b", "\r\n.\r\n", "\u2028\u2029\x0b\x0c\x1c", " \t ", "\u00a0", "\ufeff"),
    *("\u202eeriF\u202c \u2066x\u2069 \u200e\u200f", "a" + "\u0301" * 30, "👩🏽\u200d🚒 👨\u200d👩\u200d👧 🇩🇪"),
    *("\ufffe\uffff\U0001ffff\U0010ffff", "\ue000\U000f0000", "𐍈𝔉", "ß İ \u017f \u0131 \ufb01", "\u1160\u3164\uffa0"),
    *("{0} {address} %s \\1 $x {{x}}", "<script>alert(1)</script> & \"'`"),
]


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


def kept(world: World, operation: str, read: Callable[[Any], Any], **texts: Any) -> bool:
    """Whether a text was taken and comes back as it was; else it was refused by the name of its field."""
    with undone():
        answer = world.write(operation, world.body(operation, **texts))
        if answer.status_code >= 300:
            assert refused(answer, 400, next(iter(texts))), answer.content
            return False
        assert json.loads(answer.content.decode("utf-8")) == answer.json()
        assert read(answer.json()) == next(iter(texts.values()))
        return True


def is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def each_odd(test: Any) -> Any:
    for text in ODD:
        test = example(text=text)(test)
    return test


@each_odd
@examples(25)
@given(text=ANY)
def test_a_text_comes_back_as_it_was_unless_no_database_can_keep_it(world: World, text: str) -> None:
    def of_alarm(answer: Any) -> Any:
        return world.get(f"/alarm/{answer['id']}").json()["message"]

    def of_event(answer: Any) -> Any:
        return world.get(f"/alarm/{answer['id']}").json()["event"]["name"]

    def of_inbox(_answer: Any) -> Any:
        return world.get("/msg/list").json()["messages"][0]["message"]

    def translated(answer: Any) -> Any:
        return {"en": of_inbox(answer)}

    def filled(answer: Any) -> Any:
        return [of_inbox(answer)]

    storable = is_storable(text)
    assert kept(world, "RaiseAlarm", of_alarm, message=text) is storable
    assert kept(world, "RaiseAlarm", of_event, eventName=text) is storable
    assert kept(world, "SendMessage", of_inbox, message=text) is storable
    assert kept(world, "SendMessage", translated, translations={"en": text}) is storable
    assert kept(world, "SendMessage", filled, parameters=[text], message="{0}") is storable


@each_odd
@examples(25)
@given(text=ANY)
def test_the_texts_of_a_device_are_of_one_line(world: World, text: str) -> None:
    for field in ("name", "address"):
        with undone():
            answer = world.write("AddDevice", world.body("AddDevice", **{field: text}))
            if answer.status_code == 201:
                (device,) = Device.objects.filter(pk=answer.json()["id"])
                assert getattr(device, field) == answer.json()[field] == text.strip()
                assert len(text.strip().splitlines()) == 1
            else:
                assert refused(answer, 400, field), answer.content
                assert not (is_storable(text) and text.isprintable() and text.strip())


@each_odd
@examples(15)
@given(text=ANY)
def test_what_somebody_texts_is_read_or_refused(world: World, text: str) -> None:
    for field in ("text", "from"):
        with undone():
            answer = world.write("AnswerBySms", world.body("AnswerBySms", **{field: text}))
        assert answer.status_code == 200 or refused(answer, 400, field)
        assert (answer.status_code == 200) is is_storable(text)


# Where people read it

MARK = "xss-mark"
NASTY = f"'\"><{MARK} {MARK}=1></script></textarea></title></style>--><{MARK}> {{{{7*7}}}} \u202e\u2028\x1b[2J🚒"
# What is no text of somebody's: a program reads it, or it is one of a few words.
PROGRAMS = {"url", "urls", "time_zone", "language", "password", "digest", "prefix", "code", "address", "way", "secret"}


class Marks(HTMLParser):
    """What a page makes of texts: nothing but text is to come of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == MARK or any(MARK in name for name, _value in attrs):
            self.found.append(self.get_starttag_text() or tag)


def text_fields(model: type[models.Model]) -> list[str]:
    return [
        field.name
        for field in model._meta.fields
        if isinstance(field, models.CharField | models.TextField)
        and not (field.choices or field.unique or field.primary_key)
        and field.name not in PROGRAMS
    ]


def test_every_page_shows_texts_as_texts() -> None:
    made = desk_world.world()
    for model, row in made.rows.items():
        if model in desk_world.NOBODYS or model._meta.app_label not in {
            "alarms",
            "escalations",
            "inbox",
            "organizations",
        }:
            continue
        for name in text_fields(model):
            longest = model._meta.get_field(name).max_length or len(NASTY)
            type(row)._default_manager.filter(pk=row.pk).update(**{name: NASTY[:longest]})
    wrong, shown = {}, 0
    addresses = [f"/a/{code}" for code in AlarmMessage.objects.values_list("code", flat=True)]
    for page in pages():
        if "(?P" in page.route or not page.route.startswith("admin/") or page.name in ("logout", "jsi18n"):
            continue
        addresses.append(page.path(made))
    for address in addresses:
        answer = made.clients["superuser"].get(address)
        html = answer.content.decode() if answer["Content-Type"].startswith("text/html") else ""
        shown += MARK in html
        if answer.status_code >= 500 or Marks(html).found:
            wrong[address] = [answer.status_code, *Marks(html).found]
    assert wrong == {}
    assert shown > 20
    assert set(made.rows) == set(admin.site._registry)
