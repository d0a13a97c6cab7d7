"""The gateways that organizations bring, in the admin: what was entered is not shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from alarms.gateways import owned
from alarms.models import OrganizationGateway
from organizations.desk import Desk

if TYPE_CHECKING:
    GatewayForm = forms.ModelForm[OrganizationGateway]
else:
    GatewayForm = forms.ModelForm


class OrganizationGatewayForm(GatewayForm):
    new_urls = forms.CharField(
        label=_("URLs"),
        strip=True,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "As in the settings GATEWAY_...: a URL, or several separated by spaces, tried in this order. "
            "Kept encrypted, and never shown again."
        ),
    )

    class Meta:
        model = OrganizationGateway
        fields = ("organization", "way")

    def clean_new_urls(self) -> str:
        urls: str = self.cleaned_data["new_urls"]
        owned.checked(urls)
        return urls


@admin.register(OrganizationGateway)
class OrganizationGatewayAdmin(Desk[OrganizationGateway]):
    form = OrganizationGatewayForm
    list_display = ("organization", "way", "summary", "usable", "changed_at")
    list_filter = ("way",)
    list_select_related = ("organization",)
    search_fields = ("organization__name",)
    autocomplete_fields = ("organization",)
    readonly_fields = ("summary", "changed_at")
    fields = ("organization", "way", "new_urls", "summary", "changed_at")

    def get_readonly_fields(self, request: HttpRequest, obj: OrganizationGateway | None = None) -> tuple[str, ...]:
        # Another organization's or way's is another one.
        return self.readonly_fields if obj is None else ("organization", "way", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: OrganizationGateway, form: Any, change: bool) -> None:
        urls = form.cleaned_data["new_urls"]
        obj.pk = owned.bring(organization=obj.organization, way=obj.way, urls=urls).pk

    @admin.display(boolean=True, description=_("can be used"))
    def usable(self, gateway: OrganizationGateway) -> bool:
        return bool(owned.of([gateway]))
