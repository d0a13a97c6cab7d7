"""What all figures are measured with: the service, the sink and the people."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from alarms.closing import close_alarm
from alarms.models import Alarm, DeviceMessage
from benchmarks.client import ask, request
from benchmarks.figures import Figure, line
from benchmarks.people import Team
from benchmarks.service import Service, wait_for
from benchmarks.sink_client import Sink
from benchmarks.sizes import Sizes
from messaging_project import database

LEAVING = (DeviceMessage.Status.SCHEDULED, DeviceMessage.Status.SENDING)


@dataclass(frozen=True)
class Raised:
    alarm_id: int
    asked_at: float
    answered_at: float
    """time.monotonic()"""


def rate(times: list[float]) -> float:
    """Return the messages a second from the first to the last."""
    return (len(times) - 1) / (times[-1] - times[0])


@dataclass
class Bench:
    service: Service
    sink: Sink
    sizes: Sizes
    team: Team
    hanging: Team
    mails: Team
    nobodys: int
    """An alarm that is over and has no recipients."""
    figures: list[Figure] = field(default_factory=list)

    def note(self, *figures: Figure) -> None:
        for figure in figures:
            self.figures.append(figure)
            print(line(figure), flush=True)

    def order(self, team: Team, **resources: object) -> bytes:
        """Return the request that raises an alarm."""
        body = {"organizationID": team.id, "message": "Fire in the hall", "alarmResources": resources}
        return request("POST", "/api/v1/alarm", headers=team.headers, body=body)

    def raise_alarm(self, team: Team, *, group: int) -> Raised:
        """Raise an alarm for the group of this size."""
        return self._raised(self.order(team, units=[team.groups[group]]))

    def raise_for(self, people: list[int]) -> Raised:
        """Raise an alarm for people of the team."""
        return self._raised(self.order(self.team, users=people))

    def _raised(self, order: bytes) -> Raised:
        asked_at = time.monotonic()
        answer = ask(self.service.address, order)
        return Raised(answer["id"], asked_at, time.monotonic())

    def times(self, alarm_id: int | str, recipients: int, *, others: int = 0) -> list[float]:
        """Return when each recipient of an alarm was first reached, in order, once all are, and so many others.

        Raises: TimeoutError where somebody is left out.
        """
        return self.sink.wait({str(alarm_id): recipients}, others=others)[str(alarm_id)]

    def rest(self, alarm_ids: Iterable[int] = ()) -> None:
        """Close alarms, or all, and return when nothing is left to do; the sink forgets what it got."""
        for alarm_id in alarm_ids or Alarm.objects.filter(closed_at=None).values_list("pk", flat=True):
            close_alarm(alarm_id=alarm_id, now=database.now())
        leaving = DeviceMessage.objects.filter(status__in=LEAVING)
        wait_for(lambda: not leaving.exists(), what="nothing is left to send")
        self.sink.forget()

    def measured(self, group: int) -> tuple[Raised, list[float]]:
        """Raise an alarm for a group of the team and return when each message came; rest then."""
        raised = self.raise_alarm(self.team, group=group)
        times = self.times(raised.alarm_id, group)
        self.rest([raised.alarm_id])
        return raised, times
