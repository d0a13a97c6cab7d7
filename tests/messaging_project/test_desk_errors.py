"""What a browser gets at the admin when something is wrong: a page; programs get JSON there too."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import ApiToken
from tests.factories import OrganizationFactory, admin

pytestmark = pytest.mark.django_db

BROWSER = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(admin(OrganizationFactory(), is_staff=True))
    return client


CASES = {
    "no such page": ("/admin/nothing/", 404, "There is no such page"),
    "not for everybody": ("/admin/alarms/sender/", 403, "This is not allowed"),
    "no such field": ("/admin/alarms/alarm/?organization__name=x", 400, "This request cannot be answered"),
}


@pytest.mark.parametrize(("path", "status", "title"), CASES.values(), ids=CASES)
def test_a_browser_gets_a_page_that_leads_back(desk: Client, path: str, status: int, title: str) -> None:
    page = desk.get(path, headers={"Accept": BROWSER})
    assert (page.status_code, page["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert f"<h1>{title}</h1>" in page.text
    assert 'href="/admin/"' in page.text
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert path.partition("?")[0] not in page.text


@pytest.mark.parametrize(("path", "status", "title"), CASES.values(), ids=CASES)
def test_a_program_gets_json(desk: Client, path: str, status: int, title: str) -> None:
    answer = desk.get(path, headers={"Accept": "*/*"})
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_a_form_without_its_token_is_told_so_and_changes_nothing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin(OrganizationFactory(), is_staff=True))
    page = client.post(reverse("admin:organizations_apitoken_add"), {"name": "x"}, headers={"Accept": BROWSER})
    assert page.status_code == 403
    assert "load its page again and allow cookies" in page.text
    assert not ApiToken.objects.exists()


def test_elsewhere_browsers_too_get_json(client: Client) -> None:
    answer = client.get("/api/v1/nothing", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.json()["success"]) == (404, False)
