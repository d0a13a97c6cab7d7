"""GET /msg/list (contract 6): what somebody sees of their inbox, page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from inbox.sending import MessageOrder, announce_alarm, send, tell_of_alarm
from organizations.models import Organization, User
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, member

pytestmark = pytest.mark.django_db

LIST = "/api/v1/msg/list"
LAST = 2**63 - 1

TEXTS = ("fieldName", "message", "type", "image")
MESSAGE = dict.fromkeys(TEXTS, str) | {"id": int, "timestamp": int, "isInstantMessage": bool, "sender": dict}
SENDER = dict.fromkeys(("firstName", "lastName", "description", "email", "login"), str) | {"id": int, "groups": list}

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]
Refused = Callable[..., str]


def deliver(
    *users: User,
    sender: User | None = None,
    text: str = "Drill on Friday",
    at: datetime | None = None,
    minutes: int | None = None,
) -> list[int]:
    """Send a message, and return its id in the inbox of each of these users."""
    order = MessageOrder(text=text, users=[user.pk for user in users], instant_minutes=minutes)
    sent = send(
        order=order,
        sender=sender or UserFactory(),
        organizations=Organization.objects.all(),
        now=at or timezone.now(),
    )
    ids = dict(InboxMessage.objects.filter(message=sent.message).values_list("user_id", "pk"))
    return [ids[user.pk] for user in users]


def fill(user: User, count: int) -> list[int]:
    """Send so many messages to a user, and return their ids, newest first."""
    return [pk for _ in range(count) for pk in deliver(user)][::-1]


def accepted(response: Any, status: int = 200) -> list[dict[str, Any]]:
    """Return the messages of a GenericResponse."""
    body = response.json()
    assert response.status_code == status, body
    assert set(body) == {"messages", "responseInfo"}
    assert set(body["responseInfo"]) == {"responseCode", "responseMessage", "property"}
    assert body["responseInfo"]["responseCode"] == "OK"
    messages: list[dict[str, Any]] = body["messages"]
    return messages


def listed(client: APIClient, **query: object) -> list[int]:
    """Return the ids of a list."""
    return [message["id"] for message in accepted(client.get(LIST, query))]


@pytest.fixture
def reader(brigade: Organization) -> User:
    return member(brigade)


@pytest.fixture
def inbox(reader: User, as_user: AsUser) -> APIClient:
    """A client that asks as the reader."""
    return as_user(reader)


# Which messages, and in which order


def test_an_inbox_to_which_nothing_came_is_an_empty_list(inbox: APIClient) -> None:
    assert accepted(inbox.get(LIST)) == []
    assert accepted(inbox.get(LIST, {"unread": "true", "limit": 5})) == []


def test_the_newest_comes_first_and_without_a_limit_all_are_there(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 120)
    assert listed(inbox) == newest
    assert newest == sorted(newest, reverse=True)


def test_each_sees_their_own_messages_only(brigade: Organization, reader: User, as_user: AsUser) -> None:
    other, stranger = member(brigade), member(OrganizationFactory())
    to_both, to_the_other = deliver(reader, other), deliver(other)
    # Who has sent a message to others has nothing of it in their own inbox.
    to_the_reader = deliver(reader, sender=stranger)
    assert listed(as_user(reader)) == [*to_the_reader, to_both[0]]
    assert listed(as_user(other)) == [*to_the_other, to_both[1]]
    assert listed(as_user(stranger)) == []


def test_an_inbox_stays_with_somebody_who_has_left_the_organization(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 2)
    reader.memberships.all().delete()
    assert listed(inbox) == newest


@pytest.mark.parametrize("path", ["/api/v1/msg/list", "/api/v1/msg/list/", "/api/v1/msg/{id}", "/api/v1/msg/{id}/"])
def test_only_a_user_has_an_inbox(
    brigade: Organization, reader: User, as_organization: AsOrganization, refused: Refused, path: str
) -> None:
    path = path.format(id=deliver(reader)[0])
    # Nor is there anything that is unchanged.
    for headers in ({}, {"If-None-Match": "*"}):
        refused(as_organization(brigade).get(path, headers=headers), 403, "PERMISSION")
        refused(APIClient().get(path, headers=headers), 401, "AUTHREQUIRED")


# Read and unread


def test_unread_leaves_out_what_was_read(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 4)
    inbox.post("/api/v1/msg/read", {"messages": [newest[0], newest[2]]}, format="json")
    assert listed(inbox, unread="true") == [newest[1], newest[3]]
    assert listed(inbox, unread="false") == listed(inbox) == newest


def test_neither_the_list_nor_the_view_marks_as_read(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 3)
    for _ in range(2):
        assert listed(inbox) == listed(inbox, unread="true") == newest
        assert [accepted(inbox.get(f"/api/v1/msg/{pk}"))[0]["id"] for pk in newest] == newest


@pytest.mark.parametrize(
    "value",
    ["True", "FALSE", "1", "0", "yes", "no", "on", "null", " true", "true ", "true,false", "tru", "\0", "wahr", "ja"],
)
def test_unread_is_true_or_false_and_nothing_else(inbox: APIClient, refused: Refused, value: str) -> None:
    refused(inbox.get(LIST, {"unread": value}), 400, "INVALIDDATA", about="unread")


@pytest.mark.parametrize("query", ["unread=true&unread=true", "limit=1&limit=2", "before=9&limit=1&before=9"])
def test_a_parameter_that_is_given_twice_is_refused_by_name(inbox: APIClient, refused: Refused, query: str) -> None:
    refused(inbox.get(f"{LIST}?{query}"), 400, "INVALIDDATA", about=query.partition("=")[0])


def test_what_is_no_parameter_is_ignored(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 2)
    assert listed(inbox, offset="x", Unread="x", page="2") == newest


# Pages


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, 1), (4, 4), (5, 5), (6, 5), (100_001, 5), (2**31, 5), (2**63 - 1, 5)]
)
def test_a_limit_gives_the_newest_of_that_number(inbox: APIClient, reader: User, limit: int, expected: int) -> None:
    newest = fill(reader, 5)
    assert listed(inbox, limit=limit) == newest[:expected]
    assert listed(inbox, limit=limit, before=newest[0]) == newest[1:][:limit]


def test_before_gives_what_is_older_than_that_message(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 4)
    assert [listed(inbox, before=pk) for pk in newest] == [newest[1:], newest[2:], newest[3:], []]
    assert listed(inbox, before=LAST) == newest
    assert listed(inbox, before=1) == []


def test_pages_can_be_turned_while_messages_come_and_go(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 10)
    first = listed(inbox, limit=3)
    # The page goes on after a message that is no longer there, past one that is gone, and without what is new.
    for gone in (newest[2], newest[4]):
        assert inbox.delete(f"/api/v1/msg/{gone}").status_code == 204
    deliver(reader)
    second = listed(inbox, limit=3, before=first[-1])
    deliver(reader)
    third = listed(inbox, limit=3, before=second[-1])
    assert [first, second, third] == [newest[:3], [newest[3], *newest[5:7]], newest[7:]]
    assert listed(inbox, limit=3, before=third[-1]) == []


def test_unread_messages_have_pages_too(inbox: APIClient, reader: User) -> None:
    newest = fill(reader, 9)
    unread = newest[1::2]
    inbox.post("/api/v1/msg/read", {"messages": newest[::2]}, format="json")
    first = listed(inbox, unread="true", limit=2)
    assert [first, listed(inbox, unread="true", limit=2, before=first[-1])] == [unread[:2], unread[2:]]
    assert listed(inbox, unread="false", limit=2, before=first[-1]) == newest[4:6]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "-1", "x", "1.5", "1e1", "+1", " 5", "٣", "\0", "5;", "9" * 5000)),
        *(("before", value) for value in ("-1", "x", "1.5", "1e1", "+1", "null", "²", str(LAST + 1), "9" * 5000)),
    ],
)
def test_what_is_no_number_within_the_bounds_is_refused_by_name(
    inbox: APIClient, refused: Refused, name: str, value: str
) -> None:
    refused(inbox.get(LIST, {name: value}), 400, "INVALIDDATA", about=name)


# What is told of a message


def types(fields: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in fields.items()}


def test_a_message_has_every_field_with_its_type(inbox: APIClient, brigade: Organization, reader: User) -> None:
    sender = member(brigade, description="Chief of the platoon")
    group = GroupFactory(organization=brigade, description="The boats")
    group.memberships.add(sender.memberships.get())
    deliver(reader, sender=sender, text="Drill\non Friday")
    (message,) = accepted(inbox.get(LIST))
    assert types(message) == MESSAGE
    assert types(message["sender"]) == SENDER
    assert (message["message"], message["type"], message["isInstantMessage"]) == ("Drill\non Friday", "INFO", False)
    assert message["sender"] == {
        "id": sender.pk,
        "firstName": sender.first_name,
        "lastName": sender.last_name,
        "description": "Chief of the platoon",
        "email": sender.email,
        "groups": [{"id": group.pk, "name": group.name, "description": "The boats"}],
        "login": sender.login,
    }


def test_of_a_sender_only_the_groups_of_common_organizations_are_told(
    inbox: APIClient, brigade: Organization, reader: User
) -> None:
    sender = member(brigade)
    foreign = MembershipFactory(user=sender).organization
    common, hidden = (GroupFactory(organization=organization) for organization in (brigade, foreign))
    for group in (common, hidden):
        group.memberships.add(sender.memberships.get(organization=group.organization))
    deliver(reader, sender=sender)
    (message,) = accepted(inbox.get(LIST))
    assert [group["id"] for group in message["sender"]["groups"]] == [common.pk]


def test_the_timestamp_is_in_whole_seconds(inbox: APIClient, reader: User) -> None:
    deliver(reader, at=datetime(2026, 1, 31, 14, 5, 0, 999_999, tzinfo=UTC))
    (message,) = accepted(inbox.get(LIST))
    assert message["timestamp"] == 1_769_868_300
    assert type(message["timestamp"]) is int


@pytest.mark.parametrize(
    ("minutes", "seconds_later", "expected"),
    [(10, 0, True), (10, 600, True), (10, 601, False), (0, 0, True), (0, 1, False), (None, 0, False)],
)
def test_a_message_is_instant_until_its_minutes_are_over(
    inbox: APIClient,
    reader: User,
    set_clock: Callable[[datetime], None],
    minutes: int | None,
    seconds_later: int,
    expected: bool,
) -> None:
    sent_at = timezone.now().replace(microsecond=0)
    (pk,) = deliver(reader, at=sent_at, minutes=minutes)
    set_clock(sent_at + timedelta(seconds=seconds_later))
    for path in (LIST, f"/api/v1/msg/{pk}"):
        assert [message["isInstantMessage"] for message in accepted(inbox.get(path))] == [expected]


def test_a_message_of_an_alarm_has_its_organization_as_the_sender(
    inbox: APIClient, brigade: Organization, reader: User
) -> None:
    moment = datetime(2026, 1, 31, 14, 5, 0, 500_000, tzinfo=UTC)
    announce_alarm(alarm_id=7, organization=brigade, text="Alarm: {0}", parameters=["Fire"], now=moment)
    for _ in range(2):  # as a job may that runs twice
        tell_of_alarm(alarm_id=7, user_ids=[reader.pk])
    (message,) = accepted(inbox.get(LIST))
    assert types(message) == MESSAGE
    assert (message["message"], message["timestamp"], message["isInstantMessage"]) == ("Alarm: Fire", 1769868300, False)
    nobody = {"id": 0, "firstName": "", "description": "", "email": "", "groups": [], "login": ""}
    assert message["sender"] == nobody | {"lastName": brigade.name}


def test_an_alarm_that_was_not_announced_to_inboxes_reaches_none(inbox: APIClient, reader: User) -> None:
    tell_of_alarm(alarm_id=7, user_ids=[reader.pk])
    assert listed(inbox) == []
