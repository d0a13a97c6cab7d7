"""Taking somebody's second factor from them, in the admin of people: who has lost the phone and the codes."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from organizations import second_factor
from organizations.admin.deactivating import asking
from organizations.admin.person_data import PersonData
from organizations.desk import account_of
from organizations.models import User


class SecondFactorReset(PersonData):
    """A page of UserAdmin, for those who may set the password too."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.reset_second_factor)
        name = "organizations_user_reset_second_factor"
        return [path("<path:object_id>/reset-second-factor/", page, name=name), *super().get_urls()]

    def reset_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        person = self._person(request, object_id)
        if person is None:
            return self._nobody(request, object_id)
        if person.pk == request.user.pk:
            # One's own is removed with its code.
            return redirect("admin:second_factor")
        if not self._is(request, person, account_of):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, "reset_second_factor.html", _("Reset a second factor"), person, {})
        with transaction.atomic():
            if second_factor.remove(user_id=person.pk):
                people = User.objects.filter(pk=person.pk)
                LogEntry.objects.log_actions(asking(request).pk, people, CHANGE, gettext("Reset the second factor."))
        self.message_user(request, gettext("The second factor was reset."), messages.SUCCESS)
        return redirect("admin:organizations_user_change", person.pk)

    @admin.display(description=_("Second factor"))
    def second_factor_state(self, person: User) -> str:
        if person.second_factor_at is None:
            return gettext("None: the password alone is enough.")
        since = date_format(localtime(person.second_factor_at), "DATETIME_FORMAT")
        state = gettext("An app, since %(since)s.") % {"since": since}
        return format_html('{} <a href="../reset-second-factor/">{}</a>', state, gettext("Reset it"))
