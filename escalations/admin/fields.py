"""Fields for spans of time: a number of seconds with the words beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.forms.widgets import Script
from django.utils.translation import gettext as _

from escalations.durations import in_words

if TYPE_CHECKING:
    from django.forms import NumberInput as UnfoldNumberInput
else:
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as UnfoldNumberInput


class SecondsInput(UnfoldNumberInput):
    template_name = "escalations/desk/seconds.html"

    class Media:
        css = {"all": ["escalations/desk/escalations.css"]}
        js = [Script("escalations/desk/seconds.js", defer=True)]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        number = str(value) if value is not None else ""
        # As long as a span that is out of bounds may be, and no number of a thousand digits.
        known = number.isascii() and number.isdecimal() and len(number) < 10
        words = in_words(int(number)) if known else ""
        return {**super().get_context(name, value, attrs), "words": words}


def seconds_field(*, label: str, least: int, most: int) -> dict[str, Any]:
    """Return what makes the form field of a number of seconds within bounds, which it says in words."""
    bounds = {"least": in_words(least), "most": in_words(most), "seconds": most}
    wrong = _("Must be from %(least)s to %(most)s (%(seconds)d seconds).") % bounds
    return {
        "min_value": least,
        "max_value": most,
        "label": label,
        # Named by itself too: in a row of a table the heading of its column is no label.
        "widget": SecondsInput(attrs={"inputmode": "numeric", "aria-label": label}),
        "error_messages": {"min_value": wrong, "max_value": wrong, "invalid": wrong},
    }
