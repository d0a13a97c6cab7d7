"""The site of the admin, and what holds for all its pages and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any
from zoneinfo import ZoneInfo

import pghistory
from django.conf import settings
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PATHS = ("/admin/", "/language/")
READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
WITHOUT_SECOND_FACTOR = frozenset({"logout", "jsi18n"})

# Alpine.js, with which Unfold makes its pages move, makes functions of the expressions in its attributes: hence
# 'unsafe-eval'. No script stands in a page itself. Styles do: the site's colours, and the widths of bars.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Choices(AutocompleteJsonView):
    """The choices of a relation, found while one types."""

    def process_request(self, request: HttpRequest) -> Any:
        found = super().process_request(request)
        if found[2].auto_created:
            # The other end of a relation, which no form offers; Django would stumble over it.
            raise PermissionDenied
        return found


class DeskSite(UnfoldAdminSite):  # type: ignore[misc] # it has no types
    """The admin, whose home are the open alarms (alarms/desk/home.py)."""

    # Unfold's own stands before any of the same name.
    index_template = "alarms/desk/home.html"

    def get_urls(self) -> list[Any]:
        # Not above: models that they need are loaded after this module.
        from organizations.admin.log_in import LogInCode
        from organizations.admin.own_second_factor import OwnSecondFactor

        own = [
            path("login/code/", LogInCode.as_view(), name="log_in_code"),
            path("second-factor/", super().admin_view(OwnSecondFactor.as_view()), name="second_factor"),
        ]
        # Nothing has a page on another site; who asks for one would learn which numbers there are.
        return own + [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from organizations.admin.log_in import LogIn

        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {**self.each_context(request), "title": _("Log in"), "app_path": request.get_full_path()}
        if REDIRECT_FIELD_NAME not in request.GET:
            context[REDIRECT_FIELD_NAME] = reverse("admin:index")
        request.current_app = self.name
        return LogIn.as_view(extra_context={**context, **(extra_context or {})})(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Where SECOND_FACTOR is `required`, whoever has none finds nothing but the page that sets it up."""
        checked = super().admin_view(view, cacheable)

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            has_to = settings.SECOND_FACTOR == "required" and self.has_permission(request)
            match = request.resolver_match
            is_free = match is not None and match.url_name in WITHOUT_SECOND_FACTOR
            if has_to and not is_free and getattr(request.user, "second_factor_at", None) is None:
                return redirect("admin:second_factor")
            response: HttpResponseBase = checked(request, *args, **kwargs)
            return response

        # Django marks what it has checked so far.
        return update_wrapper(answer, checked)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return Choices.as_view(admin_site=self)(request)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Nothing of ours shows this search; its page takes any number for one of its pages.
        return redirect("admin:index")


def of_desk(request: HttpRequest) -> bool:
    return request.path.startswith(PATHS)


def strict_pages(get_response: GetResponse) -> GetResponse:
    """Middleware: the admin loads nothing from elsewhere, is in no frame, and no proxy keeps its pages."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if of_desk(request):
            response.setdefault("Content-Security-Policy", POLICY)
            response.setdefault("Referrer-Policy", "same-origin")
        return response

    return answer


def spoken_language(get_response: GetResponse) -> GetResponse:
    """Middleware: the admin speaks the language of the switch in its header, else that of the browser."""
    speaking = LocaleMiddleware(get_response)

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not of_desk(request):
            return get_response(request)
        response = speaking(request)
        assert isinstance(response, HttpResponseBase)
        return response

    return answer


def local_times(get_response: GetResponse) -> GetResponse:
    """Middleware: the admin tells and takes times as the clocks of the organization show them that manages whoever
    looks; else those of the setting TIME_ZONE."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not of_desk(request):
            return get_response(request)
        organization = getattr(request.user, "managing_organization", None)
        with timezone.override(organization and ZoneInfo(organization.time_zone)):
            return get_response(request)

    return answer


def author(get_response: GetResponse) -> GetResponse:
    """Middleware: the history tells who changed something in the admin."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.method in READING or not of_desk(request):
            return get_response(request)
        with pghistory.context(user=request.user.pk, how="admin"):
            return get_response(request)

    return answer
