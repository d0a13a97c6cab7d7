"""Whether people are active, in the admin of people. Nobody is deleted here: alarms and their counts hang on people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from organizations.deactivating import LastSuperuser, activate_people, deactivate_people
from organizations.desk import Desk, administered, managed_by
from organizations.models import User

TEMPLATES = "organizations/desk"
LAST_SUPERUSER = _("This is the last active superuser. Make somebody else a superuser first.")
SHOWN = 50

if TYPE_CHECKING:
    DeskOfPeople = Desk[User]

    def action(**options: object) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
else:
    from unfold.decorators import action

    DeskOfPeople = object


def asking(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user


class Deactivating(DeskOfPeople):
    """Deactivates people, and undoes it, one or several at once."""

    def choices(self, request: HttpRequest, *, changeable: bool = False) -> QuerySet[User]:
        found = super().choices(request, changeable=changeable)
        # Who is erased gets no device and no token.
        return found.filter(erased_at=None) if changeable else found

    # Permissions

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Who is erased stays nobody: with a new name, what happened would be somebody else's.
        return (obj is None or obj.erased_at is None) and super().has_change_permission(request, obj)

    def has_deactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may_with(
            request,
            object_id,
            lambda person: (
                person.is_active and self.has_change_permission(request, person) and person.pk != request.user.pk
            ),
        )

    def has_activate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may_with(
            request, object_id, lambda person: not person.is_active and self.has_change_permission(request, person)
        )

    def _may_with(self, request: HttpRequest, object_id: str | None, may: Callable[[User], bool]) -> bool:
        """Ask about a person. Of one whom the caller may not know of, the page itself says that there is nobody."""
        person = self._person(request, object_id)
        return person is None or may(person)

    def _person(self, request: HttpRequest, object_id: str | None) -> User | None:
        found: dict[str, User | None] = request.__dict__.setdefault("people", {})
        key = str(object_id)
        if key not in found:
            found[key] = self.get_object(request, unquote(key))
        return found[key]

    # Pages

    @action(
        description=_("Deactivate"),
        url_path="deactivate",
        permissions=["deactivate"],
        icon="person_off",
    )
    def deactivate_person(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        person = self._person(request, object_id)
        if person is None:
            return self._nobody(request, object_id)
        if request.method == "POST":
            self._deactivate(request, User.objects.filter(pk=person.pk))
            return redirect("admin:organizations_user_change", person.pk)
        return self._page(request, "deactivate_person.html", _("Deactivate a person"), person, {})

    @action(description=_("Activate"), url_path="activate", permissions=["activate"], icon="person_check")
    def activate_person(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        person = self._person(request, object_id)
        if person is None:
            return self._nobody(request, object_id)
        if request.method == "POST":
            self._activate(request, User.objects.filter(pk=person.pk))
            return redirect("admin:organizations_user_change", person.pk)
        return self._page(request, "activate_person.html", _("Activate a person"), person, {})

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Nobody is deleted: the page that deactivates says what that means."""
        return redirect(reverse("admin:organizations_user_deactivate_person", args=[object_id]))

    def _page(
        self, request: HttpRequest, template: str, title: object, person: User, context: dict[str, Any]
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"{TEMPLATES}/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "original": person,  # for the way back, above
                "person": person,
                **context,
            },
        )

    def _nobody(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return] # the stubs leave it out

    # Several at once

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if IS_POPUP_VAR not in request.GET and self.has_change_permission(request):
            for name in ("deactivate_people", "activate_people"):
                actions[name] = self.get_action(name)
        return actions

    @admin.action(description=_("Deactivate the selected people"))
    def deactivate_people(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        people = self._changeable(request, queryset)
        if "confirmed" in request.POST:
            self._deactivate(request, people)
            return None
        active = people.filter(is_active=True).exclude(pk=asking(request).pk)
        count = active.count()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Deactivate people"),
            "count": count,
            "people": active[:SHOWN],
            "more": max(count - SHOWN, 0),
            "selected": request.POST.getlist("_selected_action"),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, f"{TEMPLATES}/deactivate_people.html", context)

    @admin.action(description=_("Activate the selected people"))
    def activate_people(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._activate(request, self._changeable(request, queryset))

    def _changeable(self, request: HttpRequest, people: QuerySet[User]) -> QuerySet[User]:
        mine = administered(request)
        return people.filter(Q() if mine is None else managed_by(mine), erased_at=None)

    def _deactivate(self, request: HttpRequest, people: QuerySet[User]) -> None:
        try:
            with transaction.atomic():
                ids = deactivate_people(people=people, by=asking(request).pk)
                self._log(request, ids, gettext("Deactivated."))
        except LastSuperuser:
            self.message_user(request, LAST_SUPERUSER, messages.ERROR)
            return
        text = ngettext("%d person was deactivated.", "%d people were deactivated.", len(ids)) % len(ids)
        self.message_user(request, text, messages.SUCCESS if ids else messages.WARNING)

    def _activate(self, request: HttpRequest, people: QuerySet[User]) -> None:
        with transaction.atomic():
            ids = activate_people(people=people)
            self._log(request, ids, gettext("Activated."))
        text = ngettext("%d person was activated.", "%d people were activated.", len(ids)) % len(ids)
        self.message_user(request, text, messages.SUCCESS if ids else messages.WARNING)

    def _log(self, request: HttpRequest, ids: list[int], note: str) -> None:
        people = User.objects.filter(pk__in=ids).order_by("pk")
        LogEntry.objects.log_actions(asking(request).pk, people, CHANGE, note)
