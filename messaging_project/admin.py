"""What the admin of every app is built from."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as ModelAdmin
    from django.contrib.admin import TabularInline as TabularInline
else:

    class OfModels:
        """Django's admin classes know their models in brackets only when types are checked."""

        def __class_getitem__(cls, _models: object) -> type:
            return cls

    class ModelAdmin(OfModels, admin.ModelAdmin):
        pass

    class TabularInline(OfModels, admin.TabularInline):
        pass


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


def list_link(model: type[Model], text: object, **filters: object) -> SafeString:
    """Return a link to the list of the `model`s that the filters leave."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)
