"""Tokens in the admin: issued and shown once, found again, revoked."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from organizations import tokens
from organizations.models import ApiToken, Organization, PersonalAccessToken, Token, User
from tests.factories import OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

KINDS: Any = pytest.mark.parametrize("model", [ApiToken, PersonalAccessToken], ids=["API", "personal"])
HEADERS = {ApiToken: "API-TOKEN", PersonalAccessToken: "Personal-Access-Token"}


def url(model: type[Token], page: str, *args: object) -> str:
    return reverse(f"admin:organizations_{model._meta.model_name}_{page}", args=args)


def owner_of(model: type[Token]) -> Any:
    return OrganizationFactory() if model is ApiToken else member(OrganizationFactory())


def issue(model: Any, **fields: Any) -> tuple[Any, str]:
    fields = {"name": "dispatch", model.OWNER: owner_of(model), **fields}
    late = {name: fields.pop(name) for name in ("created_at", "last_used_at", "revoked_at") if name in fields}
    row, text = model.issue(**fields)
    model.objects.filter(pk=row.pk).update(**late) if late else None
    row.refresh_from_db()
    return row, text


def text_in(page: str) -> str:
    found = set(re.findall(r"ga_(?:org|pat)_[0-9a-f]{64}", page))
    assert len(found) == 1
    return found.pop()


def status(model: type[Token], text: str) -> int:
    return int(APIClient(headers={HEADERS[model]: text}).get("/api/v1/organizations").status_code)


def key_on(client: Client, model: type[Token]) -> str:
    page = client.get(url(model, "add")).content.decode()
    return re.findall(r'name="form_key" value="([^"]+)"', page)[0]


def desk_of(user: User) -> Client:
    """A client in which a person of the staff is logged in."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


