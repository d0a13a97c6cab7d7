"""What must happen although nobody asks: time outs, and what dead senders left behind (contract 4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from alarms import planning, upkeep
from alarms.closing import close_alarm
from alarms.models import AlarmMessage, DeviceMessage, Sender
from alarms.sending import presence
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, member

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
AN_HOUR = timedelta(hours=1)
STALE = timedelta(seconds=upkeep.SENDER_DEAD_AFTER + 1)


@pytest.fixture
def alarm(now):
    return AlarmFactory(starts_at=now - timedelta(minutes=1))


@pytest.fixture
def recipient(alarm):
    return AlarmMessageFactory(alarm=alarm)


@pytest.fixture
def sender():
    """A sender that lives."""
    return Sender.objects.get(pk=presence.enter())


@pytest.fixture
def taken(recipient, sender):
    """A device message that the sender has taken up."""
    message = DeviceMessageFactory(alarm_message=recipient)
    assert len(claim(sender_id=sender.pk, free={("sms", 0, 0): 1}).deliveries) == 1
    return message


def status_of(message):
    message.refresh_from_db()
    return message.status


def over(recipient, now):
    """Let the recipient's time be over at `now`."""
    AlarmMessage.objects.filter(pk=recipient.pk).update(deadline=now)


def die(sender):
    Sender.objects.filter(pk=sender.pk).update(heartbeat_at=timezone.now() - STALE)


# Time outs


def test_a_time_out_cancels_what_never_left(recipient, now):
    messages = [DeviceMessageFactory(alarm_message=recipient, turn=turn) for turn in (0, 1)]
    DeviceMessage.objects.update(changed_at=now - AN_HOUR)
    over(recipient, now)
    upkeep.time_out(now=now)
    assert [status_of(message) for message in messages] == [CANCELLED] * 2
    assert {message.changed_at for message in messages} == {now}
    recipient.refresh_from_db()
    assert not recipient.escalating


def test_a_time_out_gives_up_what_was_being_tried_again_and_keeps_the_reason(recipient, now):
    message = DeviceMessageFactory(alarm_message=recipient, attempts=2, due_at=now + AN_HOUR, reason="HTTP 503")
    over(recipient, now)
    upkeep.time_out(now=now)
    assert status_of(message) == FAILED
    assert message.reason == "HTTP 503"


@pytest.mark.parametrize("status", [SENDING, SENT, DELIVERED, FAILED, CANCELLED])
def test_a_time_out_leaves_what_is_on_its_way_or_done_alone(recipient, now, status):
    message = DeviceMessageFactory(alarm_message=recipient, attempts=1, status=status)
    over(recipient, now)
    upkeep.time_out(now=now)
    assert status_of(message) == status


def test_nobodys_time_is_over_before_the_deadline(recipient, now):
    message = DeviceMessageFactory(alarm_message=recipient)
    over(recipient, now)
    upkeep.time_out(now=now - timedelta(microseconds=1))
    recipient.refresh_from_db()
    assert (status_of(message), recipient.escalating) == (SCHEDULED, True)


def test_only_those_are_timed_out_whose_time_is_over(alarm, recipient, now):
    slow = DeviceMessageFactory(alarm_message=AlarmMessageFactory(alarm=alarm, deadline=now + AN_HOUR))
    gone = DeviceMessageFactory(alarm_message=recipient)
    over(recipient, now)
    upkeep.time_out(now=now)
    assert [status_of(message) for message in (slow, gone)] == [SCHEDULED, CANCELLED]
    slow.alarm_message.refresh_from_db()
    assert slow.alarm_message.escalating


def test_who_is_not_planned_yet_is_not_timed_out_but_planned_and_sent(alarm, now):
    someone = member(alarm.organization, ways=("sms",))
    unplanned = AlarmMessageFactory(alarm=alarm, user=someone, planned_at=None, deadline=now - AN_HOUR)
    upkeep.time_out(now=now)
    unplanned.refresh_from_db()
    assert unplanned.escalating
    planning.plan(alarm_id=alarm.pk, first_id=unplanned.pk, last_id=unplanned.pk, now=now)
    upkeep.time_out(now=now)
    assert status_of(unplanned.device_messages.get()) == SCHEDULED


def test_more_than_a_batch_are_timed_out_at_once(alarm, now, monkeypatch):
    monkeypatch.setattr(upkeep, "BATCH", 2)
    recipients = [AlarmMessageFactory(alarm=alarm, deadline=now) for _ in range(5)]
    messages = [DeviceMessageFactory(alarm_message=recipient) for recipient in recipients]
    upkeep.time_out(now=now)
    assert [status_of(message) for message in messages] == [CANCELLED] * 5
    assert not AlarmMessage.objects.filter(escalating=True).exists()


