"""What runs often or while people wait, done with many rows. Each function prepares something, and returns what runs
then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import override_settings
from django.utils import timezone

from alarms import all_clear, auditing, planning, raising, retention, telling_admins, troubles, upkeep
from alarms.closing import close_alarm
from alarms.gateways.base import GatewayError
from alarms.hooks import claiming, outcomes
from alarms.hooks.posting import Answer
from alarms.models import Alarm, AlarmMessage, DeviceMessage, HookEvent, Trouble
from alarms.resources import Resources
from alarms.sending import presence, results
from alarms.sending.claim import claim, next_due_in
from inbox.mailing import mail_copies
from inbox.models import InboxMessage, Message
from organizations.models import Group, Organization, User, Way
from tests.many_rows import ITS_ORGANIZATION, ITS_RECIPIENT, NEWEST

Run = Callable[[], Any]

HOT: dict[str, tuple[str, Callable[[], Run]]] = {}
"""By name: a table that it is about, and what prepares it."""

FREE = {(way, 0, 0): 100 for way in Way.values}

throttled = override_settings(MESSAGES_PER_MINUTE=dict.fromkeys(Way.values, 3))


def hot(table: str) -> Callable[[Callable[[], Run]], Callable[[], Run]]:
    def add(prepare: Callable[[], Run]) -> Callable[[], Run]:
        HOT[prepare.__name__] = (table, prepare)
        return prepare

    return add


# The senders


@hot("alarms_devicemessage")
def the_claim() -> Run:
    sender = presence.enter()
    return lambda: claimed(sender)


def claimed(sender: int) -> Any:
    found = claim(sender_id=sender, free=FREE).deliveries
    assert len(found) >= 50
    return found


@hot("alarms_devicerate")
def the_claim_of_ways_that_are_throttled() -> Run:
    return throttled(the_claim())


@hot("alarms_devicemessage")
def when_the_next_message_is_due() -> Run:
    return lambda: next_due_in(since=1.0)


def written(error: Callable[[int], GatewayError | None]) -> Run:
    now = timezone.now()
    attempts = enumerate(claimed(presence.enter()))
    made = [results.Result(delivery, "log:", now, error(number)) for number, delivery in attempts]
    lines = {(way, 0): 1 for way in Way.values}
    return lambda: results.write(made, gateways=lines)


@hot("alarms_devicemessage")
def results_of_which_every_tenth_is_a_failure() -> Run:
    return written(lambda number: None if number % 10 else GatewayError("gone", permanent=number % 20 == 0))


@hot("alarms_devicerate")
def results_that_give_back_what_a_minute_had_room_for() -> Run:
    return throttled(throttled(written)(lambda _number: GatewayError("away", permanent=False)))


@hot("alarms_devicemessage")
def a_sender_shows_that_it_lives() -> Run:
    sender = presence.enter()
    under_way = [each.device_message_id for each in claimed(sender)]

    def run() -> None:
        presence.beat(sender, last_starts={}, resting=[], under_way=under_way)
        presence.let_go(sender, under_way=under_way[1:])

    return run


# Raising, planning, closing


def raise_for(**resources: Any) -> Run:
    organization = Organization.objects.get(pk=ITS_ORGANIZATION)
    order = raising.AlarmOrder(organization, "Fire", Resources(**resources))
    return lambda: raising.raise_alarm(order=order, raised_by="a test", now=timezone.now())


@hot("organizations_membership")
def raising_an_alarm_for_all() -> Run:
    return raise_for(all_users=True)


@hot("organizations_group_memberships")
def raising_an_alarm_for_a_unit() -> Run:
    return raise_for(units=[Group.objects.filter(organization=ITS_ORGANIZATION)[0].pk])


@hot("organizations_membership")
def raising_an_alarm_for_users() -> Run:
    return raise_for(users=[ITS_RECIPIENT])


@hot("organizations_device")
def planning_a_chunk() -> Run:
    Organization.objects.filter(pk=ITS_ORGANIZATION).update(alarms_in_inbox=True)
    alarm, _is_new = raise_for(all_users=True)()
    ids = AlarmMessage.objects.filter(alarm=alarm).order_by("pk").values_list("pk", flat=True)
    assert len(ids) > 5
    # As if it were so large that jobs plan it.
    DeviceMessage.objects.filter(alarm=alarm).delete()
    AlarmMessage.objects.filter(alarm=alarm).update(planned_at=None)
    return lambda: planning.plan(alarm_id=alarm.pk, first_id=ids[0], last_id=ids[len(ids) - 1], now=timezone.now())


@hot("alarms_alarmmessage")
def starting_an_alarm_that_was_scheduled() -> Run:
    Alarm.objects.filter(pk=NEWEST - 250).update(pending_resources={"users": [ITS_RECIPIENT - 250]}, closed_at=None)
    AlarmMessage.objects.filter(alarm=NEWEST - 250).delete()
    return lambda: raising.start_alarm(alarm_id=NEWEST - 250, now=timezone.now())


@hot("alarms_devicemessage")
def closing_an_alarm() -> Run:
    return lambda: close_alarm(alarm_id=NEWEST, now=timezone.now())


@hot("alarms_devicemessage")
def telling_an_all_clear() -> Run:
    DeviceMessage.objects.filter(alarm=NEWEST, status=1).update(status=2, sent_at=timezone.now())
    close_alarm(alarm_id=NEWEST, now=timezone.now(), all_clear="All is well")
    return lambda: all_clear.tell_all_clear(alarm_id=NEWEST, now=timezone.now())


# Upkeep, hooks, copies


@hot("alarms_devicemessage")
def the_sweep() -> Run:
    now = timezone.now()
    AlarmMessage.objects.filter(alarm__in=[NEWEST, NEWEST - 1]).update(deadline=now)
    DeviceMessage.objects.filter(status=1).update(lease_until=now - timedelta(seconds=1))
    without_pagers = {way: [] if way == "pager" else ["log:"] for way in Way.values}
    return override_settings(GATEWAYS=without_pagers)(lambda: upkeep.sweep(now=now + timedelta(seconds=1)))


@hot("alarms_devicemessage")
def an_audit() -> Run:
    now = timezone.now()
    DeviceMessage.objects.filter(status=1).update(lease_until=now - timedelta(minutes=1))
    AlarmMessage.objects.filter(alarm=NEWEST).update(planned_at=None)
    Alarm.objects.filter(pk=NEWEST).update(starts_at=now - timedelta(seconds=10), closed_at=None)
    Alarm.objects.filter(pk=NEWEST - 1).update(closed_at=None, scheduled_end_at=now - timedelta(minutes=1))
    Alarm.objects.filter(pk=NEWEST - 2).update(all_clear="Over", all_clear_at=now - timedelta(minutes=1))
    return lambda: auditing.audit(now=now)


@hot("alarms_devicemessage")
def finding_troubles() -> Run:
    now = timezone.now()
    DeviceMessage.objects.filter(alarm=NEWEST).update(status=4, changed_at=now, attempts=1)
    AlarmMessage.objects.filter(alarm=NEWEST).update(first_sent_at=None, escalating=True, response=None)
    return troubles.find


@hot("alarms_alarmmessage")
def telling_admins_of_troubles() -> Run:
    finding_troubles()()
    assert Trouble.objects.exists()
    return lambda: telling_admins.tell_admins(now=timezone.now())


@hot("alarms_devicemessage")
def dropping_details_of_old_alarms() -> Run:
    Alarm.objects.filter(pk__lte=NEWEST - 300).update(starts_at=timezone.now() - timedelta(days=100))
    return lambda: retention.drop_batch(months=2)


@hot("alarms_hookevent")
def telling_hooks() -> Run:
    at = timezone.now()

    def run() -> None:
        attempts = claiming.claim(free=50)
        assert len(attempts) >= 20
        outcomes.write([Answer(each, at, 0.1, reason="" if each.event_id % 2 else "500") for each in attempts])
        claiming.release(attempts)

    return run


@hot("alarms_hookevent")
def giving_up_what_no_hook_has_taken() -> Run:
    HookEvent.objects.filter(delivered_at=None).update(created_at=timezone.now() - timedelta(days=2))
    return outcomes.give_up_of_inactive


@hot("inbox_inboxmessage")
def copies_by_e_mail() -> Run:
    message = Message.objects.latest("pk")
    copies = InboxMessage.objects.filter(message=message)
    copies.update(copy_wanted=True)
    User.objects.filter(inbox_messages__in=copies).update(inbox_to_email=True)
    first, last = copies.earliest("pk").pk, copies.latest("pk").pk
    return lambda: mail_copies(message_id=message.pk, first_id=first, last_id=last, now=timezone.now())
