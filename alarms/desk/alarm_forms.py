"""The forms of the page of an alarm."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from alarms.models.template import MAX_MESSAGE


class TextField(forms.CharField):
    """A text of several lines, of which each ends with one character, as over the API."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        # Of many characters browsers count two, and stop people who may write on.
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class CloseForm(forms.Form):
    all_clear = TextField(
        label=_("All-clear"),
        required=False,
        max_length=MAX_MESSAGE,
        help_text=_("It is sent to everybody who was reached and did not decline. Leave it empty to send nothing."),
        widget=forms.Textarea(attrs={"rows": 4, "data-counter": "all-clear-counter"}),
    )


class AgainForm(forms.Form):
    # The same for the form however often it is sent: it raises one alarm.
    key = forms.UUIDField(widget=forms.HiddenInput)
