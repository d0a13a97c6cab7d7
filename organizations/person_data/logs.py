"""What the log of the admin and the authors in the history tell about people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import CharField, F, JSONField, Model, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _
from pghistory.models import Event

from organizations.models import Device, Membership, PersonalAccessToken, User
from organizations.person_data.naming import pattern, pattern_in_log
from organizations.person_data.parts import ERASED_PERSON, Fate, Person, Section, fields_of

PERSONAL = {
    "admin.LogEntry.user": "stays: the number alone",
    "admin.LogEntry.object_repr": f"'{ERASED_PERSON}' stands in its place",
    "admin.LogEntry.change_message": "the names in it go",
    "*.pgh_context": "only the number of the author stays, and from where",
}
NOT_PERSONAL = {
    "admin.LogEntry.object_id": "a number",
    "*.pgh_label": "insert, update or delete",
    "auth": "names of permissions",
    "contenttypes": "names of tables",
    "sessions": "the number of who is logged in, refused as soon as they are not active",
    "procrastinate": "jobs take numbers, never names",
    "pghistory": "not in use: the context of a change stands beside it",
}
# Whose changes the log tells in other words than the person's name.
OWN: tuple[tuple[type[Model], str], ...] = (
    (User, ""),
    (Device, "DeviceEvent"),
    (Membership, "MembershipEvent"),
    (PersonalAccessToken, "PersonalAccessTokenEvent"),
)
KEPT_OF_A_CONTEXT = ("user", "how", "what")

# Of a JSON message, the names of the rows go; what is no JSON was written by hand, of whatever.
ERASE_OWN_LOG = r"""
    UPDATE django_admin_log SET
        object_repr = %(erased)s,
        change_message = CASE
            WHEN change_message LIKE '[%%'
            THEN regexp_replace(change_message, '"object": "([^"\\]|\\.)*"', '"object": "' || %(erased)s || '"', 'g')
            ELSE ''
        END
    WHERE id = ANY(%(ids)s)
"""


# What is told of others' things names the person at most here and there.
ERASE_NAMES_IN_LOG = """
    UPDATE django_admin_log SET
        object_repr = CASE WHEN object_repr ~ %(named)s AND content_type_id = ANY(%(types)s) THEN %(erased)s
            ELSE object_repr END,
        change_message = regexp_replace(change_message, %(in_log)s, '"object": "' || %(erased)s || '"', 'g')
    WHERE id = ANY(%(ids)s)
"""


def event_models() -> list[type[Model]]:
    return [model for model in apps.get_models() if issubclass(model, Event) and model._meta.managed]


def entries_of_own(person: Person) -> Q:
    """Return what the log tells of a person and of what is theirs."""
    about = Q(pk__in=[])
    for model, events in OWN:
        own = ContentType.objects.get_for_model(model)
        if not events:
            about |= Q(content_type=own, object_id=str(person.pk))
            continue
        rows: Any = apps.get_model("organizations", events)._default_manager.filter(user_id=person.pk)
        ids = rows.order_by().annotate(text=Cast("pgh_obj_id", CharField())).values("text")
        about |= Q(content_type=own, object_id__in=ids)
        present: Any = model._default_manager.filter(user=person.pk)
        now = present.order_by().annotate(text=Cast("pk", CharField())).values("text")
        about |= Q(content_type=own, object_id__in=now)
    return about


def entries_that_name(person: Person) -> Q:
    """Return what the log tells of others' things that are called by a name of the person."""
    named = Q(content_type__in=types_about_people(), object_repr__regex=pattern(person))
    return (named | Q(change_message__regex=pattern_in_log(person))) if person.designations else Q(pk__in=[])


def entries_about(person: Person) -> QuerySet[LogEntry]:
    """Return what the log tells of a person, of what is theirs, and by their name."""
    return LogEntry.objects.filter(entries_of_own(person) | entries_that_name(person)).order_by("pk")


def types_about_people() -> list[ContentType]:
    """Return the types of rows that are somebody's: in words of others, a name may be a word like any other."""
    about_people = [
        model
        for model in apps.get_models()
        if any(field.related_model is User for field in model._meta.concrete_fields) and model is not LogEntry
    ]
    return list(ContentType.objects.get_for_models(*about_people).values())


def changes_by(person: Person) -> QuerySet[Any]:
    """Return what a person has changed, as the history of everything knows it."""
    columns = ("model", "row", "change", "at", "context")
    found: list[QuerySet[Any]] = []
    for model in event_models():
        rows: Any = model._default_manager.filter(pgh_context__user=person.pk).order_by()
        named = rows.annotate(
            model=Value(model._meta.label.removesuffix("Event"), CharField()),
            row=F("pgh_obj_id"),
            change=F("pgh_label"),
            at=F("pgh_created_at"),
            context=Cast("pgh_context", JSONField()),
        )
        found.append(named.values(*columns))
    return found[0].union(*found[1:], all=True)


def sections(person: Person) -> Iterator[Section]:
    about, by = entries_about(person), LogEntry.objects.filter(user=person.pk).order_by("pk")
    yield Section("admin_log", _("What the log of this admin says about them"), Fate.BARE, about)
    # What it was done to may be somebody else's, whose names are not theirs.
    yield Section("admin_actions", _("What they did in this admin"), Fate.STAYS, by, lambda row: nameless(row))
    yield Section("changes", _("What the history says they changed"), Fate.BARE, changes_by(person), dict)


def nameless(entry: LogEntry) -> dict[str, Any]:
    return fields_of(entry, without=["object_repr", "change_message"])


def erase_log(person: Person) -> None:
    """Erase a person from the log. Call it while what is theirs is still there."""
    own, named = (
        list(LogEntry.objects.filter(which(person)).order_by().values_list("pk", flat=True))
        for which in (entries_of_own, entries_that_name)
    )
    with connection.cursor() as cursor:
        cursor.execute(ERASE_OWN_LOG, {"ids": own, "erased": ERASED_PERSON})
        if person.designations:
            types = [each.pk for each in types_about_people()]
            patterns = {"named": pattern(person), "in_log": pattern_in_log(person), "types": types}
            cursor.execute(ERASE_NAMES_IN_LOG, {"ids": named, "erased": ERASED_PERSON, **patterns})


def erase_contexts(person: Person) -> None:
    """Leave of what the history tells of an author who is this person only the number, and from where it came."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for model in event_models():
            cursor.execute(
                f"""
                UPDATE {quote(model._meta.db_table)} SET pgh_context = (
                    SELECT jsonb_object_agg(key, value) FROM jsonb_each(pgh_context) WHERE key = ANY(%(kept)s)
                )
                WHERE pgh_context @> jsonb_build_object('user', %(user)s::bigint) AND pgh_context - %(kept)s <> '{{}}'
                """,  # noqa: S608 - the names are of our tables
                {"kept": list(KEPT_OF_A_CONTEXT), "user": person.pk},
            )
