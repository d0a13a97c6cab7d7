"""Memberships, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from organizations.admin.absent_now import MemberAbsentFilter
from organizations.admin.history import MEMBERSHIPS, WithHistory
from organizations.admin.import_export import ImportExport
from organizations.desk import of_organization
from organizations.models import Membership


@admin.register(Membership)
class MembershipAdmin(WithHistory, ImportExport):
    class Media:
        css = {"all": ("organizations/desk/people.css",)}

    history = MEMBERSHIPS
    links = ("organization", "groups")
    list_display = ("user", "organization", "role", "in_groups")
    list_filter = ("role", MemberAbsentFilter, of_organization())
    search_fields = ("user__login", "user__first_name", "user__last_name", "organization__name")
    search_help_text = _("Search by name, login or organization")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")
    list_before_template = "organizations/desk/people_actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "organization").prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        # Moved to another organization, a membership would stay in the groups of the old one.
        return ("user", "organization") if obj else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Membership], search_term: str
    ) -> tuple[QuerySet[Membership], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        within = request.GET.get("within", "")
        if request.path.endswith("/autocomplete/") and within.isdecimal() and len(within) < 20:
            # The members of one organization, among which those of a group are chosen.
            found = found.filter(organization=int(within))
        return found, may_repeat

    @admin.display(description=_("groups"))
    def in_groups(self, membership: Membership) -> str:
        return ", ".join(group.name for group in membership.groups.all())
