"""What a hook is sent, and what its answers mean."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from alarms.hooks import posting
from alarms.hooks.delivering import deliver
from alarms.hooks.registering import send_test
from alarms.models import Hook, HookEvent
from organizations.models import Organization
from tests.alarms.hooks import HookSink, age, events_of, expected_signature, hangs, hook_at, hook_sink, tries
from tests.sinks import answers, closes_first, refusing_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def sink() -> Iterator[HookSink]:
    with hook_sink() as running:
        yield running


@pytest.fixture
def hook(brigade: Organization, sink: HookSink) -> Hook:
    return hook_at(f"{sink.url}/hook?key=7", brigade)


# What is sent


def test_an_event_is_a_json_object_of_these_fields(hook: Hook, sink: HookSink) -> None:
    at = datetime(2026, 1, 31, 14, 5, 0, 120_000, tzinfo=UTC)
    [event] = events_of(hook, event="feedback.given", payload={"userID": 7, "state": "positive"}, created_at=at)
    deliver()
    [post] = sink.posts
    assert post.path == "/hook"
    assert post.json == {
        "id": event.pk,
        "event": "feedback.given",
        "alarmID": event.alarm_id,
        "organizationID": hook.organization_id,
        "date": "2026-01-31T14:05:00.120000Z",
        "data": {"userID": 7, "state": "positive"},
    }
    assert post.headers["Content-Type"] == "application/json"
    assert post.key == str(event.pk)


def test_a_test_is_of_no_alarm(hook: Hook, sink: HookSink) -> None:
    event = send_test(hook)
    deliver()
    [post] = sink.posts
    assert {name: post.json[name] for name in ("id", "event", "alarmID", "data")} == {
        "id": event.pk,
        "event": "test",
        "alarmID": None,
        "data": {},
    }


def test_what_is_sent_is_signed_with_the_secret_of_the_hook(hook: Hook, sink: HookSink) -> None:
    events_of(hook, payload={"message": "Ärger 🚒"})
    deliver()
    [post] = sink.posts
    assert post.headers["X-Signature"] == expected_signature(post.body)
    assert post.headers["X-Signature"] != expected_signature(post.body, "another")


def test_every_try_of_an_event_is_the_same(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = answers(500, 200)
    events_of(hook, payload={"b": 1, "a": {"d": 2, "c": 3}})
    deliver()
    age(timedelta(minutes=1))
    HookEvent.objects.update(created_at=created_at_of(sink))
    deliver()
    first, second = sink.posts
    assert (first.body, first.key) == (second.body, second.key)
    assert first.headers["X-Signature"] == second.headers["X-Signature"]


def created_at_of(sink: HookSink) -> datetime:
    return datetime.fromisoformat(sink.posts[0].json["date"])


# What the answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered_once(hook: Hook, sink: HookSink, status: int) -> None:
    sink.behaviours["/hook"] = answers(status)
    [event] = events_of(hook)
    deliver()
    deliver()
    event.refresh_from_db()
    assert event.delivered_at is not None
    assert tries() == [(event.pk, status, "")]
    assert sink.told() == [event.pk]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 400, 401, 404, 410, 418, 429, 500, 503, 599])
def test_any_other_status_is_tried_again_and_leads_nowhere_else(hook: Hook, sink: HookSink, status: int) -> None:
    sink.behaviours["/hook"] = answers(status, Location=f"{sink.url}/elsewhere")
    [event] = events_of(hook)
    deliver()
    event.refresh_from_db()
    assert (event.delivered_at, event.given_up_at, event.lease_until) == (None, None, None)
    assert tries() == [(event.pk, status, f"HTTP {status}")]
    age(timedelta(minutes=1))
    deliver()
    assert [post.path for post in sink.posts] == ["/hook", "/hook"]


async def trickles(request: web.Request, _before: int) -> web.StreamResponse:
    """Says 200, and then more than anybody reads, without an end."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(100):
        await answer.write(b"x" * 65536)
    await asyncio.sleep(60)
    return answer


def test_no_answer_in_time_is_tried_again(hook: Hook, sink: HookSink, monkeypatch: pytest.MonkeyPatch) -> None:
    assert posting.TIMEOUT == 10
    monkeypatch.setattr(posting, "TIMEOUT", 0.3)
    sink.behaviours["/hook"] = hangs
    [event] = events_of(hook)
    deliver()
    assert tries() == [(event.pk, None, "no answer within 0.3 s")]
    assert HookEvent.objects.pending().get() == event


def test_a_connection_that_ends_without_an_answer_is_tried_again(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = closes_first
    [event] = events_of(hook)
    deliver()
    assert tries() == [(event.pk, None, "no connection: ServerDisconnectedError")]
    assert HookEvent.objects.pending().get() == event


def test_of_a_long_answer_only_the_status_counts(hook: Hook, sink: HookSink) -> None:
    sink.behaviours["/hook"] = trickles
    [event] = events_of(hook)
    deliver()
    assert tries() == [(event.pk, 200, "")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/hook", "https://127.0.0.1:{port}/", "http://a..b/"])
def test_a_hook_that_is_nowhere_is_tried_again(brigade: Organization, url: str) -> None:
    with refusing_port() as port:
        [event] = events_of(hook_at(url.format(port=port), brigade))
        deliver()
    [(_event, status, reason)] = tries()
    assert status is None
    assert reason
    assert "/" not in reason
    assert HookEvent.objects.pending().get() == event


def test_a_secret_that_no_key_reads_fails_the_try_only(hook: Hook, sink: HookSink) -> None:
    Hook.objects.update(secret="gAAAAA")
    [event] = events_of(hook)
    deliver()
    assert tries() == [(event.pk, None, "its secret cannot be read: no key of ENCRYPTION_KEYS reads it")]
    assert not sink.posts


def test_the_log_names_the_host_and_nothing_that_may_be_a_secret(
    brigade: Organization, sink: HookSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="alarms")
    sink.behaviours["/secret-path"] = answers(200, 500)
    hook = hook_at(f"{sink.url}/secret-path?token=secret-token", brigade)
    first, second = events_of(hook, 2)
    deliver()
    told, failed = [record for record in caplog.records if record.name.startswith("alarms.hooks")]
    assert (told.levelname, failed.levelname) == ("DEBUG", "WARNING")
    assert f"hook={hook.pk} event={first.pk} " in told.getMessage()
    assert f"hook={hook.pk} event={second.pk} " in failed.getMessage()
    assert "host=127.0.0.1 reason=HTTP 500" in failed.getMessage()
    assert "secret" not in caplog.text
