"""What a run does: all of it is drawn from the seed before anything begins.

Each actor has a stream of its own, so that one of them does not change what another does. The same seed and length make
the same plan: people, requests, strikes and how each request at a sink is answered. Not repeated is what hangs on
timing: which of several processes takes up a message, what is on the wire when a strike comes, which connections there
are to cut.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.people import AFTER_THE_RUN, Team, teams

ALARMS_A_SECOND = 1.8
# Of ten, one is so many at once.
BURSTS, BURST = 0.1, 6
NOTES_A_SECOND = 1.5
STRIKE_EVERY = (1.0, 2.6)  # seconds
# Nothing happens to a service that has not begun to work.
CALM = 2.0  # seconds
DEPOT_EVERY = 15.0  # seconds
SPELL_EVERY = (3.0, 12.0)  # seconds
# The response timeout, by the length of the run: seconds. Contract 5 allows 10 or more.
TIMEOUTS = {60.0: 20, 0.0: 12}

STRIKES = (
    "kill a sender",
    "kill a worker",
    "kill a web worker",
    "kill the web master",
    "restart the database",
    "crash the database",
    "cut connections",
    "press the clock",
    "pause a sender",
)

T = TypeVar("T")


@dataclass(frozen=True)
class AnswerOrder:
    login: str
    after: float
    """Seconds after the alarm was acknowledged or has started."""
    response: bool
    by_user: bool
    """With their own token, else with the organization's."""


@dataclass(frozen=True)
class AlarmOrder:
    at: float
    """Seconds after the beginning, as in all orders."""
    mark: str
    """Stands in the text."""
    team: str
    users: tuple[str, ...]
    """Logins; empty: everybody or the group."""
    group: str
    starts_in: float
    ends_in: float
    """0.0: it does not close itself."""
    closed_after: float
    """0.0: nobody closes it."""
    repeated_after: float
    """Seconds after its acknowledgement the same request comes again; 0.0: it does not."""
    answers: tuple[AnswerOrder, ...]

    def recipients(self, team: Team) -> tuple[str, ...]:
        return self.users or team.groups.get(self.group) or tuple(person.login for person in team.people)


@dataclass(frozen=True)
class NoteOrder:
    """A message to inboxes."""

    at: float
    mark: str
    team: str
    sender: str
    users: tuple[str, ...]
    group: str

    def recipients(self, team: Team) -> frozenset[str]:
        return frozenset(self.users) | frozenset(team.groups.get(self.group, ()))


@dataclass(frozen=True)
class Strike:
    at: float
    kind: str
    choice: float
    """From 0.0 to 1.0: which of those that can be struck, how many, how hard."""


@dataclass(frozen=True)
class Spell:
    """A time in which a gateway answers everything badly."""

    way: str
    begins: float
    ends: float
    mood: str


@dataclass(frozen=True)
class Plan:
    seed: str
    seconds: float
    teams: tuple[Team, ...]
    alarms: tuple[AlarmOrder, ...]
    notes: tuple[NoteOrder, ...]
    strikes: tuple[Strike, ...]
    spells: tuple[Spell, ...]

    def team(self, name: str) -> Team:
        return next(team for team in self.teams if team.name == name)


def stream(seed: str, actor: str) -> random.Random:
    """Return the chances of one actor."""
    return random.Random(f"{seed} {actor}")  # noqa: S311 - nothing is to be kept secret


def plan(seed: str, seconds: float) -> Plan:
    found = teams(stream(seed, "people"), timeout=next(each for least, each in TIMEOUTS.items() if seconds >= least))
    alarms = [
        *_alarms(stream(seed, "alarms"), found[:2], seconds),
        *_of_the_depot(stream(seed, "depot"), found[2], seconds),
    ]
    return Plan(
        seed,
        seconds,
        found,
        tuple(sorted(alarms, key=lambda order: order.at)),
        tuple(_notes(stream(seed, "notes"), found[:2], seconds)),
        tuple(_strikes(stream(seed, "strikes"), seconds)),
        tuple(_spells(stream(seed, "spells"), seconds)),
    )


def _times(until: float, wait: Callable[[], float], begin: float = 0.0) -> Iterator[float]:
    at = begin + wait()
    while at < until:
        yield at
        at += wait()


def _now_and_then(rng: random.Random, chance: float, least: float, most: float) -> float:
    """Return a time, or with the chance left 0.0."""
    time = rng.uniform(least, most)
    return time if rng.random() < chance else 0.0


