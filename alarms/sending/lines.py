"""The lines of a sender: an outlet for each gateway of the service and of organizations."""

from __future__ import annotations

import time
from collections import deque

from alarms import gateways
from alarms.gateways import owned
from alarms.gateways.base import Gateway, LoopGateway, ThreadGateway
from alarms.gateways.owned import Line
from alarms.sending.claim import Pool
from alarms.sending.outlets import EventLoop, LoopOutlet, Outlet, Report, ThreadOutlet

# How long an outlet that is not used any more may finish what is on the wire: seconds.
RETIRED_FOR = 60.0


class Lines:
    """Touches the database: for the sender's main thread only."""

    def __init__(self, report: Report) -> None:
        self.outlets: dict[Pool, Outlet] = {}
        self._report = report
        self._events = EventLoop()
        self._gateways: dict[Line, tuple[Gateway, ...]] = {}
        self._retired: deque[tuple[float, Outlet]] = deque()

    @property
    def sizes(self) -> dict[Line, int]:
        """How many gateways each line has."""
        return {line: len(gateways) for line, gateways in self._gateways.items()}

    def refresh(self) -> list[Pool]:
        """Follow what organizations have changed; return the pools whose gateway is another one now, or gone."""
        now = time.monotonic()
        while self._retired and now - self._retired[0][0] > RETIRED_FOR:
            self._retired.popleft()[1].close()
        found = owned.everybodys()
        if found == self._gateways:
            return []
        self._gateways = found
        wanted = {(*line, place): gateway for line, row in found.items() for place, gateway in enumerate(row)}
        changed = [
            pool
            for pool, outlet in self.outlets.items()
            if pool not in wanted or wanted[pool].url != outlet.gateway.url
        ]
        self._retired += [(now, self.outlets.pop(pool)) for pool in changed]
        for pool in wanted.keys() - self.outlets.keys():
            # Each its own: lines that have the same URL do not close each other's connections.
            self.outlets[pool] = self._outlet(gateways.build(wanted[pool].url, guarded=wanted[pool].guarded))
        return changed

    def _outlet(self, gateway: Gateway) -> Outlet:
        if isinstance(gateway, LoopGateway):
            return LoopOutlet(gateway, self._report, self._events)
        assert isinstance(gateway, ThreadGateway)
        return ThreadOutlet(gateway, self._report)

    def close(self) -> None:
        for outlet in [*self.outlets.values(), *(outlet for _since, outlet in self._retired)]:
            outlet.close()
        self._events.close()
