"""What addresses and forms of the admin may have in place of an id is a mistake of theirs, and no fault of ours."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db

ODD = ["x", "-1", "1.5", "9" * 30, "\x00", "1,2", "None", "१"]
FIELDS = ("organization", "user", "managing_organization", "groups", "users", "template", "way", "language")
# What service's rows may be added, and some thing of a list that is filtered.
MODELS = [model for model in admin.site._registry if model._meta.app_label not in {"auth", "procrastinate"}]


def address(model: type, view: str) -> str | None:
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}")  # type: ignore[attr-defined]
    except NoReverseMatch:
        return None


@pytest.mark.parametrize("value", ODD, ids=[ascii(value)[:8] for value in ODD])
def test_whatever_stands_in_place_of_an_id_is_answered(admin_client: Client, value: str) -> None:
    OrganizationFactory.create_batch(2)
    given = dict.fromkeys(FIELDS, value)
    odd = {}
    for model in MODELS:
        add, rows = address(model, "add"), address(model, "changelist")
        found = [admin_client.get(add, given).status_code, admin_client.post(add, given).status_code]
        found += [admin_client.get(rows, query).status_code for query in ({"q": value}, {"of": value}, {"p": value})]
        if not {*found} <= {200, 302, 400, 403, 404}:
            odd[model.__name__] = found
    assert odd == {}
