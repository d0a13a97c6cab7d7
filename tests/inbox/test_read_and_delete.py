"""GET /msg/{id}, POST /msg/read and DELETE /msg/{id} (contract 6): what becomes of one's own messages; those of others
stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from organizations.models import Organization, User
from tests.factories import OrganizationFactory, member
from tests.inbox.test_list import LAST, LIST, accepted, deliver, fill, listed

pytestmark = pytest.mark.django_db

READ = "/api/v1/msg/read"

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]
Refused = Callable[..., str]


@pytest.fixture
def inbox(ben: User, as_user: AsUser) -> APIClient:
    """A client that asks as Ben."""
    return as_user(ben)


def url(pk: object) -> str:
    return f"/api/v1/msg/{pk}"


def set_read(client: APIClient, *ids: int) -> Any:
    return client.post(READ, {"messages": ids}, format="json")


def text_of(response: Any) -> str:
    accepted(response, 201)
    assert response.json()["responseInfo"]["property"] == ""
    return str(response.json()["responseInfo"]["responseMessage"])


def unread_of(user: User) -> list[int]:
    """Return the ids of what a user has not read, newest first."""
    return list(InboxMessage.objects.filter(user=user, read_at=None).order_by("-pk").values_list("pk", flat=True))


# View


def test_the_view_shows_one_message_as_the_list_does(inbox: APIClient, ben: User) -> None:
    fill(ben, 3)
    in_the_list = accepted(inbox.get(LIST))
    assert [accepted(inbox.get(url(message["id"]))) for message in in_the_list] == [[each] for each in in_the_list]


def test_what_is_not_in_the_inbox_of_the_caller_cannot_be_viewed(
    inbox: APIClient, anna: User, ben: User, refused: Refused
) -> None:
    own, foreign = deliver(ben, anna)
    for pk in (foreign, own + foreign, 0, LAST):
        refused(inbox.get(url(pk)), 404, "NOTFOUND", about="id")


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "1e1", "+1", "%20", "٣", "²", "%00", str(LAST + 1), "9" * 5000])
def test_what_is_no_id_is_refused_by_view_and_delete(inbox: APIClient, refused: Refused, text: str) -> None:
    refused(inbox.get(url(text)), 400, "INVALIDDATA", about="id")
    refused(inbox.delete(url(text)), 400, "INVALIDDATA", about="id")


# Read


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_answer_says_how_many_were_set_to_read(inbox: APIClient, ben: User, count: int) -> None:
    newest = fill(ben, 5)
    assert text_of(set_read(inbox, *newest[:count])) == f"Successfully set {count} messages to 'read'"
    assert listed(inbox, unread="true") == newest[count:]


def test_the_answer_has_the_messages_as_the_list_has_them(inbox: APIClient, ben: User) -> None:
    newest = fill(ben, 3)
    chosen = accepted(inbox.get(LIST))[:2]
    assert sorted(accepted(set_read(inbox, *newest[:2]), 201), key=lambda message: -message["id"]) == chosen


def test_ids_that_are_not_the_callers_change_nothing_and_are_not_counted(
    inbox: APIClient, anna: User, ben: User
) -> None:
    own, foreign = deliver(ben, anna)
    (stranger,) = deliver(member(OrganizationFactory()))
    response = set_read(inbox, foreign, own, stranger, own + foreign + stranger, LAST)
    assert text_of(response) == "Successfully set 1 messages to 'read'"
    assert [message["id"] for message in accepted(response, 201)] == [own]
    assert unread_of(anna) == [foreign]
    assert unread_of(ben) == []


def test_only_ids_of_others_are_no_error(inbox: APIClient, anna: User, stored: Callable[[], object]) -> None:
    foreign = fill(anna, 2)
    before = stored()
    response = set_read(inbox, *foreign)
    assert text_of(response) == "Successfully set 0 messages to 'read'"
    assert accepted(response, 201) == []
    assert stored() == before


def test_a_message_named_twice_is_one(inbox: APIClient, ben: User) -> None:
    first, second = fill(ben, 2)
    response = set_read(inbox, first, second, first, first)
    assert text_of(response) == "Successfully set 2 messages to 'read'"
    assert sorted(message["id"] for message in accepted(response, 201)) == [second, first]


def test_what_was_read_before_counts_again_and_keeps_the_time_of_the_first(inbox: APIClient, ben: User) -> None:
    (pk,) = deliver(ben)
    set_read(inbox, pk)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    InboxMessage.objects.update(read_at=an_hour_ago)
    assert text_of(set_read(inbox, pk)) == "Successfully set 1 messages to 'read'"
    assert InboxMessage.objects.get().read_at == an_hour_ago
    assert listed(inbox, unread="true") == []


def test_a_list_of_100_000_ids_is_taken(inbox: APIClient, anna: User, ben: User) -> None:
    own, foreign = fill(ben, 3), fill(anna, 3)
    # None of these is there: the smallest are of old, the others of later.
    others = [*range(1, min(own + foreign)), *range(max(own + foreign) + 1, LAST)[:100_000]]
    ids = [*own[:2], *foreign, *others][:100_000]
    assert text_of(set_read(inbox, *ids)) == "Successfully set 2 messages to 'read'"
    assert (unread_of(ben), unread_of(anna)) == (own[2:], foreign)


@pytest.mark.parametrize(
    "messages",
    [None, "1", 1, True, {}, {"0": 1}, ["1"], [1.5], [1.0], [True], [None], [-1], [[1]], [{}], [LAST + 1], [10**400]],
    ids=repr,
)
def test_malformed_ids_are_refused_and_nothing_is_set_to_read(
    inbox: APIClient, ben: User, refused: Refused, messages: Any
) -> None:
    (pk,) = deliver(ben)
    given = [pk, *messages] if isinstance(messages, list) else messages
    for body in ({"messages": given}, {"messages": given, "other": [pk]}):
        response = inbox.post(READ, json.dumps(body), content_type="application/json")
        about = response.json()["responseInfo"]["property"]
        assert about.partition("[")[0].partition(".")[0] == "messages"
        refused(response, 400, "INVALIDDATA", about=about)
    assert unread_of(ben) == [pk]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "about"),
    [
        ("{}", "application/json", 400, "messages"),
        ('{"message": [1]}', "application/json", 400, "messages"),
        ("[1]", "application/json", 400, ""),
        ("1", "application/json", 400, ""),
        ("null", "application/json", 400, ""),
        ("", "application/json", 400, ""),
        ('{"messages": [1', "application/json", 400, ""),
        ('{"messages": [NaN]}', "application/json", 400, ""),
        ("messages=1", "application/x-www-form-urlencoded", 415, ""),
        ('{"messages": [1]}', "text/plain", 415, ""),
        (json.dumps({"messages": [], "other": "x" * 2**20}), "application/json", 413, ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_is_none_is_refused(
    inbox: APIClient, refused: Refused, body: str, content_type: str, status: int, about: str
) -> None:
    response = inbox.post(READ, body, content_type=content_type)
    if not about:
        about = response.json()["responseInfo"]["property"]
    refused(response, status, "INVALIDDATA", about=about)


# Delete


def test_a_deleted_message_is_gone_for_its_owner(inbox: APIClient, ben: User, refused: Refused) -> None:
    newest = fill(ben, 3)
    response = inbox.delete(url(newest[1]))
    assert (response.status_code, response.content) == (204, b"")
    assert not response.has_header("Content-Type")
    assert listed(inbox) == listed(inbox, unread="true") == [newest[0], newest[2]]
    refused(inbox.get(url(newest[1])), 404, "NOTFOUND", about="id")
    assert text_of(set_read(inbox, newest[1])) == "Successfully set 0 messages to 'read'"


def test_what_is_not_there_any_more_or_never_was_cannot_be_deleted(
    inbox: APIClient, ben: User, refused: Refused
) -> None:
    gone, kept = fill(ben, 2)
    assert inbox.delete(url(gone)).status_code == 204
    for pk in (gone, gone + kept, 0, LAST):
        refused(inbox.delete(url(pk)), 404, "NOTFOUND", about="id")
    assert listed(inbox) == [kept]


def test_the_message_of_somebody_else_cannot_be_deleted(
    inbox: APIClient, anna: User, refused: Refused, stored: Callable[[], object]
) -> None:
    (foreign,) = deliver(anna)
    before = stored()
    refused(inbox.delete(url(foreign)), 404, "NOTFOUND", about="id")
    assert stored() == before


def test_the_other_recipients_keep_theirs_and_so_does_the_sender(
    inbox: APIClient, anna: User, ben: User, as_user: AsUser
) -> None:
    own, of_the_sender = deliver(ben, anna, sender=anna)
    shown = accepted(as_user(anna).get(LIST))
    assert inbox.delete(url(own)).status_code == 204
    assert listed(inbox) == []
    assert accepted(as_user(anna).get(LIST)) == shown
    assert unread_of(anna) == [of_the_sender]


def test_what_all_others_have_deleted_is_still_there_for_the_last(
    inbox: APIClient, anna: User, ben: User, as_user: AsUser
) -> None:
    own, foreign = deliver(ben, anna)
    assert as_user(anna).delete(url(foreign)).status_code == 204
    assert listed(inbox) == [own]
    assert inbox.delete(url(own)).status_code == 204
    assert listed(inbox) == []


@pytest.mark.parametrize("path", ["/api/v1/msg/{}", "/api/v1/msg/{}/"])
def test_a_read_message_can_be_deleted_with_and_without_a_slash(inbox: APIClient, ben: User, path: str) -> None:
    (pk,) = deliver(ben)
    set_read(inbox, pk)
    assert inbox.delete(path.format(pk)).status_code == 204
    assert listed(inbox) == []


@pytest.mark.parametrize("path", [LIST, READ, "/api/v1/msg/send", f"{LIST}/", f"{READ}/"])
def test_the_words_of_the_paths_are_no_ids_to_delete(inbox: APIClient, ben: User, refused: Refused, path: str) -> None:
    newest = fill(ben, 2)
    refused(inbox.delete(path), 405, "INVALIDDATA", about="")
    assert listed(inbox) == newest


def test_only_a_user_has_messages_to_read_or_delete(
    brigade: Organization, ben: User, as_organization: AsOrganization, refused: Refused
) -> None:
    (pk,) = deliver(ben)
    for client, status, code in ((as_organization(brigade), 403, "PERMISSION"), (APIClient(), 401, "AUTHREQUIRED")):
        refused(set_read(client, pk), status, code)
        refused(client.delete(url(pk)), status, code)
    assert unread_of(ben) == [pk]
