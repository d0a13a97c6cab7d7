"""The filter of lists by organization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin import SimpleListFilter, site
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.forms import AutocompleteDropdownForm

from messaging_project.admin import SearchOne
from organizations.models import Membership, Organization
from organizations.whose import administered_organizations

if TYPE_CHECKING:
    OrganizationField = forms.ModelChoiceField[Organization]
else:
    OrganizationField = forms.ModelChoiceField

# As links up to here; more are searched.
LINKS = 20


class OrganizationForm(forms.Form):
    """A select whose choices are searched while one types."""

    Media = AutocompleteDropdownForm.Media

    def __init__(self, name: str, organizations: QuerySet[Organization], *, data: dict[str, Any]) -> None:
        super().__init__(data)
        field = Membership._meta.get_field("organization")
        widget = SearchOne(field, site, attrs={"class": "unfold-filter-autocomplete"})
        self.fields[name] = OrganizationField(organizations, label=_("Organization"), required=False, widget=widget)


class OrganizationFilter(SimpleListFilter):
    """Offers the caller's organizations, whose names are no others' business, where there are several."""

    title = _("organization")
    parameter_name = "of"
    path: ClassVar[str] = "organization"
    form_class = OrganizationForm

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        self.organizations = administered_organizations(request).order_by("name")
        super().__init__(request, params, model, model_admin)
        if len(self.lookup_choices) > LINKS:
            self.template = "unfold/filters/filters_field.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(self.organizations.values_list("pk", "name")[: LINKS + 1])

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1

    def choices(self, changelist: Any) -> Iterator[Any]:
        if len(self.lookup_choices) <= LINKS:
            yield from super().choices(changelist)
        else:
            name = self.parameter_name
            yield {"form": OrganizationForm(name, self.organizations, data={name: self.value()})}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        if not (value.isdecimal() and len(value) < 20):
            return queryset.none()
        # Of another's organization there is nothing, whoever of it is seen here.
        chosen = self.organizations.filter(pk=value).order_by()
        return queryset.filter(**{f"{self.path}__in": chosen})


def of_organization(path: str = "organization") -> type[OrganizationFilter]:
    """Return a filter by the organization that the `path` leads to."""
    return type("OrganizationFilter", (OrganizationFilter,), {"path": path})