@KINDS
def test_an_issued_token_is_shown_in_the_answer_itself_and_nowhere_else(
    admin_client: Client, model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    owner = owner_of(model)
    data = {model.OWNER: owner.pk, "name": "dispatch", "lifetime": "never", "form_key": key_on(admin_client, model)}
    with caplog.at_level(logging.DEBUG):
        answer = admin_client.post(url(model, "add"), data)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    page = answer.content.decode()
    text, token = text_in(page), model.objects.get()
    assert (token.owner, token.name, token.prefix) == (owner, "dispatch", tokens.prefix(text))
    assert (token.digest, token.expires_at) == (tokens.digest(text), None)
    assert status(model, text) == 200
    assert f"{HEADERS[model]}: {text}" in page
    assert "curl http" in page

    for again in (url(model, "changelist"), url(model, "change", token.pk), url(model, "history", token.pk)):
        shown = admin_client.get(again).content.decode()
        assert token.prefix in shown
        assert text not in shown
        assert token.digest not in shown
    assert text not in caplog.text
    assert text not in str(answer.cookies)
    assert text not in str([session.get_decoded() for session in Session.objects.all()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT l::text FROM django_admin_log l")
        assert text not in str(cursor.fetchall())


@KINDS
def test_sending_the_form_again_issues_no_other_token(admin_client: Client, model: Any) -> None:
    data = {model.OWNER: owner_of(model).pk, "name": "dispatch", "lifetime": "never"}
    data["form_key"] = key_on(admin_client, model)
    text = text_in(admin_client.post(url(model, "add"), data).content.decode())
    again = admin_client.post(url(model, "add"), data, follow=True)
    token = model.objects.get()
    assert again.redirect_chain[-1][0] == url(model, "change", token.pk)
    assert "This token was issued already" in again.content.decode()
    assert text not in again.content.decode()
    admin_client.post(url(model, "add"), data | {"form_key": key_on(admin_client, model)})
    assert model.objects.count() == 2


@pytest.mark.parametrize(("lifetime", "days"), [("30", 30), ("90", 90), ("365", 365)])
def test_a_token_ends_after_the_days_that_were_chosen(admin_client: Client, lifetime: str, days: int) -> None:
    data = {"organization": OrganizationFactory().pk, "name": "dispatch", "lifetime": lifetime}
    before = timezone.now()
    assert admin_client.post(url(ApiToken, "add"), data).status_code == 200
    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert before <= expires_at - timedelta(days=days) <= timezone.now()


def test_a_token_works_until_the_end_of_its_last_day(admin_client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    data = {"organization": OrganizationFactory().pk, "name": "dispatch", "lifetime": "date", "until": "2099-07-01"}
    assert admin_client.post(url(ApiToken, "add"), data).status_code == 200
    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.isoformat() == "2099-07-01T22:00:00+00:00"


@pytest.mark.parametrize(
    ("entered", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"organization": ""}, "organization"),
        ({"organization": "0"}, "organization"),
        ({"organization": "9" * 30}, "organization"),
        ({"lifetime": ""}, "lifetime"),
        ({"lifetime": "31"}, "lifetime"),
        ({"lifetime": "date"}, "until"),
        ({"lifetime": "date", "until": "2020-01-01"}, "until"),
        ({"lifetime": "date", "until": "9999-12-31"}, "until"),
        ({"lifetime": "date", "until": "tomorrow"}, "until"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_nothing_is_issued(
    admin_client: Client, entered: dict[str, str], field: str
) -> None:
    data = {"organization": OrganizationFactory().pk, "name": "dispatch", "lifetime": "never", **entered}
    answer = admin_client.post(url(ApiToken, "add"), data)
    assert set(answer.context["adminform"].form.errors) == {field}
    assert not ApiToken.objects.exists()


def test_of_a_token_only_name_and_end_can_be_edited(admin_client: Client) -> None:
    token, text = issue(PersonalAccessToken)
    data = {"name": "tablet", "expires_at_0": "2999-01-01", "expires_at_1": "00:00"}
    forged = {"user": UserFactory().pk, "prefix": "x", "digest": "x", "revoked_at_0": "2000-01-01"}
    assert admin_client.post(url(PersonalAccessToken, "change", token.pk), data | forged).status_code == 302
    edited = PersonalAccessToken.objects.get()
    assert (edited.name, edited.expires_at is not None) == ("tablet", True)
    assert (edited.user_id, edited.prefix, edited.digest) == (token.user_id, token.prefix, token.digest)
    assert edited.revoked_at is None
    assert status(PersonalAccessToken, text) == 200


@KINDS
def test_a_token_is_revoked_after_a_question_and_for_good(admin_client: Client, model: Any) -> None:
    token, text = issue(model)
    page = url(model, "revoke", token.pk)
    assert page in admin_client.get(url(model, "change", token.pk)).content.decode()
    assert "for good" in admin_client.get(page).content.decode()
    assert status(model, text) == 200
    assert "1 token is revoked." in admin_client.post(page, follow=True).content.decode()
    assert status(model, text) == 401
    first = model.objects.get().revoked_at
    assert "0 tokens are revoked." in admin_client.post(page, follow=True).content.decode()
    assert model.objects.get().revoked_at == first


@KINDS
def test_several_tokens_are_revoked_at_once(admin_client: Client, model: Any) -> None:
    rows, texts = zip(*(issue(model) for _ in range(3)), strict=True)
    data = {"action": "revoke", "_selected_action": [row.pk for row in rows[:2]]}
    shown = admin_client.post(url(model, "changelist"), data, follow=True).content.decode()
    assert "2 tokens are revoked." in shown
    assert [status(model, text) for text in texts] == [401, 401, 200]


NOW = timezone.now()
LONG_AGO = NOW - timedelta(days=91)
LATELY = NOW - timedelta(days=89)
STATES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "In force": ({"last_used_at": LATELY}, {"usable"}),
    "Forgotten": ({"created_at": LONG_AGO, "last_used_at": LONG_AGO}, {"usable", "forgotten"}),
    "Forgotten, never used": ({"created_at": LONG_AGO}, {"usable", "forgotten"}),
    "In force, old but used": ({"created_at": LONG_AGO, "last_used_at": LATELY}, {"usable"}),
    "Ends soon": ({"expires_at": NOW + timedelta(days=13)}, {"usable", "soon"}),
    "Expired": ({"expires_at": NOW - timedelta(days=1), "created_at": LONG_AGO}, {"expired"}),
    "Revoked": ({"revoked_at": NOW, "created_at": LONG_AGO}, {"revoked"}),
    "Revoked, expired": ({"revoked_at": NOW, "expires_at": NOW - timedelta(days=1)}, {"revoked"}),
}


@KINDS
def test_the_list_tells_in_force_forgotten_ending_expired_and_revoked_apart(admin_client: Client, model: Any) -> None:
    for name, (fields, _states) in STATES.items():
        issue(model, name=name, **fields)
    page = admin_client.get(url(model, "changelist"))
    shown = {row.name: str(page.context["cl"].model_admin.state(row)) for row in page.context["cl"].result_list}
    assert all(f">{name.partition(',')[0]}</span>" in marks for name, marks in shown.items())
    assert "2 tokens still work, but have not been used for 90 days" in page.content.decode()
    assert "1 token ends within 14 days" in page.content.decode()
    for state in ("usable", "soon", "forgotten", "expired", "revoked"):
        found = admin_client.get(url(model, "changelist"), {"state": state}).context["cl"].result_list
        assert {row.name for row in found} == {name for name, (_fields, states) in STATES.items() if state in states}


def test_nothing_is_said_of_forgotten_tokens_where_there_are_none(admin_client: Client) -> None:
    issue(ApiToken)
    assert "still work" not in admin_client.get(url(ApiToken, "changelist")).content.decode()


@KINDS
def test_the_list_takes_as_many_queries_for_50_tokens_as_for_one(admin_client: Client, model: Any) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(url(model, "changelist")).status_code == 200
        return len(captured)

    issue(model)
    queries()
    with_one = queries()
    for _ in range(49):
        issue(model, created_at=LONG_AGO)
    # session, user, forgotten, ending soon, count, rows (owners and replacements joined), organizations of the filter
    assert queries() == with_one
    assert with_one < 15


def answers(client: Client, token: Any) -> list[int]:
    """The status of every page of a token, asked for and sent."""
    model = type(token)
    pages = [url(model, name, token.pk) for name in ("change", "rotate", "revoke", "history", "delete")]
    return [client.get(page).status_code for page in pages] + [client.post(page).status_code for page in pages[1:3]]


def test_admins_get_at_tokens_of_their_organizations_and_of_people_whose_account_they_manage() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    chief = admin(organization)
    client = desk_of(chief)
    anna, guest = member(organization), member(other)
    guest.memberships.create(organization=organization)
    root = UserFactory(is_superuser=True, managing_organization=organization)
    foreign = [
        issue(ApiToken, organization=other)[0],
        *(issue(PersonalAccessToken, user=user)[0] for user in (guest, root)),
    ]
    for token in foreign:
        assert set(answers(client, token)) == {302}
        token.refresh_from_db()
        assert (token.revoked_at, token.replacement()) == (None, None)
    for token in (issue(ApiToken, organization=organization)[0], issue(PersonalAccessToken, user=anna)[0]):
        listed = client.get(url(type(token), "changelist")).context["cl"].result_list
        assert list(listed) == [token]
        assert answers(client, token)[:5] == [200] * 5
        data = {"action": "revoke", "_selected_action": [each.pk for each in foreign if type(each) is type(token)]}
        client.post(url(type(token), "changelist"), data)
    assert all(not type(token).objects.filter(pk=token.pk, revoked_at__isnull=False).exists() for token in foreign)


def test_admins_issue_tokens_for_themselves_wherever_they_are_managed_and_for_their_people_only() -> None:
    organization, other = OrganizationFactory(), OrganizationFactory()
    chief = member(other)
    chief.memberships.create(organization=organization, role="admin")
    client = desk_of(chief)
    anna, stranger = member(organization), member(other)
    add = url(PersonalAccessToken, "add")
    for user, status_code in ((chief, 200), (anna, 200), (stranger, 200)):
        answer = client.post(add, {"user": user.pk, "name": "script", "lifetime": "never"})
        assert answer.status_code == status_code
        assert PersonalAccessToken.objects.filter(user=user).exists() is (user != stranger)
    assert set(answer.context["adminform"].form.errors) == {"user"}
    own = PersonalAccessToken.objects.get(user=chief)
    assert set(client.get(url(PersonalAccessToken, "changelist")).context["cl"].result_list) == set(
        PersonalAccessToken.objects.all()
    )
    assert answers(client, own)[:5] == [200] * 5
    refused = client.post(url(ApiToken, "add"), {"organization": other.pk, "name": "script", "lifetime": "never"})
    assert set(refused.context["adminform"].form.errors) == {"organization"}
    assert not ApiToken.objects.exists()


def test_no_token_is_issued_to_an_organization_that_is_not_active(admin_client: Client) -> None:
    inactive: Organization = OrganizationFactory(is_active=False)
    answer = admin_client.post(url(ApiToken, "add"), {"organization": inactive.pk, "name": "x", "lifetime": "never"})
    assert set(answer.context["adminform"].form.errors) == {"organization"}