def test_a_time_out_may_run_twice(recipient, now):
    message = DeviceMessageFactory(alarm_message=recipient)
    over(recipient, now)
    upkeep.time_out(now=now)
    upkeep.time_out(now=now + AN_HOUR)
    assert status_of(message) == CANCELLED
    assert message.changed_at == now


# Dead senders


def test_what_a_sender_left_that_is_no_more_goes_back(taken, sender):
    presence.leave(sender.pk)
    upkeep.return_lost()
    assert status_of(taken) == SCHEDULED
    assert (taken.sender_id, taken.lease_until) == (None, None)


def test_what_a_sender_without_a_heartbeat_left_goes_back(taken, sender):
    die(sender)
    upkeep.return_lost()
    assert status_of(taken) == SCHEDULED


def test_what_is_under_way_longer_than_its_lease_goes_back(taken):
    DeviceMessage.objects.update(lease_until=timezone.now() - STALE)
    upkeep.return_lost()
    assert status_of(taken) == SCHEDULED


def test_what_went_back_is_due_at_once_for_another_sender_and_counts_as_another_attempt(taken, sender):
    presence.leave(sender.pk)
    upkeep.return_lost()
    [delivery] = claim(sender_id=presence.enter(), free={("sms", 0, 0): 9}).deliveries
    assert (delivery.device_message_id, delivery.attempt) == (taken.pk, 2)


def test_what_a_live_sender_is_sending_stays(taken, sender):
    lease = DeviceMessage.objects.get().lease_until
    upkeep.return_lost()
    assert status_of(taken) == SENDING
    assert (taken.sender_id, taken.lease_until) == (sender.pk, lease)


def test_only_the_messages_of_the_dead_sender_go_back(recipient, taken, sender):
    other = DeviceMessageFactory(alarm_message=recipient)
    claim(sender_id=presence.enter(), free={("sms", 0, 0): 9})
    done = DeviceMessageFactory(alarm_message=recipient, turn=1, status=SENT, attempts=1)
    die(sender)
    upkeep.return_lost()
    assert [status_of(message) for message in (taken, other, done)] == [SCHEDULED, SENDING, SENT]


def test_a_live_sender_renews_the_lease_of_what_takes_long(taken, sender):
    DeviceMessage.objects.update(lease_until=timezone.now() - STALE)
    presence.beat(sender.pk, last_starts={}, resting=[], under_way=[taken.pk])
    upkeep.return_lost()
    assert status_of(taken) == SENDING


def test_a_heartbeat_keeps_a_sender_alive(taken, sender):
    die(sender)
    presence.beat(sender.pk, last_starts={"sms": 1.0}, resting=[], under_way=[])
    upkeep.return_lost()
    assert status_of(taken) == SENDING


def test_who_answered_meanwhile_gets_nothing_again(taken, sender, recipient):
    AlarmMessage.objects.filter(pk=recipient.pk).update(response=False, escalating=False)
    die(sender)
    upkeep.return_lost()
    assert status_of(taken) == CANCELLED


def test_of_an_alarm_closed_meanwhile_nothing_goes_back(alarm, taken, sender, now):
    close_alarm(alarm_id=alarm.pk, now=now)
    die(sender)
    upkeep.return_lost()
    assert status_of(taken) == CANCELLED


def test_whose_time_is_over_meanwhile_gets_nothing_again(taken, sender, recipient, now):
    over(recipient, now - AN_HOUR)
    die(sender)
    upkeep.return_lost()
    assert status_of(taken) == FAILED


def test_what_left_all_the_same_is_said_to_be_sent(recipient, sender, now):
    message = DeviceMessageFactory(alarm_message=recipient)
    deliveries = claim(sender_id=sender.pk, free={("sms", 0, 0): 1}).deliveries
    die(sender)
    upkeep.return_lost()
    write([Result(deliveries[0], "log", at=now)], gateways={("sms", 0): 1})
    assert status_of(message) == SENT
    recipient.refresh_from_db()
    assert recipient.deadline == now + timedelta(seconds=900)


# Both


def test_a_sweep_times_out_and_returns(alarm, taken, sender, now):
    waiting = DeviceMessageFactory(alarm_message=AlarmMessageFactory(alarm=alarm, deadline=now))
    die(sender)
    upkeep.sweep(now=now)
    assert [status_of(message) for message in (taken, waiting)] == [SCHEDULED, CANCELLED]
