"""Answers come in while messages go out: none leaves later than a second after its recipient's answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from alarms.models import DeviceMessage, Feedback
from tests import factories
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import HttpSink

RECIPIENTS = 300


def test_300_answers_at_once_stop_what_has_not_left(processes: Processes, http_sink: HttpSink) -> None:
    organization = factories.OrganizationFactory()
    # A turn a second, so that something is about to leave for somebody at every moment.
    factories.escalation(organization, *(("sms", 1) for _ in range(15)))
    users = [factories.member(organization, ways=("sms",)) for _ in range(RECIPIENTS)]
    processes.start_all()
    client = Client(processes.url, organization)
    alarm = client.raise_alarm(organization)
    until(lambda: len(http_sink.posts) > RECIPIENTS)

    taken = []

    def answer(number: int) -> float:
        began = time.time()
        assert client.answer(alarm["id"], users[number].pk, number % 3 == 0) == 200
        taken.append(time.time() - began)
        return time.time()

    with ThreadPoolExecutor(8) as pool:
        acknowledged = dict(zip((user.pk for user in users), pool.map(answer, range(RECIPIENTS)), strict=True))
    assert DeviceMessage.objects.filter(status=DeviceMessage.Status.SCHEDULED).count() == 0
    until(lambda: not DeviceMessage.objects.filter(status=DeviceMessage.Status.SENDING).exists())
    statuses = DeviceMessage.objects.values_list("status", flat=True)
    assert set(statuses) == {DeviceMessage.Status.SENT, DeviceMessage.Status.CANCELLED}
    assert len(http_sink.posts) == sum(status == DeviceMessage.Status.SENT for status in statuses)
    latest = max(post.at - acknowledged[post.json["userID"]] for post in http_sink.posts)
    print(f"\nlast message {latest * 1000:.0f} ms after its recipient's answer was acknowledged")
    # Where the machine itself takes long over everything, it does over what was on the wire too.
    assert latest < max(1.0, 6 * max(taken))

    seen = client.get(f"/alarm/{alarm['id']}")
    assert seen["feedbackQuantity"] == {"positive": 100, "negative": 200, "unknown": 0}
    assert seen["feedbackPercentage"] == {"positive": 33.33, "negative": 66.67, "unknown": 0.0}
    assert Feedback.objects.count() == RECIPIENTS
