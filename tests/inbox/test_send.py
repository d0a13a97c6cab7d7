"""POST /msg/send: a message to users and groups, each of whom gets it once and reads it in their language."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from organizations.models import Group, Organization, User
from tests.factories import GroupFactory, member
from tests.inbox.conftest import compiled

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
Send = Callable[..., Any]
InboxOf = Callable[[User], list[dict[str, Any]]]
Stored = Callable[[], list[dict[str, Any]]]

URL = "/api/v1/msg/send"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONGEST = "x" * 10_000


def group_of(organization: Organization, *users: User) -> Group:
    group: Group = GroupFactory(organization=organization)
    group.memberships.set(organization.memberships.filter(user__in=users))
    return group


def texts_of(messages: list[dict[str, Any]]) -> list[str]:
    return [message["message"] for message in messages]


# Who gets it


def test_users_and_members_of_groups_get_a_message_each_once(
    brigade: Organization, anna: User, send: Send, inbox_of: InboxOf
) -> None:
    people = [member(brigade) for _ in range(5)]
    groups = [group_of(brigade, *people[:3]), group_of(brigade, *people[2:4])]
    # The third is in both groups and named twice, the fourth in a group and named; the fifth is not meant.
    named = [people[2].pk, people[2].pk, people[3].pk]
    answer = send(anna, toGroupId=[group.pk for group in groups] + [groups[0].pk], toUserId=named)
    assert answer.status_code == 201
    assert [len(inbox_of(person)) for person in people] == [1, 1, 1, 1, 0]
    assert inbox_of(anna) == []


def test_only_users_or_only_groups_are_enough(
    brigade: Organization, anna: User, ben: User, send: Send, inbox_of: InboxOf
) -> None:
    assert send(anna, message="first", toUserId=[ben.pk]).status_code == 201
    assert send(anna, message="second", toGroupId=[group_of(brigade, ben).pk], toUserId=[]).status_code == 201
    assert send(anna, message="third", toGroupId=None, toUserId=[ben.pk]).status_code == 201
    assert texts_of(inbox_of(ben)) == ["third", "second", "first"]


def test_the_answer_is_the_message_as_its_sender_reads_it(
    brigade: Organization, anna: User, ben: User, send: Send, set_clock: Callable[[datetime], None]
) -> None:
    group = group_of(brigade, anna)
    anna.description = "Deputy"
    anna.save(update_fields=["description"])
    set_clock(NOON + timedelta(milliseconds=999))
    answer = send(anna, message="Drill at {0}", parameters=["eight"], toUserId=[ben.pk])
    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"messages", "responseInfo"}
    assert (body["responseInfo"]["responseCode"], body["responseInfo"]["property"]) == ("OK", "")
    assert body["messages"] == [
        {
            "id": 0,
            "fieldName": "",
            "message": "Drill at eight",
            "type": "INFO",
            "timestamp": int(NOON.timestamp()),
            "image": "",
            "isInstantMessage": False,
            "sender": {
                "id": anna.pk,
                "firstName": "Anna",
                "lastName": "Example",
                "description": "Deputy",
                "email": "anna@example.org",
                "groups": [{"id": group.pk, "name": group.name, "description": ""}],
                "login": "anna",
            },
        }
    ]


def test_the_sender_may_be_among_the_recipients(
    brigade: Organization, anna: User, ben: User, send: Send, inbox_of: InboxOf
) -> None:
    group = group_of(brigade, anna, ben)
    (own,) = send(anna, toGroupId=[group.pk]).json()["messages"]
    assert [own] == inbox_of(anna)
    (other,) = inbox_of(ben)
    # It is the same, but for its id in the inbox of each.
    assert other == own | {"id": other["id"]}
    assert own["id"] not in {0, other["id"]}


def test_who_is_not_active_is_left_out(
    brigade: Organization, anna: User, ben: User, send: Send, inbox_of: InboxOf
) -> None:
    away = member(brigade, is_active=False)
    group = group_of(brigade, away, ben)
    assert send(anna, toGroupId=[group.pk], toUserId=[away.pk]).status_code == 201
    User.objects.filter(pk=away.pk).update(is_active=True)
    assert (len(inbox_of(away)), len(inbox_of(ben))) == (0, 1)


@pytest.mark.parametrize(
    ("ids", "about"),
    [
        ({"toUserId": "away"}, "toUserId"),
        ({"toGroupId": "of away"}, "toGroupId"),
        ({"toGroupId": "empty"}, "toGroupId"),
    ],
)
def test_a_message_that_nobody_would_get_is_refused(
    brigade: Organization, anna: User, send: Send, stored: Stored, refused: Any, ids: dict[str, str], about: str
) -> None:
    away = member(brigade, is_active=False)
    numbers = {"away": away.pk, "of away": group_of(brigade, away).pk, "empty": group_of(brigade).pk}
    before = stored()
    answer = send(anna, **{field: [numbers[name]] for field, name in ids.items()})
    refused(answer, 400, "INVALIDDATA", about=about)
    assert stored() == before


def test_the_path_may_end_with_a_slash(anna: User, ben: User, as_user: AsUser, inbox_of: InboxOf) -> None:
    body = {"message": "Drill", "toUserId": [ben.pk]}
    assert [as_user(anna).post(f"{URL}{end}", body, format="json").status_code for end in ("", "/")] == [201, 201]
    assert texts_of(inbox_of(ben)) == ["Drill", "Drill"]


# Languages and parameters


def test_each_reads_it_in_their_language(brigade: Organization, anna: User, send: Send, inbox_of: InboxOf) -> None:
    people = {
        language: member(brigade, language=language) for language in ("de", "de-AT", "de_AT", "de-CH", "en", "fr")
    }
    translations = {"de": "{0}: Übung", "DE_ch": "{0}: Üebig", "it": "{0}: esercizio"}
    ids = [person.pk for person in people.values()]
    answer = send(anna, message="{0}: drill", translations=translations, parameters=["{1}", "no"], toUserId=ids)
    assert texts_of(answer.json()["messages"]) == ["{1}: drill"]
    assert {language: texts_of(inbox_of(person)) for language, person in people.items()} == {
        "de": ["{1}: Übung"],
        "de-AT": ["{1}: Übung"],
        "de_AT": ["{1}: Übung"],
        "de-CH": ["{1}: Üebig"],
        "en": ["{1}: drill"],
        "fr": ["{1}: drill"],
    }


def test_who_changes_their_language_reads_what_they_have_in_it(
    anna: User, ben: User, send: Send, inbox_of: InboxOf, as_user: AsUser
) -> None:
    send(anna, message="drill", translations={"de": "Übung"}, toUserId=[ben.pk])
    assert texts_of(inbox_of(ben)) == ["drill"]
    assert as_user(ben).patch("/api/v1/user", {"language": "de-AT"}, format="json").status_code == 200
    assert texts_of(inbox_of(ben)) == ["Übung"]


def test_the_message_may_be_a_key_of_a_catalog(
    brigade: Organization, anna: User, send: Send, inbox_of: InboxOf, tmp_path: Path, settings: Any
) -> None:
    settings.LOCALE_PATHS = [str(compiled(tmp_path, "de", evacuate="Räumen Sie {0}"))]
    people = [member(brigade, language=language) for language in ("de", "de-AT", "en", "fr")]
    ids = [person.pk for person in people]
    translations = {"fr": "Sortez de {0}"}
    send(anna, message="evacuate", translations=translations, parameters=["Halle 3"], toUserId=ids)
    read = [text for person in people for text in texts_of(inbox_of(person))]
    assert read == ["Räumen Sie Halle 3", "Räumen Sie Halle 3", "evacuate", "Sortez de Halle 3"]


ACCEPTED: dict[str, dict[str, Any]] = {
    "one character": {"message": "x"},
    "one space": {"message": " "},
    "10,000 characters": {"message": LONGEST},
    "10,000 characters that are four bytes each": {"message": "🚒" * 10_000},
    "a translation of 10,000": {"translations": {"fr": LONGEST}},
    "100 parameters": {"parameters": ["x"] * 100},
    "a long parameter that fills nothing": {"parameters": [LONGEST]},
    "no translations and no parameters": {"translations": {}, "parameters": []},
    "null for what is not given": {"translations": None, "parameters": None, "instantTimeMinutes": None},
    "languages of all kinds": {"translations": dict.fromkeys(["property1", "de-AT", "fr_FR", "zh-Hans-CN", "1"], "?")},
    "fields that nobody knows": {"unknown": 7, "sender": {"id": 1}, "type": "CRITICAL", "timestamp": 1, "id": 7},
    "spaces around it": {"message": "  \t a \r\n b \n "},
    "markup": {"message": "<b>A</b> &amp; &lt; <script>alert(1)</script> [x](http://x) **y** {{ z }} {% q %}"},
    "what other languages fill": {"message": "%s %(a)s {a} {} {0!r} $a ${a} #{a} \\1 '; DROP TABLE x; --"},
    "right to left and back": {"message": "\u202eabc\u202c \u2066x\u2069 עברית العربية"},
    "decomposed and composed": {"message": "e\u0301 é \u1e9b\u0323 ﬃ İ ß"},
    "families and flags": {"message": "👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏿"},
    "1,000 marks on one letter": {"message": "a" + "\u0301" * 1000},
    "what is no character": {"message": "\ufeff\ufffe\uffff\ufdd0\ufffd\U0010ffff"},
}


@pytest.mark.parametrize("fields", list(ACCEPTED.values()), ids=list(ACCEPTED))
def test_a_message_is_taken_and_stands_in_the_inbox_as_it_was_sent(
    anna: User, ben: User, send: Send, inbox_of: InboxOf, fields: dict[str, Any]
) -> None:
    answer = send(anna, toUserId=[ben.pk], **fields)
    assert answer.status_code == 201, answer.content
    (message,) = inbox_of(ben)
    assert message["message"] == fields.get("message", "Drill at eight")
    assert (message["type"], message["sender"]["id"]) == ("INFO", anna.pk)


def test_every_character_that_a_text_may_have_comes_back(anna: User, ben: User, send: Send, inbox_of: InboxOf) -> None:
    every = "".join(chr(code) for code in range(1, 0x20000) if not 0xD800 <= code <= 0xDFFF) + chr(sys.maxunicode)
    sent = [every[start : start + 10_000] for start in range(0, len(every), 10_000)]
    for text in sent:
        # As it is, as a translation and as a parameter.
        send(anna, message=text, toUserId=[ben.pk])
        send(anna, translations={"en": text}, toUserId=[ben.pk])
        send(anna, message="{0}", parameters=[text], toUserId=[ben.pk])
    assert texts_of(inbox_of(ben))[::-1] == [text for text in sent for _ in range(3)]


@pytest.mark.parametrize("parameter", ["x" * 9_999, "x" * 5_000])
def test_a_text_may_be_filled_up_to_10_000_characters(
    anna: User, ben: User, send: Send, inbox_of: InboxOf, refused: Any, parameter: str
) -> None:
    times = 10_000 // len(parameter)
    text = "{0}" * times + "y" * (10_000 - times * len(parameter))
    to_ben = {"parameters": [parameter], "toUserId": [ben.pk]}
    assert send(anna, message=text, **to_ben).status_code == 201
    assert [len(text) for text in texts_of(inbox_of(ben))] == [10_000]
    refused(send(anna, message=f"{text}z", **to_ben), 400, "INVALIDDATA", about="parameters")
    refused(send(anna, translations={"de": f"{text}z"}, **to_ben), 400, "INVALIDDATA", about="parameters")
    assert len(inbox_of(ben)) == 1


# Instant messages


@pytest.mark.parametrize(
    ("minutes", "until"), [(None, None), (0, 0), (1, 60), (90, 5400), (525_600, 365 * 86_400)], ids=str
)
def test_a_message_is_instant_until_its_minutes_are_over(
    anna: User,
    ben: User,
    send: Send,
    inbox_of: InboxOf,
    set_clock: Callable[[datetime], None],
    minutes: int | None,
    until: int | None,
) -> None:
    # Counted from the timestamp, which is in whole seconds.
    set_clock(NOON if not minutes else NOON + timedelta(milliseconds=700))
    fields = {} if minutes is None else {"instantTimeMinutes": minutes}
    (sent,) = send(anna, toUserId=[ben.pk], **fields).json()["messages"]
    assert (sent["timestamp"], sent["isInstantMessage"]) == (int(NOON.timestamp()), minutes is not None)
    seen = []
    for seconds in (until or 0, (until or 0) + 0.5):
        set_clock(NOON + timedelta(seconds=seconds))
        seen += [(message["timestamp"], message["isInstantMessage"]) for message in inbox_of(ben)]
    assert seen == [(int(NOON.timestamp()), minutes is not None), (int(NOON.timestamp()), False)]
