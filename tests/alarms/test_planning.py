"""Planning: how an escalation becomes the rows that are sent (contract 3, rules 3, 5 and 7; contract 5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms import planning
from alarms.closing import close_alarm
from alarms.models import DeviceMessage
from alarms.raising import AlarmOrder, Resources, raise_alarm
from escalations.models import EscalationConfiguration, ResponseTimeout
from organizations.models import Device, Membership, User
from tests.factories import DeviceFactory, OrganizationFactory, escalation, member

pytestmark = pytest.mark.django_db

SCHEDULED, CANCELLED = 0, 5


@pytest.fixture
def raised(brigade, now, planned_later):
    """Raises an alarm for everybody at `now`; it is not planned yet."""

    def call():
        order = AlarmOrder(brigade, "Fire", Resources(all_users=True))
        alarm, _is_new = raise_alarm(order=order, raised_by="a test", now=now)
        return alarm

    return call


def plan(alarm, after=0.0):
    """Plan all recipients so many seconds after the start."""
    ids = sorted(alarm.alarm_messages.values_list("pk", flat=True))
    when = alarm.starts_at + timedelta(seconds=after)
    planning.plan(alarm_id=alarm.pk, first_id=ids[0], last_id=ids[-1], now=when)


def rows(alarm, user=None):
    """Return way, turn and seconds after the start of what is planned."""
    planned = DeviceMessage.objects.filter(alarm=alarm).order_by("alarm_message_id", "turn", "pk")
    if user is not None:
        planned = planned.filter(alarm_message__user=user)
    return [(row.way, row.turn, (row.due_at - alarm.starts_at).total_seconds()) for row in planned]


def seconds_to_answer(alarm):
    """Return the deadline of the only recipient in seconds after the start."""
    return (alarm.alarm_messages.get().deadline - alarm.starts_at).total_seconds()


# Whose escalation holds (rule 3)


def test_a_user_without_a_configuration_has_the_default(brigade, raised):
    member(brigade, ways=("call", "sms", "email", "pager", "app"))
    alarm = raised()
    plan(alarm)
    assert sorted(rows(alarm)[:3]) == [("app", 0, 0), ("email", 0, 0), ("pager", 0, 0)]
    assert rows(alarm)[3:] == [("sms", 1, 60), ("call", 2, 120)]


def test_each_user_has_their_own_escalation(brigade, raised):
    first, second, third = (member(brigade, ways=("sms", "call")) for _ in range(3))
    escalation(first, ("call", 0), ("sms", 30))
    escalation(second, ("sms", 0))
    alarm = raised()
    plan(alarm)
    assert rows(alarm, first) == [("call", 0, 0), ("sms", 1, 30)]
    assert rows(alarm, second) == [("sms", 0, 0)]
    assert rows(alarm, third) == [("sms", 0, 0), ("call", 1, 60)]


def test_the_organizations_escalation_replaces_that_of_its_members(brigade, raised):
    own, other = (member(brigade, ways=("sms", "call")) for _ in range(2))
    escalation(own, ("sms", 0))
    escalation(brigade, ("call", 0), ("call", 30))
    alarm = raised()
    plan(alarm)
    assert rows(alarm, own) == rows(alarm, other) == [("call", 0, 0), ("call", 1, 30)]


def test_the_escalation_of_another_organization_does_not_hold(brigade, raised):
    someone = member(brigade, ways=("sms",))
    elsewhere = OrganizationFactory()
    Membership.objects.create(organization=elsewhere, user=someone)
    escalation(elsewhere, ("call", 0))
    alarm = raised()
    plan(alarm)
    assert rows(alarm) == [("sms", 0, 0)]


# What reaches the user (rules 4 and 5)


def test_one_entry_reaches_all_active_devices_of_its_way(brigade, raised):
    someone = member(brigade)
    escalation(someone, ("sms", 0), ("sms", 60))
    phones = [DeviceFactory(user=someone, name=name, address=f"+49151{name}") for name in ("1", "2")]
    DeviceFactory(user=someone, is_active=False)
    DeviceFactory(user=someone, way="call")
    DeviceFactory(user=member(brigade, is_active=False))
    alarm = raised()
    plan(alarm)
    assert rows(alarm) == [("sms", 0, 0)] * 2 + [("sms", 1, 60)] * 2
    for turn in (0, 1):
        found = DeviceMessage.objects.filter(turn=turn).order_by("device_id")
        assert list(found.values_list("device_id", "device_name", "address", "status", "attempts")) == [
            (phone.pk, phone.name, phone.address, SCHEDULED, 0) for phone in phones
        ]


def test_a_way_that_the_organization_disabled_is_not_used(brigade, raised):
    brigade.disabled_ways = ["sms", "app"]
    brigade.save(update_fields=["disabled_ways"])
    member(brigade, ways=("app", "sms", "call"))
    alarm = raised()
    plan(alarm)
    assert rows(alarm) == [("call", 0, 0)]


def test_a_way_without_a_gateway_is_not_used(brigade, raised, settings):
    settings.GATEWAYS = settings.GATEWAYS | {"app": [], "sms": []}
    member(brigade, ways=("app", "pager", "sms", "call"))
    alarm = raised()
    plan(alarm)
    assert rows(alarm) == [("pager", 0, 0), ("call", 1, 60)]


# The plan is frozen (rule 7)


def test_the_post_fixes_that_the_organizations_list_does_not_hold(brigade, raised):
    member(brigade, ways=("sms", "call"))
    alarm = raised()
    escalation(brigade, ("call", 0))
    plan(alarm)
    assert rows(alarm) == [("sms", 0, 0), ("call", 1, 60)]


def test_the_post_fixes_the_recipients_and_the_timeout(brigade, raised):
    someone = member(brigade, ways=("sms",))
    ResponseTimeout.objects.create(organization=brigade, seconds=60)
    alarm = raised()
    member(brigade, ways=("sms",))
    ResponseTimeout.objects.update(seconds=3600)
    Membership.objects.filter(user=someone).delete()
    plan(alarm)
    assert [row.alarm_message.user_id for row in DeviceMessage.objects.all()] == [someone.pk]
    assert seconds_to_answer(alarm) == 60


def test_entries_and_devices_are_read_at_planning(brigade, raised):
    someone = member(brigade, ways=("sms",))
    escalation(brigade, ("sms", 0))
    alarm = raised()
    escalation(brigade, ("pager", 0), ("call", 30))
    for way in ("pager", "call"):
        DeviceFactory(user=someone, way=way)
    plan(alarm)
    assert rows(alarm) == [("pager", 0, 0), ("call", 1, 30)]


def test_later_edits_change_nothing(brigade, raised, settings):
    someone = member(brigade, ways=("sms", "call"))
    escalation(someone, ("sms", 0), ("call", 30))
    alarm = raised()
    plan(alarm)
    before = list(DeviceMessage.objects.order_by("pk").values())
    EscalationConfiguration.objects.all().delete()
    escalation(brigade, ("email", 0))
    Device.objects.update(address="elsewhere", name="Other")
    DeviceFactory(user=someone)
    plan(alarm)
    assert list(DeviceMessage.objects.order_by("pk").values()) == before


def test_planning_twice_writes_the_same_rows(brigade, raised):
    for _ in range(3):
        member(brigade, ways=("sms", "call"))
    alarm = raised()
    plan(alarm)
    first = list(DeviceMessage.objects.order_by("pk").values()), list(alarm.alarm_messages.values())
    plan(alarm, after=30)
    assert (list(DeviceMessage.objects.order_by("pk").values()), list(alarm.alarm_messages.values())) == first


def test_only_the_recipients_of_the_job_are_planned(brigade, raised):
    for _ in range(4):
        member(brigade, ways=("sms",))
    alarm, other = raised(), raised()
    ids = sorted(alarm.alarm_messages.values_list("pk", flat=True))
    last = max(other.alarm_messages.values_list("pk", flat=True))
    planning.plan(alarm_id=alarm.pk, first_id=ids[1], last_id=ids[2], now=alarm.starts_at)
    assert set(DeviceMessage.objects.values_list("alarm_message_id", flat=True)) == {ids[1], ids[2]}
    planning.plan(alarm_id=alarm.pk, first_id=ids[0], last_id=last, now=alarm.starts_at)
    assert sorted(DeviceMessage.objects.values_list("alarm_message_id", flat=True)) == ids


# Who is out of it


def test_whoever_answered_before_planning_gets_nothing(brigade, raised, as_user):
    someone, other = member(brigade, ways=("sms",)), member(brigade, ways=("sms",))
    alarm = raised()
    answer = {"alarmID": alarm.pk, "userID": someone.pk, "response": False}
    assert as_user(someone).post("/api/v1/messaging/feedback", answer, format="json").status_code == 200
    plan(alarm)
    statuses = dict(DeviceMessage.objects.values_list("alarm_message__user_id", "status"))
    assert statuses == {someone.pk: CANCELLED, other.pk: SCHEDULED}


def test_of_an_alarm_closed_before_planning_nothing_is_sent(brigade, raised, now):
    member(brigade, ways=("sms", "call"))
    alarm = raised()
    close_alarm(alarm_id=alarm.pk, now=now)
    plan(alarm)
    assert set(DeviceMessage.objects.values_list("status", flat=True)) == {CANCELLED}


def test_a_user_deactivated_before_planning_gets_nothing(brigade, raised):
    someone = member(brigade, ways=("sms",))
    alarm = raised()
    User.objects.filter(pk=someone.pk).update(is_active=False)
    plan(alarm)
    assert not DeviceMessage.objects.filter(status=SCHEDULED).exists()


# Deadlines (contract 5)


def test_the_deadline_is_the_last_planned_turn_plus_the_timeout(brigade, raised):
    ResponseTimeout.objects.create(organization=brigade, seconds=100)
    someone = member(brigade, ways=("sms", "call"))
    escalation(someone, ("sms", 0), ("call", 40), ("email", 500))
    alarm = raised()
    plan(alarm)
    assert seconds_to_answer(alarm) == 140


def test_where_nothing_is_planned_the_deadline_is_the_start_plus_the_timeout(brigade, raised):
    member(brigade)
    alarm = raised()
    plan(alarm)
    assert rows(alarm) == []
    assert seconds_to_answer(alarm) == 900
    assert alarm.alarm_messages.get().planned_at is not None


def test_a_punctual_plan_counts_from_the_start(brigade, raised):
    member(brigade, ways=("sms", "call"))
    alarm = raised()
    plan(alarm, after=1)
    assert rows(alarm) == [("sms", 0, 0), ("call", 1, 60)]
    assert seconds_to_answer(alarm) == 960


def test_a_late_plan_counts_from_when_it_is_made(brigade, raised):
    member(brigade, ways=("sms", "call"))
    alarm = raised()
    plan(alarm, after=7200)
    (_sms, _first, at_once), (_call, _second, later) = rows(alarm)
    assert at_once == pytest.approx(7200, abs=planning.PUNCTUAL.total_seconds())
    assert later == at_once + 60
    assert seconds_to_answer(alarm) == later + 900


# Queries


@pytest.mark.parametrize("prescribed", [False, True])
def test_a_chunk_takes_the_same_number_of_queries_for_1_and_50_recipients(brigade, raised, prescribed):
    if prescribed:
        escalation(brigade, ("sms", 0), ("call", 10))
    numbers = []
    for count in (1, 49):
        for _ in range(count):
            escalation(member(brigade, ways=("app", "sms")), ("app", 0), ("sms", 30))
        alarm = raised()
        # recipients; the alarm with its organization, escalations, the organization's gateways, devices; messages,
        # deadlines, the senders' waking; the inboxes; a savepoint's two
        with CaptureQueriesContext(connection) as queries:
            plan(alarm)
        numbers.append(len(queries))
    assert alarm.alarm_messages.exclude(planned_at=None).count() == 50
    assert DeviceMessage.objects.filter(alarm=alarm).count() == (50 if prescribed else 100)
    assert numbers[0] == numbers[1]
    assert numbers[0] - 1 <= 11  # one is the test's own
