"""A way with two gateways and a real sender (contract 7): the first is asked first, and the second where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from django.utils import timezone

from alarms.models import DeviceMessage, Sender
from tests import factories
from tests.processes import Processes, service, until
from tests.sinks import Behaviour, HttpSink, answers, refusing_port

SCHEDULED, SENT, FAILED = (DeviceMessage.Status.SCHEDULED, DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED)


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path, http_sink: HttpSink) -> Iterator[Processes]:
    with service(tmp_path, GATEWAY_SMS=f"{http_sink.url}/first {http_sink.url}/second") as running:
        yield running


def first_answers(status: int, *, second: int = 200) -> Behaviour:
    async def answer(request: web.Request, _before: int) -> web.StreamResponse:
        # A pause that the first asks for is its own affair.
        headers = {"Retry-After": "3600"} if request.path == "/first" else {}
        return web.Response(status=status if request.path == "/first" else second, headers=headers)

    return answer


def message_to(address: str) -> DeviceMessage:
    """Return a message that is due now."""
    device = factories.DeviceFactory(address=address, name=f"Phone that {address}")
    recipient = factories.AlarmMessageFactory(user=device.user)
    created: DeviceMessage = factories.DeviceMessageFactory(alarm_message=recipient, device=device)
    return created


def done(*messages: DeviceMessage) -> bool:
    found = DeviceMessage.objects.filter(pk__in=[message.pk for message in messages], status__in=(SENT, FAILED))
    return found.count() == len(messages)


def test_the_second_gateway_is_asked_at_once_where_the_first_has_failed(
    processes: Processes, http_sink: HttpSink
) -> None:
    expected = {
        "takes it": (200, ["/first"], SENT, ""),
        "is busy": (503, ["/first", "/second"], SENT, ""),
        "refuses": (404, ["/first", "/second"], SENT, ""),
        "refuses, as the second does": (404, ["/first", "/second"], FAILED, "HTTP 410"),
    }
    for address, (status, _paths, outcome, _reason) in expected.items():
        http_sink.behaviours[address] = first_answers(status, second=410 if outcome is FAILED else 200)
        message_to(address)
    processes.start("sender")
    until(lambda: DeviceMessage.objects.filter(status__in=(SENT, FAILED)).count() == len(expected))
    for message in DeviceMessage.objects.select_related("alarm", "alarm_message"):
        _status, paths, outcome, reason = expected[message.address]
        posts = http_sink.of(message.address)
        assert [post.path for post in posts] == paths
        assert len({post.key for post in posts}) == 1
        assert (message.status, message.reason, message.attempts) == (outcome, reason, len(paths))
        for number, post in enumerate(posts, 1):
            assert post.json == {
                "messageId": str(message.alarm_message.message_id),
                "alarmID": message.alarm_id,
                "organizationID": message.alarm.organization_id,
                "userID": message.alarm_message.user_id,
                "way": "sms",
                "address": message.address,
                "device": f"Phone that {message.address}",
                "text": post.json["text"],
                "answerURL": f"http://localhost:8000/a/{message.alarm_message.code}",
                "attempt": number,
            }


def test_what_failed_is_kept_and_what_was_taken_is_not(processes: Processes, http_sink: HttpSink) -> None:
    expected = {
        "takes it": (200, 200, []),
        "is busy": (503, 200, ["HTTP 503"]),
        "refuses": (404, 200, ["HTTP 404"]),
        "refuses, as the second does": (404, 410, ["HTTP 404", "HTTP 410"]),
    }
    began = timezone.now()
    for address, (first, second, _reasons) in expected.items():
        http_sink.behaviours[address] = first_answers(first, second=second)
    messages = [message_to(address) for address in expected]
    processes.start("sender")
    until(lambda: done(*messages))
    for message in messages:
        message.refresh_from_db()
        kept = [(entry["gateway"], entry["reason"]) for entry in message.tried]
        assert kept == [("127.0.0.1", reason) for reason in expected[message.address][2]]
        times = [began, *(datetime.fromisoformat(entry["at"]) for entry in message.tried), message.changed_at]
        assert times == sorted(times)
        assert all(set(entry) == {"gateway", "at", "reason"} for entry in message.tried)


def test_after_the_last_gateway_the_first_is_asked_again_a_while_later(
    processes: Processes, http_sink: HttpSink
) -> None:
    http_sink.behaviours["is busy twice"] = answers(503, 502, 500, 200)
    message = message_to("is busy twice")
    processes.start("sender")
    until(lambda: done(message))
    posts = http_sink.of(message.address)
    assert [post.path for post in posts] == ["/first", "/second", "/first", "/second"]
    waits = [later.at - earlier.at for earlier, later in pairwise(posts)]
    assert max(waits[0], waits[2]) < 5.0 <= waits[1]
    message.refresh_from_db()
    assert [entry["reason"] for entry in message.tried] == ["HTTP 503", "HTTP 502", "HTTP 500"]
    assert (message.status, message.attempts, message.reason) == (SENT, 4, "")


def test_where_the_first_is_down_the_second_takes_over_and_no_secret_is_kept(
    transactional_db: None, tmp_path: Path, http_sink: HttpSink
) -> None:
    second = http_sink.url.replace("127.0.0.1", "localhost")
    down, rest = "http://user:hunter2@127.0.0.1", "/hunter2?token=hunter2"
    with (
        refusing_port() as port,
        service(tmp_path, GATEWAY_SMS=f"{down}:{port}{rest} {second}{rest}") as processes,
    ):
        processes.start("sender")
        until(lambda: Sender.objects.exists())
        http_sink.behaviours["+4915100001"] = answers(429, **{"Retry-After": "3600"})
        message, refused = message_to("+4915100000"), message_to("+4915100001")
        until(lambda: done(message))
        until(lambda: DeviceMessage.objects.filter(pk=refused.pk, attempts__gte=2, status=SCHEDULED).exists())
    message.refresh_from_db()
    refused.refresh_from_db()
    [failed] = message.tried
    assert (failed["gateway"], failed["reason"]) == ("127.0.0.1", "no connection: ClientConnectorError")
    [post] = http_sink.of(message.address)
    took_over_in = post.at - datetime.fromisoformat(failed["at"]).timestamp()
    print(f"\nthe second took over in {took_over_in:.3f} s")
    assert took_over_in < 5.0, "it has waited for a retry"
    assert [(entry["gateway"], entry["reason"]) for entry in refused.tried[:2]] == [
        ("127.0.0.1", "no connection: ClientConnectorError"),
        ("localhost", "HTTP 429"),
    ]
    for row in DeviceMessage.objects.values():
        assert "hunter2" not in str(row)
    assert "hunter2" not in processes.log("sender")
