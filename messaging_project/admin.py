"""What the admin of every app is built from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as ModelAdmin
    from django.contrib.admin import TabularInline as TabularInline

    FormBase = forms.ModelForm[Any]
else:
    from unfold import admin as unfold

    class OfModels:
        """Django's admin classes know their models in brackets only when types are checked."""

        def __class_getitem__(cls, _models: object) -> type:
            return cls

    class ModelAdmin(OfModels, unfold.ModelAdmin):
        pass

    class TabularInline(OfModels, unfold.TabularInline):
        pass

    FormBase = forms.ModelForm


class Unchangeable:
    """Shows rows that stay as they were written."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnly(Unchangeable):
    """Shows rows of which the service is the only author."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Search(AutocompleteMixin):
    """Looks up what is chosen by ids alone: an address or a form may have anything in their place."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        ids = [chosen for chosen in value if str(chosen).isdecimal() and len(str(chosen)) < 19]
        return super().optgroups(name, ids, attr)


class SearchOne(Search, AutocompleteSelect):
    pass


class SearchSome(Search, AutocompleteSelectMultiple):
    pass


class WholeForm(FormBase):
    """Checks what must be unique with the fields too that it does not offer, such as the organization of a group."""

    def validate_unique(self) -> None:
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude=set(self.errors))
        except ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined] # the stubs leave it out


def list_link(model: type[Model], text: object, **filters: object) -> SafeString:
    """Return a link to the list of the `model`s that the filters leave."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)
