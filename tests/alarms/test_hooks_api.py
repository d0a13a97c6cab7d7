"""/hooks: an organization registers URLs that are told of what happens to its alarms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from alarms.models import Hook, HookEvent, HookTry
from messaging_project import encryption
from organizations.models import Organization, User
from tests.alarms.hooks import SECRET, events_of, hook_at
from tests.dialect import refused
from tests.factories import OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

PATH = "/api/v1/hooks"
URL = "https://dispatch.example:8443/alarms?key=7"
LAST = 2**63 - 1

AsUser = Callable[[User], APIClient]
AsOrganization = Callable[[Organization], APIClient]
Ask = Callable[[APIClient], Any]


@pytest.fixture
def hook(brigade: Organization) -> Hook:
    return hook_at(URL, brigade, events=["alarm.raised"])


# Who may


def requests(hook: Hook, organization: Organization) -> dict[str, tuple[Ask, int]]:
    """Return every operation, with the status for who may."""
    own = f"{PATH}/{hook.pk}"
    new = {"organizationID": organization.pk, "url": URL, "events": ["alarm.raised"]}
    return {
        "ListHooks": (lambda client: client.get(PATH, {"organization": organization.pk}), 200),
        "RegisterHook": (lambda client: client.post(PATH, new, format="json"), 201),
        "GetHook": (lambda client: client.get(own), 200),
        "ChangeHook": (lambda client: client.patch(own, {"active": True}, format="json"), 200),
        "TestHook": (lambda client: client.post(f"{own}/test"), 202),
        "RemoveHook": (lambda client: client.delete(own), 204),
    }


def test_an_admin_and_an_api_token_may_and_nobody_else(
    brigade: Organization, boss: APIClient, as_user: AsUser, as_organization: AsOrganization
) -> None:
    elsewhere = OrganizationFactory()
    strangers = [as_user(UserFactory()), as_user(admin(elsewhere)), as_organization(elsewhere)]
    callers = [(APIClient(), 401), (as_user(member(brigade)), 403), *((stranger, 404) for stranger in strangers)]
    for client in (boss, as_user(admin(brigade))):
        hook = hook_at(URL, brigade)
        for name, (ask, status) in requests(hook, brigade).items():
            for other, refusal in callers:
                assert refused(ask(other), refusal), name
            answer = ask(client)
            assert answer.status_code == status, (name, answer.content)


def test_a_stranger_is_told_the_same_of_a_hook_as_of_none(
    hook: Hook, as_user: AsUser, as_organization: AsOrganization
) -> None:
    elsewhere = OrganizationFactory()
    for client in (as_user(admin(elsewhere)), as_organization(elsewhere)):
        for ask in (client.get, client.delete, lambda path, client=client: client.post(f"{path}/test")):
            answers = [ask(f"{PATH}/{pk}").content.decode().replace(str(pk), "N") for pk in (hook.pk, LAST)]
            assert answers[0] == answers[1]
    assert Hook.objects.filter(pk=hook.pk).exists()


def test_of_an_organization_that_is_not_active_nothing_is_there(hook: Hook, as_user: AsUser) -> None:
    client = as_user(admin(hook.organization))
    Organization.objects.update(is_active=False)
    assert refused(client.get(f"{PATH}/{hook.pk}"), 404, "hookID")
    assert refused(client.get(PATH, {"organization": hook.organization_id}), 404, "organization")


# Reading


def test_the_last_50_tries_are_shown_newest_first(
    brigade: Organization, boss: APIClient, hook: Hook, now: datetime
) -> None:
    [event], [other] = events_of(hook), events_of(hook_at(URL, brigade))
    later = now + timedelta(seconds=1)
    test = HookEvent.objects.create(hook=hook, alarm=None, event="test", payload={})
    for number in range(51):
        HookTry.objects.create(hook=hook, hook_event=event, at=now, status=503, reason="HTTP 503", seconds=number)
    HookTry.objects.create(
        hook=hook, hook_event=test, at=now + timedelta(seconds=1), status=None, reason="no", seconds=2
    )
    HookTry.objects.create(hook=other.hook, hook_event=other, at=now, status=200, seconds=0)
    tries = boss.get(f"{PATH}/{hook.pk}").json()["tries"]
    assert len(tries) == 50
    assert tries[0] == {
        "eventID": test.pk,
        "event": "test",
        "alarmID": None,
        "date": later.isoformat().replace("+00:00", "Z"),
        "status": None,
        "reason": "no",
        "seconds": 2.0,
    }
    assert {name: tries[1][name] for name in ("eventID", "event", "alarmID", "status", "reason")} == {
        "eventID": event.pk,
        "event": "alarm.raised",
        "alarmID": event.alarm_id,
        "status": 503,
        "reason": "HTTP 503",
    }
    assert [each["seconds"] for each in tries[1:]] == list(range(50, 1, -1))


def test_50_hooks_take_as_many_queries_as_one(brigade: Organization, boss: APIClient) -> None:
    numbers = []
    for count in (1, 49):
        for _ in range(count):
            events_of(hook_at(URL, brigade))
        with CaptureQueriesContext(connection) as queries:
            listed = boss.get(PATH, {"organization": brigade.pk}).json()
        numbers.append(len(queries))
    assert [each["id"] for each in listed] == list(Hook.objects.order_by("pk").values_list("pk", flat=True))
    assert len(listed) == 50
    # the token, the hooks
    assert numbers == [2, 2]


def test_50_tries_take_as_many_queries_as_one(boss: APIClient, hook: Hook, now: datetime) -> None:
    numbers = []
    for count in (1, 49):
        for event in events_of(hook, count):
            HookTry.objects.create(hook=hook, hook_event=event, at=now, status=200, seconds=0)
        with CaptureQueriesContext(connection) as queries:
            assert boss.get(f"{PATH}/{hook.pk}").status_code == 200
        numbers.append(len(queries))
    # the token, the hook, its tries with their events
    assert numbers == [3, 3]


@pytest.mark.parametrize(
    ("pk", "status"), [("0", 404), (str(LAST), 404), ("x", 400), ("-1", 400), (str(LAST + 1), 400)]
)
def test_an_id_that_is_none_is_told(boss: APIClient, pk: str, status: int) -> None:
    for answer in (boss.get(f"{PATH}/{pk}"), boss.delete(f"{PATH}/{pk}"), boss.post(f"{PATH}/{pk}/test")):
        assert refused(answer, status, "hookID")


# Changing


def test_what_is_left_out_stays(boss: APIClient, hook: Hook) -> None:
    before = boss.get(f"{PATH}/{hook.pk}").json()
    del before["tries"]
    for change in ({"active": False}, {"events": ["alarm.closed"]}, {"url": "http://elsewhere.example/"}):
        before |= change
        assert boss.patch(f"{PATH}/{hook.pk}", {**change, "id": 7, "secret": "x"}, format="json").json() == before
    hook.refresh_from_db()
    assert (hook.is_active, hook.events, hook.url) == (False, ["alarm.closed"], "http://elsewhere.example/")
    assert encryption.decrypt(hook.secret) == SECRET


def test_a_hook_is_removed_with_all_that_is_its(
    brigade: Organization, boss: APIClient, hook: Hook, now: datetime
) -> None:
    other = hook_at(URL, brigade)
    for owner in (hook, other):
        for event in events_of(owner, 3):
            HookTry.objects.create(hook=owner, hook_event=event, at=now, status=200, seconds=0)
    answer = boss.delete(f"{PATH}/{hook.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(Hook.objects.all()) == [other]
    assert set(HookEvent.objects.values_list("hook", flat=True)) == {other.pk}
    assert HookTry.objects.count() == 3
    assert refused(boss.get(f"{PATH}/{hook.pk}"), 404, "hookID")
    assert refused(boss.delete(f"{PATH}/{hook.pk}"), 404, "hookID")


# Trying out


def test_a_test_is_recorded_and_a_worker_called(boss: APIClient, hook: Hook, jobs: Callable[[], list[Any]]) -> None:
    answer = boss.post(f"{PATH}/{hook.pk}/test")
    event = HookEvent.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"eventID": event.pk})
    assert (event.hook, event.event, event.alarm, event.payload) == (hook, "test", None, {})
    assert [job["task_name"] for job in jobs()] == ["alarms.deliver_hooks"]


def test_at_most_ten_tests_wait(boss: APIClient, hook: Hook, now: datetime) -> None:
    events_of(hook, 20)
    for _ in range(10):
        assert boss.post(f"{PATH}/{hook.pk}/test").status_code == 202
    assert refused(boss.post(f"{PATH}/{hook.pk}/test"), 409, "hookID")
    assert boss.post(f"{PATH}/{hook_at(URL, hook.organization).pk}/test").status_code == 202
    HookEvent.objects.filter(event="test").update(given_up_at=now)
    assert boss.post(f"{PATH}/{hook.pk}/test").status_code == 202


def test_a_hook_that_is_not_active_cannot_be_tried_out(boss: APIClient, hook: Hook) -> None:
    Hook.objects.update(is_active=False)
    assert refused(boss.post(f"{PATH}/{hook.pk}/test"), 409, "hookID")
    assert not HookEvent.objects.exists()


def test_no_answer_tells_the_secret(boss: APIClient, hook: Hook) -> None:
    answers = [
        ask(boss) for name, (ask, _status) in requests(hook, hook.organization).items() if name != "RegisterHook"
    ]
    for answer in answers:
        assert "secret" not in answer.content.decode()
        assert SECRET not in answer.content.decode()
