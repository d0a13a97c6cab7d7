"""Whom a run alarms: teams of people with devices of every way, drawn from the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

Entries = tuple[tuple[str, int], ...]
"""Ways of alarm, each with the seconds after the one before it."""

# So many messages of an alarm are planned as it is raised (docs/decisions/sending.md): who has as many leaves the other
# recipients to the workers.
PLANNED_AT_ONCE = 10_000
AFTER_THE_RUN = 3600  # seconds
# An address that begins so is refused for good.
GONE = "gone-"


@dataclass(frozen=True)
class Device:
    way: str
    name: str
    address: str


@dataclass(frozen=True)
class Person:
    login: str
    devices: tuple[Device, ...]
    escalation: Entries
    wants_copies: bool = False
    """Of inbox messages, by e-mail."""


@dataclass(frozen=True)
class Team:
    """An organization."""

    name: str
    people: tuple[Person, ...]
    timeout: int
    """The response timeout in seconds."""
    escalation: Entries = ()
    """That of the organization; where it is empty, each person's own holds."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Logins by the group's name."""

    def person(self, login: str) -> Person:
        return next(person for person in self.people if person.login == login)

    def planned(self, login: str) -> Counter[tuple[str, str]]:
        """Return how often each device, by way and name, gets an alarm whom nobody answers (contract 3)."""
        person = self.person(login)
        entries = self.escalation or person.escalation
        return Counter((each.way, each.name) for way, _delay in entries for each in person.devices if each.way == way)


def teams(rng: random.Random, *, timeout: int) -> tuple[Team, ...]:
    brigade = tuple(_person(rng, f"brigade-{number}") for number in range(14))
    plant = tuple(_person(rng, f"plant-{number}") for number in range(8))
    depot = (_hoarder("depot-0"), *(_person(rng, f"depot-{number}") for number in range(1, 7)))
    return (
        Team("Brigade", (*brigade, _unreachable("brigade-nobody")), timeout, groups=_groups(rng, brigade)),
        Team("Plant", plant, timeout, (("app", 0), ("sms", 2), ("call", 1), ("email", 0)), _groups(rng, plant)),
        Team("Depot", depot, timeout),
    )


def _groups(rng: random.Random, people: tuple[Person, ...]) -> dict[str, tuple[str, ...]]:
    logins = [person.login for person in people]
    return {f"Group {number}": tuple(sorted(rng.sample(logins, 4))) for number in range(3)}


def _person(rng: random.Random, login: str) -> Person:
    devices = tuple(_devices(rng, login))
    delays = [rng.randint(1, 2) for _way in range(3)]
    entries = [("app", 0), ("pager", 0), ("email", rng.choice((0, delays[0]))), ("sms", delays[1]), ("call", delays[2])]
    if rng.random() < 0.2:
        entries.append(("sms", 1))
    return Person(login, devices, tuple(entries), wants_copies=rng.random() < 0.2)


def _devices(rng: random.Random, login: str) -> Iterator[Device]:
    """Yield an app, and others by chance; of ten addresses one is gone."""
    for way, chance in (("app", 1.0), ("app", 0.2), ("pager", 0.5), ("sms", 0.8), ("call", 0.5), ("email", 0.6)):
        if rng.random() < chance:
            number = rng.randrange(10**6)
            gone = GONE if rng.random() < 0.1 else ""
            at = "@chaos.example" if way == "email" else ""
            yield Device(way, f"{way} {number}", f"{gone}{login}-{number}{at}")


def _hoarder(login: str) -> Person:
    """Return one with so many devices of a late turn that workers have to plan for the others."""
    late = (Device("sms", "One of many", f"{login}-{number}") for number in range(PLANNED_AT_ONCE))
    return Person(login, (Device("app", "app", f"{login}-app"), *late), (("app", 0), ("sms", AFTER_THE_RUN)))


def _unreachable(login: str) -> Person:
    return Person(login, (), (("app", 0), ("sms", 1)))
