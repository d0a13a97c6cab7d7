from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from organizations.models import ApiToken, PersonalAccessToken, Token
from tests import factories

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: Any) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def tokens() -> dict[str, Token]:
    """Two API tokens and a personal one with known prefixes."""
    organization = factories.OrganizationFactory(name="Wehr Süd")
    user = factories.UserFactory(login="anna")
    return {
        "org_aaaa": ApiToken.objects.create(name="radio", prefix="ga_org_aaaa11112222", organization=organization),
        "org_aabb": ApiToken.objects.create(name="desk", prefix="ga_org_aabb11112222", organization=organization),
        "pat_aaaa": PersonalAccessToken.objects.create(name="phone", prefix="ga_pat_aaaa11112222", user=user),
    }


def test_an_api_token_is_printed_alone_and_opens_the_api() -> None:
    organization = factories.OrganizationFactory()
    printed = run("issue_api_token", organization.pk, "--name", "control desk")
    token = printed.removesuffix("\n")
    assert token.startswith("ga_org_")
    assert not set(token) & set(" \n")
    answer = APIClient(headers={"API-TOKEN": token}).get(f"/api/v1/users?organization={organization.pk}")
    assert answer.status_code == 200


def test_a_personal_access_token_is_printed_alone_and_opens_the_api() -> None:
    user = factories.UserFactory(login="anna")
    token = run("issue_personal_access_token", "anna", "--name", "phone").removesuffix("\n")
    assert token.startswith("ga_pat_")
    answer = APIClient(headers={"Personal-Access-Token": token}).get("/api/v1/user")
    assert answer.json()["id"] == user.pk


def test_only_a_digest_is_kept_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    organization = factories.OrganizationFactory()
    with caplog.at_level(logging.DEBUG):
        token = run("issue_api_token", organization.pk, "--name", "desk").strip()
    row = ApiToken.objects.get()
    assert (row.name, row.organization, row.expires_at) == ("desk", organization, None)
    assert token not in str(vars(row))
    assert token not in caplog.text


def test_an_organization_is_found_by_its_exact_name() -> None:
    organization = factories.OrganizationFactory(name="Wehr Süd")
    run("issue_api_token", "Wehr Süd", "--name", "desk")
    assert ApiToken.objects.get().organization == organization


def test_a_number_is_an_id_first_and_then_a_name() -> None:
    first = factories.OrganizationFactory()
    named_like_it = factories.OrganizationFactory(name=str(first.pk))
    named_by_number = factories.OrganizationFactory(name="112112112112")
    run("issue_api_token", named_like_it.name, "--name", "by id")
    run("issue_api_token", "112112112112", "--name", "by name")
    assert dict(ApiToken.objects.values_list("name", "organization")) == {
        "by id": first.pk,
        "by name": named_by_number.pk,
    }


@pytest.mark.parametrize("text", ["Wehr", "0", "-1", "9" * 19, "9" * 5000, "", "²"])
def test_an_unknown_organization_is_refused_in_one_line(text: str) -> None:
    factories.OrganizationFactory(name="Wehr Süd")
    with pytest.raises(CommandError, match=r"\AThere is no organization '[^\n]*'\.\Z"):
        run("issue_api_token", "--name", "desk", "--", text)
    assert not ApiToken.objects.exists()


def test_an_unknown_login_is_refused_in_one_line() -> None:
    factories.UserFactory(login="anna")
    with pytest.raises(CommandError, match=r"\AThere is no user 'Anna'\.\Z"):
        run("issue_personal_access_token", "Anna", "--name", "phone")


def test_an_inactive_organization_gets_no_token() -> None:
    factories.OrganizationFactory(name="Wehr", is_active=False)
    with pytest.raises(CommandError, match=r"\AThe organization 'Wehr' is inactive\.\Z"):
        run("issue_api_token", "Wehr", "--name", "desk")
    assert not ApiToken.objects.exists()


def test_an_inactive_user_gets_no_token() -> None:
    factories.UserFactory(login="anna", is_active=False)
    with pytest.raises(CommandError, match=r"\AThe user 'anna' is inactive\.\Z"):
        run("issue_personal_access_token", "anna", "--name", "phone")
    assert not PersonalAccessToken.objects.exists()


