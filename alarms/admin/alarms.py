"""Alarms, in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Case, F, Model, Q, QuerySet, When
from django.db.models.functions import Least
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from alarms.admin.raising import raise_view
from alarms.desk.alarm_pages import AlarmPages
from alarms.desk.alarm_state import COUNTS, standing
from alarms.models import Alarm
from messaging_project.admin import ReadOnly
from organizations.desk import has_a_desk, of_organization

RAISED = Q(pending_resources__isnull=True)

# The newest first: what was cancelled stands where it was cancelled, not in the time to come.
MOMENT = Case(When(~RAISED & ~Q(closed_at=None), then=Least(F("starts_at"), F("closed_at"))), default=F("starts_at"))


class StatusFilter(admin.SimpleListFilter):
    title = pgettext_lazy("filter", "status")
    parameter_name = "status"
    conditions = {
        "open": (_("Not closed"), RAISED & Q(closed_at=None)),
        "closed": (_("Closed"), RAISED & ~Q(closed_at=None)),
        "scheduled": (_("Scheduled"), ~RAISED & Q(closed_at=None)),
        "cancelled": (_("Cancelled or missed"), ~RAISED & ~Q(closed_at=None)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [(value, word) for value, (word, _condition) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


@admin.register(Alarm)
class AlarmAdmin(ReadOnly, AlarmPages):
    list_display = ("title", "status", "starts_at", "answers", "organization", "raised_by")
    list_filter = (StatusFilter, of_organization())
    list_select_related = ("organization",)
    list_fullwidth = True
    date_hierarchy = "starts_at"
    ordering = (MOMENT.desc(), "-pk")
    search_fields = ("=id", "message", "event_name", "raised_by", "organization__name")
    show_full_result_count = False
    # The page shows what there is in its own way.
    fields = ("message",)

    class Media:
        css = {"all": ("alarms/desk/alarm.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return has_a_desk(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return raise_view(self, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alarm]:
        return super().get_queryset(request).select_related("organization").annotate(counts=COUNTS)

    @admin.display(description=pgettext_lazy("column", "alarm"))
    def title(self, alarm: Alarm) -> SafeString:
        text = Truncator(alarm.message).chars(70)
        if not alarm.event_name:
            return format_html('<span class="alarm-title">{}</span>', text)
        return format_html('<span class="alarm-title">{}<br><small>{}</small></span>', alarm.event_name, text)

    @admin.display(description=pgettext_lazy("column", "status"))
    def status(self, alarm: Alarm) -> str:
        return str(standing(alarm).mark)

    @admin.display(description=pgettext_lazy("column", "answers"))
    def answers(self, alarm: Alarm) -> str | SafeString:
        found = standing(alarm)
        if not found.recipients:
            return self.get_empty_value_display()
        return format_html('<div class="alarm-answers">{}<small>{}</small></div>', found.bar, found.words)
