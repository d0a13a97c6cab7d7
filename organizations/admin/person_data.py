"""A person's data in the admin of people: what is held about them, as a file, and erasing it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from io import TextIOWrapper
from typing import IO, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, transaction
from django.db.models import Q
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from messaging_project import database
from organizations.admin.deactivating import LAST_SUPERUSER, Deactivating, action
from organizations.deactivating import LastSuperuser
from organizations.desk import account_of, administered, managed_by
from organizations.models import User
from organizations.person_data.erasing import erase_person
from organizations.person_data.exporting import sections_of, write_person
from organizations.person_data.parts import Scope

BUSY = _("Somebody else is at work on what belongs to this person. Nothing was changed: try again in a moment.")


class PersonData(Deactivating):
    """Pages and buttons of UserAdmin. A class that has other `actions_detail` adds these to its own."""

    actions_detail: Any = ("person_data", "deactivate_person", "activate_person")

    # Permissions

    def has_person_data_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may_with(request, object_id, lambda person: self._manages(request, person))

    def _manages(self, request: HttpRequest, person: User) -> bool:
        return self._is(request, person, managed_by)

    def _may_erase(self, request: HttpRequest, person: User) -> bool:
        is_other = person.erased_at is None and person.pk != request.user.pk
        return is_other and self._is(request, person, account_of)

    def _is(self, request: HttpRequest, person: User, which: Callable[[Collection[int]], Q]) -> bool:
        mine = administered(request)
        return mine is None or User.objects.filter(which(mine), pk=person.pk).exists()

    def _scope(self, request: HttpRequest, person: User) -> Scope:
        mine = administered(request)
        return Scope() if mine is None else Scope(mine, account=self._is(request, person, account_of))

    # Pages

    def get_urls(self) -> list[URLPattern]:
        erasing = self.admin_site.admin_view(self.erase_person)
        return [
            path("<path:object_id>/erase/", erasing, name="organizations_user_erase_person"),
            *super().get_urls(),
        ]

    @action(
        description=_("Data of this person"),
        url_path="person-data",
        permissions=["person_data"],
        icon="folder_shared",
    )
    def person_data(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show what is held about somebody; as a POST, hand it out as a file."""
        person = self._person(request, object_id)
        if person is None:
            return self._nobody(request, object_id)
        scope = self._scope(request, person)
        if request.method == "POST":
            return self._file(request, person, scope)
        counted = [(each, each.rows.count()) for each in sections_of(person, scope)]
        context = {
            "held": [(section, count) for section, count in counted if count],
            "not_held": [section for section, count in counted if not count],
            "scope": scope,
            "may_erase": self._may_erase(request, person),
        }
        return self._page(request, "person_data.html", _("Data of a person"), person, context)

    def _file(self, request: HttpRequest, person: User, scope: Scope) -> HttpResponseBase:
        # In a file, and not straight to the browser: what fails half way must not look like a whole one.
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        out = TextIOWrapper(file, encoding="utf-8", write_through=True)
        now = database.now()
        write_person(out, user=person, scope=scope, now=now, made_by=request.user.get_username())
        out.detach()
        file.seek(0)
        self.log_change(request, person, gettext("Exported the data of this person."))
        name = f"person-{person.pk}-{now:%Y-%m-%d}.json"
        response = FileResponse(file, as_attachment=True, filename=name, content_type="application/json")
        response["Cache-Control"] = "no-store"
        return response

    def erase_person(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Say what goes and what stays, and erase a person whose login was typed."""
        person = self._person(request, object_id)
        if person is None:
            return self._nobody(request, object_id)
        if not self._may_erase(request, person):
            raise PermissionDenied
        error = ""
        if request.method == "POST":
            if request.POST.get("login", "").strip() == person.login:
                return self._erased(request, person)
            error = gettext("This is not the login of this person.")
        # All that goes, whatever of it the caller may see.
        context = {"sections": sections_of(person, Scope()), "error": error}
        return self._page(request, "erase_person.html", _("Erase a person"), person, context)

    def _erased(self, request: HttpRequest, person: User) -> HttpResponse:
        try:
            with transaction.atomic():
                erase_person(user_id=person.pk, now=database.now())
                person.refresh_from_db()
                self.log_change(request, person, gettext("Erased."))
        except LastSuperuser:
            self.message_user(request, LAST_SUPERUSER, messages.ERROR)
        except OperationalError:
            self.message_user(request, BUSY, messages.ERROR)
            return redirect("admin:organizations_user_erase_person", person.pk)
        else:
            note = gettext("Erased. What is left of this person is called %s.")
            self.message_user(request, note % person.login, messages.SUCCESS)
        return redirect("admin:organizations_user_change", person.pk)
