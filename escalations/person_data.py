"""What this app holds about people: in what order they are alarmed, and the history of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.utils.translation import gettext_lazy as _

from escalations.models import EscalationConfiguration
from organizations.person_data.parts import Fate, Part, Person, Scope, Section, fields_of

PERSONAL = {
    "escalations.EscalationConfiguration.user": "goes",
    "escalations.EscalationConfigurationEvent.user": "stays: the number alone",
}
NOT_PERSONAL: dict[str, str] = {}


def sections(person: Person, scope: Scope) -> Iterator[Section]:
    configurations = EscalationConfiguration.objects.filter(user=person.pk).prefetch_related("entries")
    yield Section("escalation", _("Escalation"), Fate.GOES, configurations.order_by("pk"), configuration)
    history: Any = apps.get_model("escalations", "EscalationConfigurationEvent")._default_manager
    of_entries: Any = apps.get_model("escalations", "EscalationEvent")._default_manager
    of_person = history.filter(user_id=person.pk)
    ids = of_person.order_by().values("pgh_obj_id")
    title = _("History of the escalation")
    yield Section("escalation_history", title, Fate.STAYS, of_person.order_by("pgh_id"))
    entries = of_entries.filter(configuration_id__in=ids).order_by("pgh_id")
    yield Section("escalation_entry_history", _("History of the entries of the escalation"), Fate.STAYS, entries)


def configuration(row: EscalationConfiguration) -> dict[str, Any]:
    return {**fields_of(row), "entries": [fields_of(entry) for entry in row.entries.all()]}


def erase(person: Person) -> None:
    EscalationConfiguration.objects.filter(user=person.pk).delete()


PART = Part(sections=sections, erase=erase, personal=PERSONAL, not_personal=NOT_PERSONAL)
