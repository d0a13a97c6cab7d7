"""When people are not there, in the admin."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from messaging_project import database
from organizations.admin.absent_now import AbsenceTimeFilter
from organizations.desk import Desk, administered, managed_by, of_organization, people_of
from organizations.models import Absence, Organization, User

if TYPE_CHECKING:
    AbsenceFormBase = forms.ModelForm[Absence]
else:
    AbsenceFormBase = forms.ModelForm


def zone_of(organization: Organization | None, user: User | None) -> ZoneInfo:
    """Return by whose clocks the times of an absence are meant: those of its organization, else of the user's."""
    whose = organization or (user.managing_organization if user else None)
    return ZoneInfo(whose.time_zone if whose else settings.TIME_ZONE)


def in_words(absence: Absence) -> str:
    zone = zone_of(absence.organization, absence.user)
    starts, ends = (timezone.localtime(moment, zone) for moment in (absence.starts_at, absence.ends_at))
    if not absence.weekly:
        moments = {"start": date_format(starts, "DATETIME_FORMAT"), "end": date_format(ends, "DATETIME_FORMAT")}
        return gettext("from %(start)s until %(end)s") % moments
    if starts.date() == ends.date():
        times = {"day": date_format(starts, "l"), "start": f"{starts:%H:%M}", "end": f"{ends:%H:%M}"}
        return gettext("every %(day)s from %(start)s to %(end)s") % times
    times = {
        "start_day": date_format(starts, "l"),
        "start": f"{starts:%H:%M}",
        "end_day": date_format(ends, "l"),
        "end": f"{ends:%H:%M}",
    }
    return gettext("every week from %(start_day)s %(start)s until %(end_day)s %(end)s") % times


def whose_alarms(absence: Absence) -> str:
    return absence.organization.name if absence.organization else gettext("all organizations")


class AbsenceForm(AbsenceFormBase):
    """Times are typed as the clocks of the organization show them."""

    mine: Collection[int] | None = None
    """The organizations of whose admin is at work, None: a superuser."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            zone = zone_of(self.instance.organization, self.instance.user)
            for name in ("starts_at", "ends_at"):
                # As it is shown: without a time zone, nothing makes another time of it.
                self.initial[name] = timezone.localtime(getattr(self.instance, name), zone).replace(
                    tzinfo=None, microsecond=0
                )
        for name in ("starts_at", "ends_at"):
            if name in self.fields:
                self.fields[name].help_text = _("By the clocks of the organization.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        user = cleaned.get("user") or (self.instance.user if self.instance.user_id else None)
        if user is None or "organization" in self.errors:
            return cleaned
        organization = cleaned["organization"] if "organization" in self.fields else self.instance.organization
        for name in ("starts_at", "ends_at"):
            if cleaned.get(name):
                typed = timezone.make_naive(cleaned[name])
                cleaned[name] = typed.replace(tzinfo=zone_of(organization, user))
        self._check_whose(user, organization)
        over = cleaned.get("ends_at") and cleaned["ends_at"] <= database.now() and not cleaned.get("weekly")
        if over and self.instance.pk is None:
            self.add_error("ends_at", _("This is over already."))
        return cleaned

    def _check_whose(self, user: User, organization: Organization | None) -> None:
        if organization is not None and not user.memberships.filter(organization=organization).exists():
            self.add_error("organization", _("This person is no member of it."))
        if organization is None and self.mine is not None:
            managed = User.objects.filter(managed_by(self.mine), pk=user.pk)
            if not managed.exists():
                self.add_error("organization", _("Choose one: for all of them only who manages this person says it."))


@admin.register(Absence)
class AbsenceAdmin(Desk[Absence]):
    """An organization's admins see when their people are not there for it, or for nobody."""

    def visible(self, organizations: Collection[int]) -> Q:
        people = Q(user__in=User.objects.filter(people_of(organizations)))
        return people & (Q(organization=None) | Q(organization__in=organizations))

    def changeable(self, organizations: Collection[int]) -> Q:
        managed = Q(user__in=User.objects.filter(managed_by(organizations)))
        return managed | Q(organization__in=organizations)

    list_display = ("user", "whose_alarms", "when")
    list_filter = (AbsenceTimeFilter, "weekly", of_organization())
    list_select_related = ("user__managing_organization", "organization")
    search_fields = ("user__login", "user__first_name", "user__last_name")
    search_help_text = _("Search by name or login")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")
    fieldsets = (
        (
            None,
            {
                "fields": ("user", "organization", "starts_at", "ends_at", "weekly"),
                "description": _(
                    "Alarms to everybody and to groups leave out whoever is absent. Whoever is alarmed by name is"
                    " alarmed all the same."
                ),
            },
        ),
    )

    def get_form(self, request: HttpRequest, obj: Absence | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = type("AbsenceForm", (AbsenceForm,), {"mine": administered(request)})
        return super().get_form(request, obj, change=change, **{"form": form, **kwargs})

    def get_readonly_fields(self, request: HttpRequest, obj: Absence | None = None) -> tuple[str, ...]:
        return ("user",) if obj else ()

    @admin.display(description=_("when"), ordering="starts_at")
    def when(self, absence: Absence) -> str:
        return in_words(absence)

    @admin.display(description=_("for the alarms of"), ordering="organization__name")
    def whose_alarms(self, absence: Absence) -> str:
        return whose_alarms(absence)
