"""A message to 10,000 people takes exactly as many queries as one to 10, and each gets it once, in their language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from organizations.models import Group, Membership, Organization, User
from tests.factories import GroupFactory, UserFactory, analyze

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]

LANGUAGES = ("en", "de-AT", "fr")
IN = {"en": "Drill at eight", "de-AT": "eight: Übung", "fr": "Exercice: eight"}
BODY = {
    "message": "Drill at {0}",
    "translations": {"de": "{0}: Übung", "fr": "Exercice: {0}"},
    "parameters": ["eight"],
}
FEW, MANY = 10, 10_000


class Sending(NamedTuple):
    queries: list[str]
    seconds: float
    answer: Any


def people_of(organization: Organization, count: int, **fields: object) -> list[User]:
    """Make members of an organization, whose languages take turns."""
    users = User.objects.bulk_create(
        UserFactory.build(language=LANGUAGES[number % 3], managing_organization=organization, **fields)
        for number in range(count)
    )
    Membership.objects.bulk_create(Membership(organization=organization, user=user) for user in users)
    analyze(User, Membership)
    return users


def group_of(organization: Organization, users: list[User]) -> Group:
    group: Group = GroupFactory(organization=organization)
    between = Group.memberships.through
    ids = Membership.objects.filter(organization=organization, user__in=users).values_list("pk", flat=True)
    between.objects.bulk_create(between(group_id=group.pk, membership_id=pk) for pk in ids)
    analyze(between)
    return group


def sending(client: APIClient, addressees: dict[str, list[int]]) -> Sending:
    with CaptureQueriesContext(connection) as queries:
        started = perf_counter()
        answer = client.post("/api/v1/msg/send", BODY | addressees, format="json")
        seconds = perf_counter() - started
    assert answer.status_code == 201, answer.content
    return Sending([query["sql"] for query in queries], seconds, answer.json())


def text_of_the_only_message(client: APIClient) -> str:
    (message,) = client.get("/api/v1/msg/list").json()["messages"]
    return str(message["message"])


@pytest.mark.parametrize("copies", [False, True], ids=["nobody wants a copy", "each wants a copy by e-mail"])
def test_a_message_to_10000_takes_as_many_queries_as_one_to_10(
    brigade: Organization, anna: User, as_user: AsUser, jobs: Callable[[], list[dict[str, Any]]], copies: bool
) -> None:
    few, many = (people_of(brigade, count, inbox_to_email=copies) for count in (FEW, MANY))
    groups = [group_of(brigade, people) for people in (few, many)]
    client = as_user(anna)
    # The first request of a process takes longer.
    sending(client, {"toUserId": [anna.pk]})
    to_few, to_many = (sending(client, {"toGroupId": [group.pk]}) for group in groups)
    report(to_few, to_many)

    # The token with its user, a savepoint, the sender's organizations, which of the ids are not of these, the message,
    # the inboxes of all, the jobs of the copies if there are any, the end of the savepoint, and the sender with their
    # groups.
    assert len(to_few.queries) == 8 + copies, "\n".join(to_few.queries)
    assert len(to_many.queries) == len(to_few.queries), "\n".join(query[:200] for query in to_many.queries)
    assert bool(jobs()) == copies

    assert_each_has_one_in_their_language([anna, *few, *many])
    for user in many[:3] + many[-3:]:
        assert text_of_the_only_message(as_user(user)) == IN[user.language]


def assert_each_has_one_in_their_language(people: list[User]) -> None:
    rows = InboxMessage.objects.select_related("message", "user")
    found = Counter((row.user_id, row.message.wording(row.user.language)) for row in rows)
    assert found == Counter((user.pk, IN[user.language]) for user in people)


def report(to_few: Sending, to_many: Sending) -> None:
    print(
        f"\na message to {FEW}: {to_few.seconds * 1000:.0f} ms, to {MANY}: {to_many.seconds * 1000:.0f} ms,"
        f" {to_many.seconds / to_few.seconds:.1f} times as long; {len(to_few.queries)} queries each"
    )


def test_10000_who_are_named_and_in_groups_take_as_many_queries_as_10(
    brigade: Organization, anna: User, as_user: AsUser
) -> None:
    few, many = (people_of(brigade, count) for count in (FEW, MANY))
    client = as_user(anna)
    # The first request of a process takes longer.
    sending(client, {"toUserId": [anna.pk]})
    sent = []
    for people in (few, many):
        half = len(people) // 2
        # Two groups that have some in common, and names of which some are in them too.
        groups = [group_of(brigade, people[: half + 3]), group_of(brigade, people[half:])]
        named = [user.pk for user in people[half - 2 :]]
        sent.append(sending(client, {"toUserId": named, "toGroupId": [group.pk for group in groups]}))
    report(*sent)
    # As above.
    assert [len(each.queries) for each in sent] == [8, 8]
    assert_each_has_one_in_their_language([anna, *few, *many])
