"""The evidence, looked up by what it is about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property

from tests.chaos.evidence import Alarm, Evidence, Listed, Recipient, Request, Row, Span
from tests.chaos.people import Team

Whom = tuple[str, str]
"""Mark and login."""
What = tuple[str, str, str, str]
"""Mark, login, way and name of a device."""


def overlap(span: Span, others: Iterable[Span]) -> float:
    """Return how much of a span lies in others, which do not overlap: seconds."""
    begin, end = span
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in others)


class Facts:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @cached_property
    def team_of(self) -> dict[str, Team]:
        return {person.login: team for team in self.evidence.teams for person in team.people}

    @cached_property
    def alarms(self) -> dict[str, Alarm]:
        return {alarm.mark: alarm for alarm in self.evidence.alarms}

    @cached_property
    def listed(self) -> dict[str, list[Listed]]:
        found = defaultdict(list)
        for alarm in self.evidence.listed:
            found[alarm.mark].append(alarm)
        return found

    @cached_property
    def of_alarms(self) -> list[Request]:
        """What came to sinks of alarms."""
        return [request for request in self.evidence.requests if not request.mark.startswith("note-")]

    @cached_property
    def requests(self) -> dict[Whom, list[Request]]:
        found = defaultdict(list)
        for request in self.of_alarms:
            found[request.mark, request.login].append(request)
        return found

    @cached_property
    def requests_of(self) -> dict[What, list[Request]]:
        found = defaultdict(list)
        for request in self.of_alarms:
            found[request.mark, request.login, request.way, request.device].append(request)
        return found

    @cached_property
    def rows(self) -> dict[Whom, list[Row]]:
        found = defaultdict(list)
        for row in self.evidence.rows:
            found[row.mark, row.login].append(row)
        return found

    @cached_property
    def rows_of(self) -> dict[What, list[Row]]:
        found = defaultdict(list)
        for row in self.evidence.rows:
            found[row.of].append(row)
        return found

    @cached_property
    def recipients(self) -> dict[Whom, Recipient]:
        return {(each.mark, each.login): each for each in self.evidence.recipients}

    @cached_property
    def ends(self) -> dict[Whom, list[float]]:
        """From when on somebody may get nothing more of an alarm: when answers, closings and ends that may have
        happened were asked for."""
        found = defaultdict(list)
        for answer in self.evidence.answers:
            if answer.may_have_happened:
                found[answer.mark, answer.login].append(answer.asked[0].at)
        for closing in self.evidence.closings:
            if closing.may_have_happened:
                self._for_all(found, closing.mark, closing.asked[0].at)
        for alarm in self.evidence.alarms:
            if alarm.ends_at is not None:
                self._for_all(found, alarm.mark, alarm.ends_at)
        return found

    @cached_property
    def acknowledged_ends(self) -> dict[Whom, list[tuple[float, str]]]:
        """When somebody's escalation was over for certain, and why."""
        found = defaultdict(list)
        for answer in self.evidence.answers:
            if answer.acknowledged:
                found[answer.mark, answer.login].append((answer.acknowledged.done_at, "an answer"))
        for closing in self.evidence.closings:
            if closing.acknowledged:
                for login in self.alarms[closing.mark].recipients:
                    found[closing.mark, login].append((closing.acknowledged.done_at, "a closing"))
        for alarm in self.evidence.alarms:
            if alarm.ends_at is not None:
                for login in alarm.recipients:
                    found[alarm.mark, login].append((alarm.ends_at, "the end that it was given"))
        return found

    def _for_all(self, found: defaultdict[Whom, list[float]], mark: str, at: float) -> None:
        for login in self.alarms[mark].recipients:
            found[mark, login].append(at)

    def ended_before(self, whom: Whom, at: float) -> bool:
        """Whether an answer, a closing or an end may have ended somebody's escalation by then."""
        return any(end <= at for end in self.ends.get(whom, ()))

    def planned(self, login: str) -> Counter[tuple[str, str]]:
        return self.team_of[login].planned(login)

    def working(self, span: Span) -> float:
        """Return how much of a span the service had its database, and the machine time for it: seconds."""
        begin, end = span
        away = [*self.evidence.outages, *self.evidence.stalls]
        return end - begin - sum(overlap(span, [each]) for each in away)

    def delay(self, request: Request, since: float) -> float:
        """Return for how long after a time a request came: seconds in which neither its sender was stopped nor the run
        itself, which keeps the time.

        A sender that is stopped can look at nothing. What it had taken up before is on the wire as far as anybody else
        can tell, and may leave, within a second of its own time, when it goes on.
        """
        span = since, request.at
        return (
            request.at
            - since
            - overlap(span, self.evidence.pauses.get(request.slot, ()))
            - overlap(span, self.evidence.stalls)
        )
