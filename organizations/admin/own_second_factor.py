"""The page on which somebody sets up their second factor, gets new recovery codes, or removes it."""

from __future__ import annotations

from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import INPUT_CLASSES

from messaging_project import database
from messaging_project.encryption import CannotDecrypt, decrypt, encrypt
from organizations import logging_in, second_factor
from organizations.admin.deactivating import asking
from organizations.admin.log_in import Guarded, refused
from organizations.logging_in import Step
from organizations.models import User
from organizations.second_factor import WrongCode, in_fours

# The secret that is about to be set up, encrypted.
SECRET = "second_factor"  # noqa: S105 - where it is kept
CODE = {"autocomplete": "one-time-code", "inputmode": "numeric"}
WRONG = _("This code is not right. Take the one that the app shows now; the clock of the phone has to be right.")


class SetUpForm(forms.Form):
    code = forms.CharField(label=_("Code that the app shows"), max_length=50)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(CODE, **{"class": " ".join(INPUT_CLASSES)})


class SureForm(Guarded):
    """Asks once more who somebody is."""

    password = forms.CharField(
        label=_("Password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    code = forms.CharField(label=_("Code of the app, or a recovery code"), max_length=50)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
        self.fields["code"].widget.attrs["autocomplete"] = "one-time-code"

    def clean(self) -> dict[str, Any]:
        user, given = asking(self.request), self.cleaned_data
        if "password" in given and "code" in given:
            self.begin(user.login, Step.CODE)
            # Both in any case: which of them is wrong is not told.
            is_right = user.check_password(given["password"])
            if not (is_right and second_factor.check(user_id=user.pk, code=given["code"], now=database.now())):
                raise ValidationError(_("Password or code is not right."), code="wrong")
        return given


@method_decorator((sensitive_post_parameters(), never_cache), name="dispatch")
class OwnSecondFactor(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        user = asking(request)
        return self._set_up_page(request, SetUpForm()) if user.second_factor_at is None else self._page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        user = asking(request)
        if user.second_factor_at is None:
            return self._set_up(request, user)
        form = SureForm(request.POST, request=request)
        if not form.is_valid():
            return refused(self._page(request, form), form)
        assert form.attempt is not None
        logging_in.succeeded(form.attempt)
        if "remove" in request.POST:
            return self._remove(request, user)
        if "codes" in request.POST:
            with transaction.atomic():
                codes = second_factor.renew_recovery_codes(user_id=user.pk)
                log(user, gettext("Made new recovery codes."))
            return self._codes_page(request, codes)
        return redirect("admin:second_factor")

    def _set_up(self, request: HttpRequest, user: User) -> HttpResponse:
        form, secret = SetUpForm(request.POST), kept_secret(request)
        if form.is_valid():
            now, code = database.now(), form.cleaned_data["code"]
            try:
                with transaction.atomic():
                    codes = second_factor.set_up(user_id=user.pk, secret=secret, code=code, now=now)
                    log(user, gettext("Set up the second factor."))
            except WrongCode:
                form.add_error("code", WRONG)
            else:
                del request.session[SECRET]
                self._keep_session(request, user)
                return self._codes_page(request, codes)
        return self._set_up_page(request, form)

    def _remove(self, request: HttpRequest, user: User) -> HttpResponse:
        with transaction.atomic():
            second_factor.remove(user_id=user.pk)
            log(user, gettext("Removed the second factor."))
        self._keep_session(request, user)
        messages.success(request, gettext("The second factor is removed: from now on your password is enough."))
        return redirect("admin:second_factor")

    @staticmethod
    def _keep_session(request: HttpRequest, user: User) -> None:
        """End every session of somebody but this one."""
        user.refresh_from_db()
        update_session_auth_hash(request, user)

    def _set_up_page(self, request: HttpRequest, form: SetUpForm) -> HttpResponse:
        user, secret = asking(request), kept_secret(request)
        uri = second_factor.uri_of(secret, login=user.login, issuer=settings.SITE_NAME)
        context = {
            "form": form,
            "picture": picture(uri),
            "uri": uri,
            "secret": in_fours(secret),
            "required": settings.SECOND_FACTOR == "required",
        }
        return self._answer(request, "second_factor_set_up.html", context)

    def _page(self, request: HttpRequest, form: SureForm | None = None) -> HttpResponse:
        factor = getattr(asking(request), "second_factor", None)
        left = len(factor.recovery_digests) if factor else 0
        context = {"form": form or SureForm(request=request), "left": left, "since": asking(request).second_factor_at}
        return self._answer(request, "second_factor.html", context)

    def _codes_page(self, request: HttpRequest, codes: list[str]) -> HttpResponse:
        response = self._answer(request, "recovery_codes.html", {"codes": [in_fours(code, "-") for code in codes]})
        response["Cache-Control"] = "no-store"
        return response

    def _answer(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**admin.site.each_context(request), "title": _("Second factor")}
        return TemplateResponse(request, f"organizations/desk/{template}", {**everywhere, **context})


def kept_secret(request: HttpRequest) -> str:
    """Return the secret that is about to be set up: the same when the page is loaded again, as it may be in the app."""
    try:
        return decrypt(request.session[SECRET])
    except (KeyError, CannotDecrypt):
        secret = second_factor.new_secret()
        request.session[SECRET] = encrypt(secret)
        return secret


def picture(text: str) -> str:
    """Return the address of a QR code, which is all in it; dark on light whatever the page is: some cameras see no
    other."""
    code = segno.make(text, micro=False, error="m")
    address: str = code.svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True)
    return address


def log(user: User, note: str) -> None:
    """Write into the admin's log of a person what became of their second factor."""
    LogEntry.objects.log_actions(user.pk, User.objects.filter(pk=user.pk), CHANGE, note)
