"""How long people may answer, in the admin, and what an organization's page has of escalations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from escalations.admin.fields import seconds_field
from escalations.admin.words import in_marks
from escalations.durations import in_words
from escalations.history import TIMEOUTS
from escalations.models import MAX_TIMEOUT, MIN_TIMEOUT, ResponseTimeout
from escalations.plan import Entry
from organizations.admin import OrganizationAdmin
from organizations.admin.history import WithHistory
from organizations.desk import Desk, DeskInline
from organizations.models import Organization

if TYPE_CHECKING:
    from django.contrib.admin.options import BaseModelAdmin

    AdminBase = BaseModelAdmin[Any]
    TimeoutForm = forms.ModelForm[ResponseTimeout]
    TimeoutFormSetBase = forms.BaseInlineFormSet[ResponseTimeout, Organization, TimeoutForm]
else:
    AdminBase = object
    TimeoutFormSetBase = forms.BaseInlineFormSet


def explained() -> str:
    """Return what a response timeout is, in words."""
    text = gettext(
        "How long people can answer an alarm, counted from the first message that left for them: from %(least)s to"
        " %(most)s. An organization without its own has %(default)s (the setting DEFAULT_RESPONSE_TIMEOUT). A change"
        " touches later alarms only."
    )
    return text % {
        "least": in_words(MIN_TIMEOUT),
        "most": in_words(MAX_TIMEOUT),
        "default": in_words(settings.DEFAULT_RESPONSE_TIMEOUT),
    }


class InSeconds(AdminBase):
    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name == "seconds":
            kwargs |= seconds_field(label=gettext("Seconds"), least=MIN_TIMEOUT, most=MAX_TIMEOUT) | {"help_text": ""}
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(ResponseTimeout)
class ResponseTimeoutAdmin(InSeconds, WithHistory, Desk[ResponseTimeout]):
    history = TIMEOUTS
    list_display = ("organization", "time", "seconds")
    list_select_related = ("organization",)
    search_fields = ("organization__name",)
    ordering = ("organization__name",)
    autocomplete_fields = ("organization",)

    def get_fieldsets(self, request: HttpRequest, obj: ResponseTimeout | None = None) -> Any:
        return ((None, {"fields": ("organization", "seconds"), "description": explained()}),)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"seconds": settings.DEFAULT_RESPONSE_TIMEOUT, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: ResponseTimeout | None = None) -> tuple[str, ...]:
        # The organization is the key: another one would be another row.
        return ("organization",) if obj else ()

    @admin.display(description=gettext_lazy("time to answer"), ordering="seconds")
    def time(self, timeout: ResponseTimeout) -> str:
        return in_words(timeout.seconds)


class TimeoutFormSet(TimeoutFormSetBase):
    def add_fields(self, form: TimeoutForm, index: int | None) -> None:
        super().add_fields(form, index)
        if form.instance._state.adding:
            # What is in force now: a row that nobody touches is not saved, whatever the setting.
            form.initial["seconds"] = settings.DEFAULT_RESPONSE_TIMEOUT


class ResponseTimeoutInline(InSeconds, DeskInline[ResponseTimeout, Organization]):
    model = ResponseTimeout
    formset = TimeoutFormSet
    verbose_name = gettext_lazy("response timeout")
    template_before = "escalations/desk/timeout_explained.html"
    explained = staticmethod(explained)


admin.site.unregister(Organization)


@admin.register(Organization)
class OrganizationWithEscalationAdmin(OrganizationAdmin):
    fields = (*OrganizationAdmin.fields, "prescribed_escalation")
    readonly_fields = (*OrganizationAdmin.readonly_fields, "prescribed_escalation")
    inlines = (ResponseTimeoutInline,)

    @admin.display(description=gettext_lazy("prescribed escalation"))
    def prescribed_escalation(self, organization: Organization) -> str:
        if organization.pk is None:
            return self.get_empty_value_display()
        configuration = getattr(organization, "escalation", None)
        if configuration is None:
            url = reverse("admin:escalations_escalationconfiguration_add")
            text = gettext("None: each member's own counts. Prescribe one")
            return format_html(
                '<span class="desk"><a href="{}?organization={}">{}</a></span>', url, organization.pk, text
            )
        url = reverse("admin:escalations_escalationconfiguration_change", args=(configuration.pk,))
        entries = [Entry(entry.wayofalarm, entry.delay) for entry in configuration.entries.all()]
        text = gettext("It replaces what members chose. Change it")
        return format_html('<span class="desk"><a href="{}">{}</a> {}</span>', url, text, in_marks(entries))
