"""In what order and how long, in the admin; the organization's page shows its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import PositiveSmallIntegerField, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from escalations.models import MAX_ENTRIES, Escalation, EscalationConfiguration, ResponseTimeout
from messaging_project.admin import ModelAdmin, TabularInline
from organizations.admin import OrganizationAdmin
from organizations.models import Organization

if TYPE_CHECKING:
    EntryFormSetBase = forms.BaseInlineFormSet[Escalation, EscalationConfiguration, forms.ModelForm[Escalation]]
else:
    EntryFormSetBase = forms.BaseInlineFormSet

WITHOUT_TIMEOUT = (
    f"An organization without one has {settings.DEFAULT_RESPONSE_TIMEOUT} seconds (the setting"
    " DEFAULT_RESPONSE_TIMEOUT). A change touches later alarms only."
)


class EntryFormSet(EntryFormSetBase):
    """The entries of a configuration; their positions are numbered anew from 0 when they are saved."""

    default_error_messages = {
        "too_few_forms": "Give at least one entry; to remove the configuration, delete it.",
        "too_many_forms": "At most %(num)d entries.",
    }

    def add_fields(self, form: forms.ModelForm[Escalation], index: int | None) -> None:
        super().add_fields(form, index)
        if form.instance.pk is None:
            form.initial["position"] = None

    def in_order(self) -> list[Escalation]:
        """Return the entries that stay: those whose position was edited stand where it says (without one, last), the
        others keep their order around them."""
        kept = [form for form in self.forms if form.has_changed() or form.instance.pk]
        kept = [form for form in kept if form not in self.deleted_forms]
        moved = [form for form in kept if "position" in form.changed_data or not form.instance.pk]
        order = [form for form in kept if form not in moved]
        for form in sorted(moved, key=self._position):
            order.insert(self._position(form), form)
        return [form.instance for form in order]

    @staticmethod
    def _position(form: forms.ModelForm[Escalation]) -> int:
        position: int | None = form.cleaned_data["position"]
        return MAX_ENTRIES if position is None else position

    def save(self, commit: bool = True) -> list[Escalation]:
        entries = self.in_order()
        for position, entry in enumerate(entries):
            entry.position = position
        saved: list[Escalation] = super().save(commit)
        if commit:
            # Entries that others have pushed aside were not edited, so they are not among those saved.
            Escalation.objects.bulk_update(entries, ["position"])
        return saved


class EscalationInline(TabularInline[Escalation, EscalationConfiguration]):
    model = Escalation
    formset = EntryFormSet
    fields = ("position", "wayofalarm", "delay")
    ordering = ("position", "id")
    extra = 0
    min_num = 1
    max_num = MAX_ENTRIES
    verbose_name = "entry"
    verbose_name_plural = "entries, in this order"
    formfield_overrides = {
        PositiveSmallIntegerField: {"required": False, "help_text": "From 0; an entry without one goes last."}
    }

    def get_formset(self, request: HttpRequest, obj: EscalationConfiguration | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, validate_max=True, **kwargs)


@admin.register(EscalationConfiguration)
class EscalationConfigurationAdmin(ModelAdmin[EscalationConfiguration]):
    list_display = ("__str__", "entries")
    list_filter = (("organization", admin.EmptyFieldListFilter),)
    search_fields = ("user__login", "user__first_name", "user__last_name", "organization__name")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")
    inlines = (EscalationInline,)
    fieldsets = (
        (
            None,
            {
                "fields": ("user", "organization"),
                "description": "Either the ways of alarm of one user, or those that an organization prescribes for its"
                " alarms in place of its members' own.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationConfiguration]:
        return super().get_queryset(request).select_related("user", "organization").prefetch_related("entries")

    def get_readonly_fields(self, request: HttpRequest, obj: EscalationConfiguration | None = None) -> tuple[str, ...]:
        return ("user", "organization") if obj else ()

    @admin.display
    def entries(self, configuration: EscalationConfiguration) -> str:
        return ", ".join(f"{entry.wayofalarm} {entry.delay} s" for entry in configuration.entries.all())


@admin.register(ResponseTimeout)
class ResponseTimeoutAdmin(ModelAdmin[ResponseTimeout]):
    list_display = ("organization", "seconds")
    list_select_related = ("organization",)
    search_fields = ("organization__name",)
    ordering = ("organization__name",)
    autocomplete_fields = ("organization",)
    fieldsets = ((None, {"fields": ("organization", "seconds"), "description": WITHOUT_TIMEOUT}),)

    def get_readonly_fields(self, request: HttpRequest, obj: ResponseTimeout | None = None) -> tuple[str, ...]:
        # The organization is the key: another one would be another row.
        return ("organization",) if obj else ()


class ResponseTimeoutInline(TabularInline[ResponseTimeout, Organization]):
    model = ResponseTimeout


admin.site.unregister(Organization)


@admin.register(Organization)
class OrganizationWithEscalationAdmin(OrganizationAdmin):
    fields = (*OrganizationAdmin.fields, "prescribed_escalation")
    readonly_fields = (*OrganizationAdmin.readonly_fields, "prescribed_escalation")
    inlines = (ResponseTimeoutInline,)

    def prescribed_escalation(self, organization: Organization) -> str:
        if organization.pk is None:
            return self.get_empty_value_display()
        configuration = getattr(organization, "escalation", None)
        if configuration is None:
            url = reverse("admin:escalations_escalationconfiguration_add")
            return format_html('<a href="{}?organization={}">prescribe one</a>', url, organization.pk)
        url = reverse("admin:escalations_escalationconfiguration_change", args=(configuration.pk,))
        return format_html('<a href="{}">{}</a>', url, ", ".join(map(str, configuration.entries.all())))
