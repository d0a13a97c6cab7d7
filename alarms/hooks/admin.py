"""Hooks in the admin, what they were told and are to be told, and every try."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from alarms.hooks.registering import EVENTS, change, register, remove, send_test
from alarms.models import Hook, HookEvent, HookTry
from messaging_project.admin import ModelAdmin, ReadOnly, list_link
from messaging_project.errors import Conflict


@admin.register(Hook)
class HookAdmin(ModelAdmin[Hook]):
    """The page of a hook has a button that sends it a test event."""

    list_display = ("id", "url", "organization", "told_of", "is_active", "tried")
    list_display_links = ("id", "url")
    list_filter = ("is_active", "organization")
    list_select_related = ("organization",)
    search_fields = ("url", "organization__name")
    autocomplete_fields = ("organization",)
    actions = ("send_tests",)
    chosen: ClassVar[tuple[str, ...]] = ("organization", "url", "events", "is_active")
    shown: ClassVar[tuple[str, ...]] = ("told", "tried", "created_at")

    def get_fields(self, request: HttpRequest, obj: Hook | None = None) -> tuple[str, ...]:
        return (*self.chosen, *self.shown) if obj else self.chosen

    def get_readonly_fields(self, request: HttpRequest, obj: Hook | None = None) -> tuple[str, ...]:
        # What it was told is the organization's.
        return ("organization", *self.shown) if obj else ()

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name == "events":
            return forms.MultipleChoiceField(choices=EVENTS, widget=forms.CheckboxSelectMultiple)
        if db_field.name == "url":
            kwargs["widget"] = forms.TextInput(attrs={"size": 60})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="events")
    def told_of(self, hook: Hook) -> str:
        return ", ".join(hook.events)

    @admin.display(description="what it was told")
    def told(self, hook: Hook) -> str:
        return list_link(HookEvent, "events", hook__id__exact=hook.pk)

    @admin.display(description="tries")
    def tried(self, hook: Hook) -> str:
        return list_link(HookTry, "tries", hook__id__exact=hook.pk)

    def save_model(self, request: HttpRequest, obj: Hook, form: forms.ModelForm[Hook], change: bool) -> None:
        if change:
            save(obj, form)
            return
        hook, secret = register(organization=obj.organization, url=obj.url, events=obj.events, active=obj.is_active)
        obj.pk = hook.pk
        note = "The secret of {}, shown this once: copy it now. <code>{}</code>"
        self.message_user(request, format_html(note, obj, secret), messages.WARNING)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except Conflict as error:
            self.message_user(request, reason(error), messages.ERROR)
            return redirect(request.path)

    # The button

    def get_urls(self) -> list[URLPattern]:
        test = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("<path:object_id>/test/", test, name="alarms_hook_test"), *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hook = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, hook):
            raise PermissionDenied
        if hook is None:
            return redirect("admin:alarms_hook_changelist")
        self._send_test(request, hook)
        return redirect("admin:alarms_hook_change", object_id)

    @admin.action(description="Send a test event to the selected hooks", permissions=["change"])
    def send_tests(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        for hook in queryset:
            self._send_test(request, hook)

    def _send_test(self, request: HttpRequest, hook: Hook) -> None:
        try:
            event = send_test(hook)
        except Conflict as error:
            self.message_user(request, f"Nothing was sent to {hook}: {reason(error)}", messages.ERROR)
            return
        self.log_change(request, hook, "Sent a test event.")
        address = f"{reverse('admin:alarms_hooktry_changelist')}?hook_event__id__exact={event.pk}"
        note = 'Test event {} is on its way to {}: <a href="{}">what became of it</a>.'
        self.message_user(request, format_html(note, event.pk, hook, address), messages.SUCCESS)

    # Deleting

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Name the hooks, and not each of the thousands of events that go with them."""
        missing = set() if self.has_delete_permission(request) else {Hook._meta.verbose_name}
        hooks = [format_html("{}, with its events and tries", hook) for hook in objs]
        return hooks, {str(Hook._meta.verbose_name_plural): len(hooks)}, {str(name) for name in missing}, []

    def delete_model(self, request: HttpRequest, obj: Hook) -> None:
        remove(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        for hook in queryset:
            remove(hook.pk)


def reason(error: Conflict) -> str:
    """Return what is wrong, without the field that the API names."""
    return str(error.detail).partition(": ")[2]


def save(hook: Hook, form: forms.ModelForm[Hook]) -> None:
    """Write what was edited of a hook."""
    change(hook, {name: form.cleaned_data[name] for name in form.changed_data})


@admin.register(HookEvent)
class HookEventAdmin(ReadOnly, ModelAdmin[HookEvent]):
    list_display = ("id", "created_at", "hook", "event", "alarm", "state", "due_at", "attempts")
    list_display_links = ("id", "created_at")
    list_filter = (
        "event",
        ("delivered_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
        "hook__organization",
    )
    list_select_related = ("hook__organization", "alarm")
    search_fields = ("=id", "=alarm__id", "hook__url")
    show_full_result_count = False
    fields = ("hook", "event", "alarm", "payload", "created_at", "state", "due_at", "attempts", "tried")

    @admin.display
    def state(self, event: HookEvent) -> str:
        if event.delivered_at is not None:
            return "delivered"
        return "pending" if event.given_up_at is None else "given up"

    @admin.display(description="tries")
    def tried(self, event: HookEvent) -> str:
        return list_link(HookTry, "tries", hook_event__id__exact=event.pk)


@admin.register(HookTry)
class HookTryAdmin(ReadOnly, ModelAdmin[HookTry]):
    list_display = ("at", "hook", "hook_event", "status", "reason", "seconds")
    list_filter = (("reason", admin.EmptyFieldListFilter), "hook_event__event", "hook__organization")
    list_select_related = ("hook__organization", "hook_event")
    search_fields = ("=hook_event__id", "reason", "hook__url")
    show_full_result_count = False
