"""How the service does, as the admin tells it: what /health knows, in everybody's language.

It concerns everybody whose alarms depend on it. What belongs to an organization is told to its own admins only, and how
much waits in all organizations together to superusers only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alarms import health
from alarms.gateways import owned
from alarms.models import OrganizationGateway, Sender
from messaging_project.database import migrations_applied
from organizations.models import Way

# One query of those of /health that return one row.
STATE = f"""
    SELECT * FROM ({health.HEARTBEATS}) AS heartbeats (worker, sender),
        ({health.RAISING_AND_PLANNING_WAITING}) AS waiting (unraised, unplanned),
        ({health.UPKEEP_WAITING}) AS waiting_jobs (upkeep, unaudited)
"""  # noqa: S608 - made of constants


class Trouble(NamedTuple):
    """Why alarms do not go out as they should."""

    what: str
    meaning: str
    waiting: str = ""
    """How much waits, if that is to be told."""


class Resting(NamedTuple):
    """A gateway that keeps failing and is left alone for a while."""

    way: str
    whose: str
    """The name of an organization; empty: the service's."""
    number: int
    """Its place among those of its way, from 1."""
    gateway: str
    """What it is called, if that is to be told."""
    reason: str


class Health(NamedTuple):
    worker: bool
    sender: bool
    troubles: list[Trouble]
    resting: list[Resting]
    unusable: list[OrganizationGateway]
    """Gateways of organizations for which the service's stand in."""

    @property
    def behind(self) -> bool:
        """Whether something due is waiting."""
        return len(self.troubles) > (not self.worker) + (not self.sender)


def find(organizations: Collection[int] | None, *, now: datetime) -> Health:
    """Return how the service does, for the admins of these organizations (None: for superusers), with four queries."""
    with connection.cursor() as cursor:
        cursor.execute(STATE, health.LIMITS)
        worker, sender, unraised, unplanned, upkeep, unaudited = cursor.fetchone()
        cursor.execute(health.MESSAGES_WAITING, health.LIMITS)
        messages = cursor.fetchall()
    own = OrganizationGateway.objects.select_related("organization")
    rows = list(own if organizations is None else own.filter(organization__in=organizations))
    names = {row.organization_id: row.organization.name for row in rows}
    told = Telling(organizations, names)
    troubles = [
        *_not_running(worker=worker, sender=sender),
        *told.behind(unraised=unraised, unplanned=unplanned, upkeep=upkeep, unaudited=unaudited),
        *told.messages(messages),
    ]
    if not migrations_applied():
        what, meaning = _("The database is not up to date."), _("Run manage.py upgrade, then restart the service.")
        troubles.insert(0, Trouble(what, meaning))
    usable = owned.of(rows)
    unusable = [row for row in rows if (row.way, row.organization_id) not in usable]
    return Health(worker, sender, troubles, told.resting(now=now), unusable)


def _not_running(*, worker: bool, sender: bool) -> list[Trouble]:
    found = []
    if not worker:
        meaning = _("Nobody who is alarmed now gets anything, and scheduled alarms do not start.")
        found.append(Trouble(_("No worker is running."), meaning))
    if not sender:
        found.append(Trouble(_("No sender is running."), _("No message leaves: alarms reach nobody.")))
    return found


class Telling:
    """Says to whom it may concern what was found."""

    def __init__(self, organizations: Collection[int] | None, names: Mapping[int, str]) -> None:
        self._organizations = organizations
        self._names = names

    def _may_know(self, organization_id: int) -> bool:
        """Whether the gateways of an organization (0: the service's) are the reader's business."""
        return not organization_id or self._organizations is None or organization_id in self._organizations

    def _whose(self, organization_id: int) -> str:
        return self._names.get(organization_id) or _("organization %(id)d") % {"id": organization_id}

    def _waiting(self, count: int, organization_id: int = 0) -> str:
        if self._organizations is not None and not organization_id:
            return ""
        return ngettext("%(count)d is waiting.", "%(count)d are waiting.", count) % {"count": count}

    def behind(self, *, unraised: int, unplanned: int, upkeep: int, unaudited: bool) -> list[Trouble]:
        found = []
        if unraised:
            meaning = _("Their time has come, but they have not been raised.")
            found.append(Trouble(_("Scheduled alarms are late."), meaning, self._waiting(unraised)))
        if unplanned:
            meaning = _("There are recipients for whom nothing is planned yet: they get nothing until then.")
            found.append(Trouble(_("Planning is behind."), meaning, self._waiting(unplanned)))
        if upkeep or unaudited:
            meaning = _("What a process that ended has left undone is not taken over, and nobody is timed out.")
            found.append(Trouble(_("Upkeep is behind."), meaning, self._waiting(upkeep) if upkeep else ""))
        return found

    def messages(self, rows: Collection[tuple[str, int, int]]) -> list[Trouble]:
        found = []
        for way, owner, count in rows:
            if not self._may_know(owner):
                continue
            of = {"way": Way(way).label, "organization": self._whose(owner) if owner else ""}
            what = (
                _("Messages of %(organization)s that are due do not leave (%(way)s).")
                if owner
                else _("Messages that are due do not leave (%(way)s).")
            )
            meaning = _("No sender has begun to send one for %(seconds)d seconds.") % {"seconds": health.WAITING}
            found.append(Trouble(what % of, meaning, self._waiting(count, owner)))
        return found

    def resting(self, *, now: datetime) -> list[Resting]:
        """Return the gateways that rest now, each once, whichever senders leave it alone."""
        living = Sender.objects.filter(heartbeat_at__gt=Now() - timedelta(seconds=health.HEARTBEAT))
        entries: list[dict[str, Any]] = [each for row in living.values_list("resting", flat=True) for each in row]
        resting = {
            self._resting(each)
            for each in entries
            if datetime.fromisoformat(each["until"]) > now and self._may_know(each["organization"])
        }
        return sorted(resting)

    def _resting(self, each: Mapping[str, Any]) -> Resting:
        owner = each["organization"]
        return Resting(
            way=str(Way(each["way"]).label),
            whose=self._whose(owner) if owner else "",
            number=each["place"] + 1,
            # What the service's gateways are called is the business of those who run it.
            gateway=each["gateway"] if owner or self._organizations is None else "",
            reason=each["reason"],
        )
