"""Reads the pages of the history as an administrator sees them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.test import Client
from django.urls import reverse

from organizations.models import ApiToken

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call\n"
Line = tuple[str, str, str, dict[str, tuple[str, str]]]


def history_url(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_history", args=(row.pk,))


def change_url(row: models.Model) -> str:
    return history_url(row).replace("/history/", "/change/")


def lines(client: Client, row: models.Model, **query: str) -> list[Line]:
    """Return who, how, which kind of change, and from what to what, as the page of the history shows it."""
    answer = client.get(history_url(row), query)
    assert answer.status_code == 200
    page = answer.content.decode()
    found: list[Line] = []
    for each in answer.context["rows"]:
        differences = {
            line.label: (", ".join(line.before), ", ".join(line.after)) for line in each["change"].differences
        }
        found.append((each["who"], each["how"], str(each["word"]), differences))
    for who, how, word, differences in found:
        assert all(text in page for text in (how, word, *differences))
        assert who.partition(" (")[0] in page
    return found


def last(client: Client, row: models.Model) -> Line:
    return lines(client, row)[0]


ANNA = "Anna Admin (anna)"


def by_program() -> str:
    return f"API token test ({ApiToken.objects.get().prefix})"


def ok(answer: Any) -> None:
    assert answer.status_code in {200, 201, 204, 302}, answer.content
