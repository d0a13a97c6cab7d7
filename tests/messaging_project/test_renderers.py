"""Answers are written as DRF's own renderer writes them (contract 2)."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy
from rest_framework import renderers
from rest_framework.exceptions import ErrorDetail

from messaging_project.renderers import JSONRenderer
from organizations.models import Way


class Pair(NamedTuple):
    way: str
    delay: int


VALUES = {
    "times": [
        datetime(2026, 1, 31, 14, 5, tzinfo=UTC),
        datetime(2026, 1, 31, 14, 5, 0, 120, tzinfo=ZoneInfo("UTC")),
        datetime(2026, 7, 31, 14, 5, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 7, 31, 14, 5, tzinfo=timezone(timedelta(hours=-3))),
        datetime(1, 1, 1, tzinfo=UTC),
        date(2026, 1, 31),
    ],
    "numbers": [0, -1, 2**63 - 1, 0.0, 33.33, 66.67, 100.0, 1 / 3, Decimal("0.5"), True, None],
    "texts": [
        "",
        "Feuer in Halle 3: Türen zu!",
        "🔥",
        '</script>"\\\n\t\0\x7f',
        UUID(int=1),
        gettext_lazy("English"),
        Way.SMS,
    ],
    "errors": {"alarmID": [ErrorDetail("Give it once.", code="invalid")]},
    "collections": OrderedDict(b=[], a=(), c={}, d=Pair("sms", 60), e={Way.SMS: 1, 7: 2}),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_answer_has_the_bytes_of_the_renderer_of_drf(name: str) -> None:
    assert JSONRenderer().render(VALUES[name]) == renderers.JSONRenderer().render(VALUES[name])


def test_nothing_is_written_as_nothing() -> None:
    assert JSONRenderer().render(None) == b""


def test_the_line_ends_of_unicode_come_through() -> None:
    text = "one\u2028two\u2029"
    assert json.loads(JSONRenderer().render([text])) == [text]


@pytest.mark.parametrize("wrong", [object(), "\ud800", float])
def test_what_cannot_be_written_is_an_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        JSONRenderer().render({"wrong": wrong})
