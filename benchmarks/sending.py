"""How fast messages leave."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from statistics import median

from alarms.gateways.http import HttpGateway
from alarms.models import Alarm, Sender
from benchmarks import limits
from benchmarks.bench import Bench, rate
from benchmarks.client import load
from benchmarks.figures import absolute, compare, cores
from benchmarks.service import wait_for


def first_message(bench: Bench) -> None:
    """From the 201 to the first message of an alarm while nothing else is done."""
    waited = []
    for _pause in range(bench.sizes.pauses):
        raised, times = bench.measured(10)
        waited.append(max(0.0, times[0] - raised.answered_at) * 1000)
    bench.note(absolute("first message after the 201, idle, p50", "ms", median(waited), at_most=50.0))


def one_alarm(bench: Bench) -> None:
    """One alarm for everybody, beside a bare client that sends the same bodies to the same sink; then two senders."""
    recipients = bench.sizes.recipients
    raised = bench.raise_alarm(bench.team, group=recipients)
    bench.times(raised.alarm_id, recipients)
    messages = bench.sink.messages()
    bench.rest([raised.alarm_id])
    rates, spans, bare_rates, bare_spans, rates_of_two = [], [], [], [], []
    for _round in range(bench.sizes.rounds):
        bare_spans.append(limits.post(bench.sink.url, messages, connections=HttpGateway.connections))
        bare_rates.append(rate(bench.sink.times(raised.alarm_id)))
        bench.sink.forget()
        each, times = bench.measured(recipients)
        rates.append(rate(times))
        spans.append(times[-1] - each.answered_at)
        with another_sender(bench):
            rates_of_two.append(rate(bench.measured(recipients)[1]))
    bare = "bare aiohttp, the same bodies and sink"
    bench.note(
        compare("one sender, one alarm", "msg/s", median(rates), bare, median(bare_rates), at_least=0.6),
        compare("from the 201 to the last message", "s", median(spans), bare, median(bare_spans), at_most=1.7),
        compare(
            f"two senders, one alarm, {cores()} cores",
            *("msg/s", median(rates_of_two), "one sender", median(rates)),
            # Database, worker, web, sink and both senders share what there is.
            at_least=1.5 if cores() >= 6 else None,
        ),
    )


@contextmanager
def another_sender(bench: Bench) -> Iterator[None]:
    bench.service.start("sender")
    wait_for(lambda: Sender.objects.count() == 2, what="two senders are at work")
    yield
    bench.service.stop("sender")


def small_alarms(bench: Bench) -> None:
    """Many alarms of ten recipients each at once, beside one for all of them."""
    alarms = bench.sizes.small_alarms
    users = bench.team.users
    orders = [bench.order(bench.team, users=users[10 * number : 10 * number + 10]) for number in range(alarms)]
    rates, one = [], []
    for _round in range(bench.sizes.rounds):
        raised, times = bench.measured(10 * alarms)
        one.append(len(times) / (times[-1] - raised.asked_at))
        begin = time.monotonic()
        load(bench.service.address, iter(orders))
        rates.append(10 * alarms / (max(chain.from_iterable(all_times(bench))) - begin))
        bench.rest()
    name, beside = f"{alarms:,} alarms of 10", f"one of {10 * alarms:,}"
    bench.note(compare(name, "msg/s", median(rates), beside, median(one), at_least=0.5))


def all_times(bench: Bench) -> Iterable[list[float]]:
    """Return of each of the small alarms when its recipients were reached, once all are."""
    alarms = Alarm.objects.filter(closed_at=None).values_list("pk", flat=True)
    return bench.sink.wait({str(alarm): 10 for alarm in alarms}).values()


def hanging_addresses(bench: Bench) -> None:
    """A gateway that hangs for every tenth address: how fast the others get theirs."""
    recipients = bench.sizes.recipients
    others = recipients - recipients // 10
    raised = bench.raise_alarm(bench.hanging, group=recipients)
    times = bench.times(raised.alarm_id, others)
    bench.rest([raised.alarm_id])
    _raised, alone = bench.measured(recipients)
    name = f"every tenth address hangs for {bench.sizes.hangs:g} s: the others"
    bench.note(compare(name, "msg/s", rate(times), "none hangs", rate(alone), at_least=0.5))


def mails(bench: Bench) -> None:
    """E-mails, beside smtplib with the same ones over one connection."""
    count = bench.sizes.mails

    def send() -> list[float]:
        raised = bench.raise_alarm(bench.mails, group=count)
        times = bench.times("mail", count)
        bench.rest([raised.alarm_id])
        return times

    raised = bench.raise_alarm(bench.mails, group=count)
    bench.times("mail", count)
    ready = bench.sink.mails()
    bench.rest([raised.alarm_id])
    rates, bare = [], []
    for _round in range(bench.sizes.rounds):
        bare.append(count / limits.mail(bench.sink.mail_port, ready))
        bench.sink.forget()
        rates.append(rate(send()))
    bench.note(compare("e-mails", "msg/s", median(rates), "smtplib, one connection", median(bare), at_least=0.7))
