"""Apprise gateways in a real sender: the first is down, the second takes over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from alarms.models import DeviceMessage, Sender
from tests import factories
from tests.alarms.any_sink import AnySink, any_sink
from tests.processes import Processes, service, until
from tests.sinks import refusing_port

SENT, FAILED = DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED
SECRET = "hunter2"
# Before a gateway is asked again: seconds (contract 7).
RETRY_PAUSE = 5.0


@pytest.fixture
def sink() -> Iterator[AnySink]:
    with any_sink() as running:
        yield running


@pytest.fixture
def sender(transactional_db: None, tmp_path: Path, sink: AnySink) -> Iterator[Processes]:
    """A sender at work that logs everything."""
    taking = f"ntfy://alarm:{SECRET}@{sink.host}/{{address}}?click={{answerURL}}"
    down = f"ntfy://alarm:{SECRET}@127.0.0.1"
    with (
        refusing_port() as port,
        service(tmp_path, GATEWAY_APP=f"{down}:{port}/{{address}} {taking}", LOG_LEVEL="DEBUG") as running,
    ):
        running.start("sender")
        until(lambda: Sender.objects.exists())
        yield running


def message_to(address: str) -> DeviceMessage:
    """Return a message to an app that is due now."""
    message: DeviceMessage = factories.DeviceMessageFactory(way="app", device__address=address)
    return message


def ended(*messages: DeviceMessage) -> bool:
    found = DeviceMessage.objects.filter(pk__in=[message.pk for message in messages], status__in=(SENT, FAILED))
    return found.count() == len(messages)


def test_where_the_first_is_down_the_second_takes_over_at_once(sender: Processes, sink: AnySink) -> None:
    messages = [message_to(f"erna_{number}") for number in range(4)]
    until(lambda: ended(*messages))
    assert sorted(request.json["topic"] for request in sink.requests) == [f"erna_{number}" for number in range(4)]
    waits = []
    for message in messages:
        message.refresh_from_db()
        [failed] = message.tried
        assert (failed["gateway"], failed["reason"]) == ("ntfy", "ntfy: no connection or no answer")
        assert (message.status, message.reason, message.attempts, message.gateway) == (SENT, "", 2, 1)
        assert message.sent_at is not None
        waits.append((message.sent_at - datetime.fromisoformat(failed["at"])).total_seconds())
    print(f"\nthe second took over within {max(waits):.3f} s")
    assert 0 < min(waits) <= max(waits) < RETRY_PAUSE, "it has waited for a retry"


def test_an_address_that_the_service_cannot_take_has_failed_with_all(sender: Processes, sink: AnySink) -> None:
    message = message_to("Erna's phone?priority=min")
    until(lambda: ended(message))
    message.refresh_from_db()
    assert (message.status, message.reason) == (FAILED, "ntfy: the address is not valid")
    assert sink.requests == []


def test_addresses_that_are_not_valid_put_no_gateway_to_rest(
    transactional_db: None, tmp_path: Path, sink: AnySink
) -> None:
    both = f"ntfy://{sink.host}/{{address}} json://{sink.host}/second/{{address}}"
    with service(tmp_path, GATEWAY_APP=both) as running:
        running.start("sender")
        wrong = [message_to(f"Erna's phone {number}?priority=min") for number in range(6)]
        until(lambda: ended(*wrong))
        assert all(request.target.startswith("/second/") for request in sink.requests)
        right = message_to("erna")
        until(lambda: ended(right))
        assert [row.resting for row in Sender.objects.all()] == [[]]
    assert (sink.requests[-1].target, sink.requests[-1].json["topic"]) == ("/", "erna")


def test_no_log_and_no_row_tells_a_secret_or_an_address(sender: Processes, sink: AnySink) -> None:
    message = message_to("erna_0815_4711")
    until(lambda: ended(message))
    code = message.alarm_message.code
    until(lambda: f"sent: app to {message.address[:2]}" in sender.log("sender"))
    for private in (SECRET, message.address, code):
        assert private not in sender.log("sender")
    row = DeviceMessage.objects.values("reason", "tried").get(pk=message.pk)
    assert SECRET not in str(row)
    assert message.address not in str(row)
