"""What scripts do on the pages of tokens, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page, expect

from organizations import tokens
from organizations.models import ApiToken
from tests.browser import Chromium, Phone, chromium
from tests.factories import OrganizationFactory
from tests.organizations.test_desk_tokens import url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in {"serious", "critical"}]


def test_a_day_chooses_itself_and_the_token_is_copied_by_its_button(
    browser: Chromium, admin_client: Client, live_server: Any
) -> None:
    phone = Phone(browser, permissions=["clipboard-read", "clipboard-write"])
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": admin_client.cookies[name].value, "url": live_server.url}
    phone.do(lambda page: page.context.add_cookies([cookie]))  # type: ignore[list-item]
    organization = OrganizationFactory()
    assert phone.open(f"{live_server.url}{url(ApiToken, 'add')}?organization={organization.pk}") == 200

    def issue(page: Page) -> None:
        page.fill("[name=name]", "control room")
        page.fill("[name=until]", "2099-12-31")
        expect(page.locator("[name=lifetime][value=date]")).to_be_checked()
        page.get_by_role("button", name="Issue the token").click()

    def copy(page: Page) -> str:
        page.get_by_role("button", name="Copy the token").click()
        expect(page.locator("[role=status]").first).to_have_text("Copied.")
        return str(page.evaluate("navigator.clipboard.readText()"))

    assert phone.do(serious) == []
    phone.do(issue)
    text = phone.do(copy)
    assert re.fullmatch(r"ga_org_[0-9a-f]{64}", text)
    assert ApiToken.objects.get().digest == tokens.digest(text)
    assert phone.do(serious) == []
    assert phone.overflow() <= 0
    assert phone.complaints == []
    phone.do(lambda page: page.reload())
    phone.do(lambda page: expect(page.locator("body")).to_contain_text("was issued already"))
    assert ApiToken.objects.count() == 1
    phone.close()
