"""Hooks in the admin, what they were told and are to be told, and every try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from alarms.hooks.registering import (
    EVENTS,
    MAX_HOOKS,
    MAX_PENDING_TESTS,
    change,
    register,
    remove,
    send_test,
    validate_public,
)
from alarms.models import Hook, HookEvent, HookTry
from messaging_project.admin import ReadOnly, list_link
from messaging_project.errors import Conflict
from organizations.admin import once
from organizations.desk import Desk, of_organization

if TYPE_CHECKING:
    HookModelForm = forms.ModelForm[Hook]
else:
    HookModelForm = forms.ModelForm


class HookForm(HookModelForm):
    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        # What was allowed once can be paused all the same.
        if "url" in self.changed_data:
            validate_public(url)
        return url


@admin.register(Hook)
class HookAdmin(Desk[Hook]):
    """The page of a hook has a button that sends it a test event."""

    form = HookForm
    list_display = ("id", "url", "organization", "told_of", "is_active", "tried")
    list_display_links = ("id", "url")
    list_filter = ("is_active", of_organization())
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
            return forms.MultipleChoiceField(
                label=_("Events"), choices=EVENTS, widget=UnfoldAdminCheckboxSelectMultipleWidget
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("events"))
    def told_of(self, hook: Hook) -> str:
        return ", ".join(hook.events)

    @admin.display(description=_("what it was told"))
    def told(self, hook: Hook) -> str:
        return list_link(HookEvent, _("events"), hook__id__exact=hook.pk)

    @admin.display(description=_("tries"))
    def tried(self, hook: Hook) -> str:
        return list_link(HookTry, _("tries"), hook__id__exact=hook.pk)

    def save_model(self, request: HttpRequest, obj: Hook, form: forms.ModelForm[Hook], change: bool) -> None:
        if change:
            save(obj, form)
            return
        hook, secret = register(organization=obj.organization, url=obj.url, events=obj.events, active=obj.is_active)
        obj.pk = hook.pk
        vars(obj)["secret_text"] = secret
        if key := request.POST.get("form_key"):
            once.spend(request, key, hook.pk)

    def response_add(self, request: HttpRequest, obj: Hook, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret, in this answer and nowhere else."""
        context = {**self.admin_site.each_context(request), "title": _("The new hook"), "opts": self.opts}
        context |= {"hook": obj, "original": obj, "secret": vars(obj).pop("secret_text")}
        return TemplateResponse(request, "alarms/hook_secret.html", context, headers={"Cache-Control": "no-store"})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = request.POST.get("form_key", "") or once.new_key()
        context = {**(extra_context or {}), "form_key": key}
        if request.method != "POST":
            return super().add_view(request, form_url, context)
        try:
            with transaction.atomic():
                made = once.outcome(request, key)
                if made is None:
                    return super().add_view(request, form_url, context)
        except Conflict:
            note = gettext("An organization has at most %(count)d hooks.") % {"count": MAX_HOOKS}
            self.message_user(request, note, messages.ERROR)
            return redirect(request.path)
        # The page with the secret was loaded again.
        note = gettext("This hook was made already. If nobody has copied its secret, remove it and make another one.")
        self.message_user(request, note, messages.WARNING)
        return redirect("admin:alarms_hook_change", made)

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

    @admin.action(description=_("Send a test event to the selected hooks"), permissions=["change"])
    def send_tests(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        for hook in queryset:
            self._send_test(request, hook)

    def _send_test(self, request: HttpRequest, hook: Hook) -> None:
        try:
            event = send_test(hook)
        except Conflict:
            note = gettext("Nothing was sent to %(hook)s: %(count)d tests wait for it already.")
            if not hook.is_active:
                note = gettext("Nothing was sent to %(hook)s: it is not active.")
            self.message_user(request, note % {"hook": hook, "count": MAX_PENDING_TESTS}, messages.ERROR)
            return
        self.log_change(request, hook, "Sent a test event.")
        address = f"{reverse('admin:alarms_hooktry_changelist')}?hook_event__id__exact={event.pk}"
        note = gettext('Test event {} is on its way to {}: <a href="{}">what became of it</a>.')
        self.message_user(request, format_html(note, event.pk, hook, address), messages.SUCCESS)

    # Deleting

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Name the hooks, and not each of the thousands of events that go with them."""
        missing = set() if self.has_delete_permission(request) else {Hook._meta.verbose_name}
        hooks = [format_html(gettext("{}, with its events and tries"), hook) for hook in objs]
        return hooks, {str(Hook._meta.verbose_name_plural): len(hooks)}, {str(name) for name in missing}, []

    def delete_model(self, request: HttpRequest, obj: Hook) -> None:
        remove(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        for hook in queryset:
            remove(hook.pk)


def save(hook: Hook, form: forms.ModelForm[Hook]) -> None:
    """Write what was edited of a hook."""
    change(hook, {name: form.cleaned_data[name] for name in form.changed_data})


@admin.register(HookEvent)
class HookEventAdmin(ReadOnly, Desk[HookEvent]):
    belongs_to = "hook__organization"
    links = ("hook",)
    list_display = ("id", "created_at", "hook", "event", "alarm", "state", "due_at", "attempts")
    list_display_links = ("id", "created_at")
    list_filter = (
        "event",
        ("delivered_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
        of_organization("hook__organization"),
    )
    list_select_related = ("hook__organization", "alarm")
    search_fields = ("=id", "=alarm__id", "hook__url")
    show_full_result_count = False
    fields = ("hook", "event", "alarm", "payload", "created_at", "state", "due_at", "attempts", "tried")

    @admin.display(description=_("state"))
    def state(self, event: HookEvent) -> str:
        if event.delivered_at is not None:
            return gettext("delivered")
        return gettext("pending") if event.given_up_at is None else gettext("given up")

    @admin.display(description=_("tries"))
    def tried(self, event: HookEvent) -> str:
        return list_link(HookTry, _("tries"), hook_event__id__exact=event.pk)


@admin.register(HookTry)
class HookTryAdmin(ReadOnly, Desk[HookTry]):
    belongs_to = "hook__organization"
    links = ("hook", "hook_event")
    list_display = ("at", "hook", "hook_event", "status", "reason", "seconds")
    list_filter = (("reason", admin.EmptyFieldListFilter), "hook_event__event", of_organization("hook__organization"))
    list_select_related = ("hook__organization", "hook_event")
    search_fields = ("=hook_event__id", "reason", "hook__url")
    show_full_result_count = False
