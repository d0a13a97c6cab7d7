"""The order of the ways of alarm, in the admin."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, ngettext

from escalations import reach
from escalations.admin.entries import EscalationInline, read
from escalations.admin.words import in_marks
from escalations.drawing import draw
from escalations.foreseeing import MOST_OUTLOOKS, Owner, outlooks, sentences, warnings
from escalations.history import ESCALATIONS
from escalations.models import EscalationConfiguration, default_entries
from escalations.plan import Entry
from organizations.admin.history import WithHistory
from organizations.desk import Desk, administered, administered_organizations, managed_by, people_of
from organizations.models import Organization, User


class WhoseFilter(admin.SimpleListFilter):
    title = gettext_lazy("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [("people", gettext_lazy("People")), ("organizations", gettext_lazy("Organizations"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in {"people", "organizations"}:
            return queryset.filter(organization__isnull=self.value() == "people")
        return queryset


@admin.register(EscalationConfiguration)
class EscalationConfigurationAdmin(WithHistory, Desk[EscalationConfiguration]):
    history = ESCALATIONS
    choose_changeable = ("user",)
    change_form_template = "escalations/desk/configuration.html"
    list_display = ("owner", "kind", "entries")
    list_filter = (WhoseFilter,)
    search_fields = ("user__login", "user__first_name", "user__last_name", "organization__name")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")
    inlines = (EscalationInline,)

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(organization__in=organizations) | Q(user__in=User.objects.filter(people_of(organizations)))

    def changeable(self, organizations: Collection[int]) -> Q:
        return Q(organization__in=organizations) | Q(user__in=User.objects.filter(managed_by(organizations)))

    # Lists

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationConfiguration]:
        return super().get_queryset(request).select_related("user", "organization").prefetch_related("entries")

    @admin.display(description=gettext_lazy("of"))
    def owner(self, configuration: EscalationConfiguration) -> str:
        return str(configuration.user or configuration.organization)

    @admin.display(description=gettext_lazy("holds for"))
    def kind(self, configuration: EscalationConfiguration) -> str:
        if configuration.user_id:
            return format_html('<span class="desk-mark positive">{}</span>', gettext("Person"))
        return format_html('<span class="desk-mark waiting">{}</span>', gettext("Organization: all its alarms"))

    @admin.display(description=gettext_lazy("what happens if nobody answers"))
    def entries(self, configuration: EscalationConfiguration) -> str:
        return in_marks([Entry(entry.wayofalarm, entry.delay) for entry in configuration.entries.all()])

    # The page

    def get_fieldsets(self, request: HttpRequest, obj: EscalationConfiguration | None = None) -> Any:
        if obj is None:
            text = gettext(
                "Either the ways of alarm of one person, or those that an organization prescribes for its alarms in"
                " place of what its members chose."
            )
            return ((None, {"fields": ("user", "organization"), "description": text}),)
        return ((None, {"fields": ("user" if obj.user_id else "organization",)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: EscalationConfiguration | None = None) -> tuple[str, ...]:
        return ("user", "organization") if obj else ()

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "GET" and obj.pk is None:
            # One begins with what holds as long as nothing is ordered.
            kwargs["initial"] = [entry._asdict() for entry in default_entries()]
        return kwargs

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj: EscalationConfiguration | None = kwargs.get("obj")
        (inline,) = context["inline_admin_formsets"]
        if obj:
            whose = {"user": obj.user_id} if obj.user_id else {"organization": obj.organization_id}
        else:
            form = context["adminform"].form
            whose = {name: form[name].value() for name in ("user", "organization") if form[name].value()}
        try:
            owner = self._owner(request, **whose)
        except Http404:
            owner = reach.of_nobody()
        address = reverse("admin:escalations_escalationconfiguration_drawing")
        context |= {
            "drawing_url": f"{address}?{urlencode(whose)}" if obj else address,
            "default_order": in_marks(default_entries()),
            **drawn(*inline.formset.entered(), owner=owner),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # The drawing

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.drawing)
        return [path("drawing/", view, name="escalations_escalationconfiguration_drawing"), *super().get_urls()]

    def drawing(self, request: HttpRequest) -> HttpResponse:
        """Answer what the entries in the address will do, for the page on which they are being ordered."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        owner = self._owner(request, **{name: request.GET.get(name) for name in ("user", "organization")})
        context = drawn(request.GET.getlist("way"), request.GET.getlist("delay"), owner=owner)
        answer = render(request, "escalations/desk/drawing.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def _owner(self, request: HttpRequest, *, user: object = None, organization: object = None) -> Owner:
        """Return whose entries they are. Raises Http404 for those whom the caller does not see."""
        mine = administered(request)
        if user:
            people = User.objects.all() if mine is None else User.objects.filter(people_of(mine))
            return reach.of_user(_found(people, user), mine)
        if organization:
            found: Organization = _found(administered_organizations(request), organization)
            return reach.of_organization(found)
        return reach.of_nobody()


def _found(rows: QuerySet[Any], pk: object) -> Any:
    text = str(pk)
    row = rows.filter(pk=int(text)).first() if text.isascii() and text.isdecimal() and len(text) < 19 else None
    if row is None:
        raise Http404
    return row


def drawn(ways: Sequence[str], delays: Sequence[str], *, owner: Owner) -> dict[str, Any]:
    """Return what the drawing shows."""
    entries, wrong = read(ways, delays)
    pictures = outlooks(entries, owner) if entries else []
    warned = warnings(entries, owner)
    # Where an organization's list replaces it in all alarms, it is drawn for those of none.
    counts = not all(each.prescribes for each in owner.concerned)
    count = len(warned) + len(wrong)
    return {
        "owner": owner,
        "wrong": wrong,
        "warned": warned,
        "summary": ngettext("%(number)d warning", "%(number)d warnings", count) % {"number": count},
        "pictures": [
            {"drawing": draw(each), "sentences": sentences(each), "for": ", ".join(each.names) if counts else ""}
            for each in pictures[:MOST_OUTLOOKS]
        ],
        "more": len(pictures[MOST_OUTLOOKS:]),
    }
