"""The lists of alarms and messages, which are to be read only; and that every page of the admin opens."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pghistory.models
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback, IdempotencyKey, Sender
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, UserFactory

pytestmark = pytest.mark.django_db

# The hierarchy of dates asks otherwise where rows are of several days.
STARTS_AT = datetime(2026, 3, 14, 12, tzinfo=UTC)


def answered() -> AlarmMessage:
    recipient = AlarmMessageFactory(alarm__starts_at=STARTS_AT, response=True, responded_at=STARTS_AT)
    DeviceMessageFactory(alarm_message=recipient)
    Feedback.objects.create(alarm_message=recipient, response=True, source="a test", created_at=STARTS_AT)
    return recipient


MAKE: dict[type[models.Model], Callable[[], Any]] = {
    Alarm: lambda: answered().alarm,
    AlarmMessage: answered,
    DeviceMessage: lambda: answered().device_messages.get(),
    Feedback: lambda: answered().feedback.get(),
    IdempotencyKey: lambda: IdempotencyKey.objects.create(
        principal="user 1", key=str(uuid4()), body_digest="0" * 64, alarm=answered().alarm, created_at=timezone.now()
    ),
    Sender: lambda: Sender.objects.create(host="alarm-1", pid=4711),
}
each_model = pytest.mark.parametrize("model", MAKE, ids=lambda model: model.__name__)


def url(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@each_model
def test_the_list_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model]()
    queries(admin_client, url(model, "changelist"))  # what is cached for good is cached now
    with_one = queries(admin_client, url(model, "changelist"))
    for _ in range(49):
        MAKE[model]()
    # session, user, count, rows (with recipients and alarms joined), the organizations to filter by, and for alarms
    # the first and last day and the days between
    assert queries(admin_client, url(model, "changelist")) == with_one


@each_model
def test_a_row_can_be_found_and_opened(admin_client: Client, model: type[models.Model]) -> None:
    row = MAKE[model]()
    assert admin_client.get(url(model, "changelist"), {"q": "a test 1"}).status_code == 200
    assert admin_client.get(url(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", [model for model in MAKE if model is not Alarm], ids=lambda model: model.__name__)
def test_nothing_can_be_added(admin_client: Client, model: type[models.Model]) -> None:
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.post(url(model, "add"), {}).status_code == 403


@each_model
def test_nothing_can_be_changed_or_deleted(admin_client: Client, model: type[models.Model]) -> None:
    row = MAKE[model]()
    before = model._default_manager.values().get(pk=row.pk)
    assert admin_client.post(url(model, "change", row.pk), {"message": "changed"}).status_code == 403
    assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    admin_client.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert model._default_manager.values().get(pk=row.pk) == before
    for page in (url(model, "changelist"), url(model, "change", row.pk)):
        shown = admin_client.get(page).content.decode()
        assert "delete_selected" not in shown
        assert 'name="_save"' not in shown
        assert "addlink" not in shown.split('id="content-main"')[-1]


def listed(client: Client, **query: str) -> list[str]:
    """Return what each row of the list of alarms says."""
    rows = client.get(url(Alarm, "changelist"), query).content.decode().split("<tbody")[1:]
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


def test_the_list_shows_how_each_alarm_stands_and_its_answers(admin_client: Client) -> None:
    alarm = AlarmFactory(starts_at=timezone.now())
    for response in (True, True, False, None):
        AlarmMessageFactory(alarm=alarm, response=response)

    def state() -> str:
        [shown] = listed(admin_client)
        return shown

    assert "open" in state()
    assert "2 positive, 1 negative, 1 unknown, 0 timed out" in state()
    AlarmMessage.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert "time over" in state()
    assert "2 positive, 1 negative, 0 unknown, 1 timed out" in state()
    Alarm.objects.update(closed_at=timezone.now())
    assert "closed" in state()


def test_the_newest_is_first_and_what_was_cancelled_does_not_stay_on_top(admin_client: Client, now: datetime) -> None:
    hour, later = timedelta(hours=1), {"pending_resources": {"all_users": True}}
    AlarmFactory(event_name="cancelled, for tomorrow", starts_at=now + 24 * hour, closed_at=now - 2 * hour, **later)
    AlarmFactory(event_name="raised before", starts_at=now - 3 * hour)
    AlarmFactory(event_name="just raised", starts_at=now)
    AlarmFactory(event_name="to come", starts_at=now + hour, **later)
    AlarmFactory(event_name="missed", starts_at=now - hour, closed_at=now, **later)
    names = ("to come", "just raised", "missed", "cancelled, for tomorrow", "raised before")
    rows = listed(admin_client)
    assert [name for row, name in zip(rows, names, strict=True) if name in row] == list(names)


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("open", {"B1"}),
        ("closed", {"B2"}),
        ("scheduled", {"B3"}),
        ("cancelled", {"B4"}),
        ("nonsense", {"B1", "B2", "B3", "B4"}),
    ],
)
def test_the_list_is_filtered_by_how_alarms_stand(
    admin_client: Client, now: datetime, status: str, names: set[str]
) -> None:
    later = {"pending_resources": {"all_users": True}, "starts_at": now + timedelta(hours=1)}
    AlarmFactory(event_name="B1")
    AlarmFactory(event_name="B2", closed_at=now)
    AlarmFactory(event_name="B3", **later)
    AlarmFactory(event_name="B4", closed_at=now, **later)
    rows = listed(admin_client, status=status)
    assert {name for name in ("B1", "B2", "B3", "B4") for row in rows if name in row} == names


def test_an_alarm_without_recipients_is_shown_too(admin_client: Client) -> None:
    alarm = AlarmFactory()
    assert admin_client.get(url(Alarm, "changelist")).status_code == 200
    assert admin_client.get(url(Alarm, "change", alarm.pk)).status_code == 200


def test_answers_are_counted_for_the_alarms_of_the_page_only(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site.get_model_admin(Alarm), "list_per_page", 1)
    for _ in range(2):
        answered()
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(url(Alarm, "changelist"))
    counting = [query["sql"] for query in captured if "alarms_alarmmessage" in query["sql"]]
    assert len(counting) == 1
    assert "LIMIT" in counting[0]


def test_the_page_of_a_recipient_takes_no_query_a_message_or_answer(admin_client: Client) -> None:
    recipient = answered()
    page = url(AlarmMessage, "change", recipient.pk)
    queries(admin_client, page)
    with_one = queries(admin_client, page)
    for turn in range(1, 20):
        DeviceMessageFactory(alarm_message=recipient, turn=turn)
        Feedback.objects.create(alarm_message=recipient, response=False, source="a test", created_at=STARTS_AT)
    assert queries(admin_client, page) == with_one


def test_a_message_whose_device_is_gone_is_shown_still(admin_client: Client) -> None:
    message = answered().device_messages.get()
    message.device.delete()
    assert message.address in admin_client.get(url(DeviceMessage, "changelist")).content.decode()
    assert message.address in admin_client.get(url(DeviceMessage, "change", message.pk)).content.decode()


@each_model
def test_any_search_is_answered(admin_client: Client, model: type[models.Model]) -> None:
    for search in ("'", "%", "99999999999999999999", "Ärger 🚒", "00000000-0000", "\x00"):
        assert admin_client.get(url(model, "changelist"), {"q": search}).status_code == 200, search


def test_a_message_is_found_by_its_id(admin_client: Client) -> None:
    recipient, _other = answered(), answered()
    answer = admin_client.get(url(AlarmMessage, "changelist"), {"q": str(recipient.message_id)})
    assert list(answer.context["cl"].result_list) == [recipient]


def test_a_sender_without_a_heartbeat_is_shown_as_dead(admin_client: Client) -> None:
    sender = MAKE[Sender]()
    assert "at work" in admin_client.get(url(Sender, "changelist")).content.decode()
    Sender.objects.filter(pk=sender.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert "no heartbeat" in admin_client.get(url(Sender, "changelist")).content.decode()


def test_a_permission_of_django_opens_nothing(client: Client) -> None:
    staff = UserFactory(is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(content_type__app_label="alarms"))
    client.force_login(staff)
    alarm = AlarmFactory()
    assert client.get(url(Alarm, "changelist")).status_code == 403
    assert client.get(url(Alarm, "change", alarm.pk)).status_code != 200
    assert client.get(url(AlarmMessage, "changelist")).status_code == 403


def test_every_page_of_the_admin_opens(admin_client: Client) -> None:
    index = admin_client.get(reverse("admin:index"))
    assert index.status_code == 200
    for model, model_admin in admin.site._registry.items():
        assert admin_client.get(url(model, "changelist")).status_code == 200, model
        may_add = model_admin.has_add_permission(index.wsgi_request)
        assert admin_client.get(url(model, "add")).status_code == (200 if may_add else 403), model


def test_every_model_is_in_the_admin() -> None:
    ours = {model for label in ("organizations", "escalations", "alarms") for model in models_of(label)}
    # The entries are edited in the page of their configuration, second factors in those of people; the others are what
    # the service keeps for itself.
    hidden = {"Escalation", "SecondFactor", "Audit", "CounterIncrement", "DeviceRate", "LogInAttempt", "MembersFile"}
    hidden |= {"Trouble", "WrongCode"}
    # Histories are shown on the pages of what they are about.
    shown = {model for model in ours if not issubclass(model, pghistory.models.Event)}
    assert {model.__name__ for model in shown if not admin.site.is_registered(model)} == hidden


def models_of(label: str) -> list[type[models.Model]]:
    return list(apps.get_app_config(label).get_models())
