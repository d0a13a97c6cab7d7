"""Hooks in the admin: their secret is shown once, they can be tried out, and what they were told is to be read only."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alarms.models import Hook, HookEvent, HookTry
from messaging_project import encryption
from organizations.models import Organization
from tests.alarms.hooks import SECRET, events_of, hook_at
from tests.factories import OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db

URL = "https://dispatch.example/alarms"
EVENTS = ["alarm.raised", "feedback.given", "recipient.timed_out", "message.failed", "alarm.closed"]


@pytest.fixture
def hook(brigade: Organization) -> Hook:
    return hook_at(URL, brigade, events=["alarm.raised"])


def url(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:alarms_{model._meta.model_name}_{page}", args=args)


def form(**fields: object) -> dict[str, object]:
    return {"url": URL, "events": ["alarm.closed", "alarm.raised"], "is_active": "on"} | fields


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def a_try(**fields: Any) -> HookTry:
    [event] = events_of(hook_at(URL))
    return HookTry.objects.create(
        **{"hook": event.hook, "hook_event": event, "at": event.alarm.starts_at, "seconds": 0.1, "reason": "HTTP 503"}
        | fields
    )


# Registering


def test_the_secret_is_shown_once_and_never_again(admin_client: Client, brigade: Organization) -> None:
    answer = admin_client.post(url(Hook, "add"), form(organization=brigade.pk))
    hook = Hook.objects.get()
    assert (hook.organization, hook.url, hook.events, hook.is_active) == (
        brigade,
        URL,
        ["alarm.closed", "alarm.raised"],
        True,
    )
    secret = encryption.decrypt(hook.secret)
    assert re.fullmatch("[0-9a-f]{64}", secret)
    # In the answer itself, which nobody keeps, and in nothing that is kept for a later one.
    assert answer.status_code == 200
    assert answer.content.decode().count(secret) == 1
    assert "no-store" in answer["Cache-Control"]
    assert secret not in str(answer.cookies) + str(dict(admin_client.session))
    [event] = events_of(hook)
    a_try(hook=hook, hook_event=event)
    pages = [url(model, "changelist") for model in (Hook, HookEvent, HookTry)]
    pages += [url(Hook, "change", hook.pk), url(HookEvent, "change", event.pk), url(Hook, "history", hook.pk)]
    for page in pages:
        text = shown(admin_client, page)
        assert secret not in text
        assert hook.secret not in text


def test_the_page_with_the_secret_loaded_again_makes_no_second_hook(
    admin_client: Client, brigade: Organization
) -> None:
    [key] = re.findall(r'name="form_key" value="([^"]+)"', shown(admin_client, url(Hook, "add")))
    sent = form(organization=brigade.pk, form_key=key)
    assert admin_client.post(url(Hook, "add"), sent).status_code == 200
    secret = encryption.decrypt(Hook.objects.get().secret)
    again = admin_client.post(url(Hook, "add"), sent, follow=True)
    assert again.redirect_chain == [(url(Hook, "change", Hook.objects.get().pk), 302)]
    assert secret not in again.content.decode()


def test_the_events_are_the_five_and_no_other(admin_client: Client, brigade: Organization) -> None:
    choices = re.findall(r'<input type="checkbox" name="events" value="([^"]+)"', shown(admin_client, url(Hook, "add")))
    assert choices == EVENTS
    answer = admin_client.post(url(Hook, "add"), form(organization=brigade.pk, events=["test"]))
    assert answer.status_code == 200
    assert not Hook.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://dispatch.example/"}, {"url": "https://a:b@dispatch.example/"}, {"url": ""}, {"events": []}]
)
def test_what_the_api_refuses_is_refused_here_too(
    admin_client: Client, brigade: Organization, wrong: dict[str, object]
) -> None:
    answer = admin_client.post(url(Hook, "add"), form(organization=brigade.pk, **wrong))
    assert answer.context["errors"]
    assert not Hook.objects.exists()


def test_more_hooks_than_an_organization_may_have_are_refused(admin_client: Client, brigade: Organization) -> None:
    for _ in range(20):
        hook_at(URL, brigade)
    answer = admin_client.post(url(Hook, "add"), form(organization=brigade.pk), follow=True)
    assert "An organization has at most 20 hooks." in answer.content.decode()
    assert Hook.objects.count() == 20


# Changing


def test_a_hook_is_changed_and_stays_its_organizations(admin_client: Client, hook: Hook) -> None:
    elsewhere = OrganizationFactory()
    changed = form(url="http://elsewhere.example/", events=["message.failed"], organization=elsewhere.pk)
    del changed["is_active"]
    before = hook.organization_id
    assert admin_client.post(url(Hook, "change", hook.pk), changed).status_code == 302
    hook.refresh_from_db()
    assert (hook.url, hook.events, hook.is_active) == ("http://elsewhere.example/", ["message.failed"], False)
    assert hook.organization_id == before
    assert encryption.decrypt(hook.secret) == SECRET


def test_what_waits_is_tried_at_once_where_the_url_is_another(
    admin_client: Client, hook: Hook, now: datetime, jobs: Callable[[], list[Any]]
) -> None:
    later = now.replace(year=now.year + 1, day=1)
    [event] = events_of(hook, due_at=later)
    same = form(events=["alarm.raised"])
    assert admin_client.post(url(Hook, "change", hook.pk), same).status_code == 302
    event.refresh_from_db()
    assert (event.due_at, jobs()) == (later, [])
    assert admin_client.post(url(Hook, "change", hook.pk), same | {"url": f"{URL}/2"}).status_code == 302
    event.refresh_from_db()
    assert event.due_at < later
    assert len(jobs()) == 1


@pytest.mark.parametrize("how", ["page", "action"])
def test_a_hook_is_deleted_with_all_that_is_its(admin_client: Client, hook: Hook, how: str) -> None:
    staying = a_try()
    for event in events_of(hook, 3):
        a_try(hook=hook, hook_event=event)
    HookEvent.objects.exclude(hook__in=(hook, staying.hook)).delete()
    data: dict[str, object] = {"post": "yes"}
    address = url(Hook, "delete", hook.pk)
    if how == "action":
        data |= {"action": "delete_selected", "_selected_action": [hook.pk]}
        address = url(Hook, "changelist")
    asked = admin_client.post(address, {name: value for name, value in data.items() if name != "post"})
    if how == "action":
        assert "with its events and tries" in asked.content.decode()
    assert admin_client.post(address, data).status_code == 302
    assert not Hook.objects.filter(pk=hook.pk).exists()
    assert list(HookTry.objects.all()) == [staying]
    assert list(HookEvent.objects.all()) == [staying.hook_event]


# Trying out


def test_the_page_of_a_hook_has_a_button_that_sends_a_test(
    admin_client: Client, hook: Hook, jobs: Callable[[], list[Any]]
) -> None:
    address = reverse("admin:alarms_hook_test", args=[hook.pk])
    page = shown(admin_client, url(Hook, "change", hook.pk))
    assert f'action="{address}" method="post">' in page
    assert "Send a test event" in page
    answer = admin_client.post(address, follow=True)
    event = HookEvent.objects.get()
    assert (event.hook, event.event, event.alarm) == (hook, "test", None)
    assert [job["task_name"] for job in jobs()] == ["alarms.deliver_hooks"]
    link = f"{url(HookTry, 'changelist')}?hook_event__id__exact={event.pk}"
    assert link in answer.content.decode()
    a_try(hook=hook, hook_event=event, reason="what became of it")
    assert "what became of it" in shown(admin_client, link)


def test_a_link_sends_no_test(admin_client: Client, hook: Hook) -> None:
    assert admin_client.get(reverse("admin:alarms_hook_test", args=[hook.pk])).status_code == 405
    assert not HookEvent.objects.exists()


def test_the_page_to_add_a_hook_has_no_such_button(admin_client: Client) -> None:
    assert "Send a test event" not in shown(admin_client, url(Hook, "add"))


def test_several_hooks_get_a_test_and_it_is_said_which_could_not(admin_client: Client, hook: Hook) -> None:
    inactive, other = hook_at(URL, is_active=False), hook_at(URL)
    chosen = {"action": "send_tests", "_selected_action": [hook.pk, inactive.pk]}
    answer = admin_client.post(url(Hook, "changelist"), chosen, follow=True).content.decode()
    assert list(HookEvent.objects.values_list("hook", flat=True)) == [hook.pk]
    assert f"Nothing was sent to {inactive}: it is not active." in answer
    assert not other.hook_events.exists()


@pytest.mark.parametrize("object_id", ["0", "x", str(2**70)])
def test_a_hook_that_is_not_there_gets_no_test(admin_client: Client, object_id: str) -> None:
    answer = admin_client.post(reverse("admin:alarms_hook_test", args=[object_id]))
    assert answer.headers["Location"] == url(Hook, "changelist")


def test_an_admin_of_the_organization_does_all_of_it_and_one_of_another_nothing(client: Client, hook: Hook) -> None:
    foreign = admin(OrganizationFactory(), is_staff=True)
    for user, status in ((foreign, 302), (admin(hook.organization, is_staff=True), 200)):
        client.force_login(user)
        assert client.get(url(Hook, "change", hook.pk)).status_code == status
        client.post(reverse("admin:alarms_hook_test", args=[hook.pk]))
        assert HookEvent.objects.filter(hook=hook).exists() == (status == 200)
        client.post(url(Hook, "changelist"), {"action": "send_tests", "_selected_action": [hook.pk]})
        assert HookEvent.objects.filter(hook=hook).count() == (2 if status == 200 else 0)
        answer = client.post(url(Hook, "add"), form(organization=hook.organization_id))
        refused = "adminform" in answer.context and "organization" in answer.context["adminform"].form.errors
        assert refused == (status == 302)
        client.post(url(Hook, "delete", hook.pk), {"post": "yes"})
        assert Hook.objects.filter(pk=hook.pk).exists() == (status == 302)


def test_members_who_administer_nothing_send_no_test_and_delete_nothing(client: Client, hook: Hook) -> None:
    client.force_login(member(hook.organization, is_staff=True))
    assert client.get(url(Hook, "change", hook.pk)).status_code == 403
    assert client.post(reverse("admin:alarms_hook_test", args=[hook.pk])).status_code == 403
    assert client.post(url(Hook, "delete", hook.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "send_tests", "_selected_action": [hook.pk]}
    assert client.post(url(Hook, "changelist"), chosen).status_code == 403
    assert Hook.objects.get() == hook
    assert not HookEvent.objects.exists()


# What they were told


MAKE: dict[type[models.Model], Callable[[], Any]] = {
    Hook: lambda: a_try().hook,
    HookEvent: lambda: a_try().hook_event,
    HookTry: a_try,
}
each_model = pytest.mark.parametrize("model", MAKE, ids=lambda model: model.__name__)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        shown(client, address)
    return len(captured)


@each_model
def test_the_list_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model]()
    queries(admin_client, url(model, "changelist"))  # what is cached for good is cached now
    with_one = queries(admin_client, url(model, "changelist"))
    for _ in range(49):
        MAKE[model]()
    # session, user, count, rows (with hooks, organizations, events and alarms joined), the organizations to filter by
    assert queries(admin_client, url(model, "changelist")) == with_one


@each_model
def test_any_search_is_answered(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model]()
    for search in ("", "dispatch", "1", "'", "%", "99999999999999999999", "Ärger 🚒", "\x00"):
        assert admin_client.get(url(model, "changelist"), {"q": search}).status_code == 200, search


def test_what_they_were_told_can_only_be_read(admin_client: Client) -> None:
    row = a_try()
    for model, pk in ((HookEvent, row.hook_event_id), (HookTry, row.pk)):
        assert admin_client.get(url(model, "add")).status_code == 403
        assert admin_client.post(url(model, "change", pk), {"reason": "changed"}).status_code == 403
        assert admin_client.post(url(model, "delete", pk), {"post": "yes"}).status_code == 403
        assert 'name="_save"' not in shown(admin_client, url(model, "change", pk))
    assert HookTry.objects.get().reason == "HTTP 503"


def test_a_hook_links_to_what_it_was_told_and_to_no_other(admin_client: Client, now: datetime) -> None:
    row, other = a_try(reason="refused here"), a_try(reason="refused elsewhere")
    page = shown(admin_client, url(Hook, "change", row.hook_id))
    for model, mine in ((HookEvent, row.hook_event), (HookTry, row)):
        address = f"{url(model, 'changelist')}?hook__id__exact={row.hook_id}"
        assert f'href="{address}"' in page
        assert list(admin_client.get(address).context["cl"].result_list) == [mine]
    for field, word in (("", "pending"), ("delivered_at", "delivered"), ("given_up_at", "given up")):
        HookEvent.objects.filter(pk=row.hook_event_id).update(**{field: now} if field else {"attempts": 1})
        assert f">{word}</td>" in shown(admin_client, f"{url(HookEvent, 'changelist')}?q={row.hook_event_id}")
        HookEvent.objects.filter(pk=row.hook_event_id).update(delivered_at=None)
    assert other.hook_event.given_up_at is None
