"""Whose desk it is: nothing of another organization can be chosen, searched or guessed at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse

from alarms.models import Alarm, AlarmMessage, Hook, HookEvent
from inbox.models import Message
from organizations.models import Device, Membership, User
from tests.factories import MembershipFactory
from tests.messaging_project.desk_world import DESKLESS, NEEDLE, NEEDLES, World, world

pytestmark = pytest.mark.django_db

AUTOCOMPLETE = reverse("admin:autocomplete")


@pytest.fixture
def made() -> World:
    return world()


@pytest.fixture
def foreign(made: World) -> Client:
    return made.clients["foreign admin"]


def url(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def relations() -> Iterator[models.Field[Any, Any]]:
    """Yield relations of everything that there is, also of what the admin does not show; one to each kind of row from
    each app."""
    seen = set()
    for model in apps.get_models(include_auto_created=True):
        for each in model._meta.get_fields(include_hidden=True):
            key = (model._meta.app_label, each.related_model, type(each))
            if each.is_relation and key not in seen:
                seen.add(key)
                yield each  # type: ignore[misc]


def test_no_search_for_choices_finds_what_is_anothers(made: World) -> None:
    found = 0
    for each in relations():
        options = each.model._meta
        asked = {"app_label": options.app_label, "model_name": options.model_name or "", "field_name": each.name}
        for term in ("", f"{NEEDLE}\x00"):
            answer = made.clients["foreign admin"].get(AUTOCOMPLETE, asked | {"term": term})
            assert answer.status_code in {200, 403, 404}, asked
            assert not any(needle in answer.content.decode() for needle in NEEDLES), asked
            results = answer.json()["results"] if answer.status_code == 200 else []
            assert not (term and results), asked
            found += len(results)
    assert found > 10
    of_users = {"app_label": "organizations", "model_name": "device", "field_name": "user"}
    for caller in ("nobody", *DESKLESS):
        assert made.clients[caller].get(AUTOCOMPLETE, of_users).status_code in {302, 403}, caller


def test_no_form_offers_what_is_anothers(made: World, foreign: Client) -> None:
    """Not only what a form shows: what it takes."""
    theirs = {model: set(model._default_manager.filter(pk=row.pk)) for model, row in made.rows.items()}
    looked_at = set()
    for model, row in made.theirs.items():
        for page in (url(model, "add"), url(model, "change", row.pk)):
            answer = foreign.get(page)
            for name, each in fields_of(answer.context):
                looked_at.add((model, name))
                offered = set(each.queryset) if each.queryset is not None else set()
                assert not offered & set().union(*theirs.values()), (page, name)
    assert len(looked_at) > 10


def fields_of(context: Any) -> Iterator[tuple[str, Any]]:
    """Yield the relations of all the forms of a page."""
    every: list[Any] = []
    for each in (context or {}).get("inline_admin_formsets", ()):
        every += [*each.formset.forms, each.formset.empty_form]
    every += [form for form in ((context or {}).get("form"),) if form is not None]
    if "adminform" in (context or {}):
        every.append(context["adminform"].form)
    for form in every:
        for name, each in getattr(form, "fields", {}).items():
            # A hidden one is the number of the row itself, of which the forms of other rows make nothing (below).
            if isinstance(each, forms.ModelChoiceField) and not each.widget.is_hidden:
                yield name, each


LOOKUPS = (
    "organization__name__startswith",
    "organization__name__contains",
    "organization__memberships__user__login__startswith",
    "managing_organization__name__startswith",
    "managing_organization__in",
    "user__managing_organization__name__startswith",
    "user__managing_organization",
    "user__memberships__organization__name",
    "user__memberships__organization",
    "user__password__startswith",
    "password__startswith",
    "memberships__organization",
    "alarm_messages__alarm__message__contains",
    "sender__memberships__organization",
    "inbox_messages__message__text__contains",
    "hook__secret__startswith",
    "secret__startswith",
    "digest__startswith",
    "user__personal_access_tokens__digest__startswith",
    "alarm__organization__name__contains",
    "code__startswith",
)


def test_an_address_asks_of_nothing_that_the_list_does_not_offer(made: World, foreign: Client) -> None:
    for model, lookup in itertools.product((User, Device, Membership, AlarmMessage, HookEvent, Message), LOOKUPS):
        answer = foreign.get(url(model, "changelist"), {lookup: str(made.organization.pk)})
        assert answer.status_code == 400, (model, lookup)


def test_the_filter_by_organization_tells_nothing_of_another(made: World, foreign: Client) -> None:
    """Somebody whom another organization manages is not found by it."""
    user = User.objects.get(pk=foreign.session["_auth_user_id"])
    second = MembershipFactory(user=user, role="admin").organization
    for model in (User, Device, Membership):
        assert (
            not foreign.get(url(model, "changelist"), {"of": second.pk})
            .context["cl"]
            .result_list.exclude(**of(model, user))
        )
        assert foreign.get(url(model, "changelist")).context["cl"].result_list.filter(**of(model, made.lent)).exists()
        for value in (made.organization.pk, 2**70, "9" * 5000, "x", "-1", "²", "\x00"):
            answer = foreign.get(url(model, "changelist"), {"of": value})
            assert answer.status_code in {200, 302, 400}, (model, value)
            assert answer.status_code != 200 or not answer.context["cl"].result_list, (model, value)


def of(model: type[models.Model], user: User) -> dict[str, Any]:
    return {"pk": user.pk} if model is User else {"user": user}


def test_whatever_stands_in_an_address_no_list_makes_a_mistake_or_tells(made: World, foreign: Client) -> None:
    odd = (
        {"o": "1.-2.3.4.5.6.7.8.9.x.999", "p": "x", "q": f"{NEEDLE[:3]}\x00'%", "all": "", "_popup": "1"},
        {"o": "\x00", "p": "9" * 30, "q": "\x00", "_facets": "True", "_to_field": "id", "e": "1"},
    )
    for model, asked in itertools.product(made.theirs, odd):
        answer = foreign.get(url(model, "changelist"), asked)
        assert answer.status_code in {200, 302, 400, 403}, (model, asked)
        assert NEEDLE not in answer.content.decode(), (model, asked)
    for name in ("password", "login", "organization__name", "managing_organization"):
        assert foreign.get(url(User, "changelist"), {"_to_field": name}).status_code == 400


ODD_FILTERS = (
    (Alarm, "starts_at__year", ["0", "1", "9999", "99999", "9" * 30, "x", "\x00"]),
    (User, "is_active__exact", ["\x00", "x"]),
    (Device, "way__exact", ["\x00", "x"]),
    (Device, "way__in", ["sms,\x00"]),
    (AlarmMessage, "alarm__id__exact", ["9" * 30, "x", "\x00"]),
    (AlarmMessage, "deadline__gte", ["x", "\x00", "9" * 30, "99999-01-01"]),
    (Message, "nothing", ["1"]),
)


@pytest.mark.parametrize(("model", "name", "values"), ODD_FILTERS, ids=str)
def test_what_no_filter_knows_is_no_mistake(
    admin_client: Client, model: type[models.Model], name: str, values: list[str]
) -> None:
    admin_client.raise_request_exception = False
    for value in values:
        assert admin_client.get(url(model, "changelist"), {name: value}).status_code in {200, 302, 400}, value


def test_a_number_that_is_none_is_as_one_that_is_not_there(made: World, foreign: Client) -> None:
    numbers = ("0", "x", "-1", "9" * 30, "_00", "1_2F", "\x00", "None")
    for number, model, page in itertools.product(numbers, (User, Alarm, Hook), ("change", "delete", "history")):
        answer = foreign.get(url(model, page, number))
        # As for a row of another organization.
        assert answer.status_code == foreign.get(url(model, page, made.rows[model].pk)).status_code, (model, page)


def test_the_rows_of_another_page_cannot_be_sent_along(made: World, foreign: Client) -> None:
    """Ids of the organization's rows, forged into the forms of pages that are the caller's own."""
    before = made.dump()
    for model, row in made.theirs.items():
        page = foreign.get(url(model, "change", row.pk))
        for each in (page.context or {}).get("inline_admin_formsets", ()):
            formset = each.formset
            stolen = made.rows.get(formset.model)
            if stolen is None:
                continue
            data = {f"{formset.prefix}-TOTAL_FORMS": "1", f"{formset.prefix}-INITIAL_FORMS": "1"}
            data |= {f"{formset.prefix}-0-id": str(stolen.pk), f"{formset.prefix}-0-DELETE": "on"}
            answer = foreign.post(url(model, "change", row.pk), data)
            assert answer.status_code in {200, 403}
            assert not any(needle in answer.content.decode() for needle in NEEDLES)
    assert made.dump() == before
