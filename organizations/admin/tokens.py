"""The tokens of the REST API, in the admin: issued, rotated, revoked. The text of one is shown once, in the answer to
what made it, and nowhere else: only a digest is kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, TypeVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from organizations.admin import once
from organizations.admin.history import API_TOKENS, PERSONAL_ACCESS_TOKENS, WithHistory
from organizations.admin.token_forms import SAME, ChangeForm, IssueForm, RotateForm
from organizations.admin.token_marks import StateFilter, marks, moment
from organizations.desk import Desk, account_of, administered, is_superuser, of_organization
from organizations.models import ApiToken, PersonalAccessToken, Token, User
from organizations.rotating import CannotRotate, can_rotate, rotate, same_lifetime

AnyToken = TypeVar("AnyToken", bound=Token)


class TokenAdmin(WithHistory, Desk[AnyToken]):
    header: ClassVar[str]
    """In which a token is sent."""
    example: ClassVar[str]
    """A path of the API that answers it."""

    add_form_template = "organizations/desk/token_issue.html"
    change_form_outer_before_template = "organizations/desk/token_state.html"
    list_before_template = "organizations/desk/token_hint.html"
    list_display_links = ("name",)
    actions = ("revoke",)

    @property
    def owner(self) -> str:
        name: str = self.model.OWNER
        return name

    # Lists

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name", self.owner, "state", "last_use", "end", "issued", "beginning")

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        return (self.owner, "replaced_by")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found, now = self.model.objects.filter(self.seen_by(request)), timezone.now()
        context = {
            "forgotten": found.forgotten(now).count(),
            "soon": found.expiring_soon(now).count(),
            "forgotten_days": settings.TOKEN_FORGOTTEN_DAYS,
            "soon_days": Token.SOON.days,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: AnyToken) -> SafeString:
        return format_html_join(" ", '<span class="desk-mark {}">{}</span>', marks(token))

    @admin.display(description=gettext_lazy("last used"), ordering="last_used_at")
    def last_use(self, token: AnyToken) -> str:
        return moment(token.last_used_at) or _("never")

    @admin.display(description=gettext_lazy("ends"), ordering="expires_at")
    def end(self, token: AnyToken) -> str:
        return moment(token.expires_at) or _("never")

    @admin.display(description=gettext_lazy("issued"), ordering="created_at")
    def issued(self, token: AnyToken) -> str:
        return moment(token.created_at)

    @admin.display(description=gettext_lazy("revoked"))
    def revoked(self, token: AnyToken) -> str:
        return moment(token.revoked_at) or _("no")

    @admin.display(description=gettext_lazy("begins with"), ordering="prefix")
    def beginning(self, token: AnyToken) -> str:
        return token.prefix

    # Forms

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return (self.owner,)

    def get_fields(self, request: HttpRequest, obj: AnyToken | None = None) -> tuple[str, ...]:
        if obj is None:
            return (self.owner, "name", "lifetime", "until")
        return (self.owner, "name", "expires_at", "beginning", "issued", "last_use", "revoked")

    def get_readonly_fields(self, request: HttpRequest, obj: AnyToken | None = None) -> tuple[str, ...]:
        return (self.owner, "beginning", "issued", "last_use", "revoked") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = ChangeForm if obj else IssueForm
        return super().get_form(request, obj, change, **kwargs)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        texts = {
            "name": (_("Name"), _("What it is for, so that one knows what revoking it ends.")),
            "expires_at": (_("Ends"), _("Empty: it never ends.")),
            "organization": (_("Organization"), ""),
            "user": (_("Person"), _("Yourself, or somebody whose account your organization manages.")),
        }
        if db_field.name in texts:
            kwargs["label"], kwargs["help_text"] = texts[db_field.name]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            may = self.has_change_permission(request, obj)
            context |= {
                "marks": marks(obj),
                "can_rotate": may and can_rotate(obj, timezone.now()),
                "can_revoke": may and obj.revoked_at is None,
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    # Issuing

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = request.POST.get("form_key", "") or once.new_key()
        context = {**(extra_context or {}), "form_key": key, "title": _("Issue a token")}
        if request.method != "POST":
            return super().add_view(request, form_url, context)
        with transaction.atomic():
            issued = once.outcome(request, key)
            if issued is None:
                return super().add_view(request, form_url, context)
        text = _("This token was issued already, and is not shown again. If nobody has copied it, rotate it.")
        self.message_user(request, text, messages.WARNING)
        return redirect(self._url("change"), issued)

    def save_model(self, request: HttpRequest, obj: AnyToken, form: Any, change: bool) -> None:
        if change:
            # Only what was edited: the last use or a revocation may have been written meanwhile.
            obj.save(update_fields=form.changed_data)
            return
        expires_at = form.expires_at(timezone.now())
        row, text = self.model.issue(name=obj.name, expires_at=expires_at, **{self.owner: obj.owner})
        obj.pk, obj.prefix, obj.expires_at = row.pk, row.prefix, expires_at
        vars(obj)["text"] = text
        if key := request.POST.get("form_key"):
            once.spend(request, key, row.pk)

    def response_add(self, request: HttpRequest, obj: AnyToken, post_url_continue: str | None = None) -> HttpResponse:
        return self._shown_once(request, obj, vars(obj).pop("text"))

    def _shown_once(self, request: HttpRequest, token: AnyToken, text: str, old: Token | None = None) -> HttpResponse:
        curl = f'curl {settings.BASE_URL}/api/v1/{self.example} -H "{self.header}: {text}"'
        context = {"title": _("The new token"), "text": text, "header": self.header, "curl": curl, "old": old}
        answer = self._page(request, "token_issued", token, context)
        patch_cache_control(answer, no_store=True)
        return answer

    def _page(self, request: HttpRequest, name: str, token: AnyToken, context: dict[str, Any]) -> TemplateResponse:
        base = {**self.admin_site.each_context(request), "opts": self.opts, "token": token, "original": token}
        return TemplateResponse(request, f"organizations/desk/{name}.html", {**base, **context})

    # Rotating and revoking

    def get_urls(self) -> list[URLPattern]:
        pages = (("rotate", self.rotate_view), ("revoke", self.revoke_view))
        return [
            *(
                path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=self._url(name)[6:])
                for name, view in pages
            ),
            *super().get_urls(),
        ]

    def _url(self, page: str) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _changeable(self, request: HttpRequest, object_id: str) -> AnyToken | None:
        token = self.get_object(request, unquote(object_id))
        if token is not None and not self.has_change_permission(request, token):
            raise PermissionDenied
        return token

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token, now = self._changeable(request, object_id), timezone.now()
        if token is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return] # Django's, without a stub
        if not can_rotate(token, now):
            return self._not_rotated(request, token)
        form = RotateForm(request.POST or None, token=token, now=now)
        if request.method != "POST" or not form.is_valid():
            return self._page(request, "token_rotate", token, {"title": _("Rotate the token"), "form": form})
        same = form.cleaned_data["lifetime"] == SAME
        expires_at = same_lifetime(token, now) if same else form.expires_at(now)
        try:
            with transaction.atomic():
                at_once = form.cleaned_data["old"] == form.AT_ONCE
                new, text = rotate(token=token, now=now, expires_at=expires_at, at_once=at_once)
                self.log_change(request, token, "Rotated.")
        except CannotRotate:
            return self._not_rotated(request, token)
        token.refresh_from_db()
        return self._shown_once(request, new, text, token)

    def _not_rotated(self, request: HttpRequest, token: AnyToken) -> HttpResponse:
        text = _("This token is replaced, expired or revoked already: it cannot be rotated.")
        self.message_user(request, text, messages.WARNING)
        return redirect(self._url("change"), token.pk)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self._changeable(request, object_id)
        if token is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return] # Django's, without a stub
        if request.method != "POST":
            return self._page(request, "token_revoke", token, {"title": _("Revoke the token")})
        self._revoke(request, [token])
        return redirect(self._url("change"), token.pk)

    @admin.action(description=gettext_lazy("Revoke the selected tokens"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AnyToken]) -> None:
        self._revoke(request, queryset)

    def _revoke(self, request: HttpRequest, tokens: Any) -> None:
        tokens = list(tokens)
        if not is_superuser(request):
            # Of all with one query: each is asked for by itself.
            self._learn(request, tokens, changeable=True)
        revoked = [token for token in tokens if token.revoked_at is None and self.has_change_permission(request, token)]
        with transaction.atomic():
            for token in revoked:
                token.revoke()
                self.log_change(request, token, "Revoked.")
        text = ngettext("%(count)d token is revoked.", "%(count)d tokens are revoked.", len(revoked))
        self.message_user(request, text % {"count": len(revoked)}, messages.SUCCESS)


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin[ApiToken]):
    history = API_TOKENS
    header, example = "API-TOKEN", "organizations"
    list_filter = (StateFilter, of_organization())
    search_fields = ("name", "prefix", "organization__name")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "organization":
            # That of another would open nothing.
            field.queryset = field.queryset.filter(is_active=True)
        return field


@admin.register(PersonalAccessToken)
class PersonalAccessTokenAdmin(TokenAdmin[PersonalAccessToken]):
    """Of the people whose account the caller's organizations manage, and the caller's own."""

    history = PERSONAL_ACCESS_TOKENS
    header, example = "Personal-Access-Token", "user"
    list_filter = (StateFilter,)
    search_fields = ("name", "prefix", "user__login", "user__first_name", "user__last_name")

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(user__in=User.objects.filter(account_of(organizations)))

    def seen_by(self, request: HttpRequest) -> Q:
        return super().seen_by(request) if administered(request) is None else super().seen_by(request) | _own(request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            mine, people = administered(request), User.objects.filter(is_active=True)
            kwargs["queryset"] = people if mine is None else people.filter(account_of(mine) | Q(pk=request.user.pk))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def _own(request: HttpRequest) -> Q:
    return Q(user=request.user.pk)
