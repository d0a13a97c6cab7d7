"""GET and PATCH /user: whether a user wants copies of their inbox by e-mail (contract 6), and their language."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.importing import import_members
from organizations.models import Organization, User
from tests.dialect import refused
from tests.factories import InboxMessageFactory, OrganizationFactory, UserFactory, admin, member
from tests.organizations.test_admin import url, user_page
from tests.organizations.test_jwt import token_of, trust

pytestmark = pytest.mark.django_db

PATH = "/api/v1/user"

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]


def rows() -> list[dict[str, Any]]:
    return list(User.objects.order_by("pk").values())


def patch(client: APIClient, body: object, path: str = PATH) -> Any:
    return client.patch(path, json.dumps(body), content_type="application/json")


@pytest.fixture
def user() -> User:
    """Somebody with colleagues, none of whose preferences are those that the tests set."""
    organization = OrganizationFactory()
    admin(organization)
    somebody = member(organization, first_name="Änne", last_name="O'Neill", email="aenne@example.org")
    UserFactory(inbox_to_email=True)
    return somebody


@pytest.fixture
def client(user: User, as_user: AsUser) -> APIClient:
    return as_user(user)


@pytest.fixture
def answer_of(user: User) -> Callable[..., dict[str, object]]:
    """What the user is told of themselves."""

    def answer(*, inbox_to_email: bool = False, language: str = "en") -> dict[str, object]:
        person = {"id": user.pk, "email": "aenne@example.org", "name": "Änne", "surname": "O'Neill"}
        return person | {"inboxToEmail": inbox_to_email, "language": language}

    return answer


def test_a_user_reads_their_preferences_and_wants_no_copies_at_first(client: APIClient, answer_of: Any) -> None:
    answer = client.get(PATH)
    assert (answer.status_code, answer.json()) == (200, answer_of())


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({"inboxToEmail": True}, {"inbox_to_email": True}),
        ({"inboxToEmail": False}, {"inbox_to_email": False}),
        ({"language": "de"}, {"language": "de"}),
        ({"language": "de-AT", "inboxToEmail": True}, {"language": "de-AT", "inbox_to_email": True}),
        ({"language": "pt_BR"}, {"language": "pt_BR"}),
        ({}, {}),
    ],
)
def test_what_is_given_is_changed_and_the_rest_stays(
    client: APIClient, user: User, answer_of: Any, body: object, changed: dict[str, Any], path: str
) -> None:
    before = {row["id"]: row for row in rows()}
    answer = patch(client, body, path)
    assert (answer.status_code, answer.json()) == (200, answer_of(**changed))
    assert client.get(PATH).json() == answer.json()
    assert rows() == list((before | {user.pk: before[user.pk] | changed}).values())


def test_one_preference_after_the_other_and_back_again(client: APIClient, answer_of: Any) -> None:
    patch(client, {"inboxToEmail": True})
    assert patch(client, {"language": "de"}).json() == answer_of(inbox_to_email=True, language="de")
    assert patch(client, {"inboxToEmail": False}).json() == answer_of(language="de")


@pytest.mark.parametrize(
    "body",
    [
        {"email": "spy@example.com", "name": "X", "surname": "Y", "id": 1, "login": "root", "description": "Z"},
        {"is_staff": True, "is_superuser": True, "isActive": False, "is_active": False, "password": "x"},
        {"inbox_to_email": True, "INBOXTOEMAIL": True, "inboxToEmail ": True, "Language": "de"},
        {"managing_organization": None, "managing_organization_id": None, "devices": [], "memberships": []},
        {"userID": 1, "user": {"inboxToEmail": True}, "inboxToEmail.x": 1},
    ],
)
def test_what_is_no_preference_changes_nothing(client: APIClient, answer_of: Any, body: object) -> None:
    before = rows()
    answer = patch(client, body)
    assert (answer.status_code, answer.json()) == (200, answer_of())
    assert rows() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [("inboxToEmail", value) for value in ("true", "", 1, 0, 1.0, None, [], [True], {})]
    + [("language", value) for value in ("", " ", None, 1, True, ["de"], {"de": 1}, "d", "de\n", " de", "de de")]
    + [("language", value) for value in ("dé", "de-", "-de", "../de", "de\x00", "de\ud800", "de" * 18, "a" * 10**5)],
)
def test_a_malformed_value_is_named_and_nothing_is_changed(client: APIClient, field: str, value: object) -> None:
    before = rows()
    answer = patch(client, {"inboxToEmail": True, "language": "de"} | {field: value})
    assert refused(answer, 400, field)
    assert len(answer.content) < 1000
    assert rows() == before


@pytest.mark.parametrize("body", [[], [{"inboxToEmail": True}], "inboxToEmail", 1, True, None])
def test_a_body_that_is_no_object_changes_nothing(client: APIClient, body: object) -> None:
    before = rows()
    assert refused(patch(client, body), 400)
    assert rows() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json"])
def test_another_media_type_changes_nothing(client: APIClient, kind: str) -> None:
    before = rows()
    assert refused(client.patch(PATH, '{"inboxToEmail": true}', content_type=kind), 415)
    assert rows() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_change_nothing(client: APIClient, method: str) -> None:
    before = rows()
    answer = client.generic(method, PATH, '{"inboxToEmail": true}', content_type="application/json")
    assert refused(answer, 405)
    assert {"GET", "PATCH"} <= set(answer["Allow"].split(", "))
    assert method not in answer["Allow"]
    assert rows() == before


def test_only_what_is_given_is_written_and_for_nothing_nothing(client: APIClient) -> None:
    taken = {}
    for body in ('{"language": "de"}', "{}"):
        with CaptureQueriesContext(connection) as queries:  # the token with its user, and what is written
            assert client.patch(PATH, body, content_type="application/json").status_code == 200
        taken[body] = [query["sql"] for query in queries if not query["sql"].lstrip().startswith("SELECT")]
        assert len(queries) == 1 + len(taken[body])
    (update,) = taken['{"language": "de"}']
    assert update.startswith("UPDATE")
    assert "inbox_to_email" not in update.partition("WHERE")[0]
    assert taken["{}"] == []


def test_the_next_text_that_a_user_reads_is_in_the_language_they_have_set(client: APIClient, user: User) -> None:
    InboxMessageFactory(user=user, message__text="Drill", message__translations={"de": "Übung"})
    read = {}
    for language in ("en", "de", "en"):
        patch(client, {"language": language})
        read[language] = client.get("/api/v1/msg/list").json()["messages"][0]["message"]
    assert read == {"en": "Drill", "de": "Übung"}


# Who


@pytest.mark.parametrize(
    ("role", "status"),
    [("nobody", 401), ("API token", 403), ("deactivated", 401), ("two at once", 400), ("without organization", 200)],
)
def test_who_may_set_preferences(
    user: User, as_user: AsUser, as_organization: AsOrganization, role: str, status: int
) -> None:
    organization = user.managing_organization
    assert organization is not None
    clients: dict[str, Callable[[], APIClient]] = {
        "nobody": APIClient,
        "API token": lambda: as_organization(organization),
        "deactivated": lambda: as_user(member(organization, is_active=False)),
        "two at once": lambda: APIClient(**as_user(user).defaults | as_organization(organization).defaults),
        "without organization": lambda: as_user(UserFactory()),
    }
    caller = clients[role]()
    before = rows()
    answer = patch(caller, {"inboxToEmail": True, "language": "de"})
    assert answer.status_code == 200 if status == 200 else refused(answer, status)
    assert (rows() == before) == (status != 200)


def test_whom_a_jwt_names_reads_and_sets_them(settings: Any, user: User, answer_of: Any) -> None:
    trust(settings, "RS256")
    client = APIClient(headers={"Authorization": f"Bearer {token_of(user)}"})
    assert client.get(PATH).json() == answer_of()
    assert patch(client, {"inboxToEmail": True}).json() == answer_of(inbox_to_email=True)
    assert User.objects.get(pk=user.pk).inbox_to_email


def test_others_do_not_see_the_preferences_of_a_user(
    client: APIClient, user: User, as_user: AsUser, as_organization: AsOrganization
) -> None:
    organization = user.managing_organization
    assert organization is not None
    patch(client, {"inboxToEmail": True, "language": "de"})
    for caller in (client, as_user(admin(organization)), as_organization(organization)):
        people = caller.get("/api/v1/users", {"organization": organization.pk}).json()
        assert user.pk in {person["id"] for person in people}
        assert all(person.keys() == {"id", "email", "name", "surname"} for person in people)


# Elsewhere


def test_the_page_of_a_user_in_the_admin_sets_it(admin_client: Client) -> None:
    user = UserFactory()
    for given, expected in (({"inbox_to_email": "on"}, True), ({}, False)):
        assert admin_client.post(url(User, "change", user.pk), user_page(user) | given).status_code == 302
        assert User.objects.get(pk=user.pk).inbox_to_email is expected


def test_an_import_of_members_leaves_it_as_it_is(user: User) -> None:
    User.objects.filter(pk=user.pk).update(inbox_to_email=True)
    organization = user.managing_organization
    assert organization is not None
    header = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"
    lines = [header, f"{user.login},New,Name,new@example.org,de,,,,,,", "somebody.new,,,somebody@example.org,,,,,,,"]
    for _time in range(2):
        import_members(organization=organization, data="\n".join(lines).encode())
    found = User.objects.filter(login__in=[user.login, "somebody.new"]).values_list("first_name", "inbox_to_email")
    assert set(found) == {("New", True), ("", False)}
