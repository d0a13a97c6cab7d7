"""Choosing whom an alarm is for, in the admin: groups, and people by a search, of one organization."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from alarms.models import AlarmTemplate
from alarms.models.template import MAX_MESSAGE
from alarms.templating import named_by
from organizations.models import Group, Organization, User
from organizations.whose import administered_organizations

if TYPE_CHECKING:
    GroupChoices = forms.ModelMultipleChoiceField[Group]
    PersonChoices = forms.ModelMultipleChoiceField[User]
else:
    GroupChoices = PersonChoices = forms.ModelMultipleChoiceField

HITS = 20
LONGEST_SEARCH = 100  # characters


def organizations_of(request: HttpRequest) -> QuerySet[Organization]:
    """Return the organizations for which the caller may raise alarms."""
    return administered_organizations(request).filter(is_active=True).order_by("name")


def organization_of(request: HttpRequest, text: str | None) -> Organization | None:
    """Return the organization with this id, if the caller may raise alarms for it."""
    return organizations_of(request).filter(pk=text).first() if text and is_id(text) else None


def is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def own_organization(request: HttpRequest) -> Organization | None:
    """Return the one for which the caller raises alarms, None where there are several: whoever sees all, but is an
    admin of one, is at home in that one."""
    found = list(organizations_of(request)[:2])
    if len(found) == 2 and isinstance(request.user, User) and request.user.is_superuser:
        found = list(organizations_of(request).filter(pk__in=request.user.administered_ids)[:2])
    return found[0] if len(found) == 1 else None


def members_of(organization: Organization | None) -> QuerySet[User]:
    return User.objects.filter(memberships__organization=organization) if organization else User.objects.none()


def groups_of(organization: Organization | None) -> QuerySet[Group]:
    """Return the groups of an organization by name, each with the `size` that an alarm for it has."""
    groups = organization.groups.all() if organization else Group.objects.none()
    return groups.annotate(size=Count("memberships", filter=Q(memberships__user__is_active=True))).order_by("name")


def search(organization: Organization, text: str) -> QuerySet[User]:
    """Return the first active members with each of the words in their name or login."""
    people = members_of(organization).filter(is_active=True)
    for word in text.replace("\0", " ")[:LONGEST_SEARCH].split():
        people = people.filter(Q(first_name__icontains=word) | Q(last_name__icontains=word) | Q(login__icontains=word))
    return people.order_by("last_name", "first_name", "login")[:HITS]


def people_of(organization: Organization | None, ids: Collection[Any]) -> list[dict[str, Any]]:
    """Return those of the ids that are members, as they are shown."""
    known = [number for number in ids if is_id(str(number))]
    if not known:
        return []
    return [shown(user) for user in members_of(organization).filter(pk__in=known).order_by("last_name", "first_name")]


def shown(user: User) -> dict[str, Any]:
    return {"id": user.pk, "name": user.get_full_name() or user.login, "login": user.login}


class TextField(forms.CharField):
    """The text of an alarm. How long it may be is counted as the API does, not as the browser would."""

    def __init__(self, **options: Any) -> None:
        attrs = {"rows": 4, "data-counted": MAX_MESSAGE}
        super().__init__(label=_("Text"), strip=False, widget=CountedText(attrs), **options)

    def to_python(self, value: Any) -> str:
        # A browser ends lines with two characters.
        return (super().to_python(value) or "").replace("\r\n", "\n")


class CountedText(forms.Textarea):
    template_name = "alarms/desk/counted.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, value, attrs) | {"most": MAX_MESSAGE}


class GroupsField(GroupChoices):
    """Groups of one organization."""

    def __init__(self, organization: Organization | None, **options: Any) -> None:
        widget = forms.CheckboxSelectMultiple()
        super().__init__(groups_of(organization), required=False, label=_("Groups"), widget=widget, **options)

    def label_from_instance(self, obj: Any) -> str:
        people = ngettext("%(number)d person", "%(number)d people", obj.size) % {"number": obj.size}
        return f"{obj.name} ({people})"


class PeopleWidget(forms.Widget):
    """A search field, and whoever was chosen; it needs static/alarms/desk/raise.js."""

    template_name = "alarms/desk/people.html"

    def __init__(self, organization: Organization | None) -> None:
        super().__init__()
        self.organization = organization

    def __deepcopy__(self, memo: Any) -> PeopleWidget:
        copy = type(self)(self.organization)
        copy.attrs = dict(self.attrs)
        return copy

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        # Nobody chosen is nothing sent.
        return False

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["organization"] = self.organization
        context["people"] = people_of(self.organization, value or ())
        context["address"] = reverse("admin:alarms_alarmtemplate_people")
        return context


class PeopleField(PersonChoices):
    """Members of one organization."""

    def __init__(self, organization: Organization | None, **options: Any) -> None:
        super().__init__(
            members_of(organization), required=False, label=_("People"), widget=PeopleWidget(organization), **options
        )


# What the scripts of the pages ask.


@require_GET
def people(request: HttpRequest) -> JsonResponse:
    """Answer members of an organization by their name or login."""
    organization = organization_of(request, request.GET.get("organization"))
    if organization is None:
        raise Http404
    return JsonResponse({"people": [shown(user) for user in search(organization, request.GET.get("q", ""))]})


def said_by(template: AlarmTemplate) -> dict[str, Any]:
    """Return what a template fills in, by the fields of the page that raises alarms."""
    named = named_by(template.organization_id, [template.pk])[template.pk]
    return {
        "text": template.message,
        "event": template.event_name,
        "everybody": template.all_users,
        "groups": named.units,
        "users": named.users,
    }


@require_GET
def filling(request: HttpRequest, template_id: int) -> JsonResponse:
    """Answer what a template fills in, with whom it names as they are shown."""
    templates = AlarmTemplate.objects.filter(organization__in=organizations_of(request))
    template = templates.select_related("organization").filter(pk=template_id).first()
    if template is None:
        raise Http404
    said = said_by(template)
    return JsonResponse(said | {"users": people_of(template.organization, said["users"])})
