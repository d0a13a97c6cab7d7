"""Rows of models from SQL that is written once: the ORM takes longer to write a statement than PostgreSQL to answer it,
and each request asks for these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model

AnyModel = TypeVar("AnyModel", bound=Model)


class Columns(Generic[AnyModel]):
    """All columns of a model, of the table that a statement calls `alias`."""

    def __init__(self, model: type[AnyModel], alias: str) -> None:
        fields = model._meta.concrete_fields
        self._model = model
        self._names = [field.attname for field in fields]
        self._converters = [
            (place, getattr(field, "from_db_value"))  # noqa: B009 - few fields have it
            for place, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ]
        self.sql = ", ".join(f"{alias}.{field.column}" for field in fields)

    def __len__(self) -> int:
        return len(self._names)

    def instance(self, values: Sequence[Any]) -> AnyModel:
        """Return the model that these columns of a row make."""
        converted = list(values)
        for place, convert in self._converters:
            converted[place] = convert(converted[place], None, connection)
        return self._model.from_db(connection.alias, self._names, converted)
