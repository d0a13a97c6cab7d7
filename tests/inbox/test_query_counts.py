"""What reading an inbox costs: as many queries for thousands of messages as for a few, and in a table of many users no
scan of all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from inbox.models import InboxMessage, Message
from organizations.models import Group, Membership, Organization, User
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory, analyze
from tests.inbox.test_list import LIST, accepted, listed
from tests.inbox.test_read_and_delete import set_read, url

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]
Ask = Callable[[APIClient, list[int]], Any]


@pytest.fixture
def inbox(ben: User, as_user: AsUser) -> APIClient:
    """A client that asks as Ben."""
    return as_user(ben)


def senders_in(organizations: list[Organization], count: int, *, groups: int) -> list[User]:
    """Return new members of all these organizations, each in so many groups of each of them."""
    senders: list[User] = UserFactory.create_batch(count)
    units = [GroupFactory(organization=organization) for organization in organizations for _ in range(groups)]
    memberships = Membership.objects.bulk_create(
        Membership(organization=organization, user=sender) for organization in organizations for sender in senders
    )
    joined = itertools.product(units, memberships)
    Group.memberships.through.objects.bulk_create(
        Group.memberships.through(group=unit, membership=membership)
        for unit, membership in joined
        if unit.organization_id == membership.organization_id
    )
    analyze(User, Membership, Group, Group.memberships.through)
    return senders


def fill(user: User, count: int, senders: list[User]) -> list[int]:
    """Write so many unread messages of these senders into an inbox, and return their ids, newest first."""
    now = timezone.now()
    messages = Message.objects.bulk_create(
        Message(sender=senders[number % len(senders)], text="Drill", sent_at=now) for number in range(count)
    )
    rows = InboxMessage.objects.bulk_create(InboxMessage(message=message, user=user) for message in messages)
    analyze(Message, InboxMessage)
    return [row.pk for row in rows][::-1]


def queries(ask: Callable[[], Any], *, status: int) -> list[str]:
    """Return the queries that a request takes."""
    with CaptureQueriesContext(connection) as captured:
        assert ask().status_code == status
    return [query["sql"] for query in captured]


OF_LISTS: dict[str, dict[str, object]] = {
    "all": {},
    "unread": {"unread": "true"},
    "a page": {"limit": 40, "before": 2**62},
    "an unread page": {"limit": 40, "before": 2**62, "unread": "true"},
}
REQUESTS: dict[str, tuple[int, Ask]] = {
    **{
        f"list {name}": (200, lambda client, _ids, query=query: client.get(LIST, query))
        for name, query in OF_LISTS.items()
    },
    "poll": (304, lambda client, _ids: client.get(LIST, headers={"If-None-Match": "*"})),
    "view": (200, lambda client, ids: client.get(url(ids[0]))),
    "read": (201, lambda client, ids: set_read(client, *ids)),
    "delete": (204, lambda client, ids: client.delete(url(ids[-1]))),
}
each_request = pytest.mark.parametrize(("status", "ask"), REQUESTS.values(), ids=REQUESTS)


# All of them take the token with its user first. Then
# - list: the messages (with what was sent and the organizations of alarms), and all their senders with their groups
# - poll: the ids in the inbox
# - view: the message and its reader, and its sender with the groups
# - read: the update, the messages, and all their senders with their groups
# - delete: whether it is there, and the deletion
@each_request
def test_an_inbox_of_5000_messages_of_50_senders_takes_the_queries_of_one_of_50(
    inbox: APIClient, brigade: Organization, ben: User, status: int, ask: Ask
) -> None:
    ids = fill(ben, 50, senders_in([brigade], 1, groups=1))
    with_few = queries(lambda: ask(inbox, ids), status=status)
    more = [MembershipFactory(user=ben).organization for _ in range(2)]
    ids = fill(ben, 4950, senders_in([brigade, *more], 50, groups=20))
    with_many = queries(lambda: ask(inbox, ids), status=status)
    assert len(with_many) == len(with_few), with_many


def test_thousands_of_messages_are_listed_each_with_its_sender_and_the_groups(
    inbox: APIClient, brigade: Organization, ben: User
) -> None:
    senders = senders_in([brigade, OrganizationFactory()], 50, groups=20)
    newest = fill(ben, 5000, senders)
    messages = accepted(inbox.get(LIST))
    assert [message["id"] for message in messages] == newest
    assert {message["sender"]["id"] for message in messages} == {sender.pk for sender in senders}
    # Those of the other organization are not Ben's to know.
    groups = {group["id"] for message in messages for group in message["sender"]["groups"]}
    assert groups == set(Group.objects.filter(organization=brigade).values_list("pk", flat=True))
    assert {len(message["sender"]["groups"]) for message in messages} == {20}


# A table of 100,000 rows

USERS, MESSAGES = 500, 200
INDEXES = {index.name for index in InboxMessage._meta.indexes}
FILL = """
    INSERT INTO inbox_inboxmessage (message_id, user_id, read_at)
    SELECT m.id, u.id, CASE WHEN m.id % 10 > 0 THEN now() END
    FROM inbox_message m CROSS JOIN organizations_user u
    ORDER BY m.id, u.id
"""


@pytest.fixture
def owner(db: None) -> User:
    """One of 500 users who have 200 messages each, a tenth of them unread."""
    users = User.objects.bulk_create(User(login=f"person{number}") for number in range(USERS))
    now = timezone.now()
    Message.objects.bulk_create(
        Message(sender=users[number % 50], text="Drill", sent_at=now) for number in range(MESSAGES)
    )
    with connection.cursor() as cursor:
        cursor.execute(FILL)
        assert cursor.rowcount == USERS * MESSAGES
        cursor.execute("ANALYZE inbox_inboxmessage, inbox_message, organizations_user")
    return users[USERS // 2]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def planned(sql: str) -> list[dict[str, Any]]:
    """Return the steps in which PostgreSQL would answer a query."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        ((found,),) = cursor.fetchall()
    (plan,) = json.loads(found) if isinstance(found, str) else found
    return list(nodes(plan["Plan"]))


def test_in_a_table_of_100_000_rows_nobody_reads_those_of_others(owner: User, as_user: AsUser) -> None:
    client = as_user(owner)
    ids = listed(client)
    assert (len(ids), len(listed(client, unread="true"))) == (MESSAGES, MESSAGES // 10)
    for name, (status, ask) in REQUESTS.items():
        asked = [sql for sql in queries(lambda ask=ask: ask(client, ids), status=status) if "inbox_inboxmessage" in sql]
        steps = [step for sql in asked for step in planned(sql)]
        ways = {step["Node Type"] for step in steps if step.get("Relation Name") == "inbox_inboxmessage"}
        assert ways - {"ModifyTable"}, name
        assert "Seq Scan" not in ways, (name, asked)
        if name.startswith(("list", "poll")):
            of_the_user = [step for step in steps if step.get("Index Name") in INDEXES]
            assert of_the_user, (name, steps)
            assert all(f"user_id = {owner.pk}" in step["Index Cond"] for step in of_the_user), name
