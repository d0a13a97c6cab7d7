"""Who there is, in the admin."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from messaging_project.admin import ModelAdmin, TabularInline, list_link
from organizations.models import (
    Absence,
    ApiToken,
    Device,
    Group,
    Membership,
    Organization,
    PersonalAccessToken,
    Token,
    User,
    Way,
)

if TYPE_CHECKING:
    DjangoUserAdminOfUsers = DjangoUserAdmin[User]
    MembershipFormSetBase = forms.BaseInlineFormSet[Membership, User, forms.ModelForm[Membership]]
    DeviceFormBase = forms.ModelForm[Device]
else:
    DjangoUserAdminOfUsers = DjangoUserAdmin
    MembershipFormSetBase = forms.BaseInlineFormSet
    DeviceFormBase = forms.ModelForm

AnyToken = TypeVar("AnyToken", bound=Token)


@admin.register(Organization)
class OrganizationAdmin(ModelAdmin[Organization]):
    list_display = ("name", "is_active", "time_zone", "without", "members")
    list_filter = ("is_active",)
    search_fields = ("name",)
    fields: ClassVar[tuple[str, ...]] = (
        "name",
        "is_active",
        "time_zone",
        "disabled_ways",
        "alarms_in_inbox",
        "members",
        "created_at",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = ("members", "created_at")

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name == "time_zone":
            return forms.ChoiceField(choices=[(name, name) for name in sorted(zoneinfo.available_timezones())])
        if db_field.name == "disabled_ways":
            return forms.MultipleChoiceField(
                choices=Way.choices,
                widget=forms.CheckboxSelectMultiple,
                required=False,
                help_text="Ways of alarm that are not used for alarms of this organization.",
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="disabled ways")
    def without(self, organization: Organization) -> str:
        return ", ".join(Way(way).label for way in organization.disabled_ways)

    def members(self, organization: Organization) -> str:
        if organization.pk is None:
            return self.get_empty_value_display()
        return list_link(Membership, "members", organization__id__exact=organization.pk)


class DeviceForm(DeviceFormBase):
    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc] # the stubs leave it out
        # As it will be kept: two spellings of one number on a page are the same device twice.
        if "address" in self.cleaned_data:
            self.cleaned_data["address"] = self.instance.address


class DeviceInline(TabularInline[Device, User]):
    model = Device
    form = DeviceForm
    extra = 0


class MembershipFormSet(MembershipFormSetBase):
    def add_fields(self, form: forms.ModelForm[Membership], index: int | None) -> None:
        super().add_fields(form, index)
        # Moved to another organization, a membership would stay in the groups of the old one.
        form.fields["organization"].disabled = form.instance.pk is not None


class MembershipInline(TabularInline[Membership, User]):
    model = Membership
    formset = MembershipFormSet
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "organization")

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "organization":
            # Read once for all rows, not once a row.
            field.choices = list(field.iterator(field))
        return field


@admin.register(User)
class UserAdmin(DjangoUserAdminOfUsers):
    list_display = ("login", "first_name", "last_name", "email", "managing_organization", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff", "is_superuser", "managing_organization")
    list_select_related = ("managing_organization",)
    search_fields = ("login", "first_name", "last_name", "email")
    ordering = ("login",)
    show_full_result_count = False
    autocomplete_fields = ("managing_organization",)
    readonly_fields = ("last_login", "created_at")
    inlines = (DeviceInline, MembershipInline)
    person = (
        "first_name",
        "last_name",
        "email",
        "language",
        "inbox_to_email",
        "description",
        "managing_organization",
    )
    fieldsets = (
        (None, {"fields": ("login", "password", "is_active")}),
        ("Person", {"fields": person}),
        (
            "This admin",
            {"classes": ("collapse",), "fields": ("is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("Times", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("login", "usable_password", "password1", "password2")}),
        ("Person", {"classes": ("wide",), "fields": person}),
    )


@admin.register(Membership)
class MembershipAdmin(ModelAdmin[Membership]):
    list_display = ("user", "organization", "role")
    list_filter = ("role", "organization")
    search_fields = ("user__login", "user__first_name", "user__last_name", "organization__name")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "organization")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        # Moved to another organization, a membership would stay in the groups of the old one.
        return ("user", "organization") if obj else ()


@admin.register(Group)
class GroupAdmin(ModelAdmin[Group]):
    """A group is made first; then its members are chosen among those of its organization."""

    list_display = ("name", "organization", "description", "members")
    list_filter = ("organization",)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__name")
    autocomplete_fields = ("organization",)
    filter_horizontal = ("memberships",)

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        described = ("organization", "name", "description")
        if obj is None:
            return described
        # Whoever may only look gets a link: as text, each member would take two queries.
        return (*described, "memberships" if self.has_change_permission(request, obj) else "members")

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        return ("organization", "members") if obj else ()

    def members(self, group: Group) -> str:
        return list_link(Membership, "members", groups__id__exact=group.pk)

    def get_form(
        self, request: HttpRequest, obj: Group | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Group]]:
        form = super().get_form(request, obj, change, **kwargs)
        members = form.base_fields.get("memberships")
        if obj and isinstance(members, forms.ModelMultipleChoiceField):
            members.queryset = obj.organization.memberships.select_related("user", "organization").order_by(
                "user__last_name", "user__first_name", "user__login"
            )
        return form

    def response_add(self, request: HttpRequest, obj: Group, post_url_continue: str | None = None) -> HttpResponse:
        if "_addanother" not in request.POST and "_popup" not in request.POST:
            post = request.POST.copy()
            post["_continue"] = "1"
            request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)


@admin.register(Device)
class DeviceAdmin(ModelAdmin[Device]):
    list_display = ("name", "user", "way", "address", "is_active")
    list_filter = ("way", "is_active", "user__managing_organization")
    list_select_related = ("user",)
    search_fields = ("name", "address", "user__login", "user__first_name", "user__last_name")
    show_full_result_count = False
    autocomplete_fields = ("user",)
    readonly_fields = ("created_at", "tested_at")


@admin.register(Absence)
class AbsenceAdmin(ModelAdmin[Absence]):
    list_display = ("user", "organization", "starts_at", "ends_at", "weekly")
    list_filter = ("weekly", "organization")
    list_select_related = ("user", "organization")
    search_fields = ("user__login", "user__first_name", "user__last_name")
    show_full_result_count = False
    autocomplete_fields = ("user", "organization")


class TokenAdmin(ModelAdmin[AnyToken]):
    """Issues tokens, and shows of a token what is no secret. Its text is shown once, as only a digest is kept."""

    owner: ClassVar[str]
    list_select_related = True
    actions = ("revoke",)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name", "prefix", self.owner, "created_at", "expires_at", "last_used_at", "state")

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return (self.owner,)

    def get_fields(self, request: HttpRequest, obj: AnyToken | None = None) -> tuple[str, ...]:
        chosen = (self.owner, "name", "expires_at")
        return (*chosen, "prefix", "created_at", "last_used_at", "revoked_at") if obj else chosen

    def get_readonly_fields(self, request: HttpRequest, obj: AnyToken | None = None) -> tuple[str, ...]:
        return (self.owner, "prefix", "created_at", "last_used_at", "revoked_at") if obj else ()

    @admin.display
    def state(self, token: AnyToken) -> str:
        if token.revoked_at is not None:
            return "revoked"
        return "in force" if token.is_usable(timezone.now()) else "expired"

    def save_model(self, request: HttpRequest, obj: AnyToken, form: forms.ModelForm[AnyToken], change: bool) -> None:
        if change:
            # Only what was edited: the last use or a revocation may have been written meanwhile.
            obj.save(update_fields=form.changed_data)
            return
        row, text = type(obj).issue(name=obj.name, expires_at=obj.expires_at, **{self.owner: getattr(obj, self.owner)})
        obj.pk, obj.prefix = row.pk, row.prefix
        note = "The token of {}, shown this once: copy it now. <code>{}</code>"
        self.message_user(request, format_html(note, obj, text), messages.WARNING)

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AnyToken]) -> None:
        tokens = list(queryset.filter(revoked_at=None))
        for token in tokens:
            token.revoke()
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"Revoked: {len(tokens)}.", messages.SUCCESS)


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin[ApiToken]):
    owner = "organization"
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "organization")
    search_fields = ("name", "prefix", "organization__name")


@admin.register(PersonalAccessToken)
class PersonalAccessTokenAdmin(TokenAdmin[PersonalAccessToken]):
    owner = "user"
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "prefix", "user__login", "user__first_name", "user__last_name")
