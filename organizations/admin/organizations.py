"""Organizations, in the admin."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from messaging_project.admin import list_link
from organizations.admin.history import ORGANIZATIONS, WithHistoryOfAll
from organizations.desk import Desk, is_superuser
from organizations.models import Membership, Organization, Way, default_time_zone


@admin.register(Organization)
class OrganizationAdmin(WithHistoryOfAll, Desk[Organization]):
    class Media:
        css = {"all": ("organizations/desk/people.css",)}

    history = ORGANIZATIONS
    list_display = ("name", "is_active", "time_zone", "without", "members")
    list_filter = ("is_active",)
    search_fields = ("name",)
    fields: ClassVar[tuple[str, ...]] = (
        "name",
        "is_active",
        "time_zone",
        "disabled_ways",
        "alarms_in_inbox",
        "created_at",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = ("members", "created_at")
    change_form_outer_before_template = "organizations/desk/organization_links.html"

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(pk__in=organizations)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        return is_superuser(request)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name == "time_zone":
            return forms.ChoiceField(
                label=_("Time zone"),
                choices=[(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())],
                initial=default_time_zone,
                widget=UnfoldAdminSelectWidget,
                help_text=_("By its clocks people are told until when they can answer."),
            )
        if db_field.name == "disabled_ways":
            return forms.MultipleChoiceField(
                label=_("Ways of alarm that are not used"),
                choices=[(way.value, capfirst(way.label)) for way in Way],
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
                required=False,
                help_text=_("No alarm of this organization goes out over the ways that are ticked."),
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Organization | None = None) -> tuple[str, ...]:
        # Whoever renames it could find out which others there are, and whoever deactivates it could not undo that.
        return self.readonly_fields if is_superuser(request) else (*self.readonly_fields, "name", "is_active")

    @admin.display(description=_("ways not used"))
    def without(self, organization: Organization) -> str:
        return ", ".join(str(Way(way).label) for way in organization.disabled_ways)

    @admin.display(description=_("members"))
    def members(self, organization: Organization) -> str:
        if organization.pk is None:
            return self.get_empty_value_display()
        return list_link(Membership, _("members"), organization__id__exact=organization.pk)