def _alarms(rng: random.Random, found: tuple[Team, ...], seconds: float) -> Iterator[AlarmOrder]:
    """Yield alarms, now and then many at once."""
    numbers = itertools.count()
    for at in _times(seconds, lambda: rng.expovariate(ALARMS_A_SECOND)):
        for _alarm_at_once in range(BURST if rng.random() < BURSTS else 1):
            yield _alarm(rng, f"alarm-{next(numbers)}", rng.choice(found), at)


def _of_the_depot(rng: random.Random, depot: Team, seconds: float) -> Iterator[AlarmOrder]:
    for number, at in enumerate(_times(seconds, lambda: DEPOT_EVERY, begin=3.0 - DEPOT_EVERY)):
        yield AlarmOrder(at, f"depot-{number}", depot.name, (), "", 0.0, 0.0, 0.0, 0.0, _answers(rng, depot, (), 0.2))


def _alarm(rng: random.Random, mark: str, team: Team, at: float) -> AlarmOrder:
    logins = [person.login for person in team.people]
    users = tuple(sorted(rng.sample(logins, rng.randint(1, 4)))) if rng.random() < 0.5 else ()
    group = rng.choice(sorted(team.groups)) if not users and rng.random() < 0.6 else ""
    recipients = users or team.groups.get(group, tuple(logins))
    return AlarmOrder(
        at=at,
        mark=mark,
        team=team.name,
        users=users,
        group=group,
        starts_in=_now_and_then(rng, 0.15, 2.0, 4.0),
        ends_in=_now_and_then(rng, 0.1, 6.0, 12.0),
        closed_after=_now_and_then(rng, 0.12, 0.0, 8.0),
        repeated_after=_now_and_then(rng, 0.2, 0.0, 5.0),
        answers=_answers(rng, team, recipients, rng.choice((0.0, 0.3, 0.8))),
    )


def _answers(rng: random.Random, team: Team, logins: tuple[str, ...], chance: float) -> tuple[AnswerOrder, ...]:
    """Return answers of some of them, of whom some change theirs later."""
    found = []
    for login in logins or tuple(person.login for person in team.people):
        if rng.random() < chance:
            answer = AnswerOrder(login, min(rng.expovariate(0.4), 12.0), rng.random() < 0.6, rng.random() < 0.5)
            found.append(answer)
            if rng.random() < 0.15:
                later = answer.after + rng.uniform(0.5, 4.0)
                found.append(AnswerOrder(login, later, not answer.response, rng.random() < 0.5))
    return tuple(found)


def _notes(rng: random.Random, found: tuple[Team, ...], seconds: float) -> Iterator[NoteOrder]:
    for number, at in enumerate(_times(seconds, lambda: rng.expovariate(NOTES_A_SECOND))):
        team = rng.choice(found)
        logins = [person.login for person in team.people]
        users = tuple(sorted(rng.sample(logins, rng.randint(1, 3))))
        group = rng.choice(sorted(team.groups)) if rng.random() < 0.5 else ""
        yield NoteOrder(at, f"note-{number}", team.name, rng.choice(logins), users, group)


def _strikes(rng: random.Random, seconds: float) -> Iterator[Strike]:
    """Yield strikes, of which each kind comes before any comes again."""
    left: list[str] = []
    for at in _times(seconds, lambda: rng.uniform(*STRIKE_EVERY), begin=CALM):
        left = left or rng.sample(STRIKES, len(STRIKES))
        yield Strike(at, left.pop(), rng.random())


def _spells(rng: random.Random, seconds: float) -> Iterator[Spell]:
    for at in _times(seconds, lambda: rng.uniform(*SPELL_EVERY)):
        way, mood = rng.choice(("app", "pager", "sms", "call", "email")), rng.choice(("500", "429", "hang", "cut"))
        yield Spell(way, at, at + rng.uniform(1.0, 4.0), mood)


def longest(plan: Plan) -> float:
    """Return the seconds in which every escalation of a run is over after its last request."""
    last = max(sum(delay for _way, delay in entries if delay < AFTER_THE_RUN) for entries in _escalations(plan))
    return max(team.timeout for team in plan.teams) + last


def _escalations(plan: Plan) -> Iterator[tuple[tuple[str, int], ...]]:
    for team in plan.teams:
        yield team.escalation
        yield from (person.escalation for person in team.people)
