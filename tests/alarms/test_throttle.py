"""No device gets more than so many messages a minute; what is over waits its turn, and is not lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.checks import run_checks

from alarms.models import AlarmMessage, DeviceMessage, DeviceRate
from alarms.sending.claim import next_due_in
from organizations.models import Device, User, Way
from tests import factories
from tests.alarms.throttled import (
    BUSY,
    CANCELLED,
    MINUTE,
    REFUSED,
    SCHEDULED,
    SENDING,
    SENT,
    database_now,
    messages_to,
    pass_time,
    report,
    taken,
    waiting,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def today() -> datetime:
    return database_now()


@pytest.fixture
def phone(db: None) -> Device:
    created: Device = factories.DeviceFactory(way="sms")
    return created


# How many


def test_of_25_that_are_due_10_leave_and_the_others_wait_for_the_next_minutes(phone: Device, today: datetime) -> None:
    messages_to(phone, 25, due=today)
    before = dict(DeviceMessage.objects.values_list("pk", "changed_at"))
    left = [len(taken())]
    for each in waiting():
        assert (each.due_at, each.attempts) == (today + timedelta(seconds=60), 0)
        assert (each.sender_id, each.lease_until) == (None, None)
        assert "minute" in each.reason
        assert each.changed_at == before[each.pk]
    assert len(waiting()) == 15
    assert taken() == []
    for _minute in range(3):
        pass_time(MINUTE)
        left.append(len(taken()))
    assert left == [10, 10, 5, 0]
    assert set(DeviceMessage.objects.values_list("status", "attempts")) == {(SENDING, 1)}


def test_those_that_have_waited_longest_go_first(phone: Device, today: datetime) -> None:
    messages = messages_to(phone, 10, due=today - timedelta(seconds=2))
    messages += messages_to(phone, 10, due=today - timedelta(seconds=1))
    messages += messages_to(phone, 10, due=today - timedelta(seconds=3))
    expected = [message.pk for message in messages[20:] + messages[:20]]
    order: list[list[int]] = []
    for _minute in range(3):
        order.append(sorted(delivery.device_message_id for delivery in taken()))
        pass_time(MINUTE)
    assert order == [expected[:10], expected[10:20], expected[20:]]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, {"app": 25, "pager": 25, "sms": 10, "call": 10, "email": 25}),
        ({}, dict.fromkeys(Way.values, 25)),
        ({"sms": 0, "call": 1, "app": 3, "email": 25}, {"app": 3, "pager": 25, "sms": 25, "call": 1, "email": 25}),
    ],
)
def test_each_way_has_a_limit_of_its_own(
    today: datetime, settings: Any, setting: dict[str, int] | None, expected: dict[str, int]
) -> None:
    if setting is not None:
        settings.MESSAGES_PER_MINUTE = setting
    user = factories.UserFactory()
    for way in Way.values:
        messages_to(factories.DeviceFactory(way=way, user=user), 25, due=today)
    ways = [delivery.way for delivery in taken()]
    assert {way: ways.count(way) for way in Way.values} == expected


def test_of_ways_without_a_limit_nothing_is_written_down(today: datetime) -> None:
    for way in Way.values:
        messages_to(factories.DeviceFactory(way=way), 2, due=today)
    assert len(taken()) == 10
    counted = DeviceRate.objects.values_list("device_id", flat=True)
    assert set(Device.objects.filter(pk__in=counted).values_list("way", flat=True)) == {"sms", "call"}
    assert len(counted) == 2


def test_two_people_with_the_same_number_are_two_devices(phone: Device, today: datetime) -> None:
    other = factories.DeviceFactory(way="sms", address=phone.address)
    for device in (phone, other):
        messages_to(device, 12, due=today)
    devices = [delivery.device_id for delivery in taken()]
    assert (devices.count(phone.pk), devices.count(other.pk)) == (10, 10)


def test_the_minute_slides(phone: Device, today: datetime) -> None:
    messages_to(phone, 6, due=today)
    assert len(taken()) == 6
    pass_time(30)
    messages_to(phone, 20, due=today)
    assert len(taken()) == 4
    assert {each.due_at for each in waiting()} == {today + timedelta(seconds=30)}
    assert next_due_in(since=0.0) is not None
    pass_time(29)
    assert taken() == []
    pass_time(1)
    assert len(taken()) == 6
    pass_time(29.999)
    assert taken() == []
    pass_time(0.001)
    assert len(taken()) == 4
    assert len(waiting()) == 6


def test_a_limit_that_is_lowered_holds_for_what_was_sent_before(phone: Device, today: datetime, settings: Any) -> None:
    messages_to(phone, 20, due=today)
    assert len(taken()) == 10
    settings.MESSAGES_PER_MINUTE = {"sms": 4}
    pass_time(59)
    assert taken() == []
    pass_time(1)
    assert len(taken()) == 4
    settings.MESSAGES_PER_MINUTE = {"sms": 6}
    pass_time(1)
    DeviceMessage.objects.filter(status=SCHEDULED).update(due_at=today)
    assert len(taken()) == 2


# What takes no room


def test_what_nobody_gets_any_more_takes_no_room(phone: Device, today: datetime) -> None:
    ended, over = (messages_to(phone, count, due=today - timedelta(seconds=1)) for count in (12, 3))
    for messages, change in ((ended, {"escalating": False}), (over, {"deadline": today})):
        AlarmMessage.objects.filter(pk__in=[message.alarm_message_id for message in messages]).update(**change)
    messages_to(phone, 10, due=today)
    assert len(taken()) == 10
    assert waiting() == []
    assert DeviceMessage.objects.filter(status=CANCELLED).count() == 15


@pytest.mark.parametrize("gone", ["user", "device", "deleted"])
def test_a_device_that_is_no_more_takes_no_room_and_waits_for_nothing(
    phone: Device, today: datetime, gone: str
) -> None:
    messages_to(phone, 25, due=today)
    if gone == "user":
        User.objects.update(is_active=False)
    elif gone == "device":
        Device.objects.update(is_active=False)
    else:
        Device.objects.all().delete()
    assert taken() == []
    assert not DeviceRate.objects.exists()
    assert set(DeviceMessage.objects.values_list("status", flat=True)) == {CANCELLED}


# What a gateway did not take


def test_what_a_first_gateway_did_not_take_halves_nothing(phone: Device, today: datetime) -> None:
    messages_to(phone, 25, due=today)
    for _minute in range(2):
        first = taken(places=(0, 1))
        assert [delivery.gateway for delivery in first] == [0] * 10
        report(first, BUSY, at=today, gateways=2)
        second = taken(places=(0, 1))
        assert [delivery.gateway for delivery in second] == [1] * 10
        assert {each.device_message_id for each in second} == {each.device_message_id for each in first}
        report(second, at=today, gateways=2)
        assert taken(places=(0, 1)) == []
        pass_time(MINUTE)
    assert DeviceMessage.objects.filter(status=SENT).count() == 20
    assert len(taken(places=(0, 1))) == 5


def test_what_failed_for_good_was_no_message_to_the_device(phone: Device, today: datetime) -> None:
    messages_to(phone, 10, due=today)
    report(taken(), REFUSED, at=today)
    messages_to(phone, 12, due=today)
    assert len(taken()) == 10


def test_a_limit_of_a_device_is_not_given_back_to_another(phone: Device, today: datetime) -> None:
    other = factories.DeviceFactory(way="sms")
    for device in (phone, other):
        messages_to(device, 10, due=today)
    deliveries = taken()
    report([each for each in deliveries if each.device_id == phone.pk][:3], REFUSED, at=today)
    for device in (phone, other):
        messages_to(device, 10, due=today)
    assert [delivery.device_id for delivery in taken()] == [phone.pk] * 3


# The setting


@pytest.mark.parametrize(
    ("setting", "is_fine"),
    [
        ({}, True),
        ({"sms": 10, "call": 10}, True),
        ({"email": 0, "app": 30_000}, True),
        ({"sms": -1}, False),
        ({"fax": 10}, False),
        ({"": 10}, False),
        ({"sms": 2**31}, False),
    ],
)
def test_a_setting_that_cannot_be_is_told_at_the_start(settings: Any, setting: dict[str, int], is_fine: bool) -> None:
    settings.MESSAGES_PER_MINUTE = setting
    said = [found.msg for found in run_checks() if found.msg.startswith("MESSAGES_PER_MINUTE: ")]
    assert said == [] if is_fine else len(said) == 1