@pytest.mark.parametrize("number", [1, 90, 36_500])
def test_a_token_expires_after_the_days_asked_for(number: int) -> None:
    factories.UserFactory(login="anna")
    before = timezone.now()
    run("issue_personal_access_token", "anna", "--name", "phone", "--expires-in-days", number)
    expires_at = PersonalAccessToken.objects.get().expires_at
    assert expires_at is not None
    assert before <= expires_at - timedelta(days=number) <= timezone.now()


@pytest.mark.parametrize(
    ("command", "model"), [("issue_api_token", ApiToken), ("issue_personal_access_token", PersonalAccessToken)]
)
def test_of_either_kind_only_a_digest_is_kept_and_it_ends_with_its_days(command: str, model: type[Any]) -> None:
    factories.OrganizationFactory(name="anna")
    factories.UserFactory(login="anna")
    token = run(command, "anna", "--name", "phone", "--expires-in-days", 2).strip()
    row = model.objects.get()
    assert token not in str(vars(row))
    header = "API-TOKEN" if model is ApiToken else "Personal-Access-Token"
    for expires_at, status in ((row.expires_at, 200), (timezone.now(), 401)):
        model.objects.update(expires_at=expires_at)
        assert APIClient(headers={header: token}).get("/api/v1/organizations").status_code == status
    assert timedelta(days=1) < row.expires_at - timezone.now() <= timedelta(days=2)


@pytest.mark.parametrize("number", ["0", "-1", "36501", "9" * 30, "9" * 5000, "1.5", "1_0", "a year", ""])
def test_days_that_are_no_whole_number_in_bounds_are_refused(number: str) -> None:
    factories.UserFactory(login="anna")
    with pytest.raises(CommandError, match="--expires-in-days: a whole number from 1 to 36500 is needed"):
        run("issue_personal_access_token", "anna", "--name", "phone", f"--expires-in-days={number}")
    assert not PersonalAccessToken.objects.exists()


def test_a_token_needs_a_name() -> None:
    factories.UserFactory(login="anna")
    with pytest.raises(CommandError, match="--name"):
        run("issue_personal_access_token", "anna")


@pytest.mark.parametrize("name", ["", "n" * 101])
def test_a_name_that_the_model_refuses_is_refused_in_one_line(name: str) -> None:
    factories.UserFactory(login="anna")
    with pytest.raises(CommandError, match=r"\A--name: [^\n]+\Z"):
        run("issue_personal_access_token", "anna", "--name", name)
    assert not PersonalAccessToken.objects.exists()


def test_the_list_shows_every_token_in_one_line_each_newest_first(tokens: dict[str, Token]) -> None:
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for days, token in enumerate(tokens.values()):
        type(token)._default_manager.filter(pk=token.pk).update(created_at=start + timedelta(days=days))
    ApiToken.objects.filter(name="desk").update(
        expires_at=start + timedelta(days=10), revoked_at=start + timedelta(days=2), last_used_at=start
    )
    header, *lines = run("list_tokens").splitlines()
    assert header.split() == ["PREFIX", "KIND", "OWNER", "NAME", "CREATED", "EXPIRES", "REVOKED", "LAST", "USED"]
    assert [[cell.strip() for cell in line.split("  ") if cell] for line in lines] == [
        ["ga_pat_aaaa11112222", "personal access token", "anna", "phone", "2026-02-02T12:00:00Z", "-", "-", "-"],
        [
            "ga_org_aabb11112222",
            "API token",
            "Wehr Süd",
            "desk",
            "2026-02-01T12:00:00Z",
            "2026-02-10T12:00:00Z",
            "2026-02-02T12:00:00Z",
            "2026-01-31T12:00:00Z",
        ],
        ["ga_org_aaaa11112222", "API token", "Wehr Süd", "radio", "2026-01-31T12:00:00Z", "-", "-", "-"],
    ]
    columns = [header.index(title) for title in ("KIND", "OWNER", "NAME", "CREATED", "EXPIRES", "REVOKED", "LAST USED")]
    assert all(line[at - 1] == " " != line[at] for line in lines for at in columns)


