"""Whom an alarm is for, and who of them is its recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from messaging_project.api import listed
from organizations.availability import ABSENT
from organizations.models import Group, Membership, Organization

# Members who are meant as such, or as members of a group. Each kind for itself: a condition that joins them by OR would
# be asked of every member, although ten are meant.
IN_GENERAL = """
    SELECT m.user_id FROM organizations_membership m WHERE %(all_users)s AND m.organization_id = %(organization)s
    UNION
    SELECT m.user_id
    FROM organizations_group_memberships g JOIN organizations_membership m ON m.id = g.membership_id
    WHERE g.group_id = ANY(%(units)s::bigint[]) AND m.organization_id = %(organization)s
"""

# Whoever is named is alarmed although they are not available.
RECIPIENTS = f"""
    SELECT u.id
    FROM organizations_user u
    WHERE u.is_active AND u.id IN (
        SELECT m.user_id FROM organizations_membership m
        WHERE m.organization_id = %(organization)s AND m.user_id = ANY(%(users)s::bigint[])
        UNION
        SELECT u.id FROM ({IN_GENERAL}) u (id) WHERE NOT {ABSENT}
    )
"""  # noqa: S608 - made of constants

UNAVAILABLE = f"""
    SELECT u.id
    FROM ({IN_GENERAL}) member (id) JOIN organizations_user u ON u.id = member.id
    WHERE u.is_active AND NOT u.id = ANY(%(users)s::bigint[]) AND {ABSENT}
    ORDER BY u.id
"""  # noqa: S608 - made of constants


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

    def of(self, organization_id: int, *, now: datetime) -> dict[str, Any]:
        """Return the values of RECIPIENTS."""
        return {
            "organization": organization_id,
            "now": now,
            "all_users": self.all_users,
            "users": list(self.users),
            "units": list(self.units),
        }


NOBODY = Resources()


def recipient_ids(resources: Resources, organization: Organization, *, at: datetime) -> list[int]:
    """Return the users whom an alarm that starts then would have, as far as known now."""
    return user_ids(f"{RECIPIENTS} ORDER BY u.id", resources.of(organization.pk, now=at))


def unavailable_ids(resources: Resources, organization: Organization, *, at: datetime) -> list[int]:
    """Return the users whom an alarm that starts then would leave out, as they are not available."""
    return user_ids(UNAVAILABLE, resources.of(organization.pk, now=at))


def user_ids(query: str, values: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [user_id for (user_id,) in cursor.fetchall()]


def check_resources(organization: Organization, resources: Resources) -> None:
    """Raise a ValidationError that names the ids which are not the organization's."""
    problems = {}
    members = Membership.objects.filter(organization=organization, user_id__in=resources.users)
    if unknown := set(resources.users) - set(members.values_list("user_id", flat=True) if resources.users else ()):
        problems["users"] = _("Not members of the organization: %s.") % listed(unknown)
    groups = Group.objects.filter(organization=organization, pk__in=resources.units)
    if unknown := set(resources.units) - set(groups.values_list("pk", flat=True) if resources.units else ()):
        problems["units"] = _("Not units of the organization: %s.") % listed(unknown)
    if problems:
        raise ValidationError({"alarmResources": problems})
