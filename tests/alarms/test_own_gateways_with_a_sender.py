"""A real sender and the gateways that organizations bring: whose messages go where, and changes while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from django.utils import timezone

from alarms import planning
from alarms.gateways import owned
from alarms.models import AlarmMessage, DeviceMessage
from organizations.models import Organization
from tests import factories
from tests.factories import take_back
from tests.processes import Processes, service, until
from tests.sinks import HttpSink, answers

SENT = DeviceMessage.Status.SENT
SECRET = "hunter2"


@pytest.fixture
def own_sinks() -> Iterator[list[HttpSink]]:
    sinks = [HttpSink() for _ in range(2)]
    yield sinks
    for sink in sinks:
        sink.close()


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, http_sink: HttpSink) -> Iterator[Processes]:
    """Processes that are not started yet, with the service's gateways for sms and call."""
    url = f"{http_sink.url}/service"
    # Some of these tests send more to a phone than it gets in a minute.
    with service(tmp_path, GATEWAY_SMS=url, GATEWAY_CALL=url, MESSAGES_PER_MINUTE="call:10") as running:
        yield running


def brigade(*entries: tuple[str, int], members: int = 1) -> Organization:
    """Return an organization whose members get an alarm by these entries."""
    organization: Organization = factories.OrganizationFactory()
    for _ in range(members):
        factories.escalation(factories.member(organization, ways=("sms", "call")), *entries)
    return organization


def raised(organization: Organization) -> list[DeviceMessage]:
    """Raise an alarm for all members and return what is planned."""
    now = timezone.now()
    alarm = factories.AlarmFactory(organization=organization, starts_at=now)
    for membership in organization.memberships.all():
        factories.AlarmMessageFactory(alarm=alarm, user=membership.user, planned_at=None)
    ids = AlarmMessage.objects.filter(alarm=alarm).values_list("pk", flat=True)
    # The settings of this process are not those of the sender.
    planning.plan(alarm_id=alarm.pk, first_id=min(ids), last_id=max(ids), now=now)
    return list(DeviceMessage.objects.filter(alarm=alarm))


def sent(messages: list[DeviceMessage]) -> bool:
    return DeviceMessage.objects.filter(pk__in=[m.pk for m in messages], status=SENT).count() == len(messages)


def came(sink: HttpSink) -> set[tuple[str, str, str]]:
    """Return path, way and address of what came to a sink."""
    return {(post.path, post.json["way"], post.json["address"]) for post in sink.posts}


def expected(messages: list[DeviceMessage], path: str, *ways: str) -> set[tuple[str, str, str]]:
    return {(path, message.way, message.address) for message in messages if message.way in ways}


def test_an_own_gateway_takes_its_way_of_its_organization_and_nothing_else(
    processes: Processes, http_sink: HttpSink, own_sinks: list[HttpSink]
) -> None:
    first, second, third = (brigade(("sms", 0), ("call", 0), members=5) for _ in range(3))
    owned.bring(organization=first, way="sms", urls=f"{own_sinks[0].url}/first?key={SECRET}")
    owned.bring(organization=second, way="call", urls=f"{own_sinks[1].url}/second?key={SECRET}")
    alarms = [raised(organization) for organization in (first, second, third)]
    processes.start("sender")
    until(lambda: all(map(sent, alarms)))
    assert len(http_sink.posts) == 20
    assert came(own_sinks[0]) == expected(alarms[0], "/first", "sms")
    assert came(own_sinks[1]) == expected(alarms[1], "/second", "call")
    assert came(http_sink) == (
        expected(alarms[0], "/service", "call")
        | expected(alarms[1], "/service", "sms")
        | expected(alarms[2], "/service", "sms", "call")
    )
    assert SECRET not in processes.log("sender")


