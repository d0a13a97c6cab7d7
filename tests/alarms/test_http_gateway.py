"""What an HTTP gateway gets, and what its answers mean (contract 7)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.conf import settings as django_settings

from alarms.delivery import Delivery
from alarms.gateways.base import GatewayError
from alarms.gateways.http import HttpGateway, seconds_to_wait
from alarms.sending.outcomes import backoff
from tests.alarms.test_texts import DELIVERY, to
from tests.sinks import HttpSink, Post, answers, hangs_first


def send(sink: HttpSink, delivery: Delivery = DELIVERY) -> GatewayError | None:
    """Hand a message over; return how it was refused, None if it was taken."""

    async def once() -> GatewayError | None:
        gateway = HttpGateway(f"{sink.url}/gateway?house=1")
        try:
            await gateway.send_in_time(delivery)
        except GatewayError as error:
            return error
        finally:
            await gateway.close()
        return None

    return asyncio.run(once())


def sent(sink: HttpSink, delivery: Delivery = DELIVERY) -> Post:
    """Return the request that carried a message."""
    assert send(sink, delivery) is None
    return sink.posts[-1]


def refused(sink: HttpSink, status: int, **headers: str) -> GatewayError:
    """Return what a gateway's answer means."""
    sink.behaviours[DELIVERY.address] = answers(status, **headers)
    error = send(sink)
    assert error is not None
    return error


# What it gets


def test_a_message_is_a_json_object_of_these_fields(http_sink: HttpSink) -> None:
    post = sent(http_sink, to(alarm_id=2, organization_id=3, user_id=4, attempt=5, device="Phône"))
    assert post.headers["Content-Type"] == "application/json"
    text = post.json["text"]
    assert post.json == {
        "messageId": "00000000-0000-0000-0000-000000000005",
        "alarmID": 2,
        "organizationID": 3,
        "userID": 4,
        "way": "sms",
        "address": "+49151",
        "device": "Phône",
        "text": text,
        "answerURL": "http://localhost:8000/a/0123456789ab",
        "attempt": 5,
    }
    assert text.startswith("ALARM Feuerwehr\nBrand <b>& Rauch</b>\nzweite Zeile\n")
    assert all(type(post.json[name]) is int for name in ("alarmID", "organizationID", "userID", "attempt"))


def test_the_key_is_that_of_one_device_message_whatever_the_attempt(http_sink: HttpSink) -> None:
    first, again = sent(http_sink), sent(http_sink, to(attempt=2, gateway=1))
    other_device = sent(http_sink, to(device_message_id=8))
    assert first.key == again.key != other_device.key


def test_the_body_is_signed_as_it_is_sent(http_sink: HttpSink, settings: Any) -> None:
    settings.GATEWAY_SECRET = "ein Schlüssel"
    post = sent(http_sink)
    digest = hmac.new("ein Schlüssel".encode(), post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-Signature"] == f"sha256={digest}"
    assert json.loads(post.body) == post.json


def test_without_a_secret_nothing_is_signed(http_sink: HttpSink, settings: Any) -> None:
    settings.GATEWAY_SECRET = ""
    assert "X-Signature" not in sent(http_sink).headers


# What its answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_2xx_is_sent(http_sink: HttpSink, status: int) -> None:
    http_sink.behaviours[DELIVERY.address] = answers(status)
    assert send(http_sink) is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599])
def test_what_may_pass_is_temporary_and_the_pause_that_is_asked_for_is_kept(http_sink: HttpSink, status: int) -> None:
    error = refused(http_sink, status, **{"Retry-After": "77"})
    assert (error.permanent, error.reason, error.retry_after) == (False, f"HTTP {status}", 77.0)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 409, 410, 422, 426, 499])
def test_any_other_answer_is_permanent_and_leads_nowhere_else(http_sink: HttpSink, status: int) -> None:
    error = refused(http_sink, status, Location=f"{http_sink.url}/elsewhere")
    assert (error.permanent, error.reason) == (True, f"HTTP {status}")
    assert [post.path for post in http_sink.posts] == ["/gateway"]


def test_a_pause_until_a_date_is_kept_too() -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    seconds = seconds_to_wait(format_datetime(until, usegmt=True))
    assert seconds is not None
    # The date has whole seconds; of the hour, what this test took is over.
    assert 3600 - 60 < seconds <= 3600


def test_a_gateway_that_does_not_answer_in_time_is_temporary(http_sink: HttpSink, settings: Any) -> None:
    assert django_settings.GATEWAY_TIMEOUT == django_settings.EMAIL_TIMEOUT == 10
    settings.GATEWAY_TIMEOUT = 0.05
    http_sink.behaviours[DELIVERY.address] = hangs_first
    error = send(http_sink)
    assert error is not None
    assert (error.permanent, error.reason) == (False, "no answer within 0.05 s")


def test_those_who_failed_together_do_not_come_back_together() -> None:
    for attempt, least in ((1, 5), (2, 15), (3, 45), (4, 135)):
        waits = {backoff(attempt, 1, None) for _ in range(50)}
        assert len(waits) > 1
        assert least <= min(waits) <= max(waits) <= least * 1.2
