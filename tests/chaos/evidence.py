"""What is known of a run when it is over, and from whom. Times are seconds since the epoch, by one clock for all; marks
stand in the texts of alarms and notes and name them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos.people import Team

# A step of the system's clock in the middle of a run is none of its times.
_EPOCH = time.time() - time.monotonic()

Span = tuple[float, float]


def now() -> float:
    return _EPOCH + time.monotonic()


@dataclass(frozen=True)
class Asked:
    """A request of a client."""

    at: float
    done_at: float
    status: int | None
    """None: no answer, or not all of it."""
    alarm_id: int = 0
    """Of a POST /alarm, what was answered."""

    @property
    def is_acknowledged(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def is_unclear(self) -> bool:
        """Whether nobody can tell what has become of it."""
        return self.status is None or self.status >= 500


@dataclass
class Order:
    """Something that a client wanted, and asked for until it was answered clearly or the run was over."""

    mark: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def acknowledged(self) -> Asked | None:
        return next((each for each in self.asked if each.is_acknowledged), None)

    @property
    def may_have_happened(self) -> bool:
        return any(each.is_acknowledged or each.is_unclear for each in self.asked)


@dataclass
class Alarm(Order):
    team: str = ""
    recipients: tuple[str, ...] = ()
    is_scheduled: bool = False
    """Whether it starts later than it was asked for."""
    ends_at: float | None = None
    """When it closes itself."""


@dataclass
class Answer(Order):
    login: str = ""
    response: bool = True


@dataclass
class Closing(Order):
    pass


@dataclass
class Note(Order):
    """A message to inboxes."""

    recipients: frozenset[str] = frozenset()


@dataclass
class Request:
    """What came to a gateway or the mail server."""

    at: float
    """When it was there in full."""
    slot: str
    """Which sender, or the workers, it came from: the number of its place."""
    way: str
    key: str
    mark: str
    login: str
    """Whose address it came to."""
    device: str
    """The name of the device."""
    alarm_id: int = 0
    """Of an HTTP gateway."""
    user_id: int = 0
    """Of an HTTP gateway."""
    message_id: str = ""
    """Of an HTTP gateway."""
    attempt: int = 0
    """Of an HTTP gateway."""
    answered: str = "nothing"
    """A status (250 is 200), hang or cut; nothing where the client was gone before."""

    @property
    def is_taken(self) -> bool:
        return self.answered == "200"


@dataclass(frozen=True)
class Row:
    """What the database has of device messages that are alike."""

    id: int
    """The first's."""
    mark: str
    login: str
    device: str
    way: str
    turn: int
    status: int
    attempts: int
    reason: str
    due_at: float
    changed_at: float
    count: int = 1

    @property
    def of(self) -> tuple[str, str, str, str]:
        return self.mark, self.login, self.way, self.device


@dataclass(frozen=True)
class Recipient:
    """What the database has of a recipient."""

    mark: str
    login: str
    message_id: str
    is_planned: bool
    is_escalating: bool
    deadline: float
    response: bool | None


@dataclass(frozen=True)
class Listed:
    """What the API tells of an alarm."""

    id: int
    mark: str
    responses: Mapping[str, bool | None]
    """By login."""


Told = Counter[tuple[str, str, int]]
"""Way, name and status of each device, as the API tells the message status of a recipient."""


@dataclass
class Evidence:
    teams: tuple[Team, ...] = ()
    users: dict[int, str] = field(default_factory=dict)
    """Logins by id."""
    # What clients were told.
    alarms: list[Alarm] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """Answers that no client expects."""
    # What sinks received.
    requests: list[Request] = field(default_factory=list)
    # What the API tells afterwards.
    listed: list[Listed] = field(default_factory=list)
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    """By mark and login."""
    inboxes: dict[str, Counter[str]] = field(default_factory=dict)
    """By login, how often a mark is there."""
    # What the database has afterwards.
    rows: list[Row] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    history: list[tuple[str, str, bool]] = field(default_factory=list)
    """Mark, login and response of each answer that was kept."""
    left: list[str] = field(default_factory=list)
    """What is not done: jobs, alarms that were not raised."""
    audited: dict[str, int] = field(default_factory=dict)
    """What the auditor has found, by its kinds."""
    # When a sender's process was stopped, by its slot, when the database did not answer, and when the run itself did
    # not get on.
    pauses: dict[str, list[Span]] = field(default_factory=dict)
    outages: list[Span] = field(default_factory=list)
    stalls: list[Span] = field(default_factory=list)
