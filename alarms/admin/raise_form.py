"""The form that raises an alarm: it reads what was entered; what is right is for the API's rules to say."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alarms.admin.choosing import (
    GroupsField,
    PeopleField,
    TextField,
    organization_of,
    organizations_of,
    own_organization,
    said_by,
)
from alarms.models import AlarmTemplate
from alarms.raising import AlarmOrder
from alarms.serializers import DEFAULT_REPEAT_AFTER, MAX_REPEAT, MIN_REPEAT_AFTER, RaiseAlarmSerializer
from escalations.models import MAX_TIMEOUT
from organizations.models import Organization

# How the API calls the fields. What is wrong with whom it is for is told above all of them.
FIELDS = {
    "organizationID": "organization",
    "message": "text",
    "eventName": "event",
    "alarmResources": "everybody",
    "startTime": "start",
    "scheduledEndTime": "end",
    "repeat": "repeat",
    "repeatAfter": "repeat_after",
}
LISTS = ("groups", "users")
WHOM = ("everybody", *LISTS)


class MomentField(forms.DateTimeField):
    """A time by the clocks of the organization."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)


class RaiseForm(forms.Form):
    organization = forms.ModelChoiceField(Organization.objects.none(), label=_("Organization"), empty_label="---------")
    template = forms.ModelChoiceField(
        AlarmTemplate.objects.none(), required=False, label=_("Template"), empty_label=_("No template")
    )
    text = TextField(required=False)
    event = forms.CharField(
        label=_("Event"),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"maxlength": 255, "autocomplete": "off"}),
        help_text=_("A heading of your own, such as B2. May be left empty."),
    )
    everybody = forms.BooleanField(label=_("Everybody"), required=False)
    start = MomentField(label=_("Start"))
    end = MomentField(label=_("End"))
    repeat = forms.IntegerField(
        label=_("Repetitions"),
        required=False,
        widget=forms.NumberInput(attrs={"min": 0, "max": MAX_REPEAT}),
        help_text=_("How often the escalation runs again for those who have not answered. Empty: not at all."),
    )
    repeat_after = forms.IntegerField(
        label=_("Seconds between them"),
        required=False,
        widget=forms.NumberInput(attrs={"min": MIN_REPEAT_AFTER, "max": MAX_TIMEOUT}),
        help_text=_("From the last turn of a run to the first of the next."),
    )

    order: AlarmOrder | None = None
    """What is to be raised, once it is valid."""
    body: dict[str, Any]
    """What the API would be sent for it."""

    def __init__(
        self, request: HttpRequest, data: QueryDict | None = None, *, entered: QueryDict | None = None
    ) -> None:
        """Take `data` to be checked, or what was `entered` so far."""
        super().__init__(data, label_suffix="")
        if entered is not None:
            self.initial = {name: values if name in LISTS else values[-1] for name, values in entered.lists() if values}
        given = data or entered or QueryDict()
        self.chosen = organization_of(request, given.get("organization")) or own_organization(request)
        self.only = len(organizations_of(request)[:2]) == 1
        if self.chosen is not None:
            self.initial["organization"] = self.chosen.pk
        self.fields["organization"].queryset = organizations_of(request)  # type: ignore[attr-defined]
        templates = AlarmTemplate.objects.filter(organization=self.chosen).order_by("name")
        self.fields["template"].queryset = templates  # type: ignore[attr-defined]
        self.fields["groups"] = GroupsField(self.chosen)
        self.fields["users"] = PeopleField(self.chosen)
        self.zone = zoneinfo.ZoneInfo(self.chosen.time_zone) if self.chosen else timezone.get_current_timezone()

    def full_clean(self) -> None:
        with timezone.override(self.zone):
            super().full_clean()

    def clean(self) -> None:
        if self.errors:
            return
        said = self.cleaned_data
        users, units = ([row.pk for row in said[name]] for name in ("users", "groups"))
        self.body = {
            "organizationID": said["organization"].pk,
            "message": said["text"],
            "eventName": said["event"],
            "alarmResources": {"allUsers": said["everybody"], "users": sorted(users), "units": sorted(units)},
            "startTime": said["start"] and said["start"].isoformat(),
            "scheduledEndTime": said["end"] and said["end"].isoformat(),
            "repeat": said["repeat"] or 0,
            "repeatAfter": DEFAULT_REPEAT_AFTER if said["repeat_after"] is None else said["repeat_after"],
        }
        rules = RaiseAlarmSerializer(data=self.body)
        if rules.is_valid():
            self.order = rules.order(said["organization"])
        else:
            self.refuse(rules.errors)

    def refuse(self, problems: Any) -> None:
        """Show what the API finds wrong beside the fields that it is about."""
        for name, about in problems.items():
            field = FIELDS.get(name)
            if name == "alarmResources" and not any(self.cleaned_data.get(each) for each in WHOM):
                about = _("Choose who gets it: everybody, groups or people.")
            for text in texts_of(about):
                self.add_error(field, text if field else f"{name}: {text}")


def texts_of(problem: Any) -> Iterator[str]:
    if isinstance(problem, dict | list):
        for each in problem.values() if isinstance(problem, dict) else problem:
            yield from texts_of(each)
    else:
        yield str(problem)


def says_nothing(data: QueryDict) -> bool:
    """Whether nothing was entered that an alarm needs."""
    return not any(data.get(name) for name in ("text", *WHOM))


def filled_in(data: QueryDict, template: AlarmTemplate) -> QueryDict:
    """Return what was entered with what the template says instead."""
    data = data.copy()
    said = said_by(template)
    data["template"] = str(template.pk)
    data["text"], data["event"] = said["text"], said["event"]
    data.setlist("everybody", ["on"] if said["everybody"] else [])
    for name in LISTS:
        data.setlist(name, [str(pk) for pk in said[name]])
    return data
