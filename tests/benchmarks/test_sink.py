"""The bench's sink, as a process of its own."""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.client import load, request
from benchmarks.limits import mail
from benchmarks.sink_client import Sink


@pytest.fixture(scope="module")
def running() -> Iterator[Sink]:
    with closing(Sink(hangs=0.3)) as sink:
        yield sink


@pytest.fixture
def sink(running: Sink) -> Sink:
    running.forget()
    return running


def take(sink: Sink, *messages: tuple[int, str]) -> None:
    """Send messages of alarms to addresses, one after the other."""
    bodies = [
        {"messageId": f"{number}", "alarmID": alarm, "address": to} for number, (alarm, to) in enumerate(messages)
    ]
    load(sink.address, iter([request("POST", "/", headers={}, body=body) for body in bodies]), clients=1)


def test_times_are_those_at_which_each_alarm_reached_each_address(sink: Sink) -> None:
    before = time.monotonic()
    take(sink, (1, "anna"), (2, "anna"), (1, "bert"))
    first, second = sink.times(1)
    (other,) = sink.times(2)
    assert before < first < other < second < time.monotonic()
    assert sink.times(3) == []


def test_a_repetition_is_counted_but_reaches_nobody_again(sink: Sink) -> None:
    take(sink, (1, "anna"), (1, "bert"))
    once = sink.times(1)
    take(sink, (1, "anna"))
    assert sink.count() == 3
    assert sink.times(1) == once


def test_who_hangs_is_answered_late_and_left_out(sink: Sink) -> None:
    begin = time.monotonic()
    take(sink, (1, "anna-hangs"), (1, "bert"))
    assert sink.times(1)[0] - begin >= 0.3
    assert (sink.count(), len(sink.times(1))) == (1, 1)


def test_mails_are_kept_with_whom_they_came_to(sink: Sink) -> None:
    mails = [("alarm@bench.example", f"{name}@bench.example", b"Subject: Fire\r\n\r\nFire\r\n") for name in ("a", "b")]
    assert mail(sink.mail_port, mails) > 0
    assert sink.mails() == mails
    assert len(sink.times("mail")) == 2


def test_messages_are_handed_out_as_they_came(sink: Sink) -> None:
    take(sink, (1, "anna"))
    ((headers, body),) = sink.messages()
    assert headers == {"Content-Type": "application/json", "Idempotency-Key": "0-1"}
    assert json.loads(body) == {"messageId": "0", "alarmID": 1, "address": "anna"}


def test_what_came_is_forgotten(sink: Sink) -> None:
    take(sink, (1, "anna"))
    sink.forget()
    assert (sink.count(), sink.times(1), sink.messages()) == (0, [], [])


def test_all_recipients_are_waited_for(sink: Sink) -> None:
    take(sink, (1, "anna"), (1, "bert"), (2, "anna"))
    found = sink.wait({"1": 2, "2": 1}, seconds=5)
    assert {alarm: len(times) for alarm, times in found.items()} == {"1": 2, "2": 1}
    assert len(sink.wait({"1": 2}, others=1, seconds=5)["1"]) == 2


@pytest.mark.parametrize(
    "messages",
    [
        [(1, "anna")],
        [(1, "anna"), (1, "anna"), (2, "anna")],
        [(1, "anna"), (1, "bert"), (1, "carl"), (2, "anna")],
        [(1, "anna"), (1, "bert"), (3, "anna")],
    ],
    ids=["too few", "one of them twice", "one too many", "of another alarm"],
)
def test_whoever_is_left_out_ends_the_bench(sink: Sink, messages: list[tuple[int, str]]) -> None:
    take(sink, *messages)
    with pytest.raises(TimeoutError):
        sink.wait({"1": 2, "2": 1}, seconds=0.1)


def test_the_sink_ends_when_it_is_closed() -> None:
    with closing(Sink()) as sink:
        smtplib.SMTP("127.0.0.1", sink.mail_port).quit()
        port = sink.mail_port
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port)
