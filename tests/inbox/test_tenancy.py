"""Who may send to whom, who sees, marks and deletes what, and which groups of a sender each reader sees.

Xena (organizations A and C), Yuri (B and C), Ada (A), a stranger (D), an admin of C, and Zoe, whose organization I is
inactive; Xena and Yuri are in I too. An API token speaks for C.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from inbox.models import InboxMessage
from organizations.models import Membership, Organization, User
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db

Stored = Callable[[], list[dict[str, Any]]]

MEMBERS = {"A": "xena ada", "B": "yuri", "C": "xena yuri boss", "D": "stranger", "I": "xena yuri zoe"}
# Groups: of A one with both, of C one with Xena and Yuri and one with the admin alone.
GROUPS = {"a": ("A", "xena ada"), "b": ("B", "yuri"), "c": ("C", "xena yuri"), "c2": ("C", "boss")}
GROUPS |= {"d": ("D", "stranger"), "i": ("I", "xena yuri zoe")}
USERS = ("xena", "yuri", "ada", "boss", "stranger", "zoe")
NOWHERE = 987_654_321


class World:
    """The organizations above; users and groups go by their names."""

    def __init__(
        self, as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]
    ) -> None:
        self.organizations = {name: OrganizationFactory(name=name, is_active=name != "I") for name in MEMBERS}
        self.users: dict[str, User] = {name: UserFactory(login=name, description=f"is {name}") for name in USERS}
        for name, members in MEMBERS.items():
            for user in members.split():
                role = "admin" if user == "boss" else "member"
                MembershipFactory(organization=self.organizations[name], user=self.users[user], role=role)
        self.groups = {}
        for name, (organization, members) in GROUPS.items():
            group = self.groups[name] = GroupFactory(organization=self.organizations[organization], name=name)
            group.memberships.set(group.organization.memberships.filter(user__login__in=members.split()))
        self.clients = {name: as_user(user) for name, user in self.users.items()}
        self.clients |= {"API token": as_organization(self.organizations["C"]), "nobody": APIClient()}

    def send(self, who: str, *, users: str = "", groups: str = "", ids: tuple[int, ...] = ()) -> Any:
        named = {
            "toUserId": [*(self.users[name].pk for name in users.split()), *ids],
            "toGroupId": [self.groups[name].pk for name in groups.split()],
        }
        return self.ask(who, "POST", "/send", {"message": "Drill"} | named)

    def ask(self, who: str, method: str, path: str, body: object = None) -> Any:
        text = "" if body is None else json.dumps(body)
        return self.clients[who].generic(method, f"/api/v1/msg{path}", text, "application/json")

    def inbox(self, who: str) -> list[dict[str, Any]]:
        answer = self.ask(who, "GET", "/list")
        assert answer.status_code == 200, answer.content
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    def groups_seen(self, who: str) -> set[str]:
        """Return the groups of the sender of the one message in an inbox."""
        (message,) = self.inbox(who)
        return {group["name"] for group in message["sender"]["groups"]}

    def leave(self, who: str, organization: str) -> None:
        Membership.objects.get(user=self.users[who], organization=self.organizations[organization]).delete()


@pytest.fixture
def world(as_user: Callable[[User], APIClient], as_organization: Callable[[Organization], APIClient]) -> World:
    return World(as_user, as_organization)


# Sending

TO_USERS = {
    "xena": "xena yuri ada boss",
    "yuri": "xena yuri boss",
    "ada": "xena ada",
    "boss": "xena yuri boss",
    "stranger": "stranger",
    "zoe": "",
}
TO_GROUPS = {"xena": "a c c2", "yuri": "b c c2", "ada": "a", "boss": "c c2", "stranger": "d", "zoe": ""}


@pytest.mark.parametrize("who", USERS)
def test_users_are_reached_by_those_with_whom_they_share_an_active_organization(
    world: World, stored: Stored, refused: Any, who: str
) -> None:
    for name in USERS:
        before, answer = stored(), world.send(who, users=name)
        if name in TO_USERS[who].split():
            assert answer.status_code == 201, (who, name)
            assert [message["sender"]["login"] for message in world.inbox(name)] == [who]
        else:
            assert str(world.users[name].pk) in refused(answer, 400, "INVALIDDATA", about="toUserId")
            assert stored() == before, (who, name)


@pytest.mark.parametrize("who", USERS)
def test_groups_are_reached_by_the_members_of_their_active_organization(
    world: World, stored: Stored, refused: Any, who: str
) -> None:
    reached = dict.fromkeys(USERS, 0)
    for name, (_organization, members) in GROUPS.items():
        before, answer = stored(), world.send(who, groups=name)
        if name in TO_GROUPS[who].split():
            assert answer.status_code == 201, (who, name)
            reached |= {user: reached[user] + 1 for user in members.split()}
        else:
            assert str(world.groups[name].pk) in refused(answer, 400, "INVALIDDATA", about="toGroupId")
            assert stored() == before, (who, name)
    assert {user: len(world.inbox(user)) for user in USERS} == reached


@pytest.mark.parametrize(
    ("users", "groups", "about"),
    [
        ("yuri stranger", "", "toUserId"),
        ("yuri zoe", "c", "toUserId"),
        ("", "c b", "toGroupId"),
        ("yuri", "i", "toGroupId"),
    ],
)
def test_who_names_one_that_is_not_theirs_reaches_nobody(
    world: World, stored: Stored, refused: Any, users: str, groups: str, about: str
) -> None:
    refused(world.send("xena", users=users, groups=groups), 400, "INVALIDDATA", about=about)
    assert stored() == []


@pytest.mark.parametrize("field", ["toUserId", "toGroupId"])
@pytest.mark.parametrize("kind", ["of another organization", "of an inactive organization", "inactive"])
def test_an_error_does_not_tell_an_id_of_others_from_one_that_nobody_has(world: World, field: str, kind: str) -> None:
    user, group = ("zoe", "i") if kind == "of an inactive organization" else ("stranger", "b")
    User.objects.filter(login=user).update(is_active=kind != "inactive")
    foreign = world.users[user].pk if field == "toUserId" else world.groups[group].pk
    said = [world.ask("xena", "POST", "/send", {"message": "Drill", field: [number]}) for number in (foreign, NOWHERE)]
    assert said[0].status_code == said[1].status_code == 400
    assert said[0].content.decode().replace(str(foreign), "ID") == said[1].content.decode().replace(str(NOWHERE), "ID")


# Reading, marking and deleting

REQUESTS: dict[str, tuple[str, str, Any]] = {
    "view": ("GET", "/ID", None),
    "delete": ("DELETE", "/ID", None),
    "mark read": ("POST", "/read", {"messages": ["ID"]}),
}


def ask_about(world: World, who: str, request: str, number: int) -> Any:
    method, path, body = REQUESTS[request]
    body = body and json.loads(json.dumps(body).replace('"ID"', str(number)))
    return world.ask(who, method, path.replace("ID", str(number)), body)


@pytest.mark.parametrize("request_name", list(REQUESTS))
@pytest.mark.parametrize("who", ["xena", "ada", "boss", "stranger", "zoe", "API token", "nobody"])
def test_a_message_in_the_inbox_of_another_is_as_one_that_is_not_there(
    world: World, stored: Stored, who: str, request_name: str
) -> None:
    # Xena has sent it, Boss is an admin of the organization that the two share.
    world.send("xena", users="yuri")
    number, before = world.inbox("yuri")[0]["id"], stored()
    ids = (number, NOWHERE)
    answers = [ask_about(world, who, request_name, asked) for asked in ids]
    expected = {"API token": (403, "PERMISSION"), "nobody": (401, "AUTHREQUIRED")}.get(
        who, (201, "OK") if request_name == "mark read" else (404, "NOTFOUND")
    )
    for answer in answers:
        body = answer.json()
        assert (answer.status_code, body["responseInfo"]["responseCode"]) == expected
        assert body["messages"] == []
        assert "Drill" not in answer.content.decode()
    told = [answer.content.decode().replace(str(asked), "ID") for answer, asked in zip(answers, ids, strict=True)]
    assert told[0] == told[1]
    assert stored() == before


@pytest.mark.parametrize("who", ["xena", "ada", "boss", "stranger", "zoe"])
def test_a_list_has_no_message_of_another(world: World, who: str) -> None:
    world.send("xena", users="yuri")
    assert world.inbox(who) == []
    assert world.ask(who, "GET", "/list?unread=true&limit=5").json()["messages"] == []
    assert len(world.inbox("yuri")) == 1


@pytest.mark.parametrize(("who", "status", "code"), [("API token", 403, "PERMISSION"), ("nobody", 401, "AUTHREQUIRED")])
def test_who_is_no_user_has_no_inbox_and_sends_nothing(
    world: World, stored: Stored, refused: Any, who: str, status: int, code: str
) -> None:
    refused(world.ask(who, "GET", "/list"), status, code)
    refused(world.send(who, users="xena yuri", groups="c"), status, code)
    # Not even what is wrong with it is told.
    refused(world.send(who, ids=(NOWHERE,)), status, code)
    assert stored() == []


def test_the_owner_views_marks_and_deletes_their_own_and_leaves_the_others_theirs(world: World) -> None:
    world.send("xena", groups="c")
    (own,), (others,) = world.inbox("yuri"), world.inbox("xena")
    assert own["id"] != others["id"]
    assert ask_about(world, "yuri", "view", own["id"]).json()["messages"] == [own]
    marked = world.ask("yuri", "POST", "/read", {"messages": [own["id"], others["id"], NOWHERE]})
    assert marked.status_code == 201
    assert marked.json()["messages"] == [own]
    assert marked.json()["responseInfo"]["responseMessage"] == "Successfully set 1 messages to 'read'"
    assert world.ask("yuri", "GET", "/list?unread=true").json()["messages"] == []
    assert world.ask("xena", "GET", "/list?unread=true").json()["messages"] == [others]
    assert ask_about(world, "yuri", "delete", own["id"]).status_code == 204
    assert ask_about(world, "yuri", "delete", own["id"]).status_code == 404
    assert (world.inbox("yuri"), world.inbox("xena")) == ([], [others])


def test_messages_of_others_do_not_show_in_pages(world: World) -> None:
    for _ in range(3):
        world.send("xena", groups="c")
    theirs = [message["id"] for message in world.inbox("yuri")]
    above = max(message["id"] for message in world.inbox("xena")) + 1
    page = world.ask("yuri", "GET", f"/list?before={above}&limit=2").json()["messages"]
    assert [message["id"] for message in page] == [number for number in theirs if number < above][:2]


# The groups of a sender


def test_a_reader_sees_the_groups_of_the_organizations_that_they_share_with_the_sender(world: World) -> None:
    answer = world.send("xena", users="xena yuri ada boss")
    # The sender's own are those of their active organizations.
    (own,) = answer.json()["messages"]
    assert [group["name"] for group in own["sender"]["groups"]] == ["a", "c"]
    seen = {who: world.groups_seen(who) for who in ("xena", "yuri", "ada", "boss")}
    assert seen == {"xena": {"a", "c"}, "yuri": {"c"}, "ada": {"a"}, "boss": {"c"}}


def test_groups_of_which_the_sender_is_no_member_are_not_theirs(world: World) -> None:
    world.send("xena", groups="c2")
    assert world.groups_seen("boss") == {"c"}


def test_each_sender_has_their_own_groups(world: World) -> None:
    world.send("ada", users="xena")
    world.send("yuri", users="xena")
    world.send("boss", users="xena")
    senders = {message["sender"]["login"]: message["sender"]["groups"] for message in world.inbox("xena")}
    assert {login: [group["name"] for group in groups] for login, groups in senders.items()} == {
        "ada": ["a"],
        "yuri": ["c"],
        "boss": ["c2"],
    }


def test_groups_are_seen_as_they_are_now(world: World) -> None:
    world.send("xena", users="yuri ada")
    world.organizations["C"].is_active = False
    world.organizations["C"].save(update_fields=["is_active"])
    world.organizations["I"].is_active = True
    world.organizations["I"].save(update_fields=["is_active"])
    assert (world.groups_seen("yuri"), world.groups_seen("ada")) == ({"i"}, {"a"})


# Leaving


@pytest.mark.parametrize("who", ["xena", "yuri"])
def test_who_leaves_the_common_organization_is_reached_from_there_no_more(
    world: World, stored: Stored, refused: Any, who: str
) -> None:
    world.leave(who, "C")
    refused(world.send("xena", users="yuri"), 400, "INVALIDDATA", about="toUserId")
    refused(world.send("yuri", users="xena"), 400, "INVALIDDATA", about="toUserId")
    refused(world.send(who, groups="c"), 400, "INVALIDDATA", about="toGroupId")
    assert stored() == []
    assert world.send("boss", groups="c").status_code == 201
    assert {name: len(world.inbox(name)) for name in ("xena", "yuri")} == {"xena": 1, "yuri": 1} | {who: 0}


@pytest.mark.parametrize("who", ["xena", "yuri"])
def test_who_left_keeps_their_inbox_and_sees_no_groups_any_more(world: World, who: str) -> None:
    world.send("xena", users="yuri")
    (before,) = world.inbox("yuri")
    world.leave(who, "C")
    (message,) = world.inbox("yuri")
    assert message == before | {"sender": before["sender"] | {"groups": []}}
    assert ask_about(world, "yuri", "view", message["id"]).json()["messages"] == [message]
    assert ask_about(world, "yuri", "mark read", message["id"]).json()["messages"] == [message]
    assert ask_about(world, "yuri", "delete", message["id"]).status_code == 204
    assert not InboxMessage.objects.exists()
