"""People, in the admin."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm

from organizations.admin.absences import in_words, whose_alarms
from organizations.admin.person_forms import (
    DeviceForm,
    Labelled,
    MembershipFormSet,
    NewPersonForm,
    PersonForm,
    elsewhere,
)
from organizations.admin.second_factor_reset import SecondFactorReset
from organizations.deactivating import LastSuperuser, keep_a_superuser, lock_people
from organizations.desk import (
    Desk,
    DeskInline,
    account_of,
    administered,
    administered_organizations,
    is_superuser,
    managed_by,
    of_organization,
    people_of,
)
from organizations.models import Absence, Device, Membership, User

if TYPE_CHECKING:
    DjangoUserAdminOfUsers = DjangoUserAdmin[User]
else:
    DjangoUserAdminOfUsers = DjangoUserAdmin

ABOUT = ("first_name", "last_name", "email", "language", "inbox_to_email", "description", "managing_organization")
ABSENCES = 20
PASSWORD = ("usable_password", "password1", "password2")


class DeviceInline(Labelled, DeskInline[Device, User]):
    model = Device
    form = DeviceForm
    extra = 0
    hide_title = True
    readonly_fields = ("tested_at",)


class MembershipInline(Labelled, DeskInline[Membership, User]):
    model = Membership
    formset = MembershipFormSet
    extra = 0
    hide_title = True

    def visible(self, organizations: Collection[int]) -> Q:
        return Q(organization__in=organizations)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "organization")

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "organization":
            # Read once for all rows, not once a row.
            field.choices = list(field.iterator(field))
        return field


@admin.register(User)
class UserAdmin(SecondFactorReset, Desk[User], DjangoUserAdminOfUsers):
    """Of people, an organization's admins change those whom it manages; the others are only shown to them."""

    class Media:
        css = {"all": ("organizations/desk/people.css",)}

    form = PersonForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("login", "first_name", "last_name", "email", "managed_by", "is_active", "is_staff")
    search_fields = ("login", "first_name", "last_name", "email")
    search_help_text = _("Search by name, login or e-mail")
    ordering = ("login",)
    filter_horizontal = ()
    show_full_result_count = False
    autocomplete_fields = ("managing_organization",)
    list_before_template = "organizations/desk/people_actions.html"
    change_form_before_template = "organizations/desk/person_before.html"
    change_form_outer_after_template = "organizations/desk/person_absences.html"

    # Whose

    def visible(self, organizations: Collection[int]) -> Q:
        return people_of(organizations)

    def changeable(self, organizations: Collection[int]) -> Q:
        return managed_by(organizations)

    def logged(self, organizations: Collection[int]) -> Q:
        # Of somebody who is in another organization too, it names that one.
        return account_of(organizations)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        mine = administered(request)
        own = Q(managing_organization__isnull=False) if mine is None else Q(managing_organization__in=mine)
        named = Case(
            When(own, then=F("managing_organization__name")),
            When(managing_organization__isnull=False, then=Value(elsewhere())),
            default=Value(""),
        )
        return super().get_queryset(request).annotate(named_organization=named)

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = ("is_active", "is_staff", of_organization("managing_organization"))
        of_superusers = ("is_superuser", ("second_factor_at", EmptyFieldListFilter))
        return (*filters, *of_superusers) if is_superuser(request) else filters

    def has_account_permission(self, request: HttpRequest, obj: User | None) -> bool:
        """Whether the caller may set the login, the password and whether somebody works here."""
        mine = administered(request)
        if mine is None or obj is None or obj.pk is None:
            return True
        known: dict[int, bool] = request.__dict__.setdefault("accounts", {})
        if obj.pk not in known:
            known[obj.pk] = User.objects.filter(account_of(mine), pk=obj.pk).exists()
        return known[obj.pk]

    # Forms

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        everything = is_superuser(request)
        if obj is None:
            role = () if everything else ("role",)
            return ((None, {"fields": ("login", *ABOUT, *role)}), (_("Logging in"), {"fields": PASSWORD}))
        # Whose people others are may be no business of the caller's.
        about = ABOUT if self.has_change_permission(request, obj) else (*ABOUT[:-1], "managed_by")
        if not self.has_account_permission(request, obj):
            return ((_("Person"), {"fields": ("login", "is_active", *about)}),)
        rights = ("is_staff", "is_superuser") if everything else ("is_staff",)
        account = ("login", "password_state", "second_factor_state", *rights, "last_login", "created_at")
        return ((_("Person"), {"fields": ("is_active", *about)}), (_("Account"), {"fields": account}))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        shown = ("last_login", "created_at", "managed_by", "password_state", "second_factor_state")
        fixed = (*super().get_readonly_fields(request, obj), *shown)
        return fixed if self.has_account_permission(request, obj) else ("login", *fixed)

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        field = form.base_fields.get("managing_organization")
        if isinstance(field, forms.ModelChoiceField) and not is_superuser(request):
            # Without one, the person would be nobody's.
            field.required = True
            if obj is None:
                own = list(administered_organizations(request)[:2])
                field.initial = own[0].pk if len(own) == 1 else None
        return form

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        if obj is not None:
            return (DeviceInline, MembershipInline)
        # Whoever is no superuser gives the role beside the organization.
        return (DeviceInline, MembershipInline) if is_superuser(request) else (DeviceInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        person = form.instance
        if not change and not is_superuser(request):
            Membership.objects.create(
                user=person, organization=person.managing_organization, role=form.cleaned_data["role"]
            )
        super().save_related(request, form, formsets, change)

    # Pages

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        person = self.get_object(request, unquote(id))
        if person is None or not self.has_account_permission(request, person):
            raise PermissionDenied
        with transaction.atomic():
            self._lock(person)
            return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        may_end = not {"is_active", "is_superuser"}.isdisjoint(form.changed_data)
        locked = self._lock(obj, with_superusers=may_end)
        if may_end and not (obj.is_active and obj.is_superuser):
            try:
                keep_a_superuser(among=locked.values(), without=[obj.pk])
            except LastSuperuser:
                raise PermissionDenied from None
        # Only what was edited: the rest may have been written meanwhile.
        columns = {field.name for field in User._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns])

    @staticmethod
    def _lock(person: User, *, with_superusers: bool = False) -> dict[int, User]:
        """Wait until nobody else writes this person, and change nobody who has been erased meanwhile."""
        locked = lock_people(Q(pk=person.pk), with_superusers=with_superusers)
        if locked[person.pk].erased_at is not None:
            raise PermissionDenied
        return locked

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        absences: list[dict[str, Any]] = []
        if object_id.isdecimal() and len(object_id) < 20:
            page = self.admin_site._registry[Absence]
            rows = page.get_queryset(request).filter(user=int(object_id)).order_by("-weekly", "-starts_at")
            shown = rows.select_related("organization", "user__managing_organization")[:ABSENCES]
            absences = [{"row": row, "when": in_words(row), "whose": whose_alarms(row)} for row in shown]
        context = {"absences": absences, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("Password"))
    def password_state(self, person: User) -> SafeString:
        if person.has_usable_password():
            state, link = _("A password is set."), _("Change it")
        else:
            state, link = _("None: this person cannot log in with a password."), _("Set one")
        return format_html('{} <a href="../password/">{}</a>', state, link)

    @admin.display(description=_("managed by"), ordering="named_organization")
    def managed_by(self, person: User) -> str:
        return str(getattr(person, "named_organization", "") or self.get_empty_value_display())
