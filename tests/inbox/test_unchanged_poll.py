"""ETag and If-None-Match of GET /msg/list (contract 6): an unchanged poll is a 304 and costs little, and nothing that
changes the list is missed."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from organizations.models import User
from tests.client import Client
from tests.factories import InboxMessageFactory
from tests.inbox.test_list import LIST, accepted, deliver, fill, listed
from tests.processes import service, until

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
Refused = Callable[..., str]
SetClock = Callable[[datetime], None]
Change = Callable[[APIClient, User, list[int]], object]


@pytest.fixture
def inbox(ben: User, as_user: AsUser) -> APIClient:
    """A client that asks as Ben."""
    return as_user(ben)


def tag_of(client: APIClient, **query: object) -> str:
    response = client.get(LIST, query)
    accepted(response)
    return str(response["ETag"])


def poll(client: APIClient, tag: str, **query: object) -> Any:
    return client.get(LIST, query, headers={"If-None-Match": tag})


def unchanged(client: APIClient, tag: str, **query: object) -> bool:
    """Whether a poll with a tag of before is answered 304; else it is the list, with another tag."""
    response = poll(client, tag, **query)
    if response.status_code == 304:
        assert response.content == b""
        assert response["ETag"] == tag
        return True
    accepted(response)
    assert response["ETag"] != tag
    return False


# What a poll costs


@pytest.mark.parametrize("count", [0, 1, 300])
@pytest.mark.parametrize("query", [{}, {"unread": "true"}, {"limit": 20}, {"before": 2**62, "limit": 7}], ids=str)
def test_an_unchanged_poll_takes_three_queries_at_most_and_reads_no_message(
    inbox: APIClient, ben: User, query: dict[str, object], count: int
) -> None:
    InboxMessageFactory.create_batch(count, user=ben)
    tag = tag_of(inbox, **query)
    with CaptureQueriesContext(connection) as captured:
        assert unchanged(inbox, tag, **query)
    # the token with its user, and the ids in the inbox
    assert len(captured) <= 3
    assert not [each["sql"] for each in captured if '"inbox_message"' in each["sql"]]


# What changes the tag


def delete(client: APIClient, pk: int) -> None:
    assert client.delete(f"/api/v1/msg/{pk}").status_code == 204


def set_read(client: APIClient, *ids: int) -> None:
    accepted(client.post("/api/v1/msg/read", {"messages": ids}, format="json"), 201)


def prefer(client: APIClient, **preferences: object) -> None:
    assert client.patch("/api/v1/user", preferences, format="json").status_code == 200


EACH: list[dict[str, object]] = [{}, {"unread": "true"}, {"limit": 4}]
CHANGES: dict[str, tuple[Change, list[dict[str, object]]]] = {
    "a new message": (lambda _inbox, ben, _ids: deliver(ben), EACH),
    "the newest is deleted": (lambda inbox, _ben, ids: delete(inbox, ids[0]), EACH),
    "the oldest is deleted": (lambda inbox, _ben, ids: delete(inbox, ids[-1]), EACH),
    "one goes and another comes": (lambda inbox, ben, ids: (delete(inbox, ids[0]), deliver(ben)), EACH),
    "one is read": (lambda inbox, _ben, ids: set_read(inbox, ids[1]), [EACH[1]]),
    "all are read": (lambda inbox, _ben, ids: set_read(inbox, *ids), [EACH[1]]),
    "another language": (lambda inbox, _ben, _ids: prefer(inbox, language="de"), EACH),
}
CASES = [
    pytest.param(change, query, id=f"{name} {query}") for name, (change, many) in CHANGES.items() for query in many
]


@pytest.mark.parametrize(("change", "query"), CASES)
def test_the_tag_changes_with_the_list(inbox: APIClient, ben: User, change: Change, query: dict[str, object]) -> None:
    ids = fill(ben, 4)
    tag = tag_of(inbox, **query)
    assert unchanged(inbox, tag, **query)
    change(inbox, ben, ids)
    assert not unchanged(inbox, tag, **query)
    assert unchanged(inbox, tag_of(inbox, **query), **query)


def test_each_query_has_a_tag_of_its_own(inbox: APIClient, ben: User) -> None:
    newest = fill(ben, 2)
    queries: list[dict[str, object]] = [
        {"unread": unread} | page
        for unread in ("true", "false")
        for page in ({}, {"limit": 2}, {"limit": 3}, {"before": newest[0] + 1}, {"before": newest[0] + 1, "limit": 2})
    ]
    # All of them have the same messages.
    assert [listed(inbox, **query) for query in queries] == [newest] * len(queries)
    tags = [tag_of(inbox, **query) for query in queries]
    assert len(set(tags)) == len(queries)


def test_the_tag_of_somebody_else_is_of_no_use(inbox: APIClient, anna: User, as_user: AsUser) -> None:
    tag = tag_of(as_user(anna))
    assert accepted(poll(inbox, tag)) == accepted(poll(as_user(anna), "")) == []
    assert unchanged(as_user(anna), tag)


def test_the_tag_changes_when_a_message_stops_being_instant(inbox: APIClient, ben: User, set_clock: SetClock) -> None:
    sent_at = timezone.now().replace(microsecond=0)
    for minutes in (10, 20, None):
        deliver(ben, at=sent_at, minutes=minutes)
    seen = []
    for seconds in (0, 599, 600, 601, 1200, 1201, 7200):
        set_clock(sent_at + timedelta(seconds=seconds))
        seen.append(tag_of(inbox))
        instant = [message["isInstantMessage"] for message in accepted(inbox.get(LIST))]
        assert instant == [False, seconds <= 1200, seconds <= 600]
    assert [seen.index(tag) for tag in seen] == [0, 0, 0, 3, 3, 5, 5]
    assert not unchanged(inbox, seen[4])


@pytest.mark.parametrize("second", range(595, 602))
def test_the_tag_tells_what_the_list_told_though_time_went_on_meanwhile(
    inbox: APIClient, ben: User, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch, second: int
) -> None:
    sent_at = timezone.now().replace(microsecond=0)
    deliver(ben, at=sent_at, minutes=10)
    seconds = itertools.count(second)
    monkeypatch.setattr(timezone, "now", lambda: sent_at + timedelta(seconds=next(seconds)))
    response = inbox.get(LIST)
    set_clock(sent_at + timedelta(hours=1))
    (message,) = accepted(response)
    assert unchanged(inbox, response["ETag"]) is not message["isInstantMessage"]


# What does not change it


def test_what_is_no_change_of_the_list_leaves_the_tag(
    inbox: APIClient, anna: User, ben: User, as_user: AsUser, set_clock: SetClock
) -> None:
    of_ben, of_anna = deliver(ben, anna)
    tag = tag_of(inbox)
    set_read(inbox, of_ben)
    of_all_read = tag_of(inbox, unread="true")
    others: list[Callable[[], object]] = [
        lambda: accepted(inbox.get(f"/api/v1/msg/{of_ben}")),
        lambda: listed(inbox, limit=1),
        lambda: set_read(inbox, of_ben, of_anna),
        lambda: prefer(inbox, inboxToEmail=True),
        lambda: prefer(as_user(anna), language="de"),
        lambda: deliver(anna, sender=ben),
        lambda: delete(as_user(anna), of_anna),
        lambda: set_clock(timezone.now() + timedelta(days=40)),
    ]
    for number, change in enumerate(others):
        change()
        assert unchanged(inbox, tag), number
        assert unchanged(inbox, of_all_read, unread="true"), number
    assert unchanged(as_user(ben), tag)


def test_what_comes_and_goes_beside_a_page_leaves_its_tag(inbox: APIClient, ben: User) -> None:
    newest = fill(ben, 5)
    top = tag_of(inbox, limit=2)
    delete(inbox, newest[4])
    assert unchanged(inbox, top, limit=2)
    bottom = tag_of(inbox, before=newest[2])
    deliver(ben)
    delete(inbox, newest[1])
    assert unchanged(inbox, bottom, before=newest[2])


# How the header may be spelled


SPELLINGS = ("{weak}", "{strong}", '"a", {weak}', '{strong}, "b"', '"a" , "b",{weak}', " W/{strong} ", "*")


@pytest.mark.parametrize("header", SPELLINGS)
def test_weak_and_strong_tags_lists_and_a_star_match(inbox: APIClient, ben: User, header: str) -> None:
    deliver(ben)
    tag = tag_of(inbox)
    response = poll(inbox, header.format(weak=f"W/{tag.removeprefix('W/')}", strong=tag.removeprefix("W/")))
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", tag)


JUNK = ('"" ,, W/ x"y, {tag}', '{tag}, "" ,, W/ x"y', "{tag}{tag}", "{tag};q=1", "*, {tag}", "({tag})")
NO_TAGS = ("", " ", ",", ",,,", '"', "W/", 'W/"', '"abc', 'abc"', '""', 'W/""', "abc", '"*"', "**", "W/*", "\x00", "\n")
LONG = (",", '"', '"a",', "W/", " ", "é", "\\", "*")


@pytest.mark.parametrize("header", [*NO_TAGS, *(text * 8000 for text in LONG)], ids=lambda text: repr(text[:8]))
def test_what_is_no_tag_of_the_list_gets_the_list(inbox: APIClient, ben: User, header: str) -> None:
    (pk,) = deliver(ben)
    assert [message["id"] for message in accepted(poll(inbox, header))] == [pk]


@pytest.mark.parametrize("header", JUNK)
def test_a_tag_among_what_is_none_is_answered_all_the_same(inbox: APIClient, ben: User, header: str) -> None:
    deliver(ben)
    response = poll(inbox, header.format(tag=tag_of(inbox)))
    assert response.status_code in {200, 304}
    assert response["ETag"] == tag_of(inbox)


def test_head_is_answered_as_get_without_the_body(inbox: APIClient, ben: User) -> None:
    deliver(ben)
    tag = tag_of(inbox, limit=5)
    for header, status in (("", 200), ('"other"', 200), (tag, 304), ("*", 304)):
        response = inbox.head(LIST, {"limit": 5}, headers={"If-None-Match": header})
        assert (response.status_code, response.content, response["ETag"]) == (status, b"", tag)


@pytest.mark.parametrize("query", ["unread=maybe", "limit=0", "before=x", "limit=1&limit=1", "unread=true&unread=true"])
def test_a_malformed_query_is_never_unchanged(inbox: APIClient, refused: Refused, query: str) -> None:
    for header in ("*", tag_of(inbox)):
        response = inbox.get(f"{LIST}?{query}", headers={"If-None-Match": header})
        refused(response, 400, "INVALIDDATA", about=query.partition("=")[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("query", [{}, {"unread": "true"}, {"limit": 2}], ids=str)
def test_a_message_that_is_committed_after_a_newer_one_is_noticed(
    inbox: APIClient, ben: User, query: dict[str, object]
) -> None:
    written, seen = threading.Event(), threading.Event()
    older: list[int] = []

    def send_slowly() -> None:
        with transaction.atomic():
            older.extend(deliver(ben))
            written.set()
            seen.wait(60)
        connection.close()

    thread = threading.Thread(target=send_slowly)
    thread.start()
    assert written.wait(60)
    newer = deliver(ben)
    tag = tag_of(inbox, **query)
    assert listed(inbox, **query) == newer
    seen.set()
    thread.join(60)
    assert older < newer
    assert not unchanged(inbox, tag, **query)
    assert listed(inbox, **query) == newer + older


@pytest.mark.django_db(transaction=True)
def test_answers_without_a_body_leave_a_connection_usable(ben: User, tmp_path: Path) -> None:
    (pk,) = deliver(ben)
    with service(tmp_path) as running:
        running.start("web")
        until(running.alive, what="the web process answers")
        headers = {"Personal-Access-Token": Client(running.url, ben).token}
        wire = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)

        def ask(method: str, path: str, tag: str = "") -> tuple[int, bytes, str]:
            wire.request(method, path, headers=headers | {"If-None-Match": tag})
            answer = wire.getresponse()
            return answer.status, answer.read(), answer.headers.get("ETag", "")

        status, _list, tag = ask("GET", LIST)
        assert (status, ask("GET", LIST, tag), ask("HEAD", LIST, tag)) == (200, (304, b"", tag), (304, b"", tag))
        assert (ask("DELETE", f"/api/v1/msg/{pk}"), ask("GET", LIST, tag)[0]) == ((204, b"", ""), 200)
        wire.close()
