"""Filters of lists by who is absent now, by the rule that alarms go by (availability.py)."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from organizations.availability import ABSENT

# The rule is about a user and an organization: here, of each membership.
ABSENT_MEMBERSHIPS = f"""
    SELECT membership.id FROM organizations_membership membership
    JOIN organizations_user u ON u.id = membership.user_id
    WHERE {ABSENT % {"organization": "membership.organization_id", "now": "now()"}}
"""  # noqa: S608 - made of constants

# The rule asks whether any entry of a user holds: here there is only the one that a row is. What is said for all
# organizations comes again by the clocks of the one that manages the user.
WHOSE_CLOCKS = "coalesce(entry.organization_id, u.managing_organization_id)"
ABSENCES_NOW = f"""
    SELECT entry.id FROM organizations_absence entry
    JOIN organizations_user u ON u.id = entry.user_id
    WHERE (
        WITH organizations_absence AS (SELECT entry.*)
        SELECT {ABSENT % {"organization": WHOSE_CLOCKS, "now": "now()"}}
    )
"""  # noqa: S608 - made of constants


class MemberAbsentFilter(SimpleListFilter):
    title = _("availability")
    parameter_name = "absent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("absent now")), ("0", _("available now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        absent = RawSQL(ABSENT_MEMBERSHIPS, [])  # noqa: S611 - made of constants
        if self.value() == "1":
            return queryset.filter(pk__in=absent)
        return queryset.exclude(pk__in=absent) if self.value() == "0" else queryset


class AbsenceTimeFilter(SimpleListFilter):
    title = _("time")
    parameter_name = "time"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("absent now")), ("later", _("not now")), ("over", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        over = {"weekly": False, "ends_at__lte": RawSQL("now()", [])}
        now = RawSQL(ABSENCES_NOW, [])  # noqa: S611 - made of constants
        match self.value():
            case "now":
                return queryset.filter(pk__in=now)
            case "later":
                return queryset.exclude(pk__in=now).exclude(**over)
            case "over":
                return queryset.filter(**over)
        return queryset
