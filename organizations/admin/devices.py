"""Devices, in the admin."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from organizations.admin.history import DEVICES, WithHistory
from organizations.admin.person_forms import DeviceForm
from organizations.desk import Desk, managed_by, of_organization, people_of
from organizations.models import Device, User


@admin.register(Device)
class DeviceAdmin(WithHistory, Desk[Device]):
    history = DEVICES

    class Media:
        css = {"all": ("organizations/desk/people.css",)}

    form = DeviceForm
    choose_changeable = ("user",)

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(user__in=User.objects.filter(people_of(organizations)))

    def changeable(self, organizations: Collection[int]) -> Q:
        return Q(user__in=User.objects.filter(managed_by(organizations)))

    list_display = ("name", "user", "way", "address", "is_active", "tested_at")
    list_filter = ("way", "is_active", of_organization("user__managing_organization"))
    list_select_related = ("user",)
    search_fields = ("name", "address", "user__login", "user__first_name", "user__last_name")
    search_help_text = _("Search by name, address or person")
    show_full_result_count = False
    autocomplete_fields = ("user",)
    change_form_outer_after_template = "organizations/desk/device_test.html"
    fields = ("user", "way", "name", "address", "is_active", "created_at", "tested_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Device | None = None) -> tuple[str, ...]:
        # What was sent to it was sent to its user: another one gets a device of their own.
        return ("user", "created_at", "tested_at") if obj else ("created_at", "tested_at")

    def get_fields(self, request: HttpRequest, obj: Device | None = None) -> tuple[str, ...]:
        return self.fields if obj else self.fields[:5]
