"""The history in the admin of response timeouts and escalations, also of those that are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from escalations.models import EscalationConfiguration, ResponseTimeout
from organizations.models import Organization, User
from tests.factories import escalation, member
from tests.organizations.history_pages import ANNA, by_program, change_url, history_url, lines, ok

pytestmark = pytest.mark.django_db


# Response timeouts


def test_of_a_timeout_changed_in_the_admin_and_by_the_api(
    brigade: Organization, desk: Client, as_chief: APIClient, program: APIClient
) -> None:
    path = f"/api/v1/organization/{brigade.pk}/timeout"
    ok(as_chief.put(path, {"timeout": 90}, format="json"))
    ok(program.put(path, {"timeout": 3600}, format="json"))
    timeout = ResponseTimeout.objects.get()
    ok(desk.post(change_url(timeout), {"seconds": "600"}))
    ok(desk.post(history_url(timeout).replace("history", "delete"), {"post": "yes"}))
    told = [
        (ANNA, "Admin", "Removed", {"Response timeout": ("10 min", "the default")}),
        (ANNA, "Admin", "Changed", {"Response timeout": ("1 h", "10 min")}),
        (by_program(), "API", "Changed", {"Response timeout": ("1 min 30 s", "1 h")}),
        (ANNA, "API", "Added", {"Response timeout": ("the default", "1 min 30 s")}),
    ]
    assert lines(desk, brigade, of="responsetimeout") == told
    ok(as_chief.put(path, {"timeout": 60}, format="json"))
    assert lines(desk, ResponseTimeout.objects.get())[1:] == told


# Escalations


def body(*entries: tuple[str, int], **ids: int) -> dict[str, Any]:
    return {"escalations": [{"wayofalarm": way, "delay": delay} for way, delay in entries], **ids}


def test_of_an_organizations_escalation_changed_by_the_api_and_removed_and_made_anew(
    brigade: Organization, desk: Client, as_chief: APIClient, program: APIClient
) -> None:
    path, of = "/api/v1/escalation/organization", {"organizationID": brigade.pk}
    ok(as_chief.post(path, body(("app", 0), ("sms", 60), **of), format="json"))
    ok(program.post(path, body(("app", 0), ("call", 90), **of), format="json"))
    ok(program.delete(f"{path}/{brigade.pk}"))
    told = [
        (
            by_program(),
            "API",
            "Removed",
            {"Ways of alarm": ("app push after 0 s, call after 1 min 30 s", "none: each person's own")},
        ),
        (
            by_program(),
            "API",
            "Changed",
            {
                "Ways of alarm": (
                    "app push after 0 s, SMS after 1 min",
                    "app push after 0 s, call after 1 min 30 s",
                )
            },
        ),
        (
            ANNA,
            "API",
            "Added",
            {"Ways of alarm": ("none: each person's own", "app push after 0 s, SMS after 1 min")},
        ),
    ]
    assert lines(desk, brigade, of="escalationconfiguration") == told
    ok(as_chief.post(path, body(("email", 0), **of), format="json"))
    assert lines(desk, EscalationConfiguration.objects.get())[1:] == told


def test_of_a_users_escalation_changed_by_the_api(
    brigade: Organization, desk: Client, as_user: Callable[[User], APIClient], as_chief: APIClient
) -> None:
    ben = member(brigade, login="ben", first_name="Ben", last_name="")
    ok(as_user(ben).post("/api/v1/escalation", body(("sms", 0)), format="json"))
    ids = {"organizationID": brigade.pk, "userID": ben.pk}
    ok(as_chief.post("/api/v1/escalation", body(("sms", 0), ("call", 3600), **ids), format="json"))
    assert lines(desk, EscalationConfiguration.objects.get()) == [
        (ANNA, "API", "Changed", {"Ways of alarm": ("SMS after 0 s", "SMS after 0 s, call after 1 h")}),
        ("Ben (ben)", "API", "Added", {"Ways of alarm": ("the default", "SMS after 0 s")}),
    ]


def test_of_an_escalation_changed_in_the_admin(brigade: Organization, desk: Client) -> None:
    escalation(brigade, ("app", 0), ("sms", 60), ("call", 60))
    configuration = EscalationConfiguration.objects.get()
    kept = configuration.entries.values_list("pk", "wayofalarm", "delay")
    data: dict[str, Any] = {"entries-INITIAL_FORMS": 3, "entries-TOTAL_FORMS": 3, "entries-1-DELETE": "on"}
    for number, (pk, way, delay) in enumerate(kept):
        data |= {
            f"entries-{number}-id": pk,
            f"entries-{number}-position": number,
            f"entries-{number}-wayofalarm": way,
            f"entries-{number}-delay": 120 if way == "call" else delay,
        }
    ok(desk.post(change_url(configuration), data))
    [line, _made] = lines(desk, configuration)
    assert line == (
        ANNA,
        "Admin",
        "Changed",
        {
            "Ways of alarm": (
                "app push after 0 s, SMS after 1 min, call after 1 min",
                "app push after 0 s, call after 2 min",
            )
        },
    )