def test_of_several_own_gateways_the_next_is_tried_and_never_the_services(
    processes: Processes, http_sink: HttpSink, own_sinks: list[HttpSink]
) -> None:
    organization = brigade(("sms", 0), members=3)
    urls = [f"{own_sinks[0].url}/first", f"{own_sinks[1].url}/second", f"{own_sinks[1].url}/third"]
    owned.bring(organization=organization, way="sms", urls=" ".join(urls))
    messages = raised(organization)
    for message, (first, *others) in zip(messages, [(200,), (503, 404, 200), (404, 410, 403)], strict=True):
        own_sinks[0].behaviours[message.address] = answers(first)
        if others:
            own_sinks[1].behaviours[message.address] = answers(*others)
    processes.start("sender")
    until(lambda: not DeviceMessage.objects.exclude(status__in=(SENT, DeviceMessage.Status.FAILED)).exists())
    for message, reasons in zip(messages, [[], ["503", "404"], ["404", "410", "403"]], strict=True):
        message.refresh_from_db()
        assert message.status == (SENT if len(reasons) < 3 else DeviceMessage.Status.FAILED)
        assert [entry["reason"] for entry in message.tried] == [f"HTTP {status}" for status in reasons]
        paths = [post.path for sink in own_sinks for post in sink.of(message.address)]
        assert paths == ["/first", "/second", "/third"][: len(paths)]
    assert http_sink.posts == []


def test_a_running_sender_follows_what_organizations_change(
    processes: Processes, http_sink: HttpSink, own_sinks: list[HttpSink]
) -> None:
    organization = brigade(("sms", 0), members=3)
    processes.start("sender")
    sinks = {"/a": own_sinks[0], "/b": own_sinks[1], "/c": own_sinks[0], "/service": http_sink}
    for _round in range(2):
        for path, sink in sinks.items():
            if sink is http_sink:
                take_back(organization)
            else:
                owned.bring(organization=organization, way="sms", urls=f"{sink.url}{path}")
            # A sender that has not heard of it yet would send a first one over what was there.
            until(lambda path=path: probe(organization, sinks, path), seconds=20, what=f"the sender uses {path}")
            messages = raised(organization)
            until(lambda messages=messages: sent(messages))
            assert expected(messages, path, "sms") <= came(sink)
    assert processes.log("sender").count("sender is at work") == 1


def probe(organization: Organization, sinks: dict[str, HttpSink], path: str) -> bool:
    """Raise an alarm and return whether all of it came to a path."""
    messages = raised(organization)
    until(lambda: sent(messages))
    return expected(messages, path, "sms") <= came(sinks[path])


def test_what_was_planned_for_gateways_that_were_taken_back_goes_over_the_services(
    processes: Processes, http_sink: HttpSink, own_sinks: list[HttpSink]
) -> None:
    organization = brigade(("sms", 0), ("sms", 3))
    for sink in own_sinks:
        owned.bring(organization=organization, way="sms", urls=f"{sink.url}/own")
    [first, second] = raised(organization)
    # The first of them is tried over the organization's own, in vain, when these are taken back.
    own_sinks[1].behaviours[first.address] = answers(503)
    processes.start("worker", "sender")
    until(lambda: DeviceMessage.objects.get(pk=first.pk).attempts)
    take_back(organization)
    until(lambda: sent([first, second]))
    assert {post.key for post in http_sink.posts} == {f"{m.alarm_message.message_id}-{m.pk}" for m in (first, second)}
    assert own_sinks[0].posts == []


def test_where_no_key_reads_an_own_gateway_the_services_send(
    processes: Processes, http_sink: HttpSink, own_sinks: list[HttpSink]
) -> None:
    organization, other = (brigade(("sms", 0), members=3) for _ in range(2))
    with override_settings(ENCRYPTION_KEYS=["a lost key"]):
        owned.bring(organization=organization, way="sms", urls=f"{own_sinks[0].url}/lost")
    owned.bring(organization=other, way="sms", urls=f"{own_sinks[1].url}/own")
    planned, others = raised(organization), raised(other)
    DeviceMessage.objects.filter(alarm=planned[0].alarm_id, pk=planned[0].pk).update(gateways_of=organization.pk)
    processes.start("worker", "sender")
    until(lambda: sent(planned + others))
    assert came(http_sink) == expected(planned, "/service", "sms")
    assert came(own_sinks[1]) == expected(others, "/own", "sms")
    assert own_sinks[0].posts == []
    for name in ("sender", "worker"):
        assert processes.log(name).count(f"cannot be used: organization={organization.pk} sms") == 1
