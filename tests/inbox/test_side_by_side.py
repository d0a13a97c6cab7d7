"""What happens at the same time as something else: two who look at the form of the admin, a recipient who is deleted
while a message is sent, a message that somebody marks as read while the purge runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from inbox import retention
from inbox.admin import MessageAdmin
from inbox.models import InboxMessage, Message
from inbox.sending import MessageOrder, announce_alarm, send, tell_of_alarm
from organizations.models import Group, Organization, User
from tests.alarms.test_races import while_waiting
from tests.factories import InboxMessageFactory, MessageFactory, OrganizationFactory, UserFactory, member
from tests.inbox.test_admin import ADD, form_key, group_of
from tests.inbox.test_admin_whose import staff

pytestmark = pytest.mark.django_db

InboxOf = Callable[[User], list[dict[str, Any]]]

OLD = timedelta(days=800)


# Two of the staff and the form that sends


@pytest.fixture
def two_staff(db: None) -> list[tuple[User, Group]]:
    """Two of the staff, of two organizations, each with the only group of theirs."""
    two = []
    for organization in OrganizationFactory.create_batch(2):
        user, _client = staff(organization)
        two.append((user, group_of(user)))
    return two


def form_for(user: User) -> type[forms.ModelForm[Message]]:
    request = RequestFactory().get(ADD)
    request.user = user
    form: type[forms.ModelForm[Message]] = MessageAdmin(Message, admin.site).get_form(request)
    return form


def test_the_form_of_one_has_never_the_groups_of_another(two_staff: list[tuple[User, Group]]) -> None:
    made = [form_for(user) for user, _group in two_staff]
    # Each is used after the other was made, as by two threads.
    for form, (_user, group) in zip(made, two_staff, strict=True):
        shown = form()
        field: Any = shown.fields["groups"]
        assert list(field.queryset) == [group]
        assert [str(value) for value, _label in field.choices] == [str(group.pk)]
        assert group.name in shown.as_p()
        for _other, chosen in two_staff:
            filled = form({"groups": [chosen.pk], "text": "Drill"})
            assert (filled.is_valid(), list(filled.errors)) == ((True, []) if chosen == group else (False, ["groups"]))


@pytest.mark.django_db(transaction=True)
def test_a_button_that_is_clicked_twice_sends_once(ben: User, inbox_of: InboxOf) -> None:
    user, client = staff(ben.managing_organization)
    data = {"groups": group_of(ben).pk, "text": "Drill", "form_key": form_key(client)}
    same = Client()
    same.cookies = client.cookies
    statuses: list[int] = []
    first, second = (lambda one=one: statuses.append(one.post(ADD, data).status_code) for one in (client, same))
    while_waiting(first, [second])
    assert statuses == [302, 302]
    assert len(inbox_of(ben)) == 1
    assert Message.objects.get().sender == user


# A recipient and another connection


def send_to(user: User) -> None:
    order = MessageOrder("Drill", users=[user.pk])
    sender = member(OrganizationFactory())
    send(order=order, sender=sender, organizations=Organization.objects.all(), now=timezone.now())


def tell(user: User) -> None:
    organization = OrganizationFactory()
    announce_alarm(alarm_id=7, organization=organization, text="Fire", parameters=[], now=timezone.now())
    tell_of_alarm(alarm_id=7, user_ids=[user.pk])


each_sending = pytest.mark.parametrize("put", [send_to, tell], ids=["a message", "an alarm"])


def elsewhere(statement: str, user: User) -> None:
    """Execute what is not kept over another connection, which waits for locks no longer than a moment."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
        cursor.execute("BEGIN")
        cursor.execute(statement, [user.pk])
        assert cursor.rowcount == 1
        cursor.execute("ROLLBACK")


@pytest.mark.django_db(transaction=True)
@each_sending
def test_nobody_is_deleted_while_a_message_comes_to_their_inbox(
    ben: User, inbox_of: InboxOf, put: Callable[[User], None]
) -> None:
    with transaction.atomic():
        put(ben)
        with pytest.raises(OperationalError) as refused:
            elsewhere("DELETE FROM organizations_user WHERE id = %s", ben)
        assert isinstance(refused.value.__cause__, LockNotAvailable)
    assert len(inbox_of(ben)) == 1
    # Nobody waits any more.
    elsewhere("DELETE FROM organizations_user WHERE id = %s", ben)


