"""Whom an alarm is for, and who of them is its recipient."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from messaging_project.api import listed
from organizations.availability import ABSENT
from organizations.models import Group, Membership, Organization

# Who is meant. Each kind for itself, and only those that are asked for: one condition for all would be asked of every
# member, although ten are meant, and takes PostgreSQL longer to plan than to answer.
NAMED = """
    SELECT m.user_id FROM organizations_membership m
    WHERE m.organization_id = %(organization)s AND m.user_id = ANY(%(users)s::bigint[])
"""
MEMBERS = "SELECT m.user_id FROM organizations_membership m WHERE m.organization_id = %(organization)s"
OF_GROUPS = """
    SELECT DISTINCT m.user_id
    FROM organizations_group_memberships g JOIN organizations_membership m ON m.id = g.membership_id
    WHERE g.group_id = ANY(%(units)s::bigint[]) AND m.organization_id = %(organization)s
"""
NONE = "SELECT NULL::bigint WHERE false"


@dataclass(frozen=True)
class Resources:
    """Whom an alarm is for: the union of all members, users and groups.

    Its fields are stored with an alarm that is scheduled (Alarm.pending_resources): to rename one takes a migration.
    """

    all_users: bool = False
    users: Sequence[int] = ()
    units: Sequence[int] = ()

    def __bool__(self) -> bool:
        """Whether anybody is meant."""
        return bool(self.all_users or self.users or self.units)

    @property
    def _in_general(self) -> str:
        """Members who are not named, and so left out while they are not available."""
        if self.all_users:
            return MEMBERS
        return OF_GROUPS if self.units else NONE

    @property
    def recipients(self) -> str:
        """The query for the users who are alarmed: whoever is named although they are not available."""
        parts = [NAMED] if self.users else []
        if self.all_users or self.units:
            parts.append(f"SELECT u.id FROM ({self._in_general}) u (id) WHERE NOT {ABSENT}")  # noqa: S608 - constants
        meant = " UNION ".join(parts or [NONE])
        return f"SELECT u.id FROM organizations_user u WHERE u.is_active AND u.id IN ({meant}) ORDER BY u.id"  # noqa: S608

    @property
    def unavailable(self) -> str:
        """The query for those who are left out."""
        return f"""
            SELECT u.id
            FROM ({self._in_general}) member (id) JOIN organizations_user u ON u.id = member.id
            WHERE u.is_active AND NOT u.id = ANY(%(users)s::bigint[]) AND {ABSENT}
            ORDER BY u.id
        """  # noqa: S608 - made of constants

    def of(self, organization_id: int, *, now: datetime) -> dict[str, Any]:
        """Return the values of the queries."""
        return {
            "organization": organization_id,
            "now": now,
            "users": list(self.users),
            "units": list(self.units),
        }


NOBODY = Resources()


def recipient_ids(resources: Resources, organization: Organization, *, at: datetime, locked: bool = False) -> list[int]:
    """Return the users whom an alarm that starts then would have, as far as known now, in the order of their ids.

    Args:
        locked: nobody of them is deleted before the end of the transaction.
    """
    query = f"{resources.recipients} FOR KEY SHARE OF u" if locked else resources.recipients
    return user_ids(query, resources.of(organization.pk, now=at))


def unavailable_ids(resources: Resources, organization: Organization, *, at: datetime) -> list[int]:
    """Return the users whom an alarm that starts then would leave out, as they are not available."""
    return user_ids(resources.unavailable, resources.of(organization.pk, now=at))


def user_ids(query: str, values: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [user_id for (user_id,) in cursor.fetchall()]


def check_resources(organization: Organization, resources: Resources, *, found: Collection[int]) -> None:
    """Raise a ValidationError that names the ids which are not the organization's.

    Args:
        found: those who are recipients, so that they need not be looked for again.
    """
    problems = {}
    if others := set(resources.users) - set(found):
        members = Membership.objects.filter(organization=organization, user_id__in=others)
        if unknown := others - set(members.values_list("user_id", flat=True)):
            problems["users"] = _("Not members of the organization: %s.") % listed(unknown)
    groups = Group.objects.filter(organization=organization, pk__in=resources.units)
    if unknown := set(resources.units) - set(groups.values_list("pk", flat=True) if resources.units else ()):
        problems["units"] = _("Not units of the organization: %s.") % listed(unknown)
    if problems:
        raise ValidationError({"alarmResources": problems})
