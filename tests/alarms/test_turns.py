"""What senders take up, and what becomes of turns and deadlines by its results (contract 3, rules 5 and 6; contract 5).

Times of the database stand still within a test, so what is due "now" is due exactly now.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from operator import methodcaller

import pytest
from django.contrib.postgres.functions import TransactionNow
from django.db import connection, transaction

from alarms.gateways.base import GatewayError
from alarms.models import AlarmMessage, DeviceMessage
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device, User, Way
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
REFUSED = GatewayError("HTTP 400", permanent=True)
BUSY = GatewayError("HTTP 503", permanent=False)


@pytest.fixture
def today():
    with connection.cursor() as cursor:
        return cursor.execute("SELECT now()").fetchone()[0]


@pytest.fixture
def alarm(today):
    return AlarmFactory(starts_at=today)


def planned(alarm, *turns):
    """Return a recipient for whom each turn is planned: its ways, and its seconds after the start."""
    deadline = alarm.starts_at + timedelta(seconds=turns[-1][1]) + alarm.timeout
    recipient = AlarmMessageFactory(alarm=alarm, deadline=deadline)
    for number, (ways, after) in enumerate(turns):
        for way in ways.split():
            due_at = alarm.starts_at + timedelta(seconds=after)
            DeviceMessageFactory(alarm_message=recipient, way=way, turn=number, due_at=due_at)
    return recipient


def taken(free=100, sender=1, gateway=0):
    """Claim for every way and return the deliveries; what is dropped makes room as in a sender."""
    claimed = claim(sender_id=sender, free={(way, 0, gateway): free for way in Way.values})
    if claimed.dropped:
        write([], gateways={}, over=claimed.dropped)
    return claimed.deliveries


def report(deliveries, error=None, *, at, gateways=1):
    results = [Result(delivery, "log", at=at, error=error) for delivery in deliveries]
    write(results, gateways={(way, 0): gateways for way in Way.values})


def rows(recipient):
    """Return status and seconds after the start of each device message, in the order of the turns."""
    start = recipient.alarm.starts_at
    return [(row.status, (row.due_at - start).total_seconds()) for row in recipient.device_messages.all()]


def seconds_to_answer(recipient):
    recipient.refresh_from_db()
    return (recipient.deadline - recipient.alarm.starts_at).total_seconds()


# Results


def test_when_all_of_a_turn_failed_the_next_is_due_now_and_later_ones_by_the_same_span(alarm, today):
    recipient, other = (planned(alarm, ("app sms", 0), ("call", 60), ("pager email", 200)) for _ in range(2))
    report([delivery for delivery in taken() if delivery.recipient_id == recipient.pk], REFUSED, at=today)
    assert rows(recipient) == [(FAILED, 0), (FAILED, 0), (SCHEDULED, 0), (SCHEDULED, 140), (SCHEDULED, 140)]
    report(taken(), REFUSED, at=today)
    assert rows(recipient)[2:] == [(FAILED, 0), (SCHEDULED, 0), (SCHEDULED, 0)]
    assert rows(other) == [(SENDING, 0), (SENDING, 0), (SCHEDULED, 60), (SCHEDULED, 200), (SCHEDULED, 200)]


def test_the_deadline_moves_with_the_turns_until_something_has_left(alarm, today):
    recipient = planned(alarm, ("app", 0), ("sms", 60), ("call", 200), ("email", 300))
    assert seconds_to_answer(recipient) == 300 + 900
    report(taken(), REFUSED, at=today)
    assert seconds_to_answer(recipient) == 240 + 900
    report(taken(), at=today + timedelta(seconds=3))
    assert seconds_to_answer(recipient) == 3 + 900
    DeviceMessage.objects.filter(way="call").update(due_at=today)
    report(taken(), REFUSED, at=today)
    assert rows(recipient) == [(FAILED, 0), (SENT, 0), (FAILED, 0), (SCHEDULED, 0)]
    assert seconds_to_answer(recipient) == 3 + 900


@pytest.mark.parametrize("error", [None, BUSY])
def test_while_one_device_of_a_turn_did_not_fail_for_good_nothing_moves(alarm, today, error):
    recipient = planned(alarm, ("app sms", 0), ("call", 60))
    for delivery, result in zip(taken(), (error, REFUSED), strict=True):
        report([delivery], result, at=today)
    assert rows(recipient)[-1] == (SCHEDULED, 60)


def test_a_temporary_failure_moves_nothing_and_is_tried_again_after_5_15_and_45_seconds(alarm, today):
    recipient = planned(alarm, ("sms", 0), ("call", 60))
    for wait in (5, 15, 45):
        [delivery] = taken()
        report([delivery], BUSY, at=today)
        (status, due), later = rows(recipient)
        assert (status, later) == (SCHEDULED, (SCHEDULED, 60))
        assert wait <= due <= wait * 1.2
        assert seconds_to_answer(recipient) == 960
        DeviceMessage.objects.filter(way="sms").update(due_at=today)
    report(taken(), REFUSED, at=today)
    assert rows(recipient) == [(FAILED, 0), (SCHEDULED, 0)]


def test_the_first_message_that_left_starts_the_time_and_later_ones_do_not(alarm, today):
    recipient = planned(alarm, ("app sms", 0), ("call", 60))
    app, sms = taken()
    report([app], at=today + timedelta(seconds=2))
    report([sms], at=today + timedelta(seconds=9))
    assert seconds_to_answer(recipient) == 902
    assert recipient.first_sent_at == today + timedelta(seconds=2)
    assert rows(recipient) == [(SENT, 0), (SENT, 0), (SCHEDULED, 60)]


def test_a_retry_asked_for_after_the_deadline_is_given_up(alarm, today):
    recipient = planned(alarm, ("sms", 0))
    AlarmMessage.objects.update(deadline=today + timedelta(seconds=60))
    report(taken(), GatewayError("HTTP 429", permanent=False, retry_after=59), at=today)
    assert rows(recipient) == [(SCHEDULED, 59)]
    DeviceMessage.objects.update(due_at=today)
    report(taken(), GatewayError("HTTP 429", permanent=False, retry_after=61), at=today)
    assert [status for status, _due in rows(recipient)] == [FAILED]


def test_what_failed_while_the_recipient_answered_is_not_tried_again(alarm, today):
    recipient = planned(alarm, ("sms", 0), ("call", 60))
    deliveries = taken()
    AlarmMessage.objects.update(response=True, escalating=False)
    report(deliveries, BUSY, at=today)
    assert [rows(recipient)[0][0], rows(recipient)[1]] == [CANCELLED, (SCHEDULED, 60)]


def test_results_of_an_attempt_that_was_taken_over_are_ignored(alarm, today):
    recipient = planned(alarm, ("sms", 0), ("call", 60))
    lost = taken(sender=1)
    DeviceMessage.objects.filter(way="sms").update(status=SCHEDULED)
    again = taken(sender=2)
    for error in (REFUSED, BUSY, None):
        report(lost, error, at=today)
        assert rows(recipient) == [(SENDING, 0), (SCHEDULED, 60)]
    report(again, REFUSED, at=today)
    assert rows(recipient)[0] == (FAILED, 0)


def test_another_gateway_is_tried_at_once_and_the_last_decides(alarm, today):
    recipient = planned(alarm, ("sms", 0), ("call", 60))
    report(taken(), REFUSED, at=today, gateways=2)
    assert rows(recipient)[0] == (SCHEDULED, 0)
    assert taken() == []
    report(taken(gateway=1), REFUSED, at=today, gateways=2)
    assert rows(recipient) == [(FAILED, 0), (SCHEDULED, 0)]


# The claim


def test_nothing_is_taken_up_before_it_is_due_nor_twice(alarm, today):
    recipient = planned(alarm, ("app sms", 0), ("call", 0.001))
    assert sorted((each.way, each.attempt) for each in taken()) == [("app", 1), ("sms", 1)]
    assert rows(recipient) == [(SENDING, 0), (SENDING, 0), (SCHEDULED, 0.001)]
    assert taken() == []


@pytest.mark.parametrize("ended", [{"escalating": False}, {"deadline": TransactionNow()}], ids=["ended", "timed out"])
def test_nothing_is_taken_up_for_whom_the_escalation_has_ended(alarm, ended):
    recipient, other = (planned(alarm, ("sms", 0), ("call", 60)) for _ in range(2))
    AlarmMessage.objects.filter(pk=recipient.pk).update(**ended)
    assert [delivery.recipient_id for delivery in taken()] == [other.pk]
    assert rows(recipient)[0] == (CANCELLED, 0)
    assert rows(other) == [(SENDING, 0), (SCHEDULED, 60)]


@pytest.mark.parametrize("change", [methodcaller("delete"), methodcaller("update", is_active=False)])
def test_a_device_that_is_no_more_gets_nothing_and_the_next_turn_moves_up(alarm, change):
    recipient = planned(alarm, ("sms", 0), ("call", 60), ("email", 100))
    change(Device.objects.filter(way="sms"))
    assert taken() == []
    assert rows(recipient) == [(CANCELLED, 0), (SCHEDULED, 0), (SCHEDULED, 40)]
    assert seconds_to_answer(recipient) == 40 + 900
    assert [delivery.way for delivery in taken()] == ["call"]


def test_a_turn_of_failed_and_deactivated_devices_makes_room(alarm, today):
    recipient = planned(alarm, ("app sms", 0), ("call", 60))
    Device.objects.filter(way="sms").update(is_active=False)
    deliveries = taken()
    assert rows(recipient) == [(SENDING, 0), (CANCELLED, 0), (SCHEDULED, 60)]
    report(deliveries, REFUSED, at=today)
    assert rows(recipient)[-1] == (SCHEDULED, 0)


def test_a_deactivated_user_gets_nothing(alarm):
    recipient = planned(alarm, ("sms", 0), ("call", 60), ("email", 100))
    User.objects.update(is_active=False)
    assert [taken() for _turn in range(3)] == [[]] * 3
    assert {status for status, _due in rows(recipient)} == {CANCELLED}


def test_no_more_is_taken_up_than_each_way_and_gateway_has_free(alarm):
    for _ in range(5):
        planned(alarm, ("app sms call", 0))
    calls = DeviceMessage.objects.filter(way="call")
    calls.filter(pk__in=calls[:2]).update(gateway=1)
    free = {("app", 0, 0): 3, ("sms", 0, 0): 0, ("call", 0, 0): 9}
    claimed = Counter((each.way, each.gateway) for each in claim(sender_id=1, free=free).deliveries)
    assert claimed == {("app", 0): 3, ("call", 0): 3}


def test_alarms_take_turns_so_that_a_small_one_gets_its_share(alarm, today):
    for _ in range(40):
        planned(alarm, ("sms", 0))
    small = AlarmFactory(starts_at=today)
    for _ in range(5):
        planned(small, ("sms", 0))
    assert Counter(each.alarm_id for each in taken(free=10)) == {alarm.pk: 5, small.pk: 5}
    assert Counter(each.alarm_id for each in taken(free=10)) == {alarm.pk: 10}


def test_more_alarms_than_free_connections_are_all_served(today):
    alarms = [AlarmFactory(starts_at=today) for _ in range(7)]
    for each in alarms * 2:
        planned(each, ("sms", 0))
    claims = [taken(free=3) for _ in range(6)]
    assert len({delivery.alarm_id for delivery in claims[0]}) == len(claims[0]) == 3
    assert sum(map(len, claims)) == 14


@pytest.fixture
def in_another_connection():
    """Calls a function in a thread, whose connection is another, and returns its future."""

    def run(function, *arguments):
        try:
            return function(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        yield partial(pool.submit, run)


@pytest.mark.django_db(transaction=True)
def test_a_claim_passes_over_what_another_is_just_taking(alarm, in_another_connection):
    for _ in range(10):
        planned(alarm, ("sms", 0))
    with transaction.atomic():
        first = {each.device_message_id for each in taken(free=4)}
        second = {each.device_message_id for each in in_another_connection(taken, 100, 2).result(timeout=30)}
    assert (len(first), len(second)) == (4, 6)
    assert not first & second


@pytest.mark.django_db(transaction=True)
def test_claims_at_the_same_time_take_each_message_once(alarm, in_another_connection):
    for _ in range(60):
        planned(alarm, ("sms", 0))

    def take_all(sender):
        deliveries = []
        while some := taken(3, sender):
            deliveries += some
        return deliveries

    senders = [in_another_connection(take_all, sender) for sender in range(1, 5)]
    deliveries = [delivery for sender in senders for delivery in sender.result(timeout=60)]
    assert len(deliveries) == len({delivery.device_message_id for delivery in deliveries}) == 60
    assert {delivery.attempt for delivery in deliveries} == {1}


@pytest.mark.django_db(transaction=True)
def test_a_claim_passes_over_what_is_just_being_answered(alarm, in_another_connection, as_user):
    recipient, other = (planned(alarm, ("sms", 0)) for _ in range(2))
    client = as_user(recipient.user)
    answer = {"alarmID": alarm.pk, "userID": recipient.user_id, "response": True}
    with transaction.atomic():
        assert client.post("/api/v1/messaging/feedback", answer, format="json").status_code == 200
        deliveries = in_another_connection(taken).result(timeout=30)
    assert [delivery.recipient_id for delivery in deliveries] == [other.pk]
    assert taken() == []
