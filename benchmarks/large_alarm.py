"""What an alarm for very many costs: memory, and whoever else wants something meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from alarms.models import AlarmMessage
from benchmarks.asking import statuses
from benchmarks.bench import Bench, Raised
from benchmarks.client import Load, load
from benchmarks.figures import Figure, absolute, compare
from benchmarks.service import forget_peak, peak_memory, wait_for

PROCESSES = ("sender", "worker")
Peaks = Mapping[str, float | None]


def large_alarm(bench: Bench) -> None:
    """The memory of worker and sender, a small alarm and a user's requests while a large alarm is sent."""
    sizes = bench.sizes
    small, times = bench.measured(10)
    alone = max(0.0, times[0] - small.answered_at)
    idle = asked_alone(bench)
    forget_peaks(bench)
    bench.measured(sizes.recipients)
    few = peaks(bench)
    forget_peaks(bench)
    large = bench.raise_alarm(bench.team, group=sizes.many_recipients)
    wait_for(lambda: bench.sink.count() >= sizes.many_recipients // 10, what="the large alarm is under way")
    small = bench.raise_alarm(bench.team, group=10)
    reached = AlarmMessage.objects.filter(alarm=small.alarm_id).exclude(first_sent_at=None)
    wait_for(reached.exists, every=0.05, what="the small alarm has reached somebody")
    busy = asked_meanwhile(bench, large)
    found = bench.sink.wait({str(large.alarm_id): sizes.many_recipients, str(small.alarm_id): 10})
    behind = max(0.0, found[str(small.alarm_id)][0] - small.answered_at)
    bench.rest()
    many = peaks(bench)
    bench.note(*memory(few, many, recipients=sizes.recipients, many_recipients=sizes.many_recipients))
    first = f"small alarm behind one of {sizes.many_recipients:,}: first message"
    bench.note(
        absolute(first, "s", behind, at_most=1.0),
        compare(f"{first}, beside alone", "s", behind, "alone, idle", alone),
        compare(
            f"message status while {sizes.many_recipients:,} are sent to: p99",
            *("ms", busy.p99 * 1000, "nothing is sent", idle.p99 * 1000),
        ),
    )


def asked_alone(bench: Bench) -> Load:
    """Return how long one client's requests for message statuses take while nothing is sent."""
    raised = bench.raise_alarm(bench.team, group=bench.sizes.recipients)
    bench.times(raised.alarm_id, bench.sizes.recipients)
    asked = statuses(bench.team, raised.alarm_id, bench.team.users[: bench.sizes.recipients])
    found = load(bench.service.address, asked, clients=1, seconds=bench.sizes.seconds)
    bench.rest([raised.alarm_id])
    return found


def asked_meanwhile(bench: Bench, raised: Raised) -> Load:
    """Return the same while an alarm for many is sent."""
    asked = statuses(bench.team, raised.alarm_id, bench.team.users[: bench.sizes.recipients])
    loads: list[Load] = []
    while not loads or bench.sink.count() < bench.sizes.many_recipients:
        loads.append(load(bench.service.address, asked, clients=1, seconds=bench.sizes.seconds / 10))
    return Load(sum(each.seconds for each in loads), [took for each in loads for took in each.latencies])


def forget_peaks(bench: Bench) -> None:
    for process in PROCESSES:
        forget_peak(bench.service.pid(process))


def peaks(bench: Bench) -> Peaks:
    return {process: peak_memory(bench.service.pid(process)) for process in PROCESSES}


def memory(few: Peaks, many: Peaks, *, recipients: int, many_recipients: int) -> list[Figure]:
    """Return the figures of peak memory, none where the system does not tell it."""
    figures = []
    for process in PROCESSES:
        less, more = few[process], many[process]
        if less is None or more is None:
            print(f"The peak memory of the {process} is left out: there is no /proc here.")
            continue
        name = f"peak memory of the {process}, {many_recipients:,} recipients"
        figures += [
            compare(name, "MiB", more, f"{recipients:,} recipients", less, at_most=1.3),
            absolute(f"{name}, at most", "MiB", more, at_most=250.0),
        ]
    return figures
