"""The admin of alarms and messages, which is to be read only; and that every page of the admin opens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

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


@each_model
def test_nothing_can_be_added_changed_or_deleted(admin_client: Client, model: type[models.Model]) -> None:
    row = MAKE[model]()
    before = model._default_manager.values().get(pk=row.pk)
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.post(url(model, "change", row.pk), {"message": "changed"}).status_code == 403
    assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    admin_client.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert model._default_manager.values().get(pk=row.pk) == before
    for page in (url(model, "changelist"), url(model, "change", row.pk)):
        shown = admin_client.get(page).content.decode()
        assert "delete_selected" not in shown
        assert 'name="_save"' not in shown
        assert "addlink" not in shown.split('id="content-main"')[-1]


def test_an_alarm_shows_its_state_and_the_answers(admin_client: Client) -> None:
    alarm = AlarmFactory(starts_at=timezone.now())
    for response in (True, True, False, None):
        AlarmMessageFactory(alarm=alarm, response=response)
    model_admin = admin.site.get_model_admin(Alarm)

    def state() -> tuple[Any, ...]:
        answer = admin_client.get(url(Alarm, "changelist"))
        [shown] = answer.context["cl"].result_list
        return tuple(getattr(model_admin, name)(shown) for name in ("status", "positive", "negative", "unknown"))

    assert state() == ("open", 2, 1, 1)
    AlarmMessage.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert state() == ("time over", 2, 1, 1)
    Alarm.objects.update(closed_at=timezone.now())
    assert state() == ("closed", 2, 1, 1)


def test_an_alarm_without_recipients_is_shown_too(admin_client: Client) -> None:
    alarm = AlarmFactory()
    assert admin_client.get(url(Alarm, "changelist")).status_code == 200
    assert admin_client.get(url(Alarm, "change", alarm.pk)).status_code == 200


def test_the_page_of_an_alarm_links_to_its_recipients_instead_of_loading_them(admin_client: Client) -> None:
    recipient, other = answered(), answered()
    page = url(Alarm, "change", recipient.alarm_id)
    queries(admin_client, page)
    with_one = queries(admin_client, page)
    AlarmMessageFactory.create_batch(49, alarm=recipient.alarm)
    assert queries(admin_client, page) == with_one
    shown = admin_client.get(page).content.decode()
    for model, count in ((AlarmMessage, 50), (DeviceMessage, 1)):
        address = f"{url(model, 'changelist')}?alarm__id__exact={recipient.alarm_id}"
        assert f'href="{address}"' in shown
        rows = admin_client.get(address).context["cl"].result_list
        assert len(rows) == count
        assert other.alarm_id not in {row.alarm_id for row in rows}


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
    assert 'alt="True"' in admin_client.get(url(Sender, "changelist")).content.decode()
    Sender.objects.filter(pk=sender.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert 'alt="False"' in admin_client.get(url(Sender, "changelist")).content.decode()


def test_staff_who_may_only_look_at_alarms_see_nothing_else(client: Client) -> None:
    staff = UserFactory(is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_alarm"))
    client.force_login(staff)
    alarm = AlarmFactory()
    assert client.get(url(Alarm, "change", alarm.pk)).status_code == 200
    assert client.get(url(AlarmMessage, "changelist")).status_code == 403
    assert client.get(reverse("admin:organizations_user_changelist")).status_code == 403


def test_every_page_of_the_admin_opens(admin_client: Client) -> None:
    index = admin_client.get(reverse("admin:index"))
    assert index.status_code == 200
    for model, model_admin in admin.site._registry.items():
        assert admin_client.get(url(model, "changelist")).status_code == 200, model
        may_add = model_admin.has_add_permission(index.wsgi_request)
        assert admin_client.get(url(model, "add")).status_code == (200 if may_add else 403), model


def test_every_model_is_in_the_admin() -> None:
    ours = {model for label in ("organizations", "escalations", "alarms") for model in models_of(label)}
    # The entries are edited in the page of their configuration; the others are counters that are kept for a minute.
    hidden = {"Escalation", "DeviceRate", "WrongCode"}
    assert {model.__name__ for model in ours if not admin.site.is_registered(model)} == hidden


def models_of(label: str) -> list[type[models.Model]]:
    return list(apps.get_app_config(label).get_models())
