"""What is asked when a token is issued or rotated."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import INPUT_CLASSES, UnfoldAdminRadioSelectWidget

from messaging_project.admin import WholeForm
from organizations.models import Token
from organizations.rotating import LONGEST, overlap

if TYPE_CHECKING:
    FormBase = forms.ModelForm[Token]
else:
    FormBase = forms.ModelForm

NEVER, ON_A_DAY, SAME = "never", "date", "same"


LIFETIMES: list[tuple[str, str | Promise]] = [
    (NEVER, gettext_lazy("never")),
    ("30", gettext_lazy("in 30 days")),
    ("90", gettext_lazy("in 90 days")),
    ("365", gettext_lazy("in 365 days")),
    (ON_A_DAY, gettext_lazy("on a day")),
]


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


class Lifetime(forms.Form):
    """When a token ends: never, in so many days, or on a day."""

    lifetime = forms.ChoiceField(
        label=gettext_lazy("It ends"), choices=LIFETIMES, initial=NEVER, widget=UnfoldAdminRadioSelectWidget()
    )
    until = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=DayInput,
        help_text=gettext_lazy("The token works until the end of this day."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        chosen = cleaned.get("lifetime", "")
        if chosen == ON_A_DAY and "until" in cleaned:
            self._check(cleaned["until"])
        return cleaned

    def _check(self, day: date | None) -> None:
        today = timezone.localdate()
        if day is None:
            self.add_error("until", _("Choose the last day of the token."))
        elif not today <= day <= today + LONGEST:
            self.add_error("until", _("Choose a day from today on, at most 100 years ahead."))

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when a token issued `now` ends, None for never. The form is valid, and its choice not SAME."""
        chosen = self.cleaned_data["lifetime"]
        if chosen == ON_A_DAY:
            following = self.cleaned_data["until"] + timedelta(days=1)
            return datetime.combine(following, time.min, tzinfo=timezone.get_current_timezone())
        return None if chosen == NEVER else now + timedelta(days=int(chosen))


class IssueForm(Lifetime, FormBase):
    """The owner and the name of a token, and when it ends."""


class ChangeForm(WholeForm):
    def clean_expires_at(self) -> datetime | None:
        end: datetime | None = self.cleaned_data["expires_at"]
        # A year that no clock knows is no time to compare with.
        if end and end.year not in range(2000, 3000):
            raise forms.ValidationError(_("Choose a time before the year 3000."))
        return end


class RotateForm(Lifetime):
    AT_ONCE, AFTERWARDS = "now", "later"

    old = forms.ChoiceField(label=gettext_lazy("The old token"), widget=UnfoldAdminRadioSelectWidget())

    field_order = ("lifetime", "until", "old")

    def __init__(self, *args: Any, token: Token, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lifetime, old = self.fields["lifetime"], self.fields["old"]
        assert isinstance(lifetime, forms.ChoiceField)
        assert isinstance(old, forms.ChoiceField)
        if token.expires_at is not None:
            # Of one that never ends it is the same as never.
            lifetime.choices = [(SAME, _("after as long as the old one was issued for")), *LIFETIMES]
            lifetime.initial = SAME
        old.choices = [(self.AT_ONCE, _("ends at once, as somebody else may know it"))]
        if overlap():
            goes_on = _("goes on for %(hours)d h, so that there is time to bring the new one to where it is used")
            hours = int(overlap().total_seconds()) // 3600
            old.choices = [(self.AFTERWARDS, goes_on % {"hours": hours}), *old.choices]
        old.initial = old.choices[0][0]
