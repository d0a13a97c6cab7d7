"""What is counted for /metrics, when, and that no counter ever falls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from alarms import counting, raising, upkeep
from alarms.closing import close_alarm
from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError, no_answer
from alarms.models import Alarm, AlarmMessage, CounterIncrement, DeviceMessage, Feedback
from alarms.receipts import take_receipt
from alarms.resources import Resources
from alarms.sending import presence
from alarms.sending.claim import claim
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Device, Organization
from tests import factories
from tests.alarms.scraped import of, scrape

pytestmark = pytest.mark.django_db

MESSAGES, ERRORS, TOOK = "alarm_device_messages_total", "alarm_gateway_errors_total", "alarm_due_to_sent_seconds"
BUSY = GatewayError("HTTP 503", permanent=False)
REFUSED = GatewayError("HTTP 400", permanent=True)
FREE = {(way, 0, place): 10 for way in ("app", "sms") for place in (0, 1)}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def taken_up(sender: int = 1) -> list[Delivery]:
    return claim(sender_id=sender, free=FREE).deliveries


def report(delivery: Delivery, error: GatewayError | None = None, *, gateways: int = 1) -> None:
    """Write what became of an attempt."""
    lines = {(delivery.way, 0): gateways}
    assert write([Result(delivery, "gateway", at=timezone.now(), error=error)], gateways=lines) == ([], [])


def receipt(delivery: Delivery, status: str) -> None:
    take_receipt(
        idempotency_key=delivery.idempotency_key, status=status, date=None, organization=None, now=timezone.now()
    )


def due(**fields: Any) -> DeviceMessage:
    """Return a message that has been due for a minute."""
    fields = {"alarm_message__alarm__starts_at": timezone.now() - MINUTE} | fields
    created: DeviceMessage = factories.DeviceMessageFactory(**fields)
    return created


def raised(organization: Organization) -> Alarm:
    order = raising.AlarmOrder(organization, "Fire", Resources(all_users=True))
    return raising.raise_alarm(order=order, raised_by="a test", now=timezone.now() - MINUTE)[0]


def answer(boss: APIClient, alarm: Alarm, user_id: int) -> None:
    """Say yes, yes again and no."""
    for response in (True, True, False):
        body = {"alarmID": alarm.pk, "userID": user_id, "response": response}
        assert boss.post("/api/v1/messaging/feedback", body, format="json").status_code == 200


def test_what_becomes_of_an_alarm_is_counted(brigade: Organization, boss: APIClient) -> None:
    for _member in range(3):
        factories.escalation(factories.member(brigade, ways=("app", "sms")), ("app", 0), ("sms", 0), ("sms", 600))
    before = scrape()
    alarm = raised(brigade)
    assert scrape().since(before) == {
        ("alarm_alarms_raised_total",): 1,
        (MESSAGES, "scheduled", "app"): 3,
        (MESSAGES, "scheduled", "sms"): 6,
    }
    assert scrape()["alarm_alarms_open"] == before["alarm_alarms_open"] + 1

    before, deliveries = scrape(), taken_up()
    for delivery in deliveries:
        report(delivery, {"app": None, "sms": REFUSED}[delivery.way])
    assert of(scrape().since(before), MESSAGES) == {
        ("sending", "app"): 3,
        ("sending", "sms"): 3,
        ("sent", "app"): 3,
        ("failed", "sms"): 3,
    }
    assert of(scrape().since(before), ERRORS) == {("refused", "sms"): 3}

    before, apps = scrape(), [delivery for delivery in deliveries if delivery.way == "app"]
    receipt(apps[0], "delivered")
    receipt(apps[0], "read")
    receipt(apps[1], "failed")
    receipt(apps[1], "failed")
    assert scrape().since(before) == {
        (MESSAGES, "delivered", "app"): 1,
        (MESSAGES, "failed", "app"): 1,
        (ERRORS, "receipt", "app"): 1,
    }

    before = scrape()
    answer(boss, alarm, apps[0].user_id)
    assert scrape().since(before) == {
        ("alarm_feedback_total", "positive"): 1,
        ("alarm_feedback_total", "negative"): 1,
        (MESSAGES, "cancelled", "sms"): 1,
    }

    before = scrape()
    for _twice in range(2):
        close_alarm(alarm_id=alarm.pk, now=timezone.now(), all_clear="Over")
    assert scrape().since(before) == {("alarm_alarms_closed_total",): 1, (MESSAGES, "cancelled", "sms"): 2}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (REFUSED, "refused"),
        (BUSY, "unavailable"),
        (no_answer(), "no_answer"),
        (GatewayError("not valid", permanent=True, asked=False), "address"),
    ],
)
def test_errors_are_counted_by_what_the_gateway_said(error: GatewayError, kind: str) -> None:
    due()
    before = scrape()
    [delivery] = taken_up()
    report(delivery, error)
    assert of(scrape().since(before), ERRORS) == {(kind, "sms"): 1}


def test_what_ends_without_a_sender_is_counted(now: datetime, settings: Any) -> None:
    over = factories.AlarmFactory(starts_at=now - 2000 * SECOND)
    tried = factories.DeviceMessageFactory(alarm_message__alarm=over, attempts=1, due_at=now + 5 * SECOND)
    factories.DeviceMessageFactory(alarm_message=tried.alarm_message, turn=1, way="call", due_at=now + 60 * SECOND)
    answered = factories.AlarmMessageFactory(response=True, escalating=False)
    factories.DeviceMessageFactory(alarm_message=answered, status=1, attempts=1, sender_id=7, lease_until=now)
    due(way="pager")
    settings.GATEWAYS = settings.GATEWAYS | {"pager": []}
    before = scrape()
    upkeep.sweep(now=now + SECOND)
    assert of(scrape().since(before), MESSAGES) == {
        ("failed", "sms"): 1,
        ("cancelled", "call"): 1,
        ("cancelled", "sms"): 1,
        ("failed", "pager"): 1,
    }


def test_what_nobody_can_use_any_more_is_cancelled_as_it_is_claimed() -> None:
    due()
    Device.objects.update(is_active=False)
    before = scrape()
    assert taken_up() == []
    assert scrape().since(before) == {(MESSAGES, "cancelled", "sms"): 1}


def test_time_counts_from_when_a_message_was_first_due_and_once(now: datetime) -> None:
    message = factories.DeviceMessageFactory(
        alarm_message__alarm__starts_at=now - 60 * SECOND, due_at=now - 40 * SECOND
    )
    before = scrape()
    [first] = taken_up()
    report(first, BUSY)
    assert of(scrape().since(before), f"{TOOK}_bucket") == {}
    message.refresh_from_db()
    assert message.due_at > now + 3 * SECOND
    DeviceMessage.objects.update(due_at=now)
    [second] = taken_up()
    report(second, gateways=2)
    risen = scrape().since(before)
    assert of(risen, f"{TOOK}_bucket") == {(le, "sms"): 1 for le in ("60.0", "120.0", "300.0", "+Inf")}
    assert risen[f"{TOOK}_count", "sms"] == 1
    assert risen[f"{TOOK}_sum", "sms"] == pytest.approx(40, abs=5)

    # The gateway fails later what it took: the next one sends it, and that is another matter.
    receipt(second, "failed")
    DeviceMessage.objects.update(due_at=now, status=0, gateway=0)
    before = scrape()
    [third] = taken_up()
    report(third, gateways=2)
    assert of(scrape().since(before), MESSAGES) == {("sending", "sms"): 1, ("sent", "sms"): 1}
    assert of(scrape().since(before), f"{TOOK}_bucket") == {}


@pytest.mark.parametrize(
    ("late", "within"), [(0.02, "0.05"), (0.2, "0.25"), (3.0, "5.0"), (299.0, "300.0"), (4000.0, "+Inf")]
)
def test_every_message_is_in_its_bucket_and_all_above(late: float, within: str) -> None:
    due()
    [delivery] = taken_up()
    assert delivery.due is not None
    before = scrape()
    at = datetime.fromtimestamp(delivery.due + late, tz=timezone.get_default_timezone())
    write([Result(delivery, "gateway", at=at)], gateways={("sms", 0): 1})
    bounds = ["0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "+Inf"]
    risen = scrape().since(before)
    assert of(risen, f"{TOOK}_bucket") == {(bound, "sms"): 1 for bound in bounds[bounds.index(within) :]}
    assert risen[f"{TOOK}_sum", "sms"] == pytest.approx(late, abs=0.001)


def test_no_counter_falls_when_senders_die_rows_are_deleted_and_increments_are_added_up(now: datetime) -> None:
    sender = presence.enter()
    for _message in range(3):
        due()
    for delivery in taken_up(sender):
        report(delivery)
    due()
    before = scrape()
    taken_up(sender)
    # The last thing that a sender does is to write down what it has counted.
    presence.leave(sender)
    assert scrape().since(before) == {(MESSAGES, "sending", "sms"): 1}
    counting.count({(counting.FEEDBACK, "", "positive"): 1})
    CounterIncrement.objects.bulk_create(
        CounterIncrement(counter="gateway_errors", way="app", kind="fault", value=number) for number in range(1500)
    )
    before = scrape()

    for model in (Feedback, DeviceMessage, AlarmMessage, Alarm):
        model.objects.all().delete()
    upkeep.sweep(now=now + timedelta(days=3))
    assert CounterIncrement.objects.count() < 200
    assert scrape().rising() == before.rising()
    counting.add_up()
    assert scrape().rising() == before.rising()
    assert before[ERRORS, "fault", "app"] >= 1500 * 1499 / 2


@pytest.mark.django_db(transaction=True)
def test_who_adds_up_and_who_counts_do_not_wait_for_each_other() -> None:
    CounterIncrement.objects.bulk_create(
        CounterIncrement(counter="feedback", way="", kind="positive", value=1) for _row in range(counting.ENOUGH + 1)
    )
    before = scrape()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            other.set_autocommit(False)
            cursor.execute(counting.ADD_UP, {"enough": 0, "batch": 10})
            assert cursor.rowcount == 1
            # What is not committed is not seen, and what the other has in hand is left to it.
            assert scrape().rising() == before.rising()
            counting.count({("feedback", "", "positive"): 1})
            counting.add_up()
            assert scrape().since(before) == {("alarm_feedback_total", "positive"): 1}
            other.commit()
        assert scrape().since(before) == {("alarm_feedback_total", "positive"): 1}
        assert CounterIncrement.objects.count() == 2
    finally:
        other.close()
