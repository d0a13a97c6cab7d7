"""Whoever locks several people locks them in the order of their ids, so that no two wait for each other in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from messaging_project import database
from organizations.deactivating import deactivate_people
from organizations.models import User
from organizations.person_data.erasing import erase_person
from tests import factories
from tests.alarms.test_races import waiting_for_locks
from tests.processes import until

NO_ROWS = {f"{prefix}-{forms}_FORMS": 0 for prefix in ("devices", "memberships") for forms in ("TOTAL", "INITIAL")}


def deactivate(person: User) -> None:
    deactivate_people(people=User.objects.filter(pk=person.pk), by=0)


def erase(person: User) -> None:
    erase_person(user_id=person.pk, now=database.now())


def save(person: User, **fields: str | int) -> int:
    """Save the form of a person as a superuser, without the tick at `is_active` unless it is given."""
    client = Client()
    client.force_login(User.objects.get(login="boss"))
    page = reverse("admin:organizations_user_change", args=[person.pk])
    return client.post(page, {"login": person.login, "language": "en"} | NO_ROWS | fields).status_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [deactivate, erase, save])
def test_who_is_not_active_any_more_is_locked_after_the_superusers_of_lower_ids(act: Callable[[User], object]) -> None:
    root = factories.UserFactory(is_superuser=True)
    person = factories.UserFactory()
    factories.UserFactory(login="boss", is_superuser=True, is_staff=True)

    def acting() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # That a machine is slow is no fault.
        act(person)
        connection.close()

    thread = threading.Thread(target=acting)
    with transaction.atomic():
        # As far as an import has come that locks both.
        User.objects.select_for_update(no_key=True).get(pk=root.pk)
        thread.start()
        until(lambda: waiting_for_locks() == 1)
        # Would wait in a circle if the other one had the person already.
        User.objects.select_for_update(no_key=True, nowait=True).get(pk=person.pk)
    thread.join(60)
    assert not User.objects.get(pk=person.pk).is_active


@pytest.mark.django_db(transaction=True)
def test_saving_somebody_who_is_as_active_as_before_waits_for_no_superuser() -> None:
    root = factories.UserFactory(is_superuser=True)
    person = factories.UserFactory()
    factories.UserFactory(login="boss", is_superuser=True, is_staff=True)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=root.pk)
        statuses: list[int] = []

        def saving() -> None:
            statuses.append(save(person, is_active="on", first_name="Anna"))
            connection.close()

        thread = threading.Thread(target=saving)
        thread.start()
        thread.join(60)
        assert statuses == [302]
    assert User.objects.get(pk=person.pk).first_name == "Anna"
