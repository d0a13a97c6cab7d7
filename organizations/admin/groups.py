"""Groups, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from messaging_project.admin import SearchSome, WholeForm, list_link
from organizations.desk import Desk, of_organization
from organizations.models import Group, Membership

if TYPE_CHECKING:
    MembersField = forms.ModelMultipleChoiceField[Membership]
else:
    MembersField = forms.ModelMultipleChoiceField

SHOWN = 50


class SearchOfMembers(SearchSome):
    """Searches among the members of one organization."""

    within: int = 0

    def get_url(self) -> str:
        return f"{super().get_url()}?within={self.within}"


class GroupForm(WholeForm):
    new_members = MembersField(
        Membership.objects.none(),
        required=False,
        label=_("Add members"),
        help_text=_("Type a name or login. Several can be chosen; they enter the group when it is saved."),
        widget=SearchOfMembers(Group._meta.get_field("memberships"), admin.site),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 3
        field = self.fields.get("new_members")
        if isinstance(field, forms.ModelMultipleChoiceField) and self.instance.pk is not None:
            organization = self.instance.organization
            field.queryset = organization.memberships.select_related("user", "organization")
            assert isinstance(field.widget, SearchOfMembers)
            field.widget.within = organization.pk


@admin.register(Group)
class GroupAdmin(Desk[Group]):
    """A group is made first; then its members are searched among those of its organization."""

    class Media:
        css = {"all": ("organizations/desk/people.css",)}

    form = GroupForm
    list_display = ("name", "organization", "description", "members")
    list_filter = (of_organization(),)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__name")
    autocomplete_fields = ("organization",)
    change_form_outer_after_template = "organizations/desk/group_members.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(number=Count("memberships"))

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        described = ("organization", "name", "description")
        return (*described, "new_members") if obj and self.has_change_permission(request, obj) else described

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        # Its members are those of its organization.
        return ("organization",) if obj else ()

    @admin.display(description=_("members"), ordering="number")
    def members(self, group: Group) -> SafeString:
        return list_link(Membership, getattr(group, "number", ""), groups__id__exact=group.pk)

    def response_add(self, request: HttpRequest, obj: Group, post_url_continue: str | None = None) -> HttpResponse:
        if "_addanother" not in request.POST and "_popup" not in request.POST:
            post = request.POST.copy()
            post["_continue"] = "1"
            request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

    # Its members

    def get_urls(self) -> list[URLPattern]:
        take_out = self.admin_site.admin_view(self.take_out)
        return [path("<path:object_id>/members/", take_out, name="organizations_group_members"), *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if new := form.cleaned_data.get("new_members"):
            form.instance.memberships.add(*new)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        group = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if group is not None:
            query = request.GET.get("q", "").strip().replace("\x00", "")[:200]
            page = self._page_of(group, query, request.GET.get("p"))
            pages = page.paginator.get_elided_page_range(page.number)
            context = {"members": page, "member_pages": pages, "member_query": query, "group": group}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _page_of(self, group: Group, query: str, number: str | None) -> Page[Membership]:
        members = group.memberships.select_related("user").order_by(
            "user__last_name", "user__first_name", "user__login"
        )
        for word in query.split():
            members = members.filter(
                Q(user__first_name__icontains=word)
                | Q(user__last_name__icontains=word)
                | Q(user__login__icontains=word)
            )
        return Paginator(members, SHOWN).get_page(number)

    def take_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take the members who were ticked out of the group."""
        group = self.get_object(request, object_id)
        if group is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return] # Django's, without a stub
        if request.method == "POST":
            if not self.has_change_permission(request, group):
                raise PermissionDenied
            ids = [int(each) for each in request.POST.getlist("member") if each.isdecimal() and len(each) < 19]
            with transaction.atomic():
                taken = list(group.memberships.select_for_update(of=("self",), no_key=True).filter(pk__in=ids))
                group.memberships.remove(*taken)
                count = len(taken)
                told = ngettext("One member was taken out.", "%(count)d members were taken out.", count)
                told %= {"count": count}
                self.log_change(request, group, told)
            self.message_user(request, told, messages.SUCCESS if count else messages.WARNING)
        return redirect("admin:organizations_group_change", group.pk)
