"""The pages on which one logs in: login and password and, where there is a second factor, its code."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login as log_in
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from messaging_project import database
from messaging_project.addresses import network_of
from organizations import logging_in, second_factor
from organizations.logging_in import BROWSER, Step, TooManyAttempts, digest_of
from organizations.models import LogInAttempt, User

if TYPE_CHECKING:
    CodeView = FormView["CodeForm"]
else:
    CodeView = FormView

logger = logging.getLogger(__name__)

# Who has given their password, and is asked for their code; for how long, in seconds.
PENDING = "log_in"
PENDING_FOR = 600

# What tells a browser from which somebody has logged in before: see logging_in.begin().
COOKIE = settings.BROWSER_COOKIE_NAME
COOKIE_FOR = 365 * 24 * 60 * 60  # seconds
LOGINS_OF_A_BROWSER = 5


class Guarded(forms.Form):
    """Counts attempts, and says how long one has to wait when they are too many."""

    request: HttpRequest
    attempt: LogInAttempt | None = None
    wait: TooManyAttempts | None = None

    def begin(self, login: str, step: Step) -> None:
        """Raises: ValidationError, with `wait` set."""
        try:
            source = source_of(self.request, login)
            self.attempt = logging_in.begin(login=login, source=source, step=step, now=database.now())
        except TooManyAttempts as wait:
            self.wait = wait
            text = ngettext(
                "Too many attempts. Try again in %(minutes)d minute.",
                "Too many attempts. Try again in %(minutes)d minutes.",
                wait.minutes,
            )
            raise ValidationError(text % {"minutes": wait.minutes}, code="wait") from None


def refused(response: HttpResponse, form: Guarded) -> HttpResponse:
    """Say to programs too that one has to wait."""
    if form.attempt is not None:
        logger.info("log-in failed: %s, from %s", form.attempt.step, form.attempt.source)
    if form.wait is not None:
        response.status_code = 429
        response["Retry-After"] = str(form.wait.seconds)
    return response


def source_of(request: HttpRequest, login: str) -> str:
    browser, *logins = _of_browser(request)
    return f"{BROWSER}{browser}" if digest_of(login)[:16] in logins else network_of(request)


def _of_browser(request: HttpRequest) -> list[str]:
    """Return what the cookie says: what only this browser has, and the digests of logins that were used there."""
    said = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=COOKIE_FOR)
    return said.split(" ") if said else [secrets.token_hex(16)]


def finish(request: HttpRequest, user: User, attempt: LogInAttempt, to: str) -> HttpResponse:
    """Log somebody in, from whom nothing more is asked."""
    logging_in.succeeded(attempt)
    browser, *logins = _of_browser(request)
    log_in(request, user)
    logger.info("logged in: user=%d", user.pk)
    response = HttpResponseRedirect(to)
    own = digest_of(user.login)[:16]
    kept = [own, *(each for each in logins if each != own)][:LOGINS_OF_A_BROWSER]
    response.set_signed_cookie(
        COOKIE,
        " ".join([browser, *kept]),
        salt=COOKIE,
        max_age=COOKIE_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


class LogInForm(Guarded, AuthenticationForm):  # type: ignore[misc] # Unfold has no types
    def clean(self) -> dict[str, Any]:
        login, password = (self.cleaned_data.get(name) for name in ("username", "password"))
        if login and password:
            self.begin(login, Step.PASSWORD)
        return super().clean() or self.cleaned_data


class LogIn(LoginView):
    form_class = LogInForm
    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponseRedirect:
        user, to = form.get_user(), self.get_success_url()
        if user.second_factor_at is None:
            return finish(self.request, user, form.attempt, to)  # type: ignore[return-value] # a redirect
        # Wrong codes before still count: else one could begin anew to get rid of them.
        logging_in.passed(form.attempt)
        self.request.session.cycle_key()
        self.request.session[PENDING] = {
            "user": user.pk,
            "hash": user.get_session_auth_hash(),
            "until": database.now().timestamp() + PENDING_FOR,
            "to": to,
        }
        return HttpResponseRedirect(reverse("admin:log_in_code"))

    def form_invalid(self, form: Any) -> HttpResponse:
        return refused(super().form_invalid(form), form)


class CodeForm(Guarded):
    code = forms.CharField(label=_("Code"), max_length=50)

    def __init__(self, *args: Any, request: HttpRequest, user: User, recovery: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.user = request, user
        attrs = {"class": " ".join(BASE_INPUT_CLASSES), "autofocus": True, "autocomplete": "one-time-code"}
        if recovery:
            attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
            self.fields["code"].label = _("Recovery code")
        else:
            attrs["inputmode"] = "numeric"
        self.fields["code"].widget.attrs.update(attrs)

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        self.begin(self.user.login, Step.CODE)
        if not second_factor.check(user_id=self.user.pk, code=code, now=database.now()):
            raise ValidationError(_("This code is not right, or was used before."), code="wrong")
        return code


@method_decorator((sensitive_post_parameters(), never_cache, csrf_protect), name="dispatch")
class LogInCode(CodeView):
    """Asks who has given their password for a code."""

    form_class = CodeForm
    template_name = "organizations/desk/log_in_code.html"
    pending: Any
    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        pending = request.session.get(PENDING)
        user = self._user(pending) if pending else None
        if user is None:
            request.session.pop(PENDING, None)
            return redirect("admin:login")
        self.pending, self.user = pending, user
        return super().dispatch(request, *args, **kwargs)

    def _user(self, pending: dict[str, Any]) -> User | None:
        """Return who has given their password, unless it is too long ago or not right any more."""
        user = User.objects.filter(pk=pending["user"], is_active=True, is_staff=True).first()
        if user is None or database.now().timestamp() > pending["until"]:
            return None
        return user if constant_time_compare(user.get_session_auth_hash(), pending["hash"]) else None

    def get_form_kwargs(self) -> dict[str, Any]:
        recovery = "recovery" in self.request.GET
        return {**super().get_form_kwargs(), "request": self.request, "user": self.user, "recovery": recovery}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = admin.site.each_context(self.request)
        recovery = "recovery" in self.request.GET
        return super().get_context_data(
            **context, **kwargs, title=_("Log in"), recovery=recovery, login_url=reverse("admin:login")
        )

    def form_valid(self, form: CodeForm) -> HttpResponse:
        assert form.attempt is not None
        del self.request.session[PENDING]
        return finish(self.request, self.user, form.attempt, self.pending["to"])

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        return refused(super().form_invalid(form), form)
