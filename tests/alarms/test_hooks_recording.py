"""What hooks are to be told is written with what happened, for those who want to know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from alarms.answering import answer_alarm
from alarms.hooks import recording
from alarms.hooks.recording import FailedMessage, Happening
from alarms.hooks.registering import remove
from alarms.models import Alarm, Hook, HookEvent
from organizations.models import Organization
from tests.alarms.hooks import hook_at, in_another_connection
from tests.factories import AlarmFactory, AlarmMessageFactory, OrganizationFactory, member

pytestmark = pytest.mark.django_db

URL = "https://dispatch.example/hook"
Jobs = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def alarm(brigade: Organization) -> Alarm:
    alarm: Alarm = AlarmFactory(
        organization=brigade, event_name="B2", starts_at=datetime(2026, 1, 31, 14, 5, tzinfo=UTC)
    )
    return alarm


def recorded() -> list[tuple[int, str, int | None, Any]]:
    return list(HookEvent.objects.order_by("pk").values_list("hook", "event", "alarm", "payload"))


def raised(alarm: Alarm, **payload: object) -> None:
    recording.record(Hook.Event.ALARM_RAISED, [Happening(alarm.organization_id, alarm.pk, payload)])


# Who is told


@pytest.mark.parametrize(("hooks", "queries"), [(0, 1), (1, 2), (3, 2)])
def test_it_takes_one_query_and_one_more_for_the_job_if_somebody_wants_to_know(
    alarm: Alarm, hooks: int, queries: int, jobs: Jobs
) -> None:
    for _ in range(hooks):
        hook_at(URL, alarm.organization)
    with CaptureQueriesContext(connection) as captured:
        recording.alarm_raised(alarm, recipients=3)
    # the events, the job
    assert len(captured) == queries
    assert HookEvent.objects.count() == hooks
    assert [job["task_name"] for job in jobs()] == ["alarms.deliver_hooks"] * (hooks > 0)


def test_only_hooks_of_the_organization_that_are_active_and_registered_for_it_are_told(alarm: Alarm) -> None:
    wanted = [hook_at(URL, alarm.organization, events=["alarm.raised"]), hook_at(URL, alarm.organization)]
    hook_at(URL, alarm.organization, events=["alarm.closed", "feedback.given"])
    hook_at(URL, alarm.organization, is_active=False)
    hook_at(URL)
    raised(alarm)
    assert [row[0] for row in recorded()] == [hook.pk for hook in wanted]


def test_nothing_is_written_and_no_job_deferred_where_nobody_wants_to_know(alarm: Alarm, jobs: Jobs) -> None:
    hook_at(URL, alarm.organization, events=["alarm.closed"])
    hook_at(URL)
    raised(alarm)
    assert (recorded(), jobs()) == ([], [])


def test_nothing_happened_takes_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        recording.recipients_timed_out([])
        recording.messages_failed([])
        recording.record(Hook.Event.FEEDBACK_GIVEN, iter(()))


def test_happenings_of_several_organizations_go_each_to_its_own_in_their_order(brigade: Organization) -> None:
    other = OrganizationFactory()
    here, there = hook_at(URL, brigade), hook_at(URL, other)
    alarms = [AlarmFactory(organization=organization) for organization in (brigade, other, brigade)]
    happenings = [Happening(alarm.organization_id, alarm.pk, {"place": place}) for place, alarm in enumerate(alarms)]
    recording.record(Hook.Event.ALARM_CLOSED, happenings)
    assert recorded() == [
        (here.pk, "alarm.closed", alarms[0].pk, {"place": 0}),
        (there.pk, "alarm.closed", alarms[1].pk, {"place": 1}),
        (here.pk, "alarm.closed", alarms[2].pk, {"place": 2}),
    ]


def test_what_is_rolled_back_has_not_happened(alarm: Alarm, jobs: Jobs) -> None:
    hook_at(URL, alarm.organization)
    with transaction.atomic():
        raised(alarm)
        assert len(recorded()) == len(jobs()) == 1
        transaction.set_rollback(True)
    assert (recorded(), jobs()) == ([], [])


@pytest.mark.parametrize("text", ["Ärger 🚒", 'it\'s "quoted" \\ {curly} %s %(x)s', "two\nlines", "{1,2}", "NULL", ""])
def test_any_text_is_kept_as_it_is(alarm: Alarm, text: str) -> None:
    hook_at(URL, alarm.organization)
    raised(alarm, text=text)
    assert [row[3] for row in recorded()] == [{"text": text}]


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_is_being_deleted_holds_up_nobody_and_fails_nothing(alarm: Alarm) -> None:
    going, staying = hook_at(URL, alarm.organization), hook_at(URL, alarm.organization)
    with transaction.atomic():
        remove(going.pk)
        in_another_connection(lambda: raised(alarm))
    assert [row[0] for row in recorded()] == [staying.pk]
    assert not Hook.objects.filter(pk=going.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_recorded_while_a_hook_is_changed_is_not_lost(alarm: Alarm) -> None:
    hook = hook_at(URL, alarm.organization)
    with transaction.atomic():
        Hook.objects.select_for_update(no_key=True).filter(pk=hook.pk).update(url=f"{URL}/2")
        in_another_connection(lambda: raised(alarm))
    assert [row[0] for row in recorded()] == [hook.pk]


# What they are told


def test_an_alarm_raised(alarm: Alarm) -> None:
    hook = hook_at(URL, alarm.organization)
    recording.alarm_raised(alarm, recipients=42)
    expected = {
        "message": "Fire in the hall",
        "eventName": "B2",
        "startDate": "2026-01-31T14:05:00Z",
        "recipients": 42,
    }
    assert recorded() == [(hook.pk, "alarm.raised", alarm.pk, expected)]


@pytest.mark.parametrize("text", ["", "All clear, thank you."])
def test_an_alarm_closed(alarm: Alarm, text: str) -> None:
    hook = hook_at(URL, alarm.organization)
    alarm.closed_at, alarm.all_clear = datetime(2026, 1, 31, 14, 30, 0, 250_000, tzinfo=UTC), text
    recording.alarm_closed(alarm)
    expected = {"closedAt": "2026-01-31T14:30:00.250000Z", "allClear": text}
    assert recorded() == [(hook.pk, "alarm.closed", alarm.pk, expected)]


def test_recipients_timed_out_of_several_alarms(alarm: Alarm) -> None:
    hook, other = hook_at(URL, alarm.organization), AlarmFactory(organization=alarm.organization)
    owner = alarm.organization_id
    recording.recipients_timed_out([(owner, alarm.pk, 1), (owner, other.pk, 2), (owner, alarm.pk, 3)])
    assert recorded() == [
        (hook.pk, "recipient.timed_out", alarm.pk, {"userIDs": [1, 3]}),
        (hook.pk, "recipient.timed_out", other.pk, {"userIDs": [2]}),
    ]


@pytest.mark.parametrize(("count", "sizes"), [(1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])])
def test_an_event_lists_at_most_a_thousand(alarm: Alarm, count: int, sizes: list[int]) -> None:
    hook_at(URL, alarm.organization)
    with CaptureQueriesContext(connection) as captured:
        recording.recipients_timed_out((alarm.organization_id, alarm.pk, number) for number in range(count))
    assert len(captured) == 2
    lists = [row[3]["userIDs"] for row in recorded()]
    assert [len(users) for users in lists] == sizes
    assert [number for users in lists for number in users] == list(range(count))


def test_messages_failed(alarm: Alarm) -> None:
    hook, ids = hook_at(URL, alarm.organization), [uuid4(), uuid4()]
    recording.messages_failed(
        FailedMessage(alarm.organization_id, alarm.pk, message_id, user_id, "sms", "My phone", "HTTP 400")
        for user_id, message_id in enumerate(ids, 7)
    )
    expected = [
        {"messageId": str(ids[0]), "userID": 7, "way": "sms", "device": "My phone", "reason": "HTTP 400"},
        {"messageId": str(ids[1]), "userID": 8, "way": "sms", "device": "My phone", "reason": "HTTP 400"},
    ]
    assert recorded() == [(hook.pk, "message.failed", alarm.pk, {"messages": expected})]


@pytest.mark.parametrize(("response", "state"), [(True, "positive"), (False, "negative")])
def test_an_answer_of_one_alarm(alarm: Alarm, now: datetime, response: bool, state: str) -> None:
    hook = hook_at(URL, alarm.organization)
    recipient = AlarmMessageFactory(alarm=alarm, deadline=now + timedelta(minutes=1))
    answer_alarm(alarm_id=alarm.pk, user_id=recipient.user_id, response=response, source="SMS", organization=None)
    expected = {"userID": recipient.user_id, "state": state, "response": response, "source": "SMS"}
    assert recorded() == [(hook.pk, "feedback.given", alarm.pk, expected)]


def test_an_answer_to_all_alarms_of_an_organization_over_the_api(
    brigade: Organization, boss: APIClient, now: datetime
) -> None:
    hook, person = hook_at(URL, brigade, events=["feedback.given"]), member(brigade)
    alarms = [AlarmFactory(organization=brigade, starts_at=now) for _ in range(2)]
    for alarm in alarms:
        AlarmMessageFactory(alarm=alarm, user=person)
    body = {"organizationID": brigade.pk, "userID": person.pk, "response": True}
    assert boss.post("/api/v1/messaging/feedback", body, format="json").status_code == 200
    assert [row[:3] for row in recorded()] == [(hook.pk, "feedback.given", alarm.pk) for alarm in alarms]
    assert {row[3]["userID"] for row in recorded()} == {person.pk}
    # The same answer again changes nothing, and is nothing to be told.
    assert boss.post("/api/v1/messaging/feedback", body, format="json").status_code == 200
    assert len(recorded()) == 2


def test_an_answer_that_is_refused_is_not_told(alarm: Alarm, boss: APIClient) -> None:
    hook_at(URL, alarm.organization)
    Alarm.objects.update(closed_at=alarm.starts_at)
    recipient = AlarmMessageFactory(alarm=alarm)
    body = {"alarmID": alarm.pk, "userID": recipient.user_id, "response": True}
    assert boss.post("/api/v1/messaging/feedback", body, format="json").status_code == 409
    assert recorded() == []
