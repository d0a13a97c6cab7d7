"""Templates of alarms, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import MaxLengthValidator
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from alarms.admin.choosing import (
    GroupsField,
    PeopleField,
    TextField,
    filling,
    organization_of,
    own_organization,
    people,
)
from alarms.models import AlarmTemplate
from alarms.models.template import MAX_MESSAGE
from organizations.desk import Desk, of_organization
from organizations.models import Membership, Organization, User

if TYPE_CHECKING:
    TemplateFormBase = forms.ModelForm[AlarmTemplate]
else:
    TemplateFormBase = forms.ModelForm


FIELDS = ("organization", "name", "event_name", "message", "all_users", "groups", "users")


class TemplateForm(TemplateFormBase):
    """Offers and takes groups and people of the organization only."""

    chosen: ClassVar[Organization | None] = None
    message = TextField(validators=[MaxLengthValidator(MAX_MESSAGE)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in (("groups", GroupsField), ("users", PeopleField)):
            if name in self.fields:
                self.fields[name] = field(self.chosen)

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        organization = said.get("organization") or getattr(self.instance, "organization", None)
        same = AlarmTemplate.objects.filter(organization=organization, name=said.get("name", ""))
        if same.exclude(pk=self.instance.pk).exists():
            self.add_error("name", _("The organization has a template of this name already."))
        return said


@admin.register(AlarmTemplate)
class AlarmTemplateAdmin(Desk[AlarmTemplate]):
    form = TemplateForm
    list_display = ("name", "event_name", "text", "whom", "organization", "raise_it")
    list_filter = (of_organization(),)
    list_select_related = ("organization",)
    search_fields = ("name", "message", "event_name")
    show_full_result_count = False
    autocomplete_fields = ("organization",)
    fields = FIELDS

    class Media:
        css = {"all": ("alarms/desk/raise.css",)}
        js = (forms.widgets.Script("alarms/desk/raise.js", defer=True),)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlarmTemplate]:
        templates = super().get_queryset(request)
        return templates.annotate(group_count=Count("groups", distinct=True), user_count=Count("users", distinct=True))

    @admin.display(description=pgettext_lazy("column", "text"))
    def text(self, template: AlarmTemplate) -> str:
        return Truncator(template.message).chars(60)

    @admin.display(description=pgettext_lazy("column", "for whom"))
    def whom(self, template: Any) -> str:
        groups, users = template.group_count, template.user_count
        named = [
            _("everybody") if template.all_users else "",
            ngettext("%(number)d group", "%(number)d groups", groups) % {"number": groups} if groups else "",
            ngettext("%(number)d person", "%(number)d people", users) % {"number": users} if users else "",
        ]
        return ", ".join(str(each) for each in named if each) or self.get_empty_value_display()

    @admin.display(description=pgettext_lazy("column", "raise"))
    def raise_it(self, template: AlarmTemplate) -> SafeString:
        return format_html('<a class="raise-link" href="{}">{}</a>', raise_address(template), _("Raise"))

    # The page

    def get_fields(self, request: HttpRequest, obj: AlarmTemplate | None = None) -> tuple[str, ...]:
        known = obj is not None or self._chosen(request, obj) is not None
        return tuple(name for name in FIELDS if known or name not in {"groups", "users"})

    def get_readonly_fields(self, request: HttpRequest, obj: AlarmTemplate | None = None) -> tuple[str, ...]:
        # Whom it is for is of its organization.
        return ("organization",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return super().get_changeform_initial_data(request) | {"organization": self._chosen(request, None)}

    def get_form(
        self, request: HttpRequest, obj: AlarmTemplate | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[AlarmTemplate]]:
        form = super().get_form(request, obj, change, **kwargs)
        assert issubclass(form, TemplateForm)
        form.chosen = self._chosen(request, obj)
        return form

    @staticmethod
    def _chosen(request: HttpRequest, template: AlarmTemplate | None) -> Organization | None:
        """Return the organization of which groups and people are offered."""
        if template is not None:
            return template.organization
        given = request.POST.get("organization", request.GET.get("organization"))
        return organization_of(request, given) if given else own_organization(request)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = (extra_context or {}) | {"choose_later": self._chosen(request, None) is None}
        template = self.get_object(request, object_id) if object_id else None
        if template is not None and self.has_view_permission(request, template):
            context |= {"raise_address": raise_address(template)} | left_out(template)
        return super().changeform_view(request, object_id, form_url, context)

    def response_add(
        self, request: HttpRequest, obj: AlarmTemplate, post_url_continue: str | None = None
    ) -> HttpResponse:
        # Whom it is for could not be chosen before its organization was.
        if not self._could_choose(request):
            post = request.POST.copy()
            post["_continue"] = "1"
            request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

    def _could_choose(self, request: HttpRequest) -> bool:
        return "_addanother" in request.POST or "_popup" in request.POST or own_organization(request) is not None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("people/", view(people), name="alarms_alarmtemplate_people"),
            path("<int:template_id>/filling/", view(filling), name="alarms_alarmtemplate_filling"),
            *super().get_urls(),
        ]


def raise_address(template: AlarmTemplate) -> str:
    return f"{reverse('admin:alarms_alarm_add')}?template={template.pk}"


def left_out(template: AlarmTemplate) -> dict[str, Any]:
    """Return who is named by a template and is not alarmed all the same. Of those who left the organization only how
    many: who they are now is not its business."""
    memberships = Membership.objects.filter(organization=template.organization_id, user=OuterRef("pk"))
    named = User.objects.filter(pk__in=template.users.through.objects.filter(alarmtemplate=template).values("user"))
    named = named.annotate(is_member=Exists(memberships))
    inactive = named.filter(is_member=True, is_active=False).order_by("last_name", "first_name", "login")
    return {"left": named.filter(is_member=False).count(), "inactive": [str(user) for user in inactive[:50]]}
