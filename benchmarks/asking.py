"""How fast requests are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from statistics import median

from alarms.models import AlarmMessage
from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.client import Load, load, request
from benchmarks.figures import compare
from benchmarks.people import Team, personal_token


@dataclass(frozen=True)
class Endpoint:
    name: str
    bare: str
    """The kind of bare view that it is compared with."""
    at_least: float
    """The part of the bare view's rate to reach."""
    requests: Callable[[], Iterator[bytes]]


def raising(bench: Bench) -> None:
    """POST /alarm, beside the rows alone."""
    for recipients, at_most in ((10, None), (bench.sizes.recipients, 3.0)):
        took, bare = [], []
        for _round in range(2 * bench.sizes.rounds):
            raised = bench.raise_alarm(bench.team, group=recipients)
            took.append((raised.answered_at - raised.asked_at) * 1000)
            bench.rest([raised.alarm_id])
            # Into an alarm that is over and has no recipients.
            bare.append(limits.insert(bench.nobodys, bench.team.users[:recipients]) * 1000)
        name = f"POST /alarm, {recipients:,} recipients"
        bench.note(compare(name, "ms", median(took), "the bare INSERT ... SELECT", median(bare), at_most=at_most))


def statuses(team: Team, alarm_id: int, people: Sequence[int]) -> Iterator[bytes]:
    """Return requests without end for the message status of people, one after the other."""
    path = f"/api/v1/messagestatus/{alarm_id}?organization_id={team.id}&user_id="
    return cycle([request("GET", f"{path}{user}", headers=team.headers) for user in people])


def feedback(team: Team, alarm_id: int, people: Sequence[int]) -> Iterator[bytes]:
    """Return requests without end by which all people accept, then all decline, and so on."""

    def said(user: int, *, response: bool) -> bytes:
        body = {"alarmID": alarm_id, "userID": user, "response": response}
        return request("POST", "/api/v1/messaging/feedback", headers=team.headers, body=body)

    return chain.from_iterable(
        cycle([[said(user, response=response) for user in people] for response in (True, False)])
    )


def endpoints(bench: Bench) -> list[Endpoint]:
    """Return the endpoints with requests about alarms that run."""
    team, people = bench.team, bench.team.users[:1000]
    large = bench.raise_for(people).alarm_id
    small = bench.raise_alarm(team, group=10).alarm_id
    bench.times(large, len(people), others=10)
    reader = personal_token(people[0])

    def one(path: str, headers: dict[str, str]) -> Callable[[], Iterator[bytes]]:
        return lambda: cycle([request("GET", path, headers=headers)])

    return [
        Endpoint("message status", "query", 0.45, lambda: statuses(team, large, people)),
        Endpoint("escalation", "query", 0.45, one(f"/api/v1/escalation/{people[0]}", reader)),
        Endpoint("alarm", "query", 0.45, one(f"/api/v1/alarm/{small}", team.headers)),
        Endpoint("inbox list", "query", 0.45, one("/api/v1/msg/list?limit=10", reader)),
        Endpoint("feedback", "update", 0.4, lambda: feedback(team, large, people)),
    ]


def bare_requests(bench: Bench, kind: str) -> Iterator[bytes]:
    """Return requests without end for one of the bare views."""
    if kind == "query":
        return cycle([request("GET", f"/bare/query/{user}", headers={}) for user in bench.team.users[:1000]])
    rows = AlarmMessage.objects.filter(user__in=bench.team.users[:1000], response=None).order_by("pk")[:1000]
    return cycle([request("POST", f"/bare/update/{row.pk}", headers={}, body={}) for row in rows])


def requests(bench: Bench, *, tables: str) -> dict[str, float]:
    """Requests a second and p99 at 8 clients, beside a bare view; return how many bare requests one takes the time of,
    by endpoint. `tables` says how full they are."""
    times = {}
    for endpoint in endpoints(bench):
        own, bare = in_turns(bench, endpoint)
        beside = f"a bare view, one {endpoint.bare}"
        rate = compare(f"{endpoint.name}, {tables}", "req/s", own.rate, beside, bare.rate, at_least=endpoint.at_least)
        bench.note(
            rate, compare(f"{endpoint.name}, {tables}: p99", "ms", own.p99 * 1000, f"{beside}: p99", bare.p99 * 1000)
        )
        times[endpoint.name] = 1 / rate.ratio
    bench.rest()
    return times


def in_turns(bench: Bench, endpoint: Endpoint) -> tuple[Load, Load]:
    """Return the load of an endpoint and of its bare view, measured in turns with 8 clients."""
    own_requests, bare = endpoint.requests(), bare_requests(bench, endpoint.bare)
    loads: tuple[list[Load], list[Load]] = ([], [])
    for _round in range(bench.sizes.rounds):
        for asked, found in zip((own_requests, bare), loads, strict=True):
            # The first requests make connections to the database.
            load(bench.service.address, asked, seconds=bench.sizes.seconds / 10)
            found.append(load(bench.service.address, asked, seconds=bench.sizes.seconds))
    own, beside = (Load(sum(each.seconds for each in of), [x for each in of for x in each.latencies]) for of in loads)
    return own, beside
