"""POST /hooks: what an organization may register, and that the secret is shown once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms.models import Hook
from messaging_project import encryption
from organizations.models import Organization
from tests.alarms.hooks import ALL, hook_at
from tests.dialect import refused

pytestmark = pytest.mark.django_db

PATH = "/api/v1/hooks"
URL = "https://dispatch.example:8443/alarms?key=7"
LAST = 2**63 - 1
SHOWN = {"id", "organizationID", "url", "events", "active", "createdAt"}


@pytest.fixture
def hook(brigade: Organization) -> Hook:
    return hook_at(URL, brigade, events=["alarm.raised"])


def body(organization: Organization, **fields: object) -> dict[str, object]:
    return {"organizationID": organization.pk, "url": URL, "events": ["alarm.raised"]} | fields


def post(client: APIClient, data: object) -> Any:
    return client.post(PATH, data, format="json")


def test_a_hook_is_answered_with_its_secret_this_once(brigade: Organization, boss: APIClient) -> None:
    answer = post(boss, body(brigade, events=["feedback.given", "alarm.closed"]))
    assert answer.status_code == 201
    registered = answer.json()
    assert set(registered) == SHOWN | {"secret"}
    hook = Hook.objects.get()
    assert re.fullmatch(r"[0-9a-f]{64}", registered["secret"])
    assert registered["secret"] not in hook.secret
    assert encryption.decrypt(hook.secret) == registered["secret"]
    shown = {name: registered[name] for name in SHOWN}
    assert shown == {
        "id": hook.pk,
        "organizationID": brigade.pk,
        "url": URL,
        "events": ["feedback.given", "alarm.closed"],
        "active": True,
        "createdAt": hook.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert boss.get(PATH, {"organization": brigade.pk}).json() == [shown]
    assert boss.get(f"{PATH}/{hook.pk}").json() == shown | {"tries": []}
    assert boss.patch(f"{PATH}/{hook.pk}", {}, format="json").json() == shown


def test_no_two_hooks_have_the_same_secret(brigade: Organization, boss: APIClient) -> None:
    assert len({post(boss, body(brigade)).json()["secret"] for _ in range(5)}) == 5


def test_a_hook_may_begin_as_not_active(brigade: Organization, boss: APIClient) -> None:
    assert post(boss, body(brigade, active=False)).json()["active"] is False
    assert not Hook.objects.get().is_active


def test_an_organization_has_at_most_20_hooks(brigade: Organization, boss: APIClient) -> None:
    for _ in range(19):
        hook_at(URL, brigade)
    hook_at(URL)
    assert post(boss, body(brigade)).status_code == 201
    assert refused(post(boss, body(brigade)), 409, "organizationID")
    assert Hook.objects.filter(organization=brigade).count() == 20


GOOD_URLS = [
    "http://a",
    "http://localhost:8000",
    "https://dispatch.example/a/b?c=d&e=%20#f",
    "http://9.9.9.9:1/",
    "http://[::1]:8080/x",
    "https://my_service/hook",
    "https://xn--bcher-kva.example/",
    "https://dispatch.example/" + "a" * 1975,
]
BAD_URLS = [
    "",
    "dispatch.example",
    "ftp://dispatch.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://",
    "http:///path",
    "https://user:password@dispatch.example/",
    "https://user@dispatch.example/",
    "https://dispatch.example@elsewhere.example/",
    "https://dispatch.example\\@elsewhere.example/",
    "https://dispatch.example/ /",
    "https://dispatch.example/\n",
    "https://dispatch.example\n",
    " https://dispatch.example/",
    "https://dispatch.example:0/",
    "https://dispatch.example:65536/",
    "https://dispatch.example:x/",
    "http://[::1/",
    "http://[:::::]/",
    "https://dispätch.example/",
    "https://dispatch.example/" + "a" * 1976,
    "https://dispatch.example/\x00",
    None,
    7,
    ["https://dispatch.example/"],
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_url_of_http_or_https_with_a_host_is_taken(brigade: Organization, boss: APIClient, url: str) -> None:
    assert post(boss, body(brigade, url=url)).json()["url"] == url


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_url_is_refused_and_not_repeated(
    brigade: Organization, boss: APIClient, hook: Hook, url: Any
) -> None:
    answer = post(boss, body(brigade, url=url))
    assert refused(answer, 400, "url")
    assert "password@dispatch" not in answer.content.decode()
    assert refused(boss.patch(f"{PATH}/{hook.pk}", {"url": url}, format="json"), 400, "url")
    assert list(Hook.objects.values_list("url")) == [(URL,)]


@pytest.mark.parametrize(
    "events",
    [
        [],
        ["alarm.raised", "alarm.raised"],
        ["test"],
        ["alarm.raised", "x"],
        [None],
        [["alarm.raised"]],
        [7],
        "alarm.raised",
        {"alarm.raised": True},
        None,
        [*ALL, "alarm.raised"],
    ],
)
def test_events_are_some_of_the_five_each_once(brigade: Organization, boss: APIClient, hook: Hook, events: Any) -> None:
    assert refused(post(boss, body(brigade, events=events)), 400, "events")
    assert refused(boss.patch(f"{PATH}/{hook.pk}", {"events": events}, format="json"), 400, "events")
    assert list(Hook.objects.values_list("events")) == [(["alarm.raised"],)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("active", value) for value in ("true", 1, None, [])),
        *(("organizationID", value) for value in ("1", 0, -1, 1.0, True, None, LAST + 1)),
    ],
)
def test_what_is_of_another_type_is_refused(brigade: Organization, boss: APIClient, field: str, value: object) -> None:
    assert refused(post(boss, body(brigade, **{field: value})), 400, field)


@pytest.mark.parametrize("missing", ["organizationID", "url", "events"])
def test_what_is_required_is_named(brigade: Organization, boss: APIClient, missing: str) -> None:
    given = body(brigade)
    del given[missing]
    assert refused(post(boss, given), 400, missing)
