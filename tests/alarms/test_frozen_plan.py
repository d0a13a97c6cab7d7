"""What the POST fixes and what it does not, seen to the end of an alarm (contract 3, rules 3, 4 and 7; contract 5).

Times of the database stand still within a test.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection

from alarms import planning
from alarms.gateways.base import GatewayError
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import AlarmOrder, Resources, raise_alarm
from alarms.sending.claim import Claimed, claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from escalations.models import EscalationConfiguration, ResponseTimeout
from organizations.models import Device, Organization, User
from tests.factories import DeviceFactory, escalation, member

pytestmark = pytest.mark.django_db

CANCELLED = DeviceMessage.Status.CANCELLED
BUSY = GatewayError("HTTP 503", permanent=False)
GONE = GatewayError("HTTP 404", permanent=True)

Raise = Callable[[], Alarm]


@pytest.fixture
def today() -> datetime:
    """The time by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.fixture
def raised(brigade: Organization, today: datetime, planned_later: None) -> Raise:
    """Raises an alarm for everybody; it is not planned yet."""

    def call() -> Alarm:
        order = AlarmOrder(brigade, "Fire", Resources(all_users=True))
        alarm, _is_new = raise_alarm(order=order, raised_by="a test", now=today)
        return alarm

    return call


def plan(alarm: Alarm) -> list[tuple[str, float]]:
    """Plan an alarm and return way and seconds after the start of what is planned."""
    ids = sorted(alarm.alarm_messages.values_list("pk", flat=True))
    planning.plan(alarm_id=alarm.pk, first_id=ids[0], last_id=ids[-1], now=alarm.starts_at)
    planned = DeviceMessage.objects.filter(alarm=alarm).order_by("alarm_message_id", "turn", "pk")
    return [(row.way, (row.due_at - alarm.starts_at).total_seconds()) for row in planned]


def take() -> Claimed:
    return claim(sender_id=1, free={(way, 0, 0): 10 for way in ("app", "sms", "call")})


def seconds_to_answer(alarm: Alarm) -> float:
    return (alarm.alarm_messages.get().deadline - alarm.starts_at).total_seconds()


# Whose list holds


def test_members_have_their_own_lists_again_once_the_organizations_is_removed(
    brigade: Organization, raised: Raise
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0))
    escalation(brigade, ("call", 0))
    assert plan(raised()) == [("call", 0)]
    EscalationConfiguration.objects.remove(owner=brigade)
    assert plan(raised()) == [("sms", 0)]


def test_an_organizations_list_that_is_removed_before_planning_leaves_nobody_without_a_plan(
    brigade: Organization, raised: Raise
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0))
    escalation(brigade, ("call", 0))
    alarm = raised()
    EscalationConfiguration.objects.remove(owner=brigade)
    assert plan(alarm) == [("sms", 0)]


# Later edits


def test_what_is_edited_after_planning_touches_later_alarms_only(brigade: Organization, raised: Raise) -> None:
    someone = member(brigade)
    escalation(someone, ("sms", 0), ("call", 60))
    phone = DeviceFactory(user=someone, way="sms", name="Old", address="old")
    plan(raised())
    Device.objects.filter(pk=phone.pk).update(name="New", address="new")
    escalation(someone, ("sms", 30))
    (delivery,) = take().deliveries
    assert (delivery.device, delivery.address) == ("Old", "old")
    later = raised()
    assert plan(later) == [("sms", 30)]
    assert later.device_messages.get().address == "new"


def test_a_way_that_is_disabled_after_planning_is_used_once_more(brigade: Organization, raised: Raise) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 60))
    plan(raised())
    Organization.objects.update(disabled_ways=["sms"])
    assert [delivery.way for delivery in take().deliveries] == ["sms"]
    brigade.refresh_from_db()
    assert plan(raised()) == [("call", 0)]


# What reaches nobody


def test_a_turn_whose_devices_are_all_inactive_is_taken_by_the_next(brigade: Organization, raised: Raise) -> None:
    someone = member(brigade, ways=("app", "email", "call"))
    escalation(someone, ("app", 0), ("sms", 60), ("call", 90), ("email", 30))
    DeviceFactory(user=someone, way="sms", is_active=False)
    Device.objects.filter(way="app").update(is_active=False)
    assert plan(raised()) == [("call", 0), ("email", 30)]


def test_a_device_deactivated_between_two_attempts_gets_nothing_more(
    brigade: Organization, raised: Raise, today: datetime
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 60))
    plan(raised())
    (delivery,) = take().deliveries
    write([Result(delivery, "log", at=today, error=BUSY)], gateways={("sms", 0): 1})
    Device.objects.filter(way="sms").update(is_active=False)
    DeviceMessage.objects.filter(way="sms").update(due_at=today)
    claimed = take()
    assert claimed.deliveries == []
    write([], gateways={}, over=claimed.dropped)
    assert DeviceMessage.objects.get(way="sms").status == CANCELLED
    assert DeviceMessage.objects.get(way="call").due_at == today, "the next turn does not wait for it"


def test_a_user_deactivated_between_two_attempts_gets_nothing_more(
    brigade: Organization, raised: Raise, today: datetime
) -> None:
    escalation(member(brigade, ways=("sms", "call")), ("sms", 0), ("call", 60))
    plan(raised())
    (delivery,) = take().deliveries
    write([Result(delivery, "log", at=today, error=BUSY)], gateways={("sms", 0): 1})
    User.objects.update(is_active=False)
    DeviceMessage.objects.update(due_at=today)
    assert take().deliveries == []
    assert set(DeviceMessage.objects.values_list("status", flat=True)) == {CANCELLED}


# The timeout


def test_the_timeout_of_the_post_holds_whatever_is_set_later(
    brigade: Organization, raised: Raise, today: datetime
) -> None:
    ResponseTimeout.objects.create(organization=brigade, seconds=100)
    escalation(member(brigade, ways=("app", "sms", "call")), ("app", 0), ("sms", 40), ("call", 60))
    alarm = raised()
    ResponseTimeout.objects.update(seconds=5000)
    plan(alarm)
    assert seconds_to_answer(alarm) == 100 + 100
    (app,) = take().deliveries
    assert app.until == today + timedelta(seconds=100), "what the recipient reads"
    write([Result(app, "log", at=today, error=GONE)], gateways={("app", 0): 1})
    assert seconds_to_answer(alarm) == 60 + 100
    (sms,) = take().deliveries
    write([Result(sms, "log", at=today + timedelta(seconds=2))], gateways={("sms", 0): 1})
    assert seconds_to_answer(alarm) == 2 + 100
    assert AlarmMessage.objects.get().first_sent_at == today + timedelta(seconds=2)
    assert raised().response_timeout == 5000