@pytest.mark.django_db(transaction=True)
@each_sending
def test_a_recipient_can_log_in_while_a_message_comes_to_their_inbox(
    ben: User, inbox_of: InboxOf, put: Callable[[User], None]
) -> None:
    with transaction.atomic():
        put(ben)
        elsewhere("UPDATE organizations_user SET last_login = now() WHERE id = %s", ben)
    assert len(inbox_of(ben)) == 1


# The purge


def old_rows(count: int) -> list[InboxMessage]:
    """Return rows of two old messages, of which the second is in one inbox only."""
    several, one = InboxMessageFactory.create_batch(2, message__sent_at=timezone.now() - OLD)
    return [several, one, *InboxMessageFactory.create_batch(count - 2, message=several.message)]


@contextmanager
def marked_as_read_meanwhile(row: InboxMessage) -> Iterator[None]:
    """Let another connection be about to mark a message as read."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE inbox_inboxmessage SET read_at = now() WHERE id = %s", [row.pk])
        yield
        cursor.execute("COMMIT")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [1, 2, 6, 5000])
@pytest.mark.parametrize("place", [0, 1, 6], ids=["of several", "the only one of its message", "the last"])
def test_the_purge_waits_for_no_row_that_is_held_and_takes_it_the_next_time(
    monkeypatch: pytest.MonkeyPatch, batch: int, place: int
) -> None:
    monkeypatch.setattr(retention, "BATCH", batch)
    rows = old_rows(7)
    # To wait would be to fail, as each connection of the service waits for locks for some seconds only.
    with marked_as_read_meanwhile(rows[place]):
        assert retention.purge(months=12) == 6
        assert list(InboxMessage.objects.all()) == [rows[place]]
        assert list(Message.objects.all()) == [rows[place].message]
    assert InboxMessage.objects.get().read_at is not None
    assert retention.purge(months=12) == 1
    assert (InboxMessage.objects.count(), Message.objects.count()) == (0, 0)


@pytest.mark.parametrize("months", [0, -1, -1200])
def test_a_purge_of_less_than_a_month_is_an_error_and_deletes_nothing(months: int) -> None:
    rows = [*old_rows(2), InboxMessageFactory(message__sent_at=timezone.now() - timedelta(seconds=5))]
    with pytest.raises(ValueError, match=r"\S"):
        retention.purge(months=months)
    assert set(InboxMessage.objects.all()) == set(rows)
    assert Message.objects.count() == 3


@pytest.mark.parametrize(("batches", "purged"), [(0, 0), (1, 2), (2, 4), (3, 6)])
@pytest.mark.parametrize("step", [1, 100])
def test_a_purge_that_is_to_stop_ends_between_two_batches(
    monkeypatch: pytest.MonkeyPatch, step: int, batches: int, purged: int
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", step)
    users = UserFactory.create_batch(8)
    message = InboxMessageFactory(user=users[0], message__sent_at=timezone.now() - OLD).message
    for user in users[1:]:
        InboxMessageFactory(user=user, message=message)
    told: list[int] = []
    assert retention.purge(months=12, progress=told.append, stop=lambda: len(told) >= batches) == purged
    assert told == [2] * batches
    assert (InboxMessage.objects.count(), Message.objects.count()) == (8 - purged, 1)
    assert retention.purge(months=12) == 8 - purged
    assert (InboxMessage.objects.count(), Message.objects.count()) == (0, 0)


def test_a_purge_that_is_to_stop_looks_at_no_further_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MESSAGES_PER_STEP", 1)
    InboxMessageFactory(message__sent_at=timezone.now() - OLD)
    in_no_inbox = MessageFactory(sent_at=timezone.now() - OLD)
    told: list[int] = []
    assert retention.purge(months=12, progress=told.append, stop=lambda: bool(told)) == 1
    assert list(Message.objects.all()) == [in_no_inbox]
    assert retention.purge(months=12) == 0
    assert not Message.objects.exists()