def test_the_list_without_tokens_is_its_header() -> None:
    assert run("list_tokens").startswith("PREFIX")
    assert run("list_tokens").count("\n") == 1


def test_the_list_never_shows_a_token_or_its_digest() -> None:
    row, token = PersonalAccessToken.issue(name="phone", user=factories.UserFactory())
    printed = run("list_tokens")
    assert row.prefix in printed
    assert token not in printed
    assert row.digest not in printed


def test_a_name_with_line_ends_does_not_break_the_list() -> None:
    PersonalAccessToken.issue(name="pho\nne\x1b[2J", user=factories.UserFactory())
    assert run("list_tokens").count("\n") == 2
    assert "phone[2J" in run("list_tokens")


def test_the_list_takes_as_many_queries_for_thirty_tokens_as_for_one(django_assert_num_queries: Any) -> None:
    for count in (1, 29):
        for _ in range(count):
            ApiToken.issue(name="desk", organization=factories.OrganizationFactory())
            PersonalAccessToken.issue(name="phone", user=factories.UserFactory())
        # One a kind, the owner included.
        with django_assert_num_queries(2):
            run("list_tokens")


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("ga_org_aaaa11112222", "radio"),
        ("ga_org_aaa", "radio"),
        ("ga_org_aab", "desk"),
        ("ga_pat_aaaa11112222", "phone"),
        ("ga_p", "phone"),
    ],
)
def test_a_prefix_or_its_unambiguous_beginning_revokes_one_token(
    tokens: dict[str, Token], prefix: str, name: str
) -> None:
    before = timezone.now()
    assert "is revoked" in run("revoke_token", prefix)
    revoked = [
        (token.name, token.revoked_at)
        for model in (ApiToken, PersonalAccessToken)
        for token in model.objects.filter(revoked_at__isnull=False)
    ]
    assert [found for found, _time in revoked] == [name]
    assert before <= revoked[0][1] <= timezone.now()


def test_a_revoked_token_opens_nothing_any_more() -> None:
    factories.UserFactory(login="anna")
    token = run("issue_personal_access_token", "anna", "--name", "phone").strip()
    client = APIClient(headers={"Personal-Access-Token": token})
    assert client.get("/api/v1/user").status_code == 200
    run("revoke_token", PersonalAccessToken.objects.get().prefix)
    assert client.get("/api/v1/user").status_code == 401


def test_revoking_twice_is_no_error_and_keeps_the_first_time(tokens: dict[str, Token]) -> None:
    run("revoke_token", "ga_pat")
    first = PersonalAccessToken.objects.get().revoked_at
    assert "was revoked before" in run("revoke_token", "ga_pat")
    assert PersonalAccessToken.objects.get().revoked_at == first


@pytest.mark.parametrize("prefix", ["ga_org_aa", "ga", "ga_"])
def test_an_ambiguous_beginning_revokes_nothing(tokens: dict[str, Token], prefix: str) -> None:
    with pytest.raises(CommandError, match="Several tokens"):
        run("revoke_token", prefix)
    assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()


@pytest.mark.parametrize("prefix", ["ga_org_b", "GA_ORG_AAAA", "%", "ga%aaaa", "aaaa", "ga_org_aaaa111122223"])
def test_an_unknown_prefix_revokes_nothing(tokens: dict[str, Token], prefix: str) -> None:
    with pytest.raises(CommandError, match="There is no token with this prefix"):
        run("revoke_token", prefix)
    assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()


def test_an_empty_prefix_is_refused_even_where_there_is_only_one_token() -> None:
    PersonalAccessToken.issue(name="phone", user=factories.UserFactory())
    with pytest.raises(CommandError, match="empty"):
        run("revoke_token", "")
    assert PersonalAccessToken.objects.get().revoked_at is None


def test_a_whole_token_given_as_the_prefix_is_not_repeated_in_the_error() -> None:
    _row, token = PersonalAccessToken.issue(name="phone", user=factories.UserFactory())
    with pytest.raises(CommandError) as refused:
        run("revoke_token", token)
    assert token not in str(refused.value)
