"""Retention: of old alarms, what each device got and each answer is dropped, in short transactions; old jobs too."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from alarms import retention, tasks
from alarms.answering import answer_alarm
from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback
from organizations.models import User
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, admin

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def alarm_of(brigade, now):
    """An alarm of so many days ago with so many recipients, each with two device messages and an answer."""

    def call(days, recipients=1):
        start = now - days * DAY
        alarm = AlarmFactory(organization=brigade, starts_at=start)
        for _each in range(recipients):
            recipient = AlarmMessageFactory(
                alarm=alarm, response=True, responded_at=start, escalating=False, first_sent_at=start
            )
            for turn in (0, 1):
                DeviceMessageFactory(alarm_message=recipient, turn=turn, status=2, sent_at=start)
            Feedback.objects.create(alarm_message=recipient, response=True, source="test", created_at=start)
        return alarm

    return call


def details(alarm):
    """How many device messages and answers are left."""
    return (
        DeviceMessage.objects.filter(alarm=alarm).count(),
        Feedback.objects.filter(alarm_message__alarm=alarm).count(),
    )


def test_details_of_old_alarms_are_dropped_and_the_alarms_stay(alarm_of, boss):
    old, young = alarm_of(64), alarm_of(58)
    before = boss.get(f"/api/v1/alarm/{old.pk}").json()
    assert retention.drop_details(months=2) == 2
    assert (details(old), details(young)) == ((0, 0), (2, 1))
    assert boss.get(f"/api/v1/alarm/{old.pk}").json() == before
    recipient = old.alarm_messages.get()
    status = boss.get(
        f"/api/v1/messagestatus/{old.pk}?organization_id={old.organization_id}&user_id={recipient.user_id}"
    )
    assert (status.status_code, status.json()) == (200, {"devices": [], "messageId": str(recipient.message_id)})
    assert retention.drop_details(months=2) == 0


def test_many_rows_go_in_batches_and_a_stop_is_heard_between_them(alarm_of, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 4)
    oldest, old = alarm_of(100, recipients=5), alarm_of(99)
    batches: list[int] = []
    retention.drop_details(months=2, progress=batches.append, stop=lambda: len(batches) == 2)
    assert batches == [4, 4]
    assert not Alarm.objects.exclude(details_dropped_at=None).exists()
    retention.drop_details(months=2, progress=batches.append)
    assert sum(batches) == 12
    assert max(batches) == 4
    assert (details(oldest), details(old)) == ((0, 0), (0, 0))
    assert not Alarm.objects.filter(details_dropped_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_neither_who_answers_nor_another_that_drops_is_waited_for(alarm_of, now):
    """Nobody is held up, even by an old alarm that somebody has locked."""
    locked, free, running = alarm_of(100), alarm_of(99), alarm_of(0)
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM alarms_alarm WHERE id = %s FOR UPDATE", [locked.pk])
        # What a sender or an answer holds of a running alarm.
        cursor.execute("SELECT 1 FROM alarms_alarmmessage WHERE alarm_id = %s FOR UPDATE", [running.pk])
        assert retention.drop_details(months=2) == 2
        assert (details(locked), details(free), details(running)) == ((2, 1), (0, 0), (2, 1))
    other.rollback()
    other.close()
    assert retention.drop_details(months=2) == 2


def test_an_answer_while_details_are_dropped_is_kept(alarm_of):
    alarm_of(100)
    running = alarm_of(0)
    user = User.objects.get(alarm_messages__alarm=running)
    with transaction.atomic():
        assert retention.drop_batch(months=2) == (2, True)
        answer_alarm(alarm_id=running.pk, user_id=user.pk, response=False, source="test", organization=None)
    assert Feedback.objects.filter(alarm_message__alarm=running).count() == 2


def test_nobody_drops_what_is_going_on():
    with pytest.raises(ValueError, match="going on"):
        retention.drop_details(months=0)


def run(*arguments):
    said = io.StringIO()
    call_command("drop_details", *arguments, stdout=said)
    return said.getvalue()


def test_the_command_says_how_many_there_are_and_drops_them(alarm_of, settings):
    settings.ALARM_RETENTION_MONTHS = 2
    alarm_of(64, recipients=2)
    alarm_of(32)
    assert run("--dry-run") == "4 device messages are of alarms older than 2 months.\n"
    assert run() == "Dropped 4 device messages of alarms older than 2 months.\n"
    assert run("--older-than-months", "1") == "Dropped 2 device messages of alarms older than 1 months.\n"


@pytest.mark.parametrize("text", ["0", "-1", "1201", "x"])
def test_the_command_refuses_what_is_no_number_of_months(text):
    with pytest.raises(CommandError, match="must be from 1 to 1200"):
        run("--older-than-months", text)


def test_where_all_is_kept_the_job_drops_nothing_and_the_command_asks(alarm_of, settings):
    settings.ALARM_RETENTION_MONTHS = 0
    alarm = alarm_of(4000)
    tasks.drop_details(type("Context", (), {"should_abort": staticmethod(lambda: False)}), timestamp=0)
    assert details(alarm) == (2, 1)
    with pytest.raises(CommandError, match="ALARM_RETENTION_MONTHS is 0"):
        run()


@pytest.mark.parametrize("months", [-1, 1201])
def test_a_setting_that_makes_no_sense_is_told_at_the_start(settings, months):
    settings.ALARM_RETENTION_MONTHS = months
    assert "alarms.E007" in {message.id for message in run_checks()}


def test_the_page_of_an_alarm_says_that_its_details_are_gone(alarm_of, brigade, client):
    alarm = alarm_of(100)
    retention.drop_details(months=2)
    client.force_login(admin(brigade, is_staff=True))
    page = client.get(f"/admin/alarms/alarm/{alarm.pk}/change/").content.decode()
    assert "as it was old." in page
    assert "no way to reach them" not in page
    assert AlarmMessage.objects.get(alarm=alarm).user.login in page


@pytest.mark.django_db(transaction=True)
def test_what_failed_a_month_ago_leaves_the_queue_with_its_events():
    with connection.cursor() as cursor:
        for status, days in (("failed", 31), ("failed", 29), ("cancelled", 31), ("todo", 31)):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (task_name, queue_name, args, status) VALUES ('t', 'q', '{}', %s)"
                " RETURNING id",
                [status],
            )
            job = cursor.fetchone()
            cursor.execute(
                "INSERT INTO procrastinate_events (job_id, type) VALUES (%s, %s)",
                [*job, "deferred" if status == "todo" else status],
            )
            cursor.execute(
                "UPDATE procrastinate_events SET at = now() - make_interval(days => %s) WHERE job_id = %s", [days, *job]
            )
    async_to_sync(retention.prune_queue)()
    assert sorted(ProcrastinateJob.objects.values_list("status", flat=True)) == ["failed", "todo"]
    assert set(ProcrastinateEvent.objects.values_list("job__status", flat=True)) == {"failed", "todo"}
