"""The history of what the admin shows: who changed what, from what to what, by whichever way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from organizations.authors import Authors
from organizations.history import ADDED, CHANGED, REMOVED, Change, History, Names, Part, Values, page_of
from organizations.models import ApiToken, Device, Membership, Organization, PersonalAccessToken, User

if TYPE_CHECKING:
    from organizations.desk import Desk

    DeskBase = Desk[Any]
else:
    DeskBase = object

WORDS = {ADDED: gettext_lazy("Added"), CHANGED: gettext_lazy("Changed"), REMOVED: gettext_lazy("Removed")}
MARKS = {ADDED: "positive", CHANGED: "waiting", REMOVED: "negative"}


class WithHistory(DeskBase):
    """Shows of a row what the history knows of it, and where it belongs to an organization, on the page of that too."""

    history: ClassVar[History]

    def history_of(self, request: HttpRequest, obj: Any) -> list[Part]:
        """Return what the page of the history of a row shows."""
        return [Part(self.history, self.history.of(obj), self.history_seen_by(request))]

    def history_seen_by(self, request: HttpRequest) -> Q:
        """Return which rows of the history the caller sees: they have the columns of those that they are about."""
        return self.seen_by(request)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return] # Django's, without a stub
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        parts = self.history_of(request, obj)
        chosen = request.GET.get("of", "")
        shown = [part for part in parts if part.history.model._meta.model_name == chosen] or parts
        page, changes = page_of(shown, request.GET.get("page"))
        authors = Authors(request, [change.context for change in changes])
        context = {
            **self.admin_site.each_context(request),
            "title": _("History: %(object)s") % {"object": obj},
            "subtitle": None,
            "opts": self.opts,
            "object": obj,
            "original": obj,
            "module_name": str(capfirst(self.opts.verbose_name_plural)),
            "rows": [_row(change, authors) for change in changes],
            "page": page,
            "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
            "several": len(parts) > 1,
            "kinds": [(part.history.model._meta.model_name, part.history.title) for part in parts],
            "chosen": chosen if shown is not parts else "",
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "organizations/desk/history.html", context)


def _row(change: Change, authors: Authors) -> dict[str, Any]:
    return {
        "change": change,
        "word": WORDS[change.kind],
        "mark": MARKS[change.kind],
        "who": authors.who(change.context),
        "how": authors.how(change.context),
    }


class WithHistoryOfAll(WithHistory):
    """Shows of an organization the history of all that belongs to it, also of what is gone."""

    def history_seen_by(self, request: HttpRequest) -> Q:
        # A row of the history has another key than what it is about.
        return Q(pgh_obj_id__in=self.choices(request).order_by().values("pk"))

    def history_of(self, request: HttpRequest, obj: Organization) -> list[Part]:
        return [
            Part(page.history, page.history.of_organization(obj.pk), page.history_seen_by(request))
            for page in self.admin_site._registry.values()
            if isinstance(page, WithHistory)
        ]


def _token(values: Values, _names: Names) -> str:
    return _("API token %(name)s (%(prefix)s)") % {"name": values["name"], "prefix": values["prefix"]}


def _personal_token(values: Values, names: Names) -> str:
    told = {"name": values["name"], "prefix": values["prefix"], "person": names.of(User, values["user"])}
    return _("Personal access token %(name)s (%(prefix)s) of %(person)s") % told


def _membership(values: Values, names: Names) -> str:
    return _("Membership of %(person)s") % {"person": names.of(User, values["user"])}


def _device(values: Values, names: Names) -> str:
    return _("Device %(name)s of %(person)s") % {"name": values["name"], "person": names.of(User, values["user"])}


def _organization(values: Values, _names: Names) -> str:
    return _("Organization %(name)s") % {"name": values["name"]}


def of_managed(organization: int) -> Q:
    """Return the rows of people whom the organization manages."""
    return Q(user__in=User.objects.filter(managing_organization=organization))


def of_itself(organization: int) -> Q:
    return Q(organization=organization)


ORGANIZATIONS = History(
    Organization, gettext_lazy("Organization"), _organization, lambda organization: Q(pgh_obj_id=organization)
)
MEMBERSHIPS = History(Membership, gettext_lazy("Memberships"), _membership, of_itself)
DEVICES = History(Device, gettext_lazy("Devices"), _device, of_managed)
API_TOKENS = History(ApiToken, gettext_lazy("API tokens"), _token, of_itself)
PERSONAL_ACCESS_TOKENS = History(
    PersonalAccessToken, gettext_lazy("Personal access tokens"), _personal_token, of_managed
)
