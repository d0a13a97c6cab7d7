"""Nothing personal is forgotten: every column that could be of a person is known to the export and to erasing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from organizations.models import User
from organizations.person_data.own import STAYS
from organizations.person_data.parts import parts
from tests.organizations.person import fill, found_in, rows

TEXTS = (models.CharField, models.TextField, models.JSONField, models.GenericIPAddressField, models.BinaryField)
# What a person has, but no words of theirs.
NO_WORDS = {
    "organizations.User.password",
    "organizations.User.language",
    "organizations.PersonalAccessToken.prefix",
    "organizations.MembersFile.content",
    "organizations.PersonalAccessToken.digest",
    "organizations.PersonalAccessTokenEvent.prefix",
    "organizations.LogInAttempt.login",
    "organizations.LogInAttempt.source",
    "organizations.SecondFactor.secret",
    "organizations.SecondFactor.recovery_digests",
    "alarms.AlarmMessage.code",
    "alarms.IdempotencyKey.principal",
    "alarms.IdempotencyKey.body_digest",
}

Field = Any


def all_fields() -> Iterator[tuple[str, Field]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_fields:
                yield f"{model._meta.label}.{field.name}", field


def may_be_personal(field: Field) -> bool:
    """Whether it refers to a person, takes any text, or is a number that refers to something."""
    if isinstance(field, ArrayField):
        return may_be_personal(field.base_field)
    if field.is_relation:
        return field.related_model is User
    if field.primary_key:
        return False
    is_text = isinstance(field, TEXTS) and not field.choices
    return is_text or (isinstance(field, models.IntegerField) and field.name.endswith(("_id", "user", "person")))


def names_of(label: str) -> list[str]:
    """Return what a field may be listed under."""
    app, model, field = label.split(".")
    return [label, f"{app}.{model}", app, f"*.{field}"]


def listed(which: str) -> dict[str, str]:
    return {label: why for part in parts() for label, why in getattr(part, which).items()}


def test_every_column_that_may_be_personal_is_erased_or_said_not_to_be_personal() -> None:
    known = listed("personal").keys() | listed("not_personal").keys()
    forgotten = [label for label, field in all_fields() if may_be_personal(field) and not known & set(names_of(label))]
    assert forgotten == []


def test_whatever_refers_to_a_person_is_listed_by_itself_and_not_with_its_table() -> None:
    known = {label for which in ("personal", "not_personal") for label in listed(which)}
    refers = [label for label, field in all_fields() if field.is_relation and field.related_model is User]
    assert [label for label in refers if label not in known] == []


def test_nothing_is_listed_that_there_is_not_and_everything_has_a_reason() -> None:
    there = {name for label, _field in all_fields() for name in names_of(label)} | {
        app.label for app in apps.get_app_configs()
    }
    entries = listed("personal") | listed("not_personal")
    assert entries.keys() - there == set()
    assert all(entries.values())


def test_every_app_of_the_service_says_what_it_holds() -> None:
    of_the_service = {"organizations", "escalations", "alarms", "inbox"}
    assert {label.split(".")[0] for label in listed("personal")} >= of_the_service


@pytest.mark.django_db
def test_the_person_of_the_tests_has_words_in_every_personal_column() -> None:
    """Else the test that looks for what is left after erasing would look for nothing there."""
    fill()
    personal = listed("personal")
    empty = []
    for label, field in all_fields():
        if label in NO_WORDS or field.is_relation or not any(name in personal for name in names_of(label)):
            continue
        if personal.get(label) == STAYS or isinstance(field, models.IntegerField):
            continue
        is_context_of_nobody = field.name == "pgh_context" and field.model._meta.label != "organizations.DeviceEvent"
        if not is_context_of_nobody and not found_in(rows(field.model._meta.db_table, f'"{field.column}"')):
            empty.append(label)
    assert empty == []
