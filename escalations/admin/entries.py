"""The entries of an escalation, on its page in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.forms.widgets import Script
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from escalations.admin.fields import seconds_field
from escalations.durations import in_words
from escalations.models import MAX_DELAY, MAX_ENTRIES, Escalation, EscalationConfiguration, default_entries
from escalations.plan import Entry
from organizations.desk import DeskInline
from organizations.models import Way

if TYPE_CHECKING:
    EntryForm = forms.ModelForm[Escalation]
    EntryFormSetBase = forms.BaseInlineFormSet[Escalation, EscalationConfiguration, EntryForm]
else:
    EntryFormSetBase = forms.BaseInlineFormSet

# Rows to add entries with where no script runs.
BLANK_ROWS = 3


class EntryFormSet(EntryFormSetBase):
    """The entries of a configuration; their positions are numbered anew from 0 when they are saved."""

    default_error_messages = {
        "too_few_forms": gettext_lazy("Give at least one entry; to remove the configuration, delete it."),
        "too_many_forms": gettext_lazy("At most %(num)d entries."),
    }

    def add_fields(self, form: EntryForm, index: int | None) -> None:
        super().add_fields(form, index)
        if form.instance.pk is None:
            form.initial["position"] = None

    def in_order(self) -> list[EntryForm]:
        """Return the forms of the entries that stay: those whose position was edited stand where it says (without one,
        last), the others keep their order around them."""
        return self._ordered([form for form in self._filled() if form not in self.deleted_forms])

    def shown(self) -> list[EntryForm]:
        """Return all forms in the order in which they stand on the page, which may have what cannot be saved."""
        filled = self._filled()
        return self._ordered(filled) + [form for form in self.forms if form not in filled]

    def entered(self) -> tuple[list[str], list[str]]:
        """Return the ways and the delays that stand on the page, of what is not to be deleted."""
        rows = [form for form in self.shown() if not form["DELETE"].value()] if self.can_delete else self.shown()
        rows = [form for form in rows if form["wayofalarm"].value()]
        return [str(form["wayofalarm"].value()) for form in rows], [str(form["delay"].value()) for form in rows]

    def in_words(self) -> list[str]:
        """Return the entries for who may only read them."""
        text = gettext("%(way)s, %(time)s after the entry before it")
        entries = [form.instance for form in self.forms]
        return [text % {"way": entry.get_wayofalarm_display(), "time": in_words(entry.delay)} for entry in entries]

    def _filled(self) -> list[EntryForm]:
        return [form for form in self.forms if form.has_changed() or form.instance.pk or form.initial.get("wayofalarm")]

    def _ordered(self, forms: Sequence[EntryForm]) -> list[EntryForm]:
        moved = [form for form in forms if "position" in form.changed_data or not form.instance.pk]
        order = [form for form in forms if form not in moved]
        for form in sorted(moved, key=self._position):
            order.insert(self._position(form), form)
        return order

    @staticmethod
    def _position(form: EntryForm) -> int:
        position = form["position"].value()
        typed = "" if position is None else str(position)
        return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else MAX_ENTRIES

    def save(self, commit: bool = True) -> list[Escalation]:
        entries = [form.instance for form in self.in_order()]
        for position, entry in enumerate(entries):
            entry.position = position
        saved: list[Escalation] = super().save(commit)
        if commit:
            # Entries that others have pushed aside were not edited, so they are not among those saved.
            Escalation.objects.bulk_update(entries, ["position"])
        return saved


class EscalationInline(DeskInline[Escalation, EscalationConfiguration]):
    model = Escalation
    formset = EntryFormSet
    template = "escalations/desk/entries.html"
    fields = ("position", "wayofalarm", "delay")
    ordering = ("position", "id")
    min_num = 1
    max_num = MAX_ENTRIES

    class Media:
        js = [Script("escalations/desk/entries.js", defer=True)]

    def get_extra(self, request: HttpRequest, obj: EscalationConfiguration | None = None, **kwargs: Any) -> int:
        # One more than these is there where there is no entry yet (`min_num`).
        return BLANK_ROWS if obj else len(default_entries()) - 1 + BLANK_ROWS

    def get_formset(self, request: HttpRequest, obj: EscalationConfiguration | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, validate_max=True, **kwargs)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name == "delay":
            kwargs |= seconds_field(label=gettext("Seconds after the one before"), least=0, most=MAX_DELAY)
        elif db_field.name == "position":
            kwargs |= {"required": False, "label": gettext("Position")}
        elif db_field.name == "wayofalarm":
            # Without a choice that is none, each row that is there to add an entry with would be one.
            kwargs |= {"label": gettext("Way of alarm"), "choices": [("", gettext("Choose")), *Way.choices]}
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def read(ways: Sequence[str], delays: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Return the entries that were entered, and what is wrong with the others."""
    entries: list[Entry] = []
    wrong: list[str] = []
    for number, (way, delay) in enumerate(zip_longest(ways, delays, fillvalue=""), 1):
        seconds = int(delay) if delay.isascii() and delay.isdecimal() and len(delay) < 9 else -1
        if number > MAX_ENTRIES:
            wrong.append(gettext("At most %(number)d entries.") % {"number": MAX_ENTRIES})
            break
        if way not in Way.values:
            wrong.append(gettext("Entry %(number)d: choose a way of alarm.") % {"number": number})
        elif not 0 <= seconds <= MAX_DELAY:
            text = gettext("Entry %(number)d: the seconds must be from 0 to %(most)d.")
            wrong.append(text % {"number": number, "most": MAX_DELAY})
        else:
            entries.append(Entry(way, seconds))
    return entries, wrong
