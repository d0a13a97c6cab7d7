"""A way with two gateways and a real sender (contract 7): the first is asked first, and the second where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from alarms.models import DeviceMessage
from tests import factories
from tests.processes import Processes, service, until
from tests.sinks import Behaviour, HttpSink

SENT, FAILED = DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED


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
        device = factories.DeviceFactory(address=address, name=f"Phone that {address}")
        recipient = factories.AlarmMessageFactory(user=device.user)
        factories.DeviceMessageFactory(alarm_message=recipient, device=device)
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
                "answerURL": "",
                "attempt": number,
            }
