"""Who asks: API tokens of organizations and personal access tokens of users."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from organizations.models import ApiToken, Organization, PersonalAccessToken, User
from tests.dialect import refused
from tests.factories import OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

# Answers every principal, and asks the database for nothing but who asks where an organization does.
PATH = "/api/v1/organizations"


@dataclass
class Issued:
    """A token in force: its header, its row, its text and whose it is."""

    header: str
    row: ApiToken | PersonalAccessToken
    text: str
    owner: Organization | User

    def change(self, **fields: Any) -> None:
        type(self.row)._default_manager.filter(pk=self.row.pk).update(**fields)

    def last_used_at(self) -> datetime | None:
        self.row.refresh_from_db()
        return self.row.last_used_at


@pytest.fixture(params=["API-TOKEN", "Personal-Access-Token"])
def issued(request: pytest.FixtureRequest) -> Issued:
    if request.param == "API-TOKEN":
        organization = OrganizationFactory()
        return Issued(request.param, *ApiToken.issue(name="test", organization=organization), organization)
    user = UserFactory()
    return Issued(request.param, *PersonalAccessToken.issue(name="test", user=user), user)


def ask(headers: dict[str, str], path: str = PATH) -> Any:
    return APIClient(raise_request_exception=False).get(path, headers=headers)


def test_an_api_token_speaks_for_its_organization() -> None:
    organization, _other = OrganizationFactory(), OrganizationFactory()
    _row, text = ApiToken.issue(name="test", organization=organization)
    assert ask({"API-TOKEN": text}).json() == [{"id": organization.pk, "name": organization.name}]


def test_a_personal_access_token_speaks_for_its_user() -> None:
    user, _other = UserFactory(), UserFactory()
    _row, text = PersonalAccessToken.issue(name="test", user=user)
    assert ask({"Personal-Access-Token": text}, "/api/v1/user").json()["id"] == user.pk


def test_without_a_header_nobody_asks() -> None:
    assert refused(ask({}), 401)


def test_who_is_logged_in_to_the_admin_is_nobody_to_the_api() -> None:
    client = APIClient()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert refused(client.get(PATH), 401)


@pytest.mark.parametrize("value", ["Bearer abc", "Bearer a.b.c", "Basic dTpw", "Bearer", ""])
def test_an_authorization_header_alone_is_nobody_where_no_jwt_is_set(value: str) -> None:
    assert refused(ask({"Authorization": value}), 401)


def test_a_token_lasts_until_it_expires(issued: Issued, now: datetime) -> None:
    issued.change(expires_at=now + timedelta(hours=1))
    assert ask({issued.header: issued.text}).status_code == 200
    issued.change(expires_at=now - timedelta(seconds=1))
    assert refused(ask({issued.header: issued.text}), 401)


def test_unknown_expired_and_revoked_tokens_and_inactive_owners_are_not_told_apart(
    issued: Issued, now: datetime
) -> None:
    def answer(text: str = issued.text) -> tuple[int, bytes, dict[str, str]]:
        response = ask({issued.header: text})
        assert refused(response, 401)
        return response.status_code, response.content, dict(response.headers)

    unknown = answer(issued.text[:-1] + ("0" if issued.text[-1] != "0" else "1"))
    assert answer(issued.text.replace("_", "-")) == unknown
    issued.change(expires_at=now)
    assert answer() == unknown
    issued.change(expires_at=None, revoked_at=now)
    assert answer() == unknown
    issued.change(revoked_at=None)
    assert ask({issued.header: issued.text}).status_code == 200
    type(issued.owner)._default_manager.filter(pk=issued.owner.pk).update(is_active=False)
    assert answer() == unknown


def test_a_deleted_token_is_unknown(issued: Issued) -> None:
    issued.row.delete()
    assert refused(ask({issued.header: issued.text}), 401)


def test_revoking_one_token_leaves_the_others_of_its_owner(issued: Issued) -> None:
    owner = {"organization" if isinstance(issued.owner, Organization) else "user": issued.owner}
    _row, other = type(issued.row).issue(name="other", **owner)
    issued.row.revoke()
    assert refused(ask({issued.header: issued.text}), 401)
    assert ask({issued.header: other}).status_code == 200


def test_a_token_is_none_in_the_header_of_the_other_kind(issued: Issued) -> None:
    other = {"API-TOKEN": "Personal-Access-Token", "Personal-Access-Token": "API-TOKEN"}[issued.header]
    assert refused(ask({other: issued.text}), 401)


ODD = {
    "empty": "",
    "a space": " ",
    "an underscore": "_",
    "only underscores": "_" * 70,
    "a kind without a secret": "ga_org_",
    "no kind": "0" * 64,
    "Latin-1": "ga_org_\xe9\xfc",
    "UTF-8 read as Latin-1": "ga_org_\u65e5\u672c".encode().decode("latin-1"),
    "digits of another script": "ga_org_\u0663",
    "a lone surrogate": "ga_org_\udcff",
    "NUL": "\x00",
    "NUL inside": "ga_org_\x00abc",
    "a tab": "ga_org_\tabc",
    "DEL": "ga_org_\x7f",
    "long": "ga_org_" + "a" * 100_000,
    "a long kind": "a" * 100_000 + "_1",
    "format characters": "%s%(x)s{0}",
    "SQL": "ga_org_' OR '1'='1",
}


@pytest.mark.parametrize("header", ["API-TOKEN", "Personal-Access-Token"])
@pytest.mark.parametrize("text", list(ODD.values()), ids=list(ODD))
def test_a_token_of_odd_characters_is_unknown(header: str, text: str) -> None:
    assert refused(ask({header: text}), 401)


def test_what_is_almost_a_token_is_unknown(issued: Issued) -> None:
    text = issued.text
    almost = [text[:-1], text + "0", text.upper(), text + " ", text[1:], issued.row.prefix, issued.row.digest]
    assert all(refused(ask({issued.header: other}), 401) for other in almost)


TWO = [
    ("API-TOKEN", "Personal-Access-Token"),
    ("API-TOKEN", "Authorization"),
    ("Personal-Access-Token", "Authorization"),
    ("API-TOKEN", "Personal-Access-Token", "Authorization"),
]


@pytest.mark.parametrize("valid", [True, False], ids=["in force", "unknown"])
@pytest.mark.parametrize("headers", TWO, ids=" and ".join)
def test_two_principals_in_one_request_are_400(headers: tuple[str, ...], valid: bool) -> None:
    organization = OrganizationFactory()
    texts = {
        "API-TOKEN": ApiToken.issue(name="test", organization=organization)[1],
        "Personal-Access-Token": PersonalAccessToken.issue(name="test", user=admin(organization))[1],
        "Authorization": "Bearer a.b.c",
    }
    assert refused(ask({header: texts[header] if valid else "unknown" for header in headers}), 400)


def test_two_principals_are_400_though_they_are_the_same_person() -> None:
    user = member(OrganizationFactory())
    _row, text = PersonalAccessToken.issue(name="test", user=user)
    assert refused(ask({"Personal-Access-Token": text, "Authorization": f"Bearer {text}"}), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/user"),
        ("get", "/users?organization=1"),
        ("get", "/units?organization=1"),
        ("post", "/escalation"),
        ("get", "/escalation/1"),
        ("post", "/escalation/organization"),
        ("delete", "/escalation/organization/1"),
        ("put", "/organization/1/timeout"),
        ("post", "/alarm"),
        ("get", "/alarm/1"),
        ("patch", "/alarm/1"),
        ("get", "/messagestatus/1?organization_id=1&user_id=1"),
        ("post", "/messaging/feedback"),
    ],
)
def test_every_endpoint_refuses_nobody_and_unknown_tokens(method: str, path: str) -> None:
    for headers in ({}, {"API-TOKEN": "ga_org_x"}, {"Personal-Access-Token": "ga_pat_x"}):
        response = getattr(APIClient(), method)(f"/api/v1{path}", {}, format=None, headers=headers)
        assert refused(response, 401)


def test_a_token_is_found_with_one_indexed_query_its_owner_included(issued: Issued, now: datetime) -> None:
    issued.change(last_used_at=now)
    owner = {"organization" if isinstance(issued.owner, Organization) else "user": issued.owner}
    tokens = type(issued.row)
    tokens.objects.bulk_create(tokens(prefix=f"other{number}", **owner) for number in range(500))
    path = PATH if issued.header == "API-TOKEN" else "/api/v1/user"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ask({issued.header: issued.text}, path).status_code == 200
    [found] = [query["sql"] for query in queries]
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tokens._meta.db_table}")
        cursor.execute("EXPLAIN " + found)
        steps = "\n".join(line for (line,) in cursor.fetchall())
    assert f"Seq Scan on {tokens._meta.db_table}" not in steps
    assert "_prefix_" in steps


def test_the_number_of_queries_does_not_grow_with_the_number_of_tokens(issued: Issued, now: datetime) -> None:
    owner = {"organization" if isinstance(issued.owner, Organization) else "user": issued.owner}
    issued.change(last_used_at=now)
    counts = []
    for _more in range(2):
        with CaptureQueriesContext(connection) as queries:
            ask({issued.header: issued.text})
        counts.append(len(queries))
        for number in range(50):
            type(issued.row).issue(name=f"token {number}", **owner)
    assert counts[0] == counts[1]


def test_the_first_use_is_kept(issued: Issued, now: datetime) -> None:
    ask({issued.header: issued.text})
    used = issued.last_used_at()
    assert used is not None
    assert now <= used <= now + timedelta(minutes=1)


@pytest.mark.parametrize(("seconds", "written"), [(0, False), (50, False), (61, True), (86400, True)])
def test_the_last_use_is_written_at_most_once_a_minute(
    issued: Issued, now: datetime, seconds: int, written: bool
) -> None:
    before = now - timedelta(seconds=seconds)
    issued.change(last_used_at=before)
    with CaptureQueriesContext(connection) as queries:
        ask({issued.header: issued.text})
    assert (issued.last_used_at() != before) == written
    assert any(query["sql"].startswith("UPDATE") for query in queries) == written


def test_a_refused_token_was_not_used(issued: Issued, now: datetime) -> None:
    issued.change(revoked_at=now)
    ask({issued.header: issued.text})
    assert issued.last_used_at() is None


def test_no_text_of_a_token_is_in_the_logs(
    issued: Issued, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("unexpected")

    caplog.set_level(logging.DEBUG)
    # Captured queries are logged too.
    with CaptureQueriesContext(connection):
        assert ask({issued.header: issued.text}).status_code == 200
        assert ask({issued.header: issued.text + "0"}).status_code == 401
        assert ask({issued.header: issued.text, "Authorization": "Bearer x"}).status_code == 400
        issued.row.revoke()
        assert ask({issued.header: issued.text}).status_code == 401
        monkeypatch.setattr("organizations.tokens.digest", fail)
        assert ask({issued.header: issued.text}).status_code == 500
    assert caplog.records
    assert issued.text not in caplog.text
    assert issued.text.rpartition("_")[2][-40:] not in caplog.text
